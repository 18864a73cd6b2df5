-- What is kept by id, by the id first and the organization after it. Ids begin with the moment they are made in, so all
-- that is added goes to the end of such an index. With the organization first it went to the end of its organization's
-- part: users who were added to many organizations at once were written at as many places.

drop index users_by_id;
create unique index users_by_id on users (id, organization);

drop index outbox_by_id;
create unique index outbox_by_id on outbox (id, organization);

alter table sms_consent rename to sms_consent_before;
create table sms_consent (
    user_id      text    not null,
    organization integer not null,
    at           integer not null,
    given        integer not null,
    said_by      text    not null,
    wording      integer not null,            -- the version of sms_setting it was said under; 0: there was none
    reference    text    not null,
    primary key (user_id, organization, at)
) strict, without rowid;
insert into sms_consent (user_id, organization, at, given, said_by, wording, reference)
    select user_id, organization, at, given, said_by, wording, reference from sms_consent_before
    order by user_id, organization, at;
drop table sms_consent_before;
