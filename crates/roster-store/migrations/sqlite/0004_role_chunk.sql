-- Where the n-th user of a role is: how many of each role are among the users of each chunk of 8192, counted behind the
-- writer. A list's middle page is found by adding these up.

alter table organization add column counted integer not null default 0;   -- chunks, from the first, that are counted

create table role_chunk (
    organization integer not null,
    role         integer not null,
    chunk        integer not null,
    users        integer not null,
    primary key (organization, role, chunk)
) strict, without rowid;
