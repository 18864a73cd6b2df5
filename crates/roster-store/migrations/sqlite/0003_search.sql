-- Search: postings by one integer, and pieces that are named once. A posting used to be found by a key of three columns
-- in the same tree that holds the postings: what lay on the way to it, postings and all, was read at every step.

drop table search_posting;
drop table search_chunk;

-- What the index knows a piece at a time: a chunk of 8192 ordinals, or a block of 65536, which is numbered -1 - its
-- number. Written after the fact; users of a chunk that is not finished are read one by one. A block is made of eight
-- chunks, which then go.
create table search_piece (
    number       integer primary key,
    organization integer not null,
    chunk        integer not null,
    finished     integer not null default 0,
    unique (organization, chunk)
) strict;

-- Which users of a piece contain these three bytes: little-endian 16-bit offsets, ascending. Its place is the piece's
-- number times 2^24 plus the three bytes.
create table search_posting (
    place   integer primary key,
    offsets blob    not null
) strict;
