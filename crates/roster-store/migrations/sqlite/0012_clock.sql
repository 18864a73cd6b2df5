-- The latest moment that was seen, apart from what the organizations' latest_at say. What ends is judged by the latest of
-- all, so that a key that was over stays over when the clock goes back. It is written only when a key ended since.
create table clock (
    one    integer primary key check (one = 1),
    latest integer not null
) strict;
insert into clock values (1, 0);
