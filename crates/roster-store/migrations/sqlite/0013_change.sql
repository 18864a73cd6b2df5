-- Users change, leave and come back.
--
-- A user's bucket is its role, plus 16 once it was deactivated, plus 32 once it changed in any way: what users are counted
-- and listed by (bucket.rs). Of those who never changed it is the role, as it was.
alter table users rename column role to bucket;
alter table role_count rename column role to bucket;
alter table role_chunk rename column role to bucket;

alter table users add column version integer not null default 1;  -- one more with each change
alter table users add column updated_at integer;                   -- null: it never changed
alter table users add column external_id text;
alter table users add column metadata text;                        -- a JSON object of texts
alter table users add column deactivated_at integer;
alter table users add column deactivation_reason text;

create unique index users_by_external_id on users (organization, external_id)
    where external_id is not null and deactivated_at is null;
create index users_by_caregiver on users (organization, caregiver) where caregiver is not null;
create index users_by_update on users (organization, updated_at, place, bucket) where updated_at is not null;

-- Where a user was that is erased: a list that counts passes over it.
create table erased (
    place integer primary key
) strict;

-- The role that a user had, and the one it has: who may hear of it depends on it, also after the user was erased.
alter table audit add column role_before integer;
alter table audit add column role_after integer;
update audit set role_after = (select u.bucket from users u where u.id = audit.target) where action = 'user.created';

-- Users that contain other texts than the search index knows, or none any more. They are read one by one until the
-- indexer has followed.
create table search_changed (
    place  integer primary key,
    change integer not null                                        -- counts up: the indexer removes what it has seen
) strict;
alter table organization add column search_followed integer not null default 0; -- counts up as finished pieces change

-- Messages to a user are found by the user who leaves.
create index outbox_about on outbox (about) where webhook is null;

-- Which users were altered or removed, in order: what processes keep in memory of them is dropped. The oldest rows go.
create table altered (
    number  integer primary key,
    place   integer not null,
    user_id text    not null
) strict;
drop trigger user_altered;
drop trigger user_removed;
create trigger user_altered after update on users
    begin insert into altered (place, user_id) values (old.place, old.id); end;
create trigger user_removed after delete on users
    begin insert into altered (place, user_id) values (old.place, old.id); end;

-- What was answered to requests that may be sent again (Idempotency-Key), for a day.
create table repeat (
    organization integer not null,
    by_key       text    not null,
    route        text    not null,
    key          text    not null,
    request      blob    not null,                                 -- the SHA-256 of its body
    status       integer not null,
    headers      text    not null,
    body         blob    not null,
    user_id      text,                                             -- of whom the answer speaks: erased with that user
    at           integer not null,
    primary key (organization, by_key, route, key)
) strict, without rowid;
create index repeat_by_time on repeat (at);
create index repeat_of_user on repeat (user_id) where user_id is not null;
