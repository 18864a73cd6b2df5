//! Finding users by what occurs in their names, e-mail and phone: exact and current, whatever the index has reached.
//!
//! The index (index.rs) knows, for chunks it has finished, which users contain three given bytes. It proposes; every
//! hit is then checked against the user's own row. Chunks it has not finished, and searches with no term of three
//! bytes, are answered by reading the users one by one.

use std::ops::Range;

use roster_directory::{
    Query, User,
    query::{Order, SortKey},
    search::{Haystack, Term, Terms},
};
use rusqlite::Row;

use super::{
    index::{self, Piece, Postings},
    place::{self, OrganizationNumber},
    readers::Reader,
    turns::Turn,
};
use crate::{
    Error,
    bucket::{Bucket, Buckets},
};

/// So few candidates are sooner checked than narrowed further.
const FEW: usize = 2;

/// What a search found.
pub(super) struct Found {
    /// The places of the page, in order.
    pub(super) places: Vec<i64>,
    /// Sorted by `updatedAt`, where each of them stands.
    pub(super) turns: Vec<i64>,
    /// How many there are in all.
    pub(super) total: u64,
}

/// Whether all terms occur in a user that is at hand.
pub(super) fn matches(terms: &Terms, user: &User) -> bool {
    let mut haystack = Haystack::default();
    haystack.fill_from(user);
    terms.all_in(&haystack, user.id.as_str())
}

/// One page of those in whom every term occurs.
pub(super) fn find(reader: &Reader, number: OrganizationNumber, query: &Query) -> Result<Found, Error> {
    let ordinals: i64 =
        reader.prepare("select users from organization where number = ?1")?.query_row([number], |row| row.get(0))?;
    let sought = query.search.iter().map(|term| Sought::new(reader, number, term)).collect::<Result<Vec<_>, _>>()?;
    let narrowing: Vec<_> = sought.iter().filter(|sought| sought.narrows()).collect();

    let mut hits = Hits {
        terms: &query.search,
        buckets: Buckets::of(query),
        order: query.order,
        after: Turn::of_cursor(reader, number, query)?,
        key: query.key,
        all: Vec::new(),
        page: query.offset()..query.offset().saturating_add(u64::from(query.page.size)),
        passed: 0,
        haystack: Haystack::default(),
        found: Found { places: Vec::new(), turns: Vec::new(), total: 0 },
    };
    if narrowing.is_empty() {
        hits.read(reader, number.place(0)..number.place(ordinals))?;
        return Ok(hits.page());
    }

    let changed = index::changed(reader, number)?;
    let mut pieces = index::pieces(reader, number, ordinals)?;
    if query.order == Order::NewestFirst {
        pieces.reverse();
    }
    for Piece { ordinals, postings } in pieces {
        let start = number.place(ordinals.start);
        let Some(postings) = postings else {
            hits.read(reader, start..number.place(ordinals.end))?;
            continue;
        };
        let mut candidates: Option<Vec<u16>> = None;
        for sought in &narrowing {
            let proposed = sought.in_piece(reader, postings, &ordinals)?;
            candidates = Some(match candidates {
                Some(candidates) => intersection(candidates, &proposed),
                None => proposed,
            });
            if candidates.as_ref().is_some_and(|candidates| candidates.len() <= FEW) {
                break;
            }
        }
        let mut candidates = candidates.unwrap_or_default();
        let others = changed_in(&changed, &ordinals);
        if !others.is_empty() {
            candidates.extend(others.iter().map(|ordinal| (ordinal - ordinals.start) as u16));
            candidates.sort_unstable();
            candidates.dedup();
        }
        if query.order == Order::NewestFirst {
            candidates.reverse();
        }
        for offset in candidates {
            hits.check_place(reader, start + i64::from(offset))?;
        }
    }
    Ok(hits.page())
}

/// Those of some ascending ordinals that are in a range.
fn changed_in<'a>(changed: &'a [i64], range: &Range<i64>) -> &'a [i64] {
    let start = changed.partition_point(|ordinal| *ordinal < range.start);
    let end = changed.partition_point(|ordinal| *ordinal < range.end);
    &changed[start..end]
}

/// A term, and how the index can be asked for it.
struct Sought {
    /// For each text of which one must occur, its trigrams. One without any lets everybody through.
    alternatives: Vec<Vec<u32>>,
    /// The ordinal of the user whose id the term is.
    ordinal: Option<i64>,
}

impl Sought {
    fn new(reader: &Reader, number: OrganizationNumber, term: &Term) -> Result<Self, Error> {
        let ordinal = match term.id() {
            Some(id) => place::of_user(reader, number, id)?.map(|place| number.ordinal(place)),
            None => None,
        };
        Ok(Self { alternatives: term.needles().map(index::trigrams_of).collect(), ordinal })
    }

    fn narrows(&self) -> bool {
        self.alternatives.iter().all(|trigrams| !trigrams.is_empty())
    }

