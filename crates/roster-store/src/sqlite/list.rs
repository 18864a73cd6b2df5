//! One page of an organization's users, with an exact count of all that the filter finds.
//!
//! Nothing here counts rows: `role_count` is kept by the writer. And nothing walks past all the rows before a page: users
//! have consecutive ordinals, so where all but a few of them are shown, the place of the n-th follows from n and from who
//! is hidden near it; elsewhere the index by bucket is walked from the nearer end of the list, or from the chunk the page
//! begins in.

use std::{ops::RangeInclusive, sync::Arc};

use roster_directory::{
    Query, User,
    query::{Order, SortKey},
    user::{EmailKey, Profile},
};
use rusqlite::{CachedStatement, OptionalExtension, Rows, params};

use super::{
    freshness,
    index::CHUNK,
    place::{self, OrganizationNumber},
    profiles::Shown,
    ranks,
    readers::Reader,
    search,
    turns::{Turn, by_update},
    users,
};
use crate::{
    Error, Listed, Selection,
    bucket::{BUCKETS, Bucket, Buckets},
    records::user::user_columns,
};

/// Index entries that may be passed over before a query is no longer answered on a runtime thread: about 0.2 ms.
const LIGHT_SKIP: u64 = 2_000;

/// Users that may be hidden from a list that passes over them as it meets them, and for each of whom so many are shown: as
/// many are read for nothing at most, a millisecond's worth.
const FEW_HIDDEN: u64 = 1_024;
const SHOWN_FOR_EACH: u64 = 8;

/// The answer, if it costs little more than its rows; `None` is a question for [`heavy`].
pub(super) fn light(reader: &Reader, number: OrganizationNumber, query: &Query) -> Result<Option<Selection>, Error> {
    match &query.email {
        Some(email) => {
            let selection = by_email(reader, number, email, query)?;
            reader.at_one_moment(|| with_whole(reader, number, query, selection)).map(Some)
        }
        None if query.search.is_empty() => reader.at_one_moment(|| {
            let selection = page(reader, number, query, LIGHT_SKIP)?;
            selection.map(|selection| with_whole(reader, number, query, selection)).transpose()
        }),
        None => Ok(None),
    }
}

/// The answer, whatever it costs.
pub(super) fn heavy(reader: &Reader, number: OrganizationNumber, query: &Query) -> Result<Selection, Error> {
    reader.at_one_moment(|| {
        if query.search.is_empty() {
            let selection = page(reader, number, query, u64::MAX)?.expect("no skip is too long");
            return with_whole(reader, number, query, selection);
        }
        let found = search::find(reader, number, query)?;
        with_whole(
            reader,
            number,
            query,
            Selection {
                users: Shown::after(freshness::altered(reader.connection())?, reader)?.all(&found.places)?,
                whole: Vec::new(),
                turns: found.turns,
                total: found.total,
            },
        )
    })
}

/// The users as they are whole too, if that is asked for.
fn with_whole(
    reader: &Reader,
    number: OrganizationNumber,
    query: &Query,
    mut selection: Selection,
) -> Result<Selection, Error> {
    if query.whole {
        for listed in &selection.users {
            selection.whole.extend(users::read(reader.connection(), number, listed.profile.id)?);
        }
    }
    Ok(selection)
}

/// All of a list by e-mail, in its order: one is active at most, and has few before it.
pub(super) fn having_email(
    reader: &Reader,
    number: OrganizationNumber,
    email: &EmailKey,
    query: &Query,
) -> Result<Vec<(Turn, User)>, Error> {
    let (buckets, mut users) = (Buckets::of(query), Vec::new());
    for place in reader.emails().places_of(reader.connection(), number, email)? {
        let sql = concat!(
            "select ",
            user_columns!(),
            ", created_at, coalesce(updated_at, created_at) from users where place = ?1 and organization = ?2 and \
             email_key = ?3"
        );
        let found = reader.prepare(sql)?.query_row(params![place, number, email.as_str()], users::of_row).optional()?;
        let fits = |user: &User| buckets.contains(Bucket::of(user)) && search::matches(&query.search, user);
        users.extend(found.filter(fits).map(|user| (place, user)));
    }
    let mut users: Vec<_> = users.into_iter().map(|(place, user)| (Turn::of(query.key, &user, place), user)).collect();
    users.sort_unstable_by_key(|(turn, _)| *turn);
    if query.order == Order::NewestFirst {
        users.reverse();
    }
    Ok(users)
}

