//! One page of an organization's users, with an exact count of all that the filter finds.
//!
//! Nothing here counts rows: `role_count` is kept by the writer. And nothing walks past all the rows before a page: users
//! have consecutive ordinals, so where all but a few of them are shown, the place of the n-th follows from n; elsewhere
//! the index by role is walked from the nearer end of the list, or from the chunk the page begins in.

use std::{ops::RangeInclusive, sync::Arc};

use roster_directory::{
    Query, Role, RoleSet,
    query::Order,
    user::{EmailKey, Profile},
};
use rusqlite::{CachedStatement, OptionalExtension, Rows, params};

use super::{
    freshness,
    place::{self, OrganizationNumber},
    profiles::Shown,
    ranks,
    readers::Reader,
    rows, search,
};
use crate::{Epoch, Error, Listed, Selection, rows::user_columns};

/// Index entries that may be passed over before a query is no longer answered on a runtime thread: about 0.2 ms.
const LIGHT_SKIP: u64 = 2_000;

/// Users that may be hidden from a list that passes over them as it meets them, and for each of whom so many are shown:
/// the most that lie together are read for nothing, a millisecond's worth.
const FEW_HIDDEN: u64 = 1_024;
const SHOWN_FOR_EACH: u64 = 8;

/// The answer, if it costs little more than its rows; `None` is a question for [`heavy`].
pub(super) fn light(reader: &Reader, number: OrganizationNumber, query: &Query) -> Result<Option<Selection>, Error> {
    match &query.email {
        Some(email) => by_email(reader, number, email, query).map(Some),
        None if query.search.is_empty() => reader.at_one_moment(|| page(reader, number, query, LIGHT_SKIP)),
        None => Ok(None),
    }
}

/// The answer, whatever it costs.
pub(super) fn heavy(reader: &Reader, number: OrganizationNumber, query: &Query) -> Result<Selection, Error> {
    reader.at_one_moment(|| {
        if query.search.is_empty() {
            return page(reader, number, query, u64::MAX).map(|page| page.expect("no skip is too long"));
        }
        let found = search::find(reader, number, query)?;
        Ok(Selection {
            users: Shown::under(freshness::epoch(reader.connection())?, reader)?.all(&found.places)?,
            total: found.total,
        })
    })
}

fn by_email(reader: &Reader, number: OrganizationNumber, email: &EmailKey, query: &Query) -> Result<Selection, Error> {
    if let Some(id) = query.after {
        place::of_cursor(reader, number, id, query.visible)?;
    }
    let user = match reader.emails().place_of(reader.connection(), number, email)? {
        Some(place) => {
            let sql = concat!("select ", user_columns!(), ", created_at from users where place = ?1");
            reader.prepare(sql)?.query_row([place], rows::user).optional()?
        }
        None => None,
    };
    let user = user.filter(|user| query.roles().contains(user.role) && search::matches(&query.search, user));
    let total = u64::from(user.is_some());
    // There is one at most, so nothing comes after it.
    let on_the_page = query.offset() == 0 && query.after.is_none();
    Ok(Selection {
        users: user.filter(|_| on_the_page).map(|user| Arc::new(Profile::from(user).into())).into_iter().collect(),
        total,
    })
}

