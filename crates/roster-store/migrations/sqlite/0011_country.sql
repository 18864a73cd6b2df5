-- Where an organization is: its country says how phone numbers without a + are read, its time zone whose calendar day
-- counts. Whoever was there before was read as North American.
--
-- users.phone_e164 is neither written nor read from here on: which number a text message reaches follows the country, and
-- is computed where it is needed. It stays while an older Roster may still run.

alter table organization add column country text not null default 'US';
alter table organization add column time_zone text not null default 'America/New_York';

drop trigger organization_renamed;
create trigger organization_altered after update of name, country, time_zone on organization
    begin update epoch set number = number + 1; end;
