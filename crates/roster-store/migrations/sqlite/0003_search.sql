-- Search: postings in pieces that fit a page of the B-tree. To compare a key SQLite reads the whole row, and a posting
-- that lay on pages of its own was read at every step on the way to another.

drop table search_posting;
drop table search_chunk;

-- Which users of a chunk of 8192 ordinals, or of a block of 65536, contain these three bytes: little-endian 16-bit
-- offsets, ascending, 480 a row at most. Written a whole chunk at a time, after the fact; users of a chunk not yet
-- written are read one by one. A block is made of eight chunks, which then go, and is numbered -1 - its number.
create table search_posting (
    organization integer not null,
    chunk        integer not null,
    trigram      integer not null,
    first        integer not null,            -- the first offset in it
    offsets      blob    not null,
    primary key (organization, chunk, trigram, first)
) strict, without rowid;
create table search_chunk (
    organization integer not null,
    chunk        integer not null,
    primary key (organization, chunk)
) strict, without rowid;
