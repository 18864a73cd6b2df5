-- Search: names are folded in another way (marks, apostrophes and hyphens do not count), so every posting is void. The
-- indexer writes them anew behind the writer; users that are not indexed are read one by one, so no answer is wrong
-- meanwhile.

drop table search_posting;
drop table search_piece;

-- As in 0003.
create table search_piece (
    number       integer primary key,
    organization integer not null,
    chunk        integer not null,
    finished     integer not null default 0,
    unique (organization, chunk)
) strict;
create table search_posting (
    place   integer primary key,
    offsets blob    not null
) strict;
