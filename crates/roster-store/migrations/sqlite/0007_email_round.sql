-- How far the round over the hashes is, with every row of email_recent: what one process began the next one goes on
-- with. Where each began anew, and ended before it had gone round, entries that had long moved were read at every start,
-- and no row was ever removed. Null in the rows of builds that did not say.

alter table email_recent add column moved_hash integer;         -- entries before this one have moved, of all rows so far;
alter table email_recent add column moved_place integer;        -- null: a round begins
alter table email_recent add column round_began integer;        -- the newest row there was when the round began
alter table email_recent add column removable integer;          -- rows up to this one have all moved, and can go
alter table email_recent add column allowance integer;          -- entries that may be moved by now
