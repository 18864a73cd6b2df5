//! Whose an e-mail is.
//!
//! An index by e-mail is written at a random place for each user, and that was half of what a create cost. So an entry
//! first waits, in memory and at the end of a table that says so to other processes and to the next start, and moves
//! into the index in the order of the hashes: going round and round, a few whenever some are added, so that neighbours
//! go onto the same page together. Nothing is moved in between, and nothing by anybody else: what is to be done for a
//! batch is part of its transaction.
//!
//! Every entry is in the index, or in a row that is still there; being in both does no harm. Each row also says how far
//! the round was: so all processes, and the next start, know what waits, and go on where the last one ended. An entry says
//! where to look: whether the e-mail is really that user's is read from the user.

use std::{
    collections::BTreeSet,
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard},
};

use roster_directory::user::EmailKey;
use rusqlite::{Connection, Row, functions::FunctionFlags, params};
use sha2::{Digest, Sha256};

use super::place::OrganizationNumber;
use crate::Error;

/// Entries that are moved at once, at least: a lone create seldom moves any.
const FEWEST_MOVED: usize = 64;

/// Entries that are moved for each that is added, at most. Where more wait than should, as a build left them that did not
/// say how far its round was, they become fewer, and few creates wait for that.
const MOVED_FOR_EACH: usize = 4;

/// What of that may be saved up.
const MOST_SAVED_UP: usize = 2_048;

/// Rows whose entries have all moved that are removed at once.
const ROWS_REMOVED: usize = 256;

/// A hash, and a place where the user with the e-mail may be.
type Entry = (i64, i64);

/// Before all of them.
const START: Entry = (i64::MIN, i64::MIN);

/// Bytes of an entry where it waits.
const ENTRY_BYTES: usize = 16;

/// The entries that wait, for all who look in this process.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// All that are in no index, and some that are.
    entries: BTreeSet<Entry>,
    /// The newest row of `email_recent` that was read.
    read_to: i64,
    /// How far it says the round was.
    round: Round,
}

/// How far the entries have been moved, in the order of their hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    /// Where it goes on: what comes before it has moved, of all rows so far. At [`START`] a round begins.
    moved_to: Entry,
    /// The newest row there was when it began: when it ends, no entry up to there waits any more.
    began: i64,
    /// Rows up to this one can go.
    removable: i64,
    /// How many entries may be moved by now.
    allowance: usize,
}

impl Default for Round {
    fn default() -> Self {
        Self { moved_to: START, began: 0, removable: 0, allowance: 0 }
    }
}

impl Known {
    /// Takes in a row that follows the newest one known, or, where rows between have been removed, some later one.
    fn take(&mut self, number: i64, added: impl Iterator<Item = Entry>, round: Option<Round>) {
        if number > self.read_to + 1 {
            // Rows are removed once all up to them have moved.
            self.entries.clear();
        }
        self.entries.extend(added);
        if let Some(round) = round {
            if number == self.read_to + 1 && round.moved_to != self.round.moved_to {
                let end = if round.moved_to == START { Bound::Unbounded } else { Bound::Excluded(round.moved_to) };
                let moved = (Bound::Included(self.round.moved_to), end);
                self.entries.extract_if(moved, |_| true).for_each(drop);
            }
            self.round = round;
        }
        self.read_to = number;
    }
}

impl Waiting {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().expect("nobody panics holding it")
    }

    /// Reads what other processes added.
    fn read_on(&self, connection: &Connection) -> Result<(), Error> {
        let mut known = self.known();
        let sql = "select number, entries, moved_hash, moved_place, round_began, removable, allowance \
                   from email_recent where number > ?1 order by number";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([known.read_to])?;
        while let Some(row) = rows.next()? {
            let (entries, _) = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?.as_chunks::<ENTRY_BYTES>();
            known.take(row.get(0)?, entries.iter().map(read_entry), read_round(row)?);
        }
        Ok(())
    }

    /// Where users with this e-mail may be, each once: as of this moment or later, outside any transaction. Who is there
    /// has the e-mail, had it, or has one of the same hash.
    pub(super) fn places_of(
        &self,
        connection: &Connection,
        organization: OrganizationNumber,
        email: &EmailKey,
    ) -> Result<Vec<i64>, Error> {
        // First what waits and then the index: what is moved in between is found twice, and never not at all.
        self.read_on(connection)?;
        self.candidates(connection, organization, email)
    }

    /// The same for many e-mails, a list to each, as of the moment in which this begins or later.
    pub(super) fn places_of_each(
        &self,
        connection: &Connection,
        organization: OrganizationNumber,
        emails: &[EmailKey],
    ) -> Result<Vec<Vec<i64>>, Error> {
        self.read_on(connection)?;
        emails.iter().map(|email| self.candidates(connection, organization, email)).collect()
    }

    fn candidates(
        &self,
        connection: &Connection,
        organization: OrganizationNumber,
        email: &EmailKey,
    ) -> Result<Vec<i64>, Error> {
        let hash = hash(organization, email.as_str());
        let mut places: Vec<i64> =
            self.known().entries.range((hash, i64::MIN)..=(hash, i64::MAX)).map(|(_, place)| *place).collect();
        let mut statement = connection.prepare_cached("select place from email_place where hash = ?1")?;
        let mut rows = statement.query([hash])?;
        while let Some(row) = rows.next()? {
            places.push(row.get(0)?);
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }
}

