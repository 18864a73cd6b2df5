//! How a process notices what another one altered in the same file.
//!
//! Triggers count up the row of `epoch` when something is altered or removed that may be kept in memory. Every request
//! must know that number as of its own arrival; asking SQLite each time would cost more than the rest of a cached get.
//! So first we look whether anybody has committed at all: every commit to a write-ahead log changes the header of its
//! index, which is the start of the file `-shm` (sqlite.org/walformat.html §2.1), and reading 96 bytes of a file in
//! memory is one cheap system call.

use std::{
    fs::File,
    mem::ManuallyDrop,
    path::{Path, PathBuf},
    sync::Mutex,
};

use rusqlite::Connection;

use super::readers::Readers;
use crate::{Epoch, Error};

/// The header of the index. SQLite keeps two copies; they differ while it is being written.
type Header = [u8; 48];

/// Shared by all who ask.
pub(super) struct Freshness {
    /// Never closed. SQLite locks this file with POSIX locks, and closing ANY descriptor of a file gives up all locks
    /// the process has on it.
    index: Option<ManuallyDrop<File>>,
    /// The number of `epoch`, and a header under which it was still that.
    known: Mutex<Option<(Header, Epoch)>>,
}

impl Freshness {
    /// For a database that is open. Without its index (where SQLite keeps it elsewhere) every question is a query.
    pub(super) fn of(database: &Path) -> Self {
        // SQLite follows links before it names the files beside the database.
        let mut index = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
        index.push("-shm");
        let index = File::open(PathBuf::from(index)).ok().map(ManuallyDrop::new);
        Self { index, known: Mutex::default() }
    }

    /// The epoch after every commit so far.
    pub(super) fn epoch(&self, readers: &Readers) -> Result<Epoch, Error> {
        let header = self.header();
        if let Some(epoch) = self.known_under(header) {
            return Ok(epoch);
        }
        readers.with(|reader| self.learn(header, reader.connection()))
    }

    /// Spares the next request the question, after a commit of our own.
    pub(super) fn committed(&self, writer: &Connection) -> Result<(), Error> {
        self.learn(self.header(), writer).map(drop)
    }

    fn known_under(&self, header: Option<Header>) -> Option<Epoch> {
        let known = *self.known.lock().expect("nobody panics holding it");
        known.filter(|(then, _)| Some(*then) == header).map(|(_, epoch)| epoch)
    }

    /// Reads the epoch. `header` was read before it, so that whatever is committed in between is looked at once more.
    fn learn(&self, header: Option<Header>, connection: &Connection) -> Result<Epoch, Error> {
        let epoch = epoch(connection)?;
        if let Some(header) = header {
            *self.known.lock().expect("nobody panics holding it") = Some((header, epoch));
        }
        Ok(epoch)
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

/// The epoch of a connection's moment.
pub(super) fn epoch(connection: &Connection) -> Result<Epoch, Error> {
    let number: i64 = connection.prepare_cached("select number from epoch")?.query_row([], |row| row.get(0))?;
    Ok(Epoch(number as u64))
}
