-- Search: names are folded in another way (marks, apostrophes and hyphens do not count). No statement can say how: after
-- this one, Roster itself writes users.search anew (postgres/refold.rs), in the same transaction.

select 1