/// What the writer does about e-mails, in and around its transactions.
pub(super) struct Emails {
    waiting: Arc<Waiting>,
    /// Entries that may wait before some are moved.
    most_waiting: usize,
    batch: Batch,
}

/// What becomes true with the commit, and what was before it.
#[derive(Default)]
struct Batch {
    added: Vec<Entry>,
    erased: Vec<Entry>,
    /// The row of `email_recent` that was the newest, and its round.
    before: (i64, Round),
    /// The round that the next row says; `None` if there is none.
    round: Option<Round>,
}

impl Emails {
    pub(super) fn new(waiting: Arc<Waiting>, most_waiting: usize) -> Self {
        Self { waiting, most_waiting: most_waiting.max(1), batch: Batch::default() }
    }

    /// To be called first in a transaction that holds the write lock: from here on nobody else adds anything.
    pub(super) fn begin(&mut self, connection: &Connection) -> Result<(), Error> {
        let read = self.waiting.read_on(connection);
        // As far as it was read, which is what it goes back to.
        let known = self.waiting.known();
        self.batch = Batch { before: (known.read_to, known.round), ..Batch::default() };
        read
    }

    /// Whether an active user of the organization has this e-mail.
    pub(super) fn is_taken(
        &self,
        connection: &Connection,
        organization: OrganizationNumber,
        email: &EmailKey,
    ) -> Result<bool, Error> {
        let sql =
            "select 1 from users where place = ?1 and organization = ?2 and email_key = ?3 and deactivated_at is null";
        let mut is_theirs = connection.prepare_cached(sql)?;
        for place in self.waiting.candidates(connection, organization, email)? {
            if is_theirs.exists(params![place, organization, email.as_str()])? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The user at this place has this e-mail.
    pub(super) fn add(&mut self, organization: OrganizationNumber, email: &EmailKey, place: i64) {
        let entry = (hash(organization, email.as_str()), place);
        self.batch.added.push(entry);
        self.waiting.known().entries.insert(entry);
    }

    /// The user at this place is erased, and had this e-mail: its entry goes, wherever it is. Another process may have it
    /// in memory and write it once more; without the user it finds nobody.
    pub(super) fn erase(
        &mut self,
        connection: &Connection,
        organization: OrganizationNumber,
        email: &EmailKey,
        place: i64,
    ) -> Result<(), Error> {
        let entry = (hash(organization, email.as_str()), place);
        connection
            .prepare_cached("delete from email_place where hash = ?1 and place = ?2")?
            .execute([entry.0, place])?;
        self.batch.added.retain(|added| *added != entry);
        if self.waiting.known().entries.remove(&entry) {
            self.batch.erased.push(entry);
        }
        let written = written_entry(&entry);
        let mut rows = connection.prepare_cached("select number, entries from email_recent")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let mut entries = row.get::<_, Vec<u8>>(1)?;
            let (waiting, _) = entries.as_chunks_mut::<ENTRY_BYTES>();
            let mut is_there = false;
            for one in waiting.iter_mut().filter(|one| **one == written) {
                *one = [0; ENTRY_BYTES]; // no organization has the number 0
                is_there = true;
            }
            if is_there {
                let sql = "update email_recent set entries = ?2 where number = ?1";
                connection.prepare_cached(sql)?.execute(params![row.get::<_, i64>(0)?, entries])?;
            }
        }
        Ok(())
    }

    /// To be called last in the transaction.
    pub(super) fn save(&mut self, connection: &Connection) -> Result<(), Error> {
        if self.batch.added.is_empty() {
            return Ok(());
        }
        let (newest, round) = self.batch.before;
        let mut round = self.move_some(connection, newest, round)?;
        if round.removable > 0 {
            let sql = "delete from email_recent where number in \
                       (select number from email_recent where number <= ?1 order by number limit ?2)";
            let removed = connection.prepare_cached(sql)?.execute(params![round.removable, ROWS_REMOVED as i64])?;
            if removed < ROWS_REMOVED {
                round.removable = 0;
            }
        }
        let entries: Vec<u8> = self.batch.added.iter().flat_map(written_entry).collect();
        let moved_to = Some(round.moved_to).filter(|moved_to| *moved_to != START);
        let sql = "insert into email_recent (number, entries, moved_hash, moved_place, round_began, removable, allowance) \
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        connection.prepare_cached(sql)?.execute(params![
            newest + 1,
            entries,
            moved_to.map(|(hash, _)| hash),
            moved_to.map(|(_, place)| place),
            round.began,
            round.removable,
            round.allowance as i64
        ])?;
        self.batch.round = Some(round);
        Ok(())
    }

    /// Moves as many as it is time for, and says how far the round is then.
    fn move_some(&self, connection: &Connection, newest: i64, mut round: Round) -> Result<Round, Error> {
        let moved: Vec<Entry> = {
            let known = self.waiting.known();
            // Never less than were added, however large the batch: so those that wait do not become more and more.
            round.allowance = round.allowance.min(MOST_SAVED_UP) + MOVED_FOR_EACH * self.batch.added.len();
            let some = round.allowance.min(known.entries.len().saturating_sub(self.most_waiting));
            if some < FEWEST_MOVED {
                return Ok(round);
            }
            round.allowance -= some;
            if round.moved_to == START {
                round.began = newest;
            }
            let moved: Vec<Entry> = known.entries.range(round.moved_to..).take(some).copied().collect();
            match moved.last() {
                Some((hash, place)) if moved.last() != known.entries.last() => round.moved_to = (*hash, place + 1),
                _ => {
                    round.moved_to = START;
                    round.removable = round.began;
                }
            }
            moved
        };
        let mut insert = connection
            .prepare_cached("insert into email_place (hash, place) values (?1, ?2) on conflict do nothing")?;
        for (hash, place) in &moved {
            insert.execute([hash, place])?;
        }
        Ok(round)
    }

    /// The transaction holds.
    pub(super) fn committed(&mut self) {
        let Batch { before: (newest, _), round, .. } = std::mem::take(&mut self.batch);
        let mut known = self.waiting.known();
        // Somebody may have read it already, and what another process added since.
        if round.is_some() && known.read_to == newest {
            known.take(newest + 1, std::iter::empty(), round);
        }
    }

    /// The transaction came to nothing.
    pub(super) fn rolled_back(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let mut known = self.waiting.known();
        for entry in &batch.added {
            known.entries.remove(entry);
        }
        known.entries.extend(&batch.erased);
        // The lock may have gone with it, and somebody may have read what another process added at these very places.
        (known.read_to, known.round) = batch.before;
    }
}