/// A page that is cut out of all of them.
fn by_email(reader: &Reader, number: OrganizationNumber, email: &EmailKey, query: &Query) -> Result<Selection, Error> {
    let mut users = having_email(reader, number, email, query)?;
    let total = users.len() as u64;
    if let Some(after) = Turn::of_cursor(reader, number, query)? {
        users.retain(|(turn, _)| match query.order {
            Order::NewestFirst => *turn < after,
            Order::OldestFirst => *turn > after,
        });
    }
    let page: Vec<_> = users.into_iter().skip(query.offset() as usize).take(query.page.size as usize).collect();
    let turns = page.iter().filter(|_| query.key == SortKey::UpdatedAt).map(|(turn, _)| turn.at).collect();
    let users = page.into_iter().map(|(_, user)| Arc::new(Profile::from(user).into())).collect();
    Ok(Selection { users, whole: Vec::new(), turns, total })
}

/// One page without a search; `None` if more than `most_skipped` index entries would be passed over.
fn page(
    reader: &Reader,
    number: OrganizationNumber,
    query: &Query,
    most_skipped: u64,
) -> Result<Option<Selection>, Error> {
    let count = Count::read(reader, number)?;
    let buckets = Buckets::of(query);
    let total = count.of(buckets);
    let (present, hidden) = (count.present(buckets), count.present(buckets.others()));
    let pages = Pages { reader, number, buckets, present, hidden, altered: count.altered };
    // Users who are erased left their ordinals behind.
    let hidden = count.ordinals - total;
    let are_few_hidden = hidden.saturating_mul(SHOWN_FOR_EACH) <= total;
    let size = u64::from(query.page.size);
    if query.key == SortKey::UpdatedAt {
        return by_update(&pages, query, total, most_skipped);
    }
    if let Some(id) = query.after {
        let place = place::of_cursor(reader, number, id, query.visible)?;
        let stretch = Stretch::after(number, place, query.order);
        let users = match are_few_hidden {
            true => pages.in_stretch(&stretch, size)?,
            false => None,
        };
        let users = match users {
            Some(users) => users,
            None => pages.by_bucket(&stretch, 0, size)?,
        };
        return Ok(Some(Selection { users, whole: Vec::new(), turns: Vec::new(), total }));
    }
    let offset = query.offset();
    if offset >= total {
        return Ok(Some(Selection { users: Vec::new(), whole: Vec::new(), turns: Vec::new(), total }));
    }
    let window = Window { offset, len: size.min(total - offset), total, order: query.order };

    let (skip, order) = window.nearer_end();
    let whole = Stretch { places: number.places(), order };
    let stretch = match (are_few_hidden, skip) {
        (false, _) => None,
        (true, 0) => Some(whole.clone()),
        (true, _) => {
            let (oldest, newest) = window.ranks();
            let places = match order {
                Order::OldestFirst => pages.place_of(oldest, hidden)?..=*whole.places.end(),
                Order::NewestFirst => *whole.places.start()..=pages.place_of(newest, hidden)?,
            };
            Some(Stretch { places, order })
        }
    };
    let counted = match &stretch {
        Some(stretch) => pages.in_stretch(stretch, window.len)?,
        None => None,
    };
    let (mut users, order) = match counted {
        Some(users) => (users, order),
        None => {
            let (stretch, skip) = match skip <= LIGHT_SKIP {
                true => (whole, skip),
                false => window.nearest(&pages, whole, skip)?,
            };
            if skip > most_skipped {
                return Ok(None);
            }
            (pages.by_bucket(&stretch, skip, window.len)?, stretch.order)
        }
    };
    if order != window.order {
        users.reverse();
    }
    Ok(Some(Selection { users, whole: Vec::new(), turns: Vec::new(), total }))
}

/// How many users an organization has, and how many alterations of users there were by then.
struct Count {
    altered: i64,
    by_bucket: [u64; BUCKETS],
    /// Ordinals handed out: as many as there are users and erased ones.
    ordinals: u64,
}

