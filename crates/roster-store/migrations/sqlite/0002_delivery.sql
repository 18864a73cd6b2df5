-- Delivery: what is owed and what became of it, whom it is told to, and who agreed to be texted.

drop index outbox_of_organization;
alter table outbox rename to outbox_before;

-- Messages: written by the act that owes them, delivered after it, kept for a while after that.
create table outbox (
    number       integer primary key,
    organization integer not null,
    id           text    not null,
    kind         text    not null,
    about        text    not null,            -- a user's or an event's id
    webhook      text,                        -- where it goes, if to a webhook
    created_at   integer not null,
    state        integer not null default 0,
    attempts     integer not null default 0,
    asked        integer not null default 0,  -- how often the gateway was asked whether it had arrived
    queue        text    not null,            -- sms or a webhook's id; 'person': somebody has to look; '': settled
    due_at       integer not null,            -- of what waits: its next attempt. Of what is being sent: when its sender
                                              -- is taken for dead. Of what is settled: when it is forgotten
    claim        integer not null default 0,  -- whose it is while it is being sent
    reference    text                         -- what the gateway calls it
) strict;
-- Their ids begin with the moment from now on, as users' do: an index of them grows at its end.
insert into outbox (number, organization, id, kind, about, created_at, queue, due_at)
    select number, organization, 'msg_' || printf('%010d', created_at / 1000) || '_' || substr(id, 5, 9), kind, user_id,
           created_at, 'sms', created_at from outbox_before;
drop table outbox_before;
create unique index outbox_by_id on outbox (organization, id);
create index outbox_by_due on outbox (queue, due_at);
create index outbox_of_webhook on outbox (webhook, created_at) where webhook is not null;

create table attempt (
    organization integer not null,
    message      text    not null,
    nth          integer not null,
    at           integer not null,
    outcome      integer not null,
    status       integer,
    millis       integer not null,
    note         text    not null,
    primary key (organization, message, nth)
) strict, without rowid;

create table webhook (
    organization     integer not null references organization (number),
    id               text    not null,
    url              text    not null,
    description      text    not null,
    events           text    not null,        -- separated by commas; none: all of them
    state            integer not null,
    secret           blob    not null,        -- as it is, because messages are signed with it
    old_secret       blob,
    old_secret_until integer,
    created_at       integer not null,
    heard_to         integer not null,        -- the number of the last event that it was owed, or that was none of its own
    primary key (organization, id)
) strict, without rowid;

-- How an organization's text messages read; the newest version counts, and none is removed.
create table sms_setting (
    organization integer not null references organization (number),
    version      integer not null,
    template     text    not null,
    wording      text,
    hourly       integer,
    created_at   integer not null,
    primary key (organization, version)
) strict, without rowid;

create table sms_consent (
    organization integer not null,
    user_id      text    not null,
    at           integer not null,
    given        integer not null,
    said_by      text    not null,
    wording      integer not null,            -- the version of sms_setting it was said under; 0: there was none
    reference    text    not null,
    primary key (organization, user_id, at)
) strict, without rowid;

-- What the holder of a number said about text messages from us, whichever organization they come from: the number that
-- sends them is one.
create table sms_stop (
    phone     text    not null,
    reference text    not null,
    at        integer not null,
    stopped   integer not null,
    said_by   text    not null,
    primary key (phone, reference)
) strict, without rowid;

-- Text messages begun within an hour (counted from 1970).
create table sms_hour (
    organization integer not null,
    hour         integer not null,
    begun        integer not null,
    primary key (organization, hour)
) strict, without rowid;
