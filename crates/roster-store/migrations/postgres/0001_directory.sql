-- The directory, as on SQLite, in the SQL that CockroachDB, YugabyteDB, Citus and Aurora DSQL also take: every key is
-- led by the organization, so that it is what an engine of many machines spreads the rows by.
--
-- A PLACE is a hybrid clock: milliseconds since 1970 times 2^20, plus a count within the millisecond. It is made by the
-- process that writes, never runs backwards within one, and its milliseconds are the created_at that is shown: so the
-- order of places and the order of created_at are one.

create table organization (
    id          text     primary key,
    place       bigint   not null,            -- where it stands in the list of organizations
    name        text     not null,
    created_at  bigint   not null
);

create table api_key (
    id           text     primary key,        -- what a request presents: the one lookup that finds the organization
    organization text     not null,
    role         smallint not null,
    name         text     not null,
    hash         bytea    not null,           -- SHA-256 of the token; the token itself is nowhere
    created_at   bigint   not null,
    expires_at   bigint,
    revoked_at   bigint
);
create index api_key_of_organization on api_key (organization, id);

create table payor (
    organization text     not null,
    id           text     not null,
    name         text     not null,
    created_at   bigint   not null,
    primary key (organization, id)
);

create table users (
    organization  text     not null,
    id            text     not null,
    place         bigint   not null,
    first_name    text     not null,
    last_name     text     not null,
    email         text,                       -- as it was given: this is where mail goes
    email_key     text,                       -- with ASCII case folded: what is unique, and what the filter compares
    role          smallint not null,
    phone         text,                       -- as it was given
    phone_digits  text     not null,          -- its digits: what a search for a number is compared with
    phone_e164    text,                       -- the number a text message can reach, where there is one
    npi           text,                       -- as it was given
    npi_valid     boolean,                    -- the verdict on its check digit
    sms           boolean  not null,
    recertify_at  bigint,                     -- the instant as it was given
    recertify_day text,                       -- the calendar day as it was written
    sex           text,
    caregiver     text,
    birth_date    text,
    address_line1 text,
    address_line2 text,
    city          text,
    state         text,
    postal_code   text,
    search        text     not null,          -- the folded text that is searched: collations differ, this does not
    primary key (organization, id)
);
create unique index users_by_email on users (organization, email_key);
create index users_by_place on users (organization, place, id);
create index users_by_role on users (organization, role, place, id);

create table user_payor (
    organization text     not null,
    user_id      text     not null,
    payor        text     not null,
    primary key (organization, user_id, payor)
);

-- How many users of each role an organization has, in pieces: the lanes of a process count in pieces of their own, so
-- that creates of one organization do not wait for each other's row. Processes that meet in a piece only wait.
create table role_count (
    organization text     not null,
    role         smallint not null,
    lane         integer  not null,
    users        bigint   not null,
    primary key (organization, role, lane)
);

create table audit (
    organization text     not null,
    place        bigint   not null,
    lane         integer  not null,           -- keeps apart what two processes place alike
    actor        text     not null,           -- a key's id, or cli
    action       text     not null,
    target       text     not null,           -- a public id
    fields       text     not null,           -- names, never values
    request      text     not null,
    primary key (organization, place, lane)
);

-- Messages that are owed: written by the act that owes them, delivered after it.
create table outbox (
    organization text     not null,
    id           text     not null,
    place        bigint   not null,
    kind         text     not null,
    user_id      text     not null,
    primary key (organization, id)
);
create index outbox_by_place on outbox (organization, place, id);

-- One number that changes whenever a row that somebody may have kept in memory was altered or removed. New rows do not
-- change it. Whatever alters such a row counts it up in the same transaction.
create table epoch (
    one    smallint primary key,
    number bigint   not null
);
insert into epoch (one, number) values (1, 1);