impl Count {
    fn read(reader: &Reader, number: OrganizationNumber) -> Result<Self, Error> {
        let mut count = Self { altered: 0, by_bucket: [0; BUCKETS], ordinals: 0 };
        let sql = "select (select coalesce(max(number), 0) from altered), o.users, c.bucket, c.users from organization o \
                   left join role_count c on c.organization = o.number where o.number = ?1";
        let mut statement = reader.prepare(sql)?;
        let mut rows = statement.query([number])?;
        while let Some(row) = rows.next()? {
            count.altered = row.get(0)?;
            count.ordinals = row.get::<_, i64>(1)? as u64;
            let bucket = row.get::<_, Option<u8>>(2)?.and_then(|bucket| count.by_bucket.get_mut(usize::from(bucket)));
            if let Some(slot) = bucket {
                *slot = row.get::<_, i64>(3)? as u64;
            }
        }
        Ok(count)
    }

    fn of(&self, buckets: Buckets) -> u64 {
        self.present(buckets).into_iter().map(|bucket| self.by_bucket[usize::from(bucket.number())]).sum()
    }

    /// Those that anybody is in.
    fn present(&self, buckets: Buckets) -> Vec<Bucket> {
        buckets.iter().filter(|bucket| self.by_bucket[usize::from(bucket.number())] > 0).collect()
    }
}

/// The part of a list that is a page: `len` of `total`, after `offset`. Never empty.
pub(super) struct Window {
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) total: u64,
    pub(super) order: Order,
}

impl Window {
    /// The ranks of its oldest and its newest user, the oldest of the list having rank 0.
    fn ranks(&self) -> (u64, u64) {
        match self.order {
            Order::OldestFirst => (self.offset, self.offset + self.len - 1),
            Order::NewestFirst => (self.total - self.offset - self.len, self.total - self.offset - 1),
        }
    }

    /// How many to pass over from the nearer end, and in which order to walk from there.
    pub(super) fn nearer_end(&self) -> (u64, Order) {
        let behind = self.total - self.offset - self.len;
        match self.order {
            _ if self.offset <= behind => (self.offset, self.order),
            Order::NewestFirst => (behind, Order::OldestFirst),
            Order::OldestFirst => (behind, Order::NewestFirst),
        }
    }

    /// Where to walk from to pass over the fewest users, and how many: from an end of the list, or from the chunk that the
    /// page begins in.
    fn nearest(&self, pages: &Pages<'_>, whole: Stretch, skip: u64) -> Result<(Stretch, u64), Error> {
        let (oldest, _) = self.ranks();
        let (place, from_there) = ranks::locate(pages.reader, pages.number, &pages.present, oldest)?;
        if skip <= from_there {
            return Ok((whole, skip));
        }
        Ok((Stretch { places: place..=*whole.places.end(), order: Order::OldestFirst }, from_there))
    }
}

/// Some consecutive places, and the order to walk them in.
#[derive(Clone)]
pub(super) struct Stretch {
    pub(super) places: RangeInclusive<i64>,
    pub(super) order: Order,
}

impl Stretch {
    /// Everybody who comes after the user at this place.
    fn after(number: OrganizationNumber, place: i64, order: Order) -> Self {
        let all = number.places();
        let places = match order {
            Order::NewestFirst => *all.start()..=place - 1,
            Order::OldestFirst => place + 1..=*all.end(),
        };
        Self { places, order }
    }
}

/// Where the users of a page are looked for: among those of some buckets, at one moment.
pub(super) struct Pages<'a> {
    pub(super) reader: &'a Reader,
    pub(super) number: OrganizationNumber,
    buckets: Buckets,
    /// Those of the buckets that anybody is in.
    pub(super) present: Vec<Bucket>,
    /// The other buckets that anybody is in.
    hidden: Vec<Bucket>,
    pub(super) altered: i64,
}

