//! Users that changed or were erased after the index knew them: it follows behind the writer.
//!
//! A posting only proposes, so adding a user's new trigrams is enough, and those of before may stay until the user is
//! erased. Until the index has followed, searches read these users one by one.

use std::collections::{BTreeMap, HashMap};

use roster_directory::search::Haystack;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{place::OrganizationNumber, readers::Reader},
    BLOCK, CHUNK, Generation, IndexerThread, Key, LAST_TRIGRAM, Postings, Step, fill, finished, offsets, soon,
    trigrams_of,
};
use crate::Error;

/// A trigram, the offsets that contain it since, and those that do not any more.
pub(super) type Following = (u32, Vec<u16>, Vec<u16>);

/// The same, while they are found.
type Followings = BTreeMap<u32, (Vec<u16>, Vec<u16>)>;

/// Users that changed before the index follows: reading as many for each search takes a millisecond, and the more there
/// are the more of them share a posting that is written.
const WORTH_FOLLOWING: usize = 512;

/// How many users of each organization changed since the indexer was woken for it.
#[derive(Default)]
pub(in crate::sqlite) struct Unfollowed(HashMap<OrganizationNumber, usize>);

impl Unfollowed {
    /// After a commit: whether the index is to follow now. It follows at once when somebody was erased. What is too little
    /// waits for the patrol.
    pub(in crate::sqlite) fn is_worth_it(&mut self, number: OrganizationNumber, changed: usize, erased: bool) -> bool {
        if changed == 0 && !erased {
            return false;
        }
        let unfollowed = self.0.entry(number).or_default();
        *unfollowed += changed;
        let is_worth_it = erased || *unfollowed >= WORTH_FOLLOWING;
        if is_worth_it {
            *unfollowed = 0;
        }
        is_worth_it
    }
}

/// Users that are followed at once, at most.
const FOLLOWED_AT_ONCE: i64 = 4_096;

/// Postings that are altered in one transaction: each may have 128 KiB.
const FOLLOWED_SLICE: usize = 64;

/// A user whom the index does not know as it is.
struct Changed {
    place: i64,
    change: i64,
}

/// Takes a step, inside the writer's transaction.
pub(super) fn take(
    connection: &Connection,
    piece: Postings,
    trigrams: &[Following],
    followed: &[(i64, i64)],
) -> Result<(), Error> {
    for (trigram, added, removed) in trigrams {
        follow(connection, piece.place(*trigram), added, removed)?;
    }
    let sql = "delete from search_changed where place = ?1 and change = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    for (place, change) in followed {
        statement.execute([place, change])?;
    }
    Ok(())
}

/// Adds offsets to a posting, and removes some.
fn follow(connection: &Connection, place: i64, added: &[u16], removed: &[u16]) -> Result<(), Error> {
    let mut statement = connection.prepare_cached("select offsets from search_posting where place = ?1")?;
    // Most trigrams of somebody who changed are as before, and the postings of some have all users of the piece.
    let news = |row: &rusqlite::Row<'_>| {
        let before = row.get_ref(0)?.as_blob()?;
        let is_there = |offset: &u16| {
            let pairs = before.as_chunks::<2>().0;
            pairs.binary_search_by_key(offset, |pair| u16::from_le_bytes(*pair)).is_ok()
        };
        Ok((!removed.is_empty() || !added.iter().all(is_there)).then(|| before.to_vec()))
    };
    let before = match statement.query_row([place], news).optional()? {
        Some(None) => return Ok(()),
        Some(Some(before)) => before,
        None => Vec::new(),
    };
    let mut after: Vec<u16> = offsets(&before).filter(|offset| removed.binary_search(offset).is_err()).collect();
    after.extend(added);
    after.sort_unstable();
    after.dedup();
    let after: Vec<u8> = after.into_iter().flat_map(u16::to_le_bytes).collect();
    if after.is_empty() {
        connection.prepare_cached("delete from search_posting where place = ?1")?.execute([place])?;
    } else if after != before {
        let sql = "insert or replace into search_posting (place, offsets) values (?1, ?2)";
        connection.prepare_cached(sql)?.execute(params![place, after])?;
    }
    Ok(())
}

/// Writes down, in the writer's transaction, that the user at this place contains other texts, or is no more. It is
/// numbered like the alteration it is.
pub(in crate::sqlite) fn note_change(connection: &Connection, place: i64) -> Result<(), Error> {
    let sql = "insert or replace into search_changed (place, change) select ?1, max(number) from altered";
    connection.prepare_cached(sql)?.execute([place])?;
    Ok(())
}

/// The ordinals of users whom the index does not know as they are, ascending.
pub(in crate::sqlite) fn changed(reader: &Reader, number: OrganizationNumber) -> Result<Vec<i64>, Error> {
    let sql = "select place from search_changed where place between ?1 and ?2 order by place";
    let (first, last) = number.places().into_inner();
    reader.collect(sql, [first, last], |row| Ok(number.ordinal(row.get(0)?)))
}

impl IndexerThread {
    /// Brings the finished pieces up to the users that changed or were erased.
    pub(super) fn follow(&mut self, number: OrganizationNumber) -> Result<(), Error> {
        loop {
            match self.follow_some(number) {
                Ok(true) => {}
                // Another process was faster; each time one of them gets on.
                Err(Error::Stale) => {}
                outcome => return outcome.map(drop),
            }
        }
    }