/// What the index is kept by.
fn hash(organization: OrganizationNumber, email: &str) -> i64 {
    let digest = Sha256::new().chain_update(organization.to_bytes()).chain_update(email).finalize();
    let (first, _) = digest.split_first_chunk().expect("it has 32 bytes");
    i64::from_le_bytes(*first)
}

/// Lets SQL fill the index from users.
pub(super) fn teach(connection: &Connection) -> Result<(), Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("email_hash", 2, flags, |arguments| {
        Ok(hash(arguments.get(0)?, arguments.get_raw(1).as_str()?))
    })?;
    Ok(())
}

/// Fills the index of a database whose users were not written by [`Emails`].
pub(super) fn fill(connection: &Connection) -> Result<(), Error> {
    connection.execute(
        "insert into email_place (hash, place) \
         select email_hash(organization, email_key) as hash, place from users where email_key is not null order by hash",
        [],
    )?;
    Ok(())
}

/// What a row says of the round; `None` if it is of a build that did not say.
fn read_round(row: &Row<'_>) -> Result<Option<Round>, rusqlite::Error> {
    let Some(began) = row.get(4)? else { return Ok(None) };
    let moved_to = row.get::<_, Option<i64>>(2)?.zip(row.get(3)?).unwrap_or(START);
    Ok(Some(Round { moved_to, began, removable: row.get(5)?, allowance: row.get::<_, i64>(6)? as usize }))
}

fn written_entry((hash, place): &Entry) -> [u8; ENTRY_BYTES] {
    let mut bytes = [0; ENTRY_BYTES];
    bytes[..8].copy_from_slice(&hash.to_le_bytes());
    bytes[8..].copy_from_slice(&place.to_le_bytes());
    bytes
}

fn read_entry(bytes: &[u8; ENTRY_BYTES]) -> Entry {
    let half = |nth: usize| i64::from_le_bytes(std::array::from_fn(|byte| bytes[nth * 8 + byte]));
    (half(0), half(1))
}
