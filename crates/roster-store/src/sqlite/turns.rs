//! Lists sorted by `updatedAt`.
//!
//! Whoever never changed stands where it was created, whoever changed where it did. Both are in order by themselves: the
//! first by the index by bucket, the others by an index of their own, which costs a create nothing. A page is put together
//! from the two, and what lies before it is passed over one by one; whoever goes on by the cursor passes over nobody.

use roster_directory::{
    Query, User,
    query::{Order, SortKey},
};
use rusqlite::{CachedStatement, OptionalExtension, Rows, params};

use super::{
    list::{Pages, Stretch, Walk, Window},
    place::{self, OrganizationNumber},
    profiles::Shown,
    readers::Reader,
};
use crate::{Error, Selection, bucket::Bucket};

/// Where a user stands: when it changed last, or was created, and then its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) at: i64,
    pub(super) place: i64,
}

impl Turn {
    /// Where a user stands in a list that is sorted so: by creation, its place says all.
    pub(super) fn of(key: SortKey, user: &User, place: i64) -> Self {
        let at = match key {
            SortKey::CreatedAt => 0,
            SortKey::UpdatedAt => user.updated_at.as_millis(),
        };
        Self { at, place }
    }

    /// Where the page begins that is asked for.
    pub(super) fn of_cursor(reader: &Reader, number: OrganizationNumber, query: &Query) -> Result<Option<Self>, Error> {
        let Some(id) = query.after else { return Ok(None) };
        let place = place::of_cursor(reader, number, id, query.visible)?;
        let at = match (query.key, query.after_turn) {
            (SortKey::CreatedAt, _) => 0,
            (SortKey::UpdatedAt, Some(at)) => at,
            (SortKey::UpdatedAt, None) => {
                let sql = "select coalesce(updated_at, created_at) from users where place = ?1";
                reader.prepare(sql)?.query_row([place], |row| row.get(0))?
            }
        };
        Ok(Some(Self { at, place }))
    }
}

/// One page without a search; `None` if more than `most_skipped` users would be passed over.
pub(super) fn by_update(
    pages: &Pages<'_>,
    query: &Query,
    total: u64,
    most_skipped: u64,
) -> Result<Option<Selection>, Error> {
    let size = u64::from(query.page.size);
    let after = Turn::of_cursor(pages.reader, pages.number, query)?;
    let offset = query.offset();
    if after.is_none() && offset >= total {
        return Ok(Some(Selection { users: Vec::new(), whole: Vec::new(), turns: Vec::new(), total }));
    }
    let (skip, len, order) = match after {
        Some(_) => (0, size, query.order),
        None => {
            let window = Window { offset, len: size.min(total - offset), total, order: query.order };
            let (skip, order) = window.nearer_end();
            (skip, window.len, order)
        }
    };
    if skip > most_skipped {
        return Ok(None);
    }
    let mut found = turns(pages, after, order, skip, len)?;
    if order != query.order {
        found.reverse();
    }
    let places: Vec<i64> = found.iter().map(|turn| turn.place).collect();
    let users = Shown::after(pages.altered, pages.reader)?.all(&places)?;
    Ok(Some(Selection { users, whole: Vec::new(), turns: found.iter().map(|turn| turn.at).collect(), total }))
}

/// `len` turns after the first `skip` of those after one.
fn turns(pages: &Pages<'_>, after: Option<Turn>, order: Order, skip: u64, len: u64) -> Result<Vec<Turn>, Error> {
    let all = pages.number.places();
    let (never, ever): (Vec<Bucket>, Vec<Bucket>) = pages.present.iter().partition(|bucket| !bucket.has_changed());

    let (of_changed, after_all) = match order {
        Order::NewestFirst => (
            "select updated_at, place, bucket from users where organization = ?1 and updated_at is not null \
             and (updated_at, place) < (?2, ?3) order by updated_at desc, place desc",
            Turn { at: i64::MAX, place: i64::MAX },
        ),
        Order::OldestFirst => (
            "select updated_at, place, bucket from users where organization = ?1 and updated_at is not null \
             and (updated_at, place) > (?2, ?3) order by updated_at asc, place asc",
            Turn { at: i64::MIN, place: i64::MIN },
        ),
    };
    let places = match (after, order) {
        (None, _) => all,
        (Some(after), Order::NewestFirst) => *all.start()..=first_not_before(pages, after)? - 1,
        (Some(after), Order::OldestFirst) => {
            first_not_before(pages, Turn { place: after.place + 1, ..after })?..=*all.end()
        }
    };
    let after = after.unwrap_or(after_all);
    let mut changed = pages.reader.prepare(of_changed)?;
    let mut changed = Changed { rows: changed.query(params![pages.number, after.at, after.place])?, ever };
    let mut created = Created { statement: pages.reader.prepare("select created_at from users where place = ?1")? };

    pages.walk(&never, &Stretch { places, order }, |walks| {
        let mut next_changed = changed.next()?;
        let mut next_never = created.turn_of(Walk::first_of(walks, order))?;
        let mut found = Vec::with_capacity(len as usize);
        for nth in 0..skip + len {
            let never_is_next = match (next_never, next_changed) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(never), Some(changed)) => match order {
                    Order::NewestFirst => never > changed,
                    Order::OldestFirst => never < changed,
                },
            };
            if nth >= skip {
                found.extend(if never_is_next { next_never } else { next_changed });
            }
            if never_is_next {
                if let Some(walk) = Walk::first_of(walks, order) {
                    walk.step()?;
                }
                next_never = created.turn_of(Walk::first_of(walks, order))?;
            } else {
                next_changed = changed.next()?;
            }
        }
        Ok(found)
    })
}

/// The first place whose user, had it never changed, would not stand before a turn: moments rise with places.
fn first_not_before(pages: &Pages<'_>, turn: Turn) -> Result<i64, Error> {
    let (mut low, mut high) = pages.number.places().into_inner();
    let sql = "select place, created_at from users where place >= ?1 and place < ?2 order by place limit 1";
    let mut statement = pages.reader.prepare(sql)?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found =
            statement.query_row([middle, high], |row| Ok(Turn { place: row.get(0)?, at: row.get(1)? })).optional()?;
        match found {
            Some(found) if found < turn => low = found.place + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Those who changed, as far as we have walked.
struct Changed<'a> {
    rows: Rows<'a>,
    ever: Vec<Bucket>,
}

impl Changed<'_> {
    fn next(&mut self) -> Result<Option<Turn>, Error> {
        while let Some(row) = self.rows.next()? {
            let bucket = Bucket::from_number(row.get(2)?);
            if bucket.is_some_and(|bucket| self.ever.contains(&bucket)) {
                return Ok(Some(Turn { at: row.get(0)?, place: row.get(1)? }));
            }
        }
        Ok(None)
    }
}

/// When those were created who never changed.
struct Created<'a> {
    statement: CachedStatement<'a>,
}

impl Created<'_> {
    fn turn_of(&mut self, walk: Option<&mut Walk<'_>>) -> Result<Option<Turn>, Error> {
        let Some(place) = walk.and_then(|walk| walk.next) else { return Ok(None) };
        Ok(Some(Turn { at: self.statement.query_row([place], |row| row.get(0))?, place }))
    }
}
