-- The directory: organizations, keys, payors, users, and what every change leaves behind.
--
-- An organization has a public id and, inside this file only, a number. What there can be millions of in an
-- organization (users, audit entries) is keyed by one integer, its PLACE: the organization's number times 2^36 plus
-- an ordinal counted up within the organization. So an organization's rows lie together, in creation order, in the
-- B-tree of the table itself: a page of the list is a range of it, and no index has to be kept for that order.

create table organization (
    number      integer primary key,
    id          text    not null unique,
    name        text    not null,
    created_at  integer not null,             -- milliseconds since 1970, here and in every *_at
    users       integer not null default 0,   -- ordinals handed out to users
    audits      integer not null default 0,   -- ordinals handed out to audit entries
    latest_at   integer not null default 0    -- moment of the newest change: it never runs backwards
) strict;

create table api_key (
    id           text    primary key,
    organization integer not null references organization (number),
    role         integer not null,
    name         text    not null,
    hash         blob    not null,            -- SHA-256 of the token; the token itself is nowhere
    created_at   integer not null,
    expires_at   integer,
    revoked_at   integer
) strict;
create index api_key_of_organization on api_key (organization, id);

create table payor (
    organization integer not null references organization (number),
    id           text    not null,
    name         text    not null,
    created_at   integer not null,
    primary key (organization, id)
) strict, without rowid;

create table users (
    place         integer primary key,
    organization  integer not null,
    id            text    not null,
    first_name    text    not null,
    last_name     text    not null,
    email         text,                       -- as it was given: this is where mail goes
    email_key     text,                       -- with ASCII case folded: what is unique, and what the filter compares
    role          integer not null,
    phone         text,                       -- as it was given
    phone_e164    text,                       -- the number a text message can reach, where there is one
    npi           text,                       -- as it was given
    npi_valid     integer,                    -- the verdict on its check digit: 0 or 1
    sms           integer not null,
    recertify_at  integer,                    -- the instant as it was given
    recertify_day text,                       -- the calendar day as it was written
    created_at    integer not null,
    sex           text,
    caregiver     text,
    birth_date    text,
    address_line1 text,
    address_line2 text,
    city          text,
    state         text,
    postal_code   text
) strict;
create unique index users_by_id on users (organization, id);
create unique index users_by_email on users (organization, email_key);
create index users_by_role on users (organization, role);   -- and, as every index here, by place

create table user_payor (
    place integer not null,
    payor text    not null,
    primary key (place, payor)
) strict, without rowid;

-- How many users of each role an organization has: totalCount without counting.
create table role_count (
    organization integer not null,
    role         integer not null,
    users        integer not null,
    primary key (organization, role)
) strict, without rowid;

create table audit (
    place   integer primary key,
    at      integer not null,
    actor   text    not null,                 -- a key's id, or cli
    action  text    not null,
    target  text    not null,                 -- a public id
    fields  text    not null,                 -- names, never values
    request text    not null
) strict;

-- Messages that are owed: written by the act that owes them, delivered after it.
create table outbox (
    number       integer primary key,
    organization integer not null,
    id           text    not null,
    kind         text    not null,
    user_id      text    not null,
    created_at   integer not null
) strict;
create index outbox_of_organization on outbox (organization, number);

-- Search: which users of a chunk of 8192 ordinals contain these three bytes, as little-endian 16-bit offsets. Written
-- a whole chunk at a time, after the fact; users of a chunk not yet written are read one by one.
create table search_posting (
    organization integer not null,
    chunk        integer not null,
    trigram      integer not null,
    offsets      blob    not null,
    primary key (organization, chunk, trigram)
) strict, without rowid;
create table search_chunk (
    organization integer not null,
    chunk        integer not null,
    primary key (organization, chunk)
) strict, without rowid;

-- One number that changes whenever a row that somebody may have kept in memory was altered or removed: by this process,
-- another Roster or an SQLite shell, it makes no difference (freshness.rs). New rows do not change it.
create table epoch (
    one    integer primary key check (one = 1),
    number integer not null
) strict;
insert into epoch values (1, 1);
create trigger organization_renamed after update of name on organization
    begin update epoch set number = number + 1; end;
create trigger api_key_altered after update on api_key
    begin update epoch set number = number + 1; end;
create trigger api_key_removed after delete on api_key
    begin update epoch set number = number + 1; end;
create trigger user_altered after update on users
    begin update epoch set number = number + 1; end;
create trigger user_removed after delete on users
    begin update epoch set number = number + 1; end;