impl Pages<'_> {
    /// The place of the user of this rank, where so many are hidden and they are few: the n-th shown has the n-th ordinal
    /// that is not a hidden one's. Where there are more than a few, counted from where its chunk begins.
    fn place_of(&self, rank: u64, hidden: u64) -> Result<i64, Error> {
        let all = self.number.places();
        let (start, rank, end) = match hidden <= FEW_HIDDEN {
            true => (*all.start(), rank, *all.end()),
            false => {
                let (start, rank) = ranks::locate(self.reader, self.number, &self.present, rank)?;
                (start, rank, (start + CHUNK - 1).min(*all.end()))
            }
        };
        let mut places = Vec::new();
        for bucket in &self.hidden {
            let sql = "select place from users where organization = ?1 and bucket = ?2 and place between ?3 and ?4";
            let params = params![self.number, bucket.number(), start, end];
            places.extend(self.reader.collect(sql, params, |row| row.get::<_, i64>(0))?);
        }
        let sql = "select place from erased where place between ?1 and ?2";
        places.extend(self.reader.collect(sql, [start, end], |row| row.get::<_, i64>(0))?);
        places.sort_unstable();
        let first = start + rank as i64;
        Ok(places.iter().fold(first, |place, hidden| if *hidden <= place { place + 1 } else { place }))
    }

    /// The first `len` users of a stretch; `None` if too many hidden ones lie among them.
    fn in_stretch(&self, stretch: &Stretch, len: u64) -> Result<Option<Vec<Arc<Listed>>>, Error> {
        let sql = match stretch.order {
            Order::NewestFirst => "select place from users where place between ?1 and ?2 order by place desc",
            Order::OldestFirst => "select place from users where place between ?1 and ?2 order by place asc",
        };
        let mut statement = self.reader.prepare(sql)?;
        let mut rows = statement.query(params![stretch.places.start(), stretch.places.end()])?;
        let mut shown = Shown::after(self.altered, self.reader)?;
        let mut users = Vec::with_capacity(len as usize);
        let mut hidden = 0;
        while users.len() < len as usize {
            let Some(row) = rows.next()? else { break };
            let user = shown.at(row.get(0)?)?;
            if self.buckets.contains(Bucket::of_profile(&user.profile)) {
                users.push(user);
            } else {
                hidden += 1;
                if hidden > FEW_HIDDEN {
                    return Ok(None);
                }
            }
        }
        Ok(Some(users))
    }

    /// `len` users, after the first `skip` of a stretch: found by walking the index of each bucket side by side.
    fn by_bucket(&self, stretch: &Stretch, skip: u64, len: u64) -> Result<Vec<Arc<Listed>>, Error> {
        let mut places = Vec::with_capacity(len as usize);
        self.walk(&self.present, stretch, |walks| {
            for nth in 0..skip + len {
                let Some(first) = Walk::first_of(walks, stretch.order) else { break };
                if nth >= skip {
                    places.extend(first.next);
                }
                first.step()?;
            }
            Ok(())
        })?;
        Shown::after(self.altered, self.reader)?.all(&places)
    }

    /// Walks the users of some buckets in a stretch, a bucket beside the other.
    pub(super) fn walk<T>(
        &self,
        buckets: &[Bucket],
        stretch: &Stretch,
        go: impl FnOnce(&mut [Walk<'_>]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let sql = match stretch.order {
            Order::NewestFirst => {
                "select place from users where organization = ?1 and bucket = ?2 and place between ?3 and ?4 \
                 order by place desc"
            }
            Order::OldestFirst => {
                "select place from users where organization = ?1 and bucket = ?2 and place between ?3 and ?4 \
                 order by place asc"
            }
        };
        let (start, end) = (stretch.places.start(), stretch.places.end());
        let mut statements =
            buckets.iter().map(|_| self.reader.prepare(sql)).collect::<Result<Vec<CachedStatement<'_>>, Error>>()?;
        let mut walks = Vec::with_capacity(buckets.len());
        for (statement, bucket) in statements.iter_mut().zip(buckets) {
            let rows = statement.query(params![self.number, bucket.number(), start, end])?;
            let mut walk = Walk { rows, next: None };
            walk.step()?;
            walks.push(walk);
        }
        go(&mut walks)
    }
}

/// The users of one bucket, as far as we have walked.
pub(super) struct Walk<'a> {
    rows: Rows<'a>,
    pub(super) next: Option<i64>,
}

impl<'a> Walk<'a> {
    /// Who is next of all walks.
    pub(super) fn first_of<'w>(walks: &'w mut [Walk<'a>], order: Order) -> Option<&'w mut Walk<'a>> {
        let ahead = walks.iter_mut().filter(|walk| walk.next.is_some());
        match order {
            Order::NewestFirst => ahead.max_by_key(|walk| walk.next),
            Order::OldestFirst => ahead.min_by_key(|walk| walk.next),
        }
    }

    pub(super) fn step(&mut self) -> Result<(), Error> {
        self.next = self.rows.next()?.map(|row| row.get(0)).transpose()?;
        Ok(())
    }
}