/// One page without a search; `None` if more than `most_skipped` index entries would be passed over.
fn page(
    reader: &Reader,
    number: OrganizationNumber,
    query: &Query,
    most_skipped: u64,
) -> Result<Option<Selection>, Error> {
    let count = Count::read(reader, number)?;
    let roles = query.roles();
    let total = count.of(roles);
    let hidden = count.of(RoleSet::ALL) - total;
    let are_few_hidden = hidden <= FEW_HIDDEN && hidden * SHOWN_FOR_EACH <= total;
    let present: Vec<Role> = roles.iter().filter(|role| count.by_role[*role as usize] > 0).collect();
    if let Some(id) = query.after {
        let place = place::of_cursor(reader, number, id, query.visible)?;
        let places = Stretch::after(number, place, query.order);
        let users = match are_few_hidden {
            true => in_stretch(reader, count.epoch, roles, &places, u64::from(query.page.size))?,
            false => Shown::under(count.epoch, reader)?.all(&by_role(
                reader,
                number,
                &present,
                &places,
                0,
                u64::from(query.page.size),
            )?)?,
        };
        return Ok(Some(Selection { users, total }));
    }
    let offset = query.offset();
    if offset >= total {
        return Ok(Some(Selection { users: Vec::new(), total }));
    }
    let len = u64::from(query.page.size).min(total - offset);
    let window = Window { offset, len, total, order: query.order };

    let (skip, mut order) = window.nearer_end();
    let whole = Stretch { places: number.places(), order };
    let mut users = if are_few_hidden && skip == 0 {
        in_stretch(reader, count.epoch, roles, &whole, window.len)?
    } else if are_few_hidden && count.of(RoleSet::ALL) == count.ordinals {
        let places = by_counting(reader, number, roles, &window)?;
        in_stretch(reader, count.epoch, roles, &Stretch { places, order }, window.len)?
    } else {
        let (stretch, skip) = match skip <= LIGHT_SKIP {
            true => (whole, skip),
            false => window.nearest(reader, number, &present, whole, skip)?,
        };
        if skip > most_skipped {
            return Ok(None);
        }
        order = stretch.order;
        Shown::under(count.epoch, reader)?.all(&by_role(reader, number, &present, &stretch, skip, window.len)?)?
    };
    if order != window.order {
        users.reverse();
    }
    Ok(Some(Selection { users, total }))
}

/// How many users an organization has, and the epoch it has them under.
struct Count {
    epoch: Epoch,
    by_role: [u64; Role::ALL.len()],
    /// Ordinals handed out. As many as there are users as long as none was ever removed.
    ordinals: u64,
}

impl Count {
    fn read(reader: &Reader, number: OrganizationNumber) -> Result<Self, Error> {
        let mut count = Self { epoch: Epoch(0), by_role: [0; Role::ALL.len()], ordinals: 0 };
        let sql = "select e.number, o.users, c.role, c.users from epoch e, organization o \
                   left join role_count c on c.organization = o.number where o.number = ?1";
        let mut statement = reader.prepare(sql)?;
        let mut rows = statement.query([number])?;
        while let Some(row) = rows.next()? {
            count.epoch = Epoch(row.get::<_, i64>(0)? as u64);
            count.ordinals = row.get::<_, i64>(1)? as u64;
            let role = row.get::<_, Option<u8>>(2)?.and_then(|role| count.by_role.get_mut(usize::from(role)));
            if let Some(slot) = role {
                *slot = row.get::<_, i64>(3)? as u64;
            }
        }
        Ok(count)
    }

    fn of(&self, roles: RoleSet) -> u64 {
        roles.iter().map(|role| self.by_role[role as usize]).sum()
    }
}

/// The part of a list that is a page: `len` of `total`, after `offset`. Never empty.
struct Window {
    offset: u64,
    len: u64,
    total: u64,
    order: Order,
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
    fn nearer_end(&self) -> (u64, Order) {
        let behind = self.total - self.offset - self.len;
        match self.order {
            _ if self.offset <= behind => (self.offset, self.order),
            Order::NewestFirst => (behind, Order::OldestFirst),
            Order::OldestFirst => (behind, Order::NewestFirst),
        }
    }

    /// Where to walk from to pass over the fewest of these roles, and how many: from an end of the list, or from the chunk
    /// that the page begins in.
    fn nearest(
        &self,
        reader: &Reader,
        number: OrganizationNumber,
        roles: &[Role],
        whole: Stretch,
        skip: u64,
    ) -> Result<(Stretch, u64), Error> {
        let (oldest, _) = self.ranks();
        let (place, from_there) = ranks::locate(reader, number, roles, oldest)?;
        if skip <= from_there {
            return Ok((whole, skip));
        }
        Ok((Stretch { places: place..=*whole.places.end(), order: Order::OldestFirst }, from_there))
    }
}

