-- Delivery: what is owed and what became of it, whom it is told to, and who agreed to be texted.

drop index outbox_by_place;
alter table outbox rename to outbox_before;

-- Messages: written by the act that owes them, delivered after it, kept for a while after that.
create table outbox (
    organization text     not null,
    id           text     not null,
    place        bigint   not null,
    kind         text     not null,
    about        text     not null,           -- a user's or an event's id
    webhook      text,                        -- where it goes, if to a webhook
    state        smallint not null default 0,
    attempts     integer  not null default 0,
    asked        integer  not null default 0, -- how often the gateway was asked whether it had arrived
    queue        text     not null,           -- sms or a webhook's id; 'person': somebody has to look; '': settled
    due_at       bigint   not null,           -- of what waits: its next attempt. Of what is being sent: when its sender
                                              -- is taken for dead. Of what is settled: when it is forgotten
    claim        bigint   not null default 0, -- whose it is while it is being sent
    reference    text,                        -- what the gateway calls it
    primary key (organization, id)
);
-- Their ids begin with the moment from now on, as users' do: an index of them grows at its end.
insert into outbox (organization, id, place, kind, about, queue, due_at)
    select organization, 'msg_' || lpad((place / 1048576000)::text, 10, '0') || '_' || substr(id, 5, 9), place, kind,
           user_id, 'sms', place / 1048576 from outbox_before;
drop table outbox_before;
create index outbox_by_due on outbox (queue, due_at);
create index outbox_of_webhook on outbox (organization, webhook, place);

create table attempt (
    organization text     not null,
    message      text     not null,
    nth          integer  not null,
    at           bigint   not null,
    outcome      smallint not null,
    status       integer,
    millis       bigint   not null,
    note         text     not null,
    primary key (organization, message, nth)
);

create table webhook (
    organization     text     not null,
    id               text     not null,
    url              text     not null,
    description      text     not null,
    events           text     not null,       -- separated by commas; none: all of them
    state            smallint not null,
    secret           bytea    not null,       -- as it is, because messages are signed with it
    old_secret       bytea,
    old_secret_until bigint,
    created_at       bigint   not null,
    heard_to         bigint   not null,       -- the number of the last event that it was owed, or that was none of its own
    primary key (organization, id)
);

-- How an organization's text messages read; the newest version counts, and none is removed.
create table sms_setting (
    organization text     not null,
    version      integer  not null,
    template     text     not null,
    wording      text,
    hourly       integer,
    created_at   bigint   not null,
    primary key (organization, version)
);

create table sms_consent (
    organization text     not null,
    user_id      text     not null,
    at           bigint   not null,
    given        boolean  not null,
    said_by      text     not null,
    wording      integer  not null,           -- the version of sms_setting it was said under; 0: there was none
    reference    text     not null,
    primary key (organization, user_id, at)
);

-- What the holder of a number said about text messages from us, whichever organization they come from: the number that
-- sends them is one.
create table sms_stop (
    phone     text    not null,
    reference text    not null,
    at        bigint  not null,
    stopped   boolean not null,
    said_by   text    not null,
    primary key (phone, reference)
);

-- Text messages begun within an hour (counted from 1970).
create table sms_hour (
    organization text    not null,
    hour         bigint  not null,
    begun        integer not null,
    primary key (organization, hour)
);

-- The feed: the order in which an organization's audit entries became known. A place is given before its row is
-- committed, so rows turn up behind others that were already read; a number is given afterwards, under the lock of the
-- organization's row here, by whoever reads the feed. Where nobody does, nothing is numbered.
create table feed (
    organization text   primary key,
    last         bigint not null
);
alter table audit add column number bigint;
create index audit_by_number on audit (organization, number, place, lane);
