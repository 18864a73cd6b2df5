//! How a process notices what another one altered in the same file.
//!
//! Triggers count up the row of `epoch` when a key or an organization is altered, and add a row to `altered` for each user
//! who is. Every request must know both as of its own arrival; asking SQLite each time would cost more than the rest of a
//! cached get. So first we look whether anybody has committed at all: every commit to a write-ahead log changes the header of its
//! index, which is the start of the file `-shm` (sqlite.org/walformat.html §2.1), and reading 96 bytes of a file in
//! memory is one cheap system call.

use std::{
    fs::File,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use roster_directory::UserId;
use rusqlite::Connection;

use super::{profiles::Profiles, readers::Readers};
use crate::{
    Epoch, Error,
    altered::{Alterations, Altered},
};

/// The header of the index. SQLite keeps two copies; they differ while it is being written.
type Header = [u8; 48];

/// Shared by all who ask.
pub(super) struct Freshness {
    /// Never closed. SQLite locks this file with POSIX locks, and closing ANY descriptor of a file gives up all locks
    /// the process has on it.
    index: Option<ManuallyDrop<File>>,
    /// The number of `epoch`, and a header under which it was still that.
    known: Mutex<Option<(Header, Epoch)>>,
    alterations: Arc<Alterations>,
    profiles: Arc<Profiles>,
}

/// Users who are told of one by one, at most.
const TOLD_AT_ONCE: i64 = 10_000;

impl Freshness {
    /// For a database that is open. Without its index (where SQLite keeps it elsewhere) every question is a query.
    pub(super) fn of(database: &Path, alterations: Arc<Alterations>, profiles: Arc<Profiles>) -> Self {
        // SQLite follows links before it names the files beside the database.
        let mut index = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
        index.push("-shm");
        let index = File::open(PathBuf::from(index)).ok().map(ManuallyDrop::new);
        Self { index, known: Mutex::default(), alterations, profiles }
    }

    /// The epoch after every commit so far. Whoever was altered by one of them is not in memory any more.
    pub(super) fn epoch(&self, readers: &Readers) -> Result<Epoch, Error> {
        let header = self.header();
        if let Some(epoch) = known_under(&self.known(), header) {
            return Ok(epoch);
        }
        readers.with(|reader| self.learn(header, reader.connection()))
    }

    /// Spares the next request the question, after a commit of our own.
    pub(super) fn committed(&self, writer: &Connection) -> Result<(), Error> {
        self.learn(self.header(), writer).map(drop)
    }

    fn known(&self) -> MutexGuard<'_, Option<(Header, Epoch)>> {
        self.known.lock().expect("nobody panics holding it")
    }

    /// Reads the epoch, and who was altered. `header` was read before it, so that whatever is committed in between is looked
    /// at once more. One at a time, so that nobody goes on before all is dropped that is known to be altered.
    fn learn(&self, header: Option<Header>, connection: &Connection) -> Result<Epoch, Error> {
        let mut known = self.known();
        if let Some(epoch) = known_under(&known, header) {
            return Ok(epoch);
        }
        let epoch = epoch(connection)?;
        self.tell_altered(connection)?;
        if let Some(header) = header {
            *known = Some((header, epoch));
        }
        Ok(epoch)
    }

    fn tell_altered(&self, connection: &Connection) -> Result<(), Error> {
        let told = self.alterations.told();
        if altered(connection)? <= told {
            return Ok(());
        }
        let sql = "select number, place, user_id from altered where number > ?1 order by number limit ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([told, TOLD_AT_ONCE])?;
        let (mut last, mut places, mut users) = (told, Vec::new(), Vec::new());
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            if number != last + 1 {
                break;
            }
            last = number;
            places.push(row.get(1)?);
            users.push(super::rows::parsed(row, 2, UserId::parse)?);
        }
        drop(rows);
        let newest = altered(connection)?;
        if last == newest {
            self.alterations.tell(last, Altered::Users(&users));
            places.iter().for_each(|place| self.profiles.forget(*place));
        } else {
            // There are too many, or the oldest were removed already.
            self.alterations.tell(newest, Altered::Anybody);
            self.profiles.forget_all();
        }
        Ok(())
    }

    #[cfg(unix)]
    fn header(&self) -> Option<Header> {
        use std::os::unix::fs::FileExt;
        let mut copies = [0; 96];
        self.index.as_ref()?.read_exact_at(&mut copies, 0).ok()?;
        let (first, second) = copies.split_first_chunk::<48>()?;
        (first == second).then_some(*first)
    }

    #[cfg(not(unix))]
    fn header(&self) -> Option<Header> {
        None
    }
}

fn known_under(known: &Option<(Header, Epoch)>, header: Option<Header>) -> Option<Epoch> {
    known.filter(|(then, _)| Some(*then) == header).map(|(_, epoch)| epoch)
}

/// How many alterations of users there were at a connection's moment.
pub(super) fn altered(connection: &Connection) -> Result<i64, Error> {
    let sql = "select coalesce(max(number), 0) from altered";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// Alterations that are kept for processes that have not heard of them yet.
const ALTERATIONS_KEPT: i64 = 65_536;

/// Removes the oldest alterations, in the writer's transaction. Whoever missed them drops everything.
pub(super) fn trim(writer: &Connection) -> Result<(), Error> {
    let sql = "delete from altered where number <= (select max(number) from altered) - ?1";
    writer.prepare_cached(sql)?.execute([ALTERATIONS_KEPT])?;
    Ok(())
}

/// The epoch of a connection's moment.
pub(super) fn epoch(connection: &Connection) -> Result<Epoch, Error> {
    let number: i64 = connection.prepare_cached("select number from epoch")?.query_row([], |row| row.get(0))?;
    Ok(Epoch(number as u64))
}
