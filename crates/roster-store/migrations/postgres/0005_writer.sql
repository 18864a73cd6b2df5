-- Who adds users at this moment, and how far each has come: what lists in creation order may rely on. A place is given
-- before its row is committed, so a reader that went on from the newest row it saw would pass those that turn up below.
--
-- Number 0 is nobody: its floor is the highest of all who are not here any more.

create table writer (
    number bigint primary key,
    floor  bigint not null,                   -- commits no user at a lower place any more
    beat   bigint not null                    -- counts up while it lives
);
insert into writer (number, floor, beat) select 0, coalesce(max(place), 0) + 1, 0 from users;