/// Some consecutive places, and the order to walk them in.
struct Stretch {
    places: RangeInclusive<i64>,
    order: Order,
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

/// The places of the page where all users but a few are shown: the n-th shown has the n-th ordinal that is not a hidden
/// one's.
fn by_counting(
    reader: &Reader,
    number: OrganizationNumber,
    roles: RoleSet,
    window: &Window,
) -> Result<RangeInclusive<i64>, Error> {
    let mut hidden = Vec::new();
    for role in RoleSet::ALL.without(roles).iter() {
        let sql = "select place from users where organization = ?1 and role = ?2";
        hidden.extend(reader.collect(sql, params![number, role as u8], |row| row.get::<_, i64>(0))?);
    }
    hidden.sort_unstable();
    let place_of = |rank: u64| {
        hidden.iter().fold(number.place(rank as i64), |place, hidden| if *hidden <= place { place + 1 } else { place })
    };
    let (oldest, newest) = window.ranks();
    Ok(place_of(oldest)..=place_of(newest))
}

/// The first `len` users of a stretch that may be shown.
fn in_stretch(
    reader: &Reader,
    epoch: Epoch,
    roles: RoleSet,
    stretch: &Stretch,
    len: u64,
) -> Result<Vec<Arc<Listed>>, Error> {
    let sql = match stretch.order {
        Order::NewestFirst => "select place from users where place between ?1 and ?2 order by place desc",
        Order::OldestFirst => "select place from users where place between ?1 and ?2 order by place asc",
    };
    let mut statement = reader.prepare(sql)?;
    let mut rows = statement.query(params![stretch.places.start(), stretch.places.end()])?;
    let mut shown = Shown::under(epoch, reader)?;
    let mut users = Vec::with_capacity(len as usize);
    while users.len() < len as usize {
        let Some(row) = rows.next()? else { break };
        let user = shown.at(row.get(0)?)?;
        if roles.contains(user.profile.role) {
            users.push(user);
        }
    }
    Ok(users)
}

/// `len` places of users of these roles, after the first `skip` of a stretch: found by walking the index of each role
/// side by side.
fn by_role(
    reader: &Reader,
    number: OrganizationNumber,
    roles: &[Role],
    stretch: &Stretch,
    skip: u64,
    len: u64,
) -> Result<Vec<i64>, Error> {
    let sql = match stretch.order {
        Order::NewestFirst => {
            "select place from users where organization = ?1 and role = ?2 and place between ?3 and ?4 \
             order by place desc"
        }
        Order::OldestFirst => {
            "select place from users where organization = ?1 and role = ?2 and place between ?3 and ?4 \
             order by place asc"
        }
    };
    let (start, end) = (stretch.places.start(), stretch.places.end());
    let mut statements =
        roles.iter().map(|_| reader.prepare(sql)).collect::<Result<Vec<CachedStatement<'_>>, Error>>()?;
    let mut walks = Vec::with_capacity(roles.len());
    for (statement, role) in statements.iter_mut().zip(roles) {
        let mut walk = Walk { rows: statement.query(params![number, *role as u8, start, end])?, next: None };
        walk.step()?;
        walks.push(walk);
    }

    let mut places = Vec::with_capacity(len as usize);
    for nth in 0..skip + len {
        let ahead = walks.iter_mut().filter(|walk| walk.next.is_some());
        let first = match stretch.order {
            Order::NewestFirst => ahead.max_by_key(|walk| walk.next),
            Order::OldestFirst => ahead.min_by_key(|walk| walk.next),
        };
        let Some(first) = first else { break };
        if nth >= skip {
            places.extend(first.next);
        }
        first.step()?;
    }
    Ok(places)
}

/// The users of one role, as far as we have walked.
struct Walk<'a> {
    rows: Rows<'a>,
    next: Option<i64>,
}

impl Walk<'_> {
    fn step(&mut self) -> Result<(), Error> {
        self.next = self.rows.next()?.map(|row| row.get(0)).transpose()?;
        Ok(())
    }
}
