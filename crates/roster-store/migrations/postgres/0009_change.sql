-- Users change, leave and come back.
--
-- A user's bucket is its role, plus 16 once it was deactivated, plus 32 once it changed in any way: what users are counted
-- and listed by (bucket.rs). Of those who never changed it is the role, as it was.

alter table users rename column role to bucket;

alter index users_by_role rename to users_by_bucket;

alter table role_count rename column role to bucket;

alter table users add column version integer not null default 1;

alter table users add column updated bigint;

alter table users add column external_id text;

alter table users add column metadata text;

alter table users add column deactivated_at bigint;

alter table users add column deactivation_reason text;

-- email_key is what is unique: whoever was deactivated has none, and is found by this.
alter table users add column former_email_key text;

create index users_by_former_email on users (organization, former_email_key) where former_email_key is not null;

create unique index users_by_external_id on users (organization, external_id)
    where external_id is not null and deactivated_at is null;

create index users_by_caregiver on users (organization, caregiver) where caregiver is not null;

-- The role that a user had, and the one it has: who may hear of it depends on it, also after the user was erased.
alter table audit add column role_before smallint;

alter table audit add column role_after smallint;

update audit set role_after = users.bucket from users
    where users.organization = audit.organization and users.id = audit.target and audit.action = 'user.created';

-- Messages to a user are found by the user who leaves.
create index outbox_about on outbox (organization, about) where webhook is null;

-- Who was altered or erased: what processes keep in memory of them is dropped. Each lane counts for itself and has its row
-- locked until it commits, so a lane's numbers turn up in their order. A number is at least a place: where the database
-- lost its latest changes to a failover, none comes twice. Where tables are spread over machines these two are not: they
-- belong to no organization, and every change and every process needs them.
create table generation (
    lane   integer primary key,
    number bigint  not null,
    kept   bigint  not null                   -- the highest number whose rows in altered were removed
);

create table altered (
    lane         integer not null,
    number       bigint  not null,
    user_id      text    not null,
    organization text    not null,
    primary key (lane, number, user_id)
);

create index altered_by_number on altered (number);

-- What was answered to requests that may be sent again (Idempotency-Key), for a day.
create table repeat (
    organization text     not null,
    by_key       text     not null,
    route        text     not null,
    key          text     not null,
    request      bytea    not null,           -- the SHA-256 of its body
    status       smallint not null,
    headers      text     not null,
    body         bytea    not null,
    user_id      text,                        -- of whom the answer speaks: erased with that user
    at           bigint   not null,
    constraint repeat_once primary key (organization, by_key, route, key)
);

create index repeat_by_time on repeat (at);

create index repeat_of_user on repeat (organization, user_id) where user_id is not null
;

-- The order of changes, of whoever ever changed.
create index users_by_update on users (organization, updated, id) where updated is not null
