//! Users that changed or were erased after the index knew them: it follows behind the writer.
//!
//! A posting only proposes, so adding a user's new trigrams is enough, and those of before may stay until the user is
//! erased. Until the index has followed, searches read these users one by one.

use std::collections::BTreeMap;

use roster_directory::search::Haystack;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    super::{place::OrganizationNumber, readers::Reader},
    BLOCK, CHUNK, IndexerThread, Key, LAST_TRIGRAM, Postings, Step, fill, finished, offsets, soon, trigrams_of,
};
use crate::Error;

/// A trigram, the offsets that contain it since, and those that do not any more.
pub(super) type Following = (u32, Vec<u16>, Vec<u16>);

/// Users that changed before the index follows at once: reading as many for each search takes a millisecond, and the more
/// there are the more of them share a posting that is written.
const WORTH_FOLLOWING: usize = 512;

/// Users that are followed at once, at most.
const FOLLOWED_AT_ONCE: i64 = 4_096;

/// Postings that are altered in one transaction: each may have 128 KiB.
const FOLLOWED_SLICE: usize = 64;

/// A user whom the index does not know as it is.
struct Changed {
    place: i64,
    change: i64,
    /// Whether it is not erased.
    is_there: bool,
}

/// Takes a step, inside the writer's transaction.
pub(super) fn take(
    connection: &Connection,
    number: OrganizationNumber,
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
    let sql = "update organization set search_followed = search_followed + 1 where number = ?1";
    connection.prepare_cached(sql)?.execute([number])?;
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
    /// Follows what changed, once it is worth it: until then searches read those users one by one.
    pub(super) fn follow_if_many(&mut self, number: OrganizationNumber) -> Result<(), Error> {
        self.follow(number, WORTH_FOLLOWING)
    }

    /// Brings the finished pieces up to the users that changed, if there are as many; at once if some were erased.
    pub(super) fn follow(&mut self, number: OrganizationNumber, least: usize) -> Result<(), Error> {
        while self.follow_some(number, least)? {}
        Ok(())
    }

    /// Follows as many as it does at once; whether there may be more.
    fn follow_some(&mut self, number: OrganizationNumber, least: usize) -> Result<bool, Error> {
        let (changed, finished) = self.readers.with(|reader| {
            let sql = "select place, change, exists (select 1 from users u where u.place = c.place) \
                       from search_changed c where place between ?1 and ?2 order by place limit ?3";
            let (first, last) = number.places().into_inner();
            let row = |row: &rusqlite::Row<'_>| {
                Ok(Changed { place: row.get(0)?, change: row.get(1)?, is_there: row.get(2)? })
            };
            let changed: Vec<Changed> = reader.collect(sql, params![first, last, FOLLOWED_AT_ONCE], row)?;
            Ok((changed, finished(reader, number)?))
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
        let are_few = pieces.values().map(Vec::len).sum::<usize>() < least;
        if are_few && pieces.values().flatten().all(|user| user.is_there) {
            return Ok(false);
        }
        // Where none is in a finished piece, none goes.
        let some_go = !pieces.is_empty();
        for (key, users) in pieces {
            self.follow_in(number, key, finished[&key], &users)?;
        }
        Ok(are_many && some_go)
    }

    fn follow_in(
        &self,
        number: OrganizationNumber,
        key: Key,
        postings: Postings,
        users: &[Changed],
    ) -> Result<(), Error> {
        let start = number.place(key.start());
        let mut following = BTreeMap::<u32, (Vec<u16>, Vec<u16>)>::new();
        self.readers.with_heavy(soon(), |reader| {
            let mut haystack = Haystack::default();
            let sql = "select first_name, last_name, email, phone from users where place = ?1";
            let mut statement = reader.prepare(sql)?;
            let mut erased = Vec::new();
            for user in users {
                let offset = (user.place - start) as u16;
                let mut rows = statement.query([user.place])?;
                match rows.next()? {
                    Some(row) => {
                        fill(&mut haystack, row, 0)?;
                        for trigram in trigrams_of(haystack.as_str()) {
                            following.entry(trigram).or_default().0.push(offset);
                        }
                    }
                    None => erased.push(offset),
                }
            }
            if !erased.is_empty() {
                let sql = "select place, offsets from search_posting where place between ?1 and ?2";
                let mut statement = reader.prepare(sql)?;
                let mut rows = statement.query([postings.place(0), postings.place(LAST_TRIGRAM)])?;
                while let Some(row) = rows.next()? {
                    let posting = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
                    let gone: Vec<u16> =
                        offsets(posting).filter(|offset| erased.binary_search(offset).is_ok()).collect();
                    if !gone.is_empty() {
                        let trigram = (row.get::<_, i64>(0)? - postings.place(0)) as u32;
                        following.entry(trigram).or_default().1.extend(gone);
                    }
                }
            }
            Ok(())
        })?;
        let following: Vec<Following> =
            following.into_iter().map(|(trigram, (added, removed))| (trigram, added, removed)).collect();
        let mut slices = following.chunks(FOLLOWED_SLICE).peekable();
        loop {
            let trigrams = slices.next().unwrap_or_default().to_vec();
            let is_over = slices.peek().is_none();
            let followed =
                if is_over { users.iter().map(|user| (user.place, user.change)).collect() } else { Vec::new() };
            self.write(Step::Follow { number, key, trigrams, followed })?;
            if is_over {
                return Ok(());
            }
        }
    }
}
