-- Whose an e-mail is, without an index by e-mail: each user's entry in one lies at a random place, and writing that page
-- was half of what a create cost. An entry is the hash of organization and e-mail key and the user's place. It waits in
-- email_recent, which only grows at its end, and moves into email_place in the order of the hashes, together with
-- those that go onto the same page. Whoever looks has to look into both, and then at the user itself.

create table email_place (
    hash  integer not null,     -- the first eight bytes of the SHA-256 of the organization's number and the e-mail key
    place integer not null,
    primary key (hash, place)
) strict, without rowid;

create table email_recent (
    number  integer primary key,    -- counts up; the newest row is never removed
    entries blob    not null        -- hash and place, eight bytes each, little-endian; and so on
) strict;

insert into email_place (hash, place)
select email_hash(organization, email_key) as hash, place from users where email_key is not null order by hash;

drop index users_by_email;
