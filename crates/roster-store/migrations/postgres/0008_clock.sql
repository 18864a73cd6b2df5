-- The latest moment that was seen, apart from what the floors in writer say. What ends is judged by the latest of all, so
-- that a key that was over stays over when the clock goes back. It is written with every change that adds no user, and
-- when a key ended since.
create table clock (
    one    smallint primary key,
    latest bigint   not null
);
insert into clock (one, latest) select 1, coalesce(max(created_at), 0) from organization;
