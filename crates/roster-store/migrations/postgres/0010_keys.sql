-- Keys are handed out, rotated and watched by the API.
alter table api_key add column access smallint not null default 0;  -- 1: it only reads

alter table api_key add column created_by text;                      -- a key's id, or cli

alter table api_key add column replaces text;                        -- the key it took over from

alter table api_key add column last_used_at bigint                   -- to the minute
