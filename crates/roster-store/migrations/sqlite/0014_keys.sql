-- Keys are handed out, rotated and watched by the API.
alter table api_key add column access integer not null default 0;  -- 1: it only reads
alter table api_key add column created_by text;                     -- a key's id, or cli
alter table api_key add column replaces text;                       -- the key it took over from
alter table api_key add column last_used_at integer;                -- to the minute

-- That a key was used alters nothing that processes keep in memory.
drop trigger api_key_altered;
create trigger api_key_altered
    after update of organization, role, name, hash, expires_at, revoked_at, access on api_key
    begin update epoch set number = number + 1; end;