    /// Follows as many as it does at once; whether there may be more.
    fn follow_some(&mut self, number: OrganizationNumber) -> Result<bool, Error> {
        let (mut generation, changed, finished) = self.readers.with(|reader| {
            let generation = Generation::read(reader, number)?;
            let sql = "select place, change from search_changed where place between ?1 and ?2 order by place limit ?3";
            let (first, last) = number.places().into_inner();
            let row = |row: &rusqlite::Row<'_>| Ok(Changed { place: row.get(0)?, change: row.get(1)? });
            let changed: Vec<Changed> = reader.collect(sql, params![first, last, FOLLOWED_AT_ONCE], row)?;
            Ok((generation, changed, finished(reader, number)?))
        })?;
        let are_many = changed.len() as i64 == FOLLOWED_AT_ONCE;
        let mut pieces = BTreeMap::<Key, Vec<Changed>>::new();
        for user in changed {
            let ordinal = number.ordinal(user.place);
            let keys = [Key::of_block(ordinal / BLOCK), Key::of_chunk(ordinal / CHUNK)];
            // Nobody asks the index for whoever is in no finished piece.
            if let Some(key) = keys.into_iter().find(|key| finished.contains_key(key)) {
                pieces.entry(key).or_default().push(user);
            }
        }
        // Where none is in a finished piece, none goes.
        let some_go = !pieces.is_empty();
        for (key, users) in pieces {
            self.follow_in(number, &mut generation, key, finished[&key], &users)?;
        }
        Ok(are_many && some_go)
    }

    fn follow_in(
        &self,
        number: OrganizationNumber,
        generation: &mut Generation,
        key: Key,
        postings: Postings,
        users: &[Changed],
    ) -> Result<(), Error> {
        let start = number.place(key.start());
        let mut following = Followings::new();
        let mut erased = Vec::new();
        self.readers.with_heavy(soon(), |reader| {
            let mut haystack = Haystack::default();
            let sql = "select first_name, last_name, email, phone from users where place = ?1";
            let mut statement = reader.prepare(sql)?;
            for user in users {
                let mut rows = statement.query([user.place])?;
                let Some(row) = rows.next()? else {
                    erased.push(user.place);
                    continue;
                };
                fill(&mut haystack, row, 0)?;
                for trigram in trigrams_of(haystack.as_str()) {
                    following.entry(trigram).or_default().0.push((user.place - start) as u16);
                }
            }
            find_erased(reader, postings, start, &erased, &mut following)
        })?;
        self.alter(number, generation, postings, following)?;
        if !key.is_block() && !erased.is_empty() {
            // Who is making a block of this chunk, or was stopped over it, has written down what the chunk had before.
            let mut following = Followings::new();
            let block = self.readers.with_heavy(soon(), |reader| {
                let sql = "select number from search_piece where organization = ?1 and chunk = ?2";
                let block = params![number, key.block().0];
                let block = reader.prepare(sql)?.query_row(block, |row| Ok(Postings(row.get(0)?))).optional()?;
                if let Some(block) = block {
                    find_erased(reader, block, number.place(key.block().start()), &erased, &mut following)?;
                }
                Ok(block)
            })?;
            if let Some(block) = block {
                self.alter(number, generation, block, following)?;
            }
        }
        let followed = users.iter().map(|user| (user.place, user.change)).collect();
        self.write_next(number, generation, postings, Vec::new(), followed)
    }

    /// Alters the postings of a piece, slice by slice.
    fn alter(
        &self,
        number: OrganizationNumber,
        generation: &mut Generation,
        piece: Postings,
        following: Followings,
    ) -> Result<(), Error> {
        let following: Vec<Following> =
            following.into_iter().map(|(trigram, (added, removed))| (trigram, added, removed)).collect();
        for slice in following.chunks(FOLLOWED_SLICE) {
            self.write_next(number, generation, piece, slice.to_vec(), Vec::new())?;
        }
        Ok(())
    }

    fn write_next(
        &self,
        number: OrganizationNumber,
        generation: &mut Generation,
        piece: Postings,
        trigrams: Vec<Following>,
        followed: Vec<(i64, i64)>,
    ) -> Result<(), Error> {
        self.write(Step::Follow { number, generation: *generation, piece, trigrams, followed })?;
        *generation = generation.next();
        Ok(())
    }
}

/// Adds the trigrams that a piece, whose first user has this place, proposes users for that are erased.
fn find_erased(
    reader: &Reader,
    piece: Postings,
    start: i64,
    erased: &[i64],
    following: &mut Followings,
) -> Result<(), Error> {
    if erased.is_empty() {
        return Ok(());
    }
    let sql = "select place, offsets from search_posting where place between ?1 and ?2";
    let mut statement = reader.prepare(sql)?;
    let mut rows = statement.query([piece.place(0), piece.place(LAST_TRIGRAM)])?;
    while let Some(row) = rows.next()? {
        let posting = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        let is_erased = |offset: &u16| erased.binary_search(&(start + i64::from(*offset))).is_ok();
        let gone: Vec<u16> = offsets(posting).filter(is_erased).collect();
        if !gone.is_empty() {
            let trigram = (row.get::<_, i64>(0)? - piece.place(0)) as u32;
            following.entry(trigram).or_default().1.extend(gone);
        }
    }
    Ok(())
}