    /// The users of a piece that is indexed in whom it may occur: offsets, ascending.
    fn in_piece(&self, reader: &Reader, postings: Postings, ordinals: &Range<i64>) -> Result<Vec<u16>, Error> {
        let mut proposed = Vec::new();
        for trigrams in &self.alternatives {
            let mut narrowed: Option<Vec<u16>> = None;
            for trigram in trigrams {
                let posted = index::posting(reader, postings, *trigram)?;
                narrowed = Some(match narrowed {
                    Some(narrowed) => intersection(narrowed, &posted),
                    None => posted,
                });
                if narrowed.as_ref().is_some_and(|narrowed| narrowed.len() <= FEW) {
                    break;
                }
            }
            proposed.extend(narrowed.unwrap_or_default());
        }
        if let Some(ordinal) = self.ordinal.filter(|ordinal| ordinals.contains(ordinal)) {
            proposed.push((ordinal - ordinals.start) as u16);
        }
        if self.alternatives.len() > 1 || self.ordinal.is_some() {
            proposed.sort_unstable();
            proposed.dedup();
        }
        Ok(proposed)
    }
}

/// What is in both; both ascending.
fn intersection(mut some: Vec<u16>, others: &[u16]) -> Vec<u16> {
    let mut others = others.iter().peekable();
    some.retain(|one| {
        while others.next_if(|other| *other < one).is_some() {}
        others.peek() == Some(&one)
    });
    some
}

/// Checks users one by one, counts the hits and keeps those of the page.
struct Hits<'a> {
    terms: &'a Terms,
    buckets: Buckets,
    order: Order,
    /// After whom the page comes.
    after: Option<Turn>,
    key: SortKey,
    /// Sorted by `updatedAt`, all hits, which come in creation order.
    all: Vec<Turn>,
    /// Which of the hits after it.
    page: Range<u64>,
    /// How many of those there were so far.
    passed: u64,
    haystack: Haystack,
    found: Found,
}

/// The columns [`Hits::check`] reads, in its order.
macro_rules! searched_columns {
    () => {
        "place, bucket, id, first_name, last_name, email, phone, coalesce(updated_at, created_at)"
    };
}

impl Hits<'_> {
    fn check(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let bucket = Bucket::from_number(row.get(1)?);
        if !bucket.is_some_and(|bucket| self.buckets.contains(bucket)) {
            return Ok(());
        }
        index::fill(&mut self.haystack, row, 3)?;
        if self.terms.all_in(&self.haystack, row.get_ref(2)?.as_str()?) {
            self.found.total += 1;
            let place = row.get(0)?;
            match self.key {
                SortKey::CreatedAt => self.pass(Turn { at: 0, place }),
                SortKey::UpdatedAt => self.all.push(Turn { at: row.get(7)?, place }),
            }
        }
        Ok(())
    }

    /// The next hit in the order of the list.
    fn pass(&mut self, turn: Turn) {
        let comes_after = self.after.is_none_or(|after| match self.order {
            Order::NewestFirst => turn < after,
            Order::OldestFirst => turn > after,
        });
        if comes_after {
            if self.page.contains(&self.passed) {
                self.found.places.push(turn.place);
                if self.key == SortKey::UpdatedAt {
                    self.found.turns.push(turn.at);
                }
            }
            self.passed += 1;
        }
    }

    /// What was found, once everybody was checked.
    fn page(mut self) -> Found {
        let mut all = std::mem::take(&mut self.all);
        all.sort_unstable();
        if self.order == Order::NewestFirst {
            all.reverse();
        }
        all.into_iter().for_each(|turn| self.pass(turn));
        self.found
    }

    /// Checks one candidate.
    fn check_place(&mut self, reader: &Reader, place: i64) -> Result<(), Error> {
        let sql = concat!("select ", searched_columns!(), " from users where place = ?1");
        let mut statement = reader.prepare(sql)?;
        let mut rows = statement.query([place])?;
        if let Some(row) = rows.next()? {
            self.check(row)?;
        }
        Ok(())
    }

    /// Checks everybody in a range of places.
    fn read(&mut self, reader: &Reader, places: Range<i64>) -> Result<(), Error> {
        let sql = match self.order {
            Order::OldestFirst => {
                concat!(
                    "select ",
                    searched_columns!(),
                    " from users where place >= ?1 and place < ?2 order by place asc"
                )
            }
            Order::NewestFirst => {
                concat!(
                    "select ",
                    searched_columns!(),
                    " from users where place >= ?1 and place < ?2 order by place desc"
                )
            }
        };
        let mut statement = reader.prepare(sql)?;
        let mut rows = statement.query([places.start, places.end])?;
        while let Some(row) = rows.next()? {
            self.check(row)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::intersection;

    #[test]
    fn the_intersection_is_what_is_in_both() {
        assert_eq!(intersection(vec![1, 3, 5, 7], &[0, 3, 4, 7, 9]), [3, 7]);
        assert!(intersection(vec![1, 2], &[]).is_empty());
        assert!(intersection(vec![], &[1]).is_empty());
        assert_eq!(intersection(vec![u16::MAX], &[0, u16::MAX]), [u16::MAX]);
    }
}
