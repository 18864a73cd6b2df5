//! How a process notices what another one committed to the same file.
//!
//! SQLite tells each connection cheaply whether ANY other connection has committed since it last asked
//! (`pragma data_version`), our own writer included. To tell our commits, which make nothing stale by themselves, from
//! foreign ones, every commit of every Roster process counts up the one row of `commit_mark` and signs it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rusqlite::Connection;

use crate::{Epoch, Error};

/// The row of `commit_mark`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    commits: i64,
    writer: i64,
}

impl Mark {
    fn read(connection: &Connection) -> Result<Self, Error> {
        let mut statement = connection.prepare_cached("select commits, writer from commit_mark")?;
        Ok(statement.query_row([], |row| Ok(Self { commits: row.get(0)?, writer: row.get(1)? }))?)
    }
}

/// Shared by the writer and the readers of one process.
pub(super) struct Freshness {
    /// Signs our commits.
    writer: i64,
    epoch: AtomicU64,
    /// The highest foreign commit that the epoch takes account of.
    foreign: AtomicI64,
}

impl Freshness {
    pub(super) fn new() -> Result<Self, Error> {
        let random = getrandom::u64().map_err(|error| Error::Unusable(format!("no randomness: {error}")))?;
        Ok(Self { writer: random as i64, epoch: AtomicU64::new(0), foreign: AtomicI64::new(0) })
    }

    fn new_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    fn saw(&self, mark: Mark) {
        // A foreign commit seen for the first time, by whichever connection, stands for all before it.
        if mark.writer != self.writer && self.foreign.fetch_max(mark.commits, Ordering::AcqRel) < mark.commits {
            self.new_epoch();
        }
    }

    /// Inside the writer's transaction: takes account of the commit before it, and signs this one.
    ///
    /// Every run of foreign commits that one of ours follows is noticed here, so a reader that finds our signature
    /// need not ask what came before it.
    pub(super) fn sign(&self, writer: &Connection) -> Result<(), Error> {
        self.saw(Mark::read(writer)?);
        let mut statement = writer.prepare_cached("update commit_mark set commits = commits + 1, writer = ?1")?;
        statement.execute([self.writer])?;
        Ok(())
    }
}

/// What one reading connection saw when it last asked.
#[derive(Default)]
pub(super) struct Seen {
    data_version: Option<i64>,
    mark: Mark,
}

impl Seen {
    /// Takes account of every commit so far, and says in which epoch we are.
    pub(super) fn refresh(&mut self, reader: &Connection, freshness: &Freshness) -> Result<Epoch, Error> {
        let mut statement = reader.prepare_cached("pragma data_version")?;
        let data_version = Some(statement.query_row([], |row| row.get(0))?);
        if data_version != self.data_version {
            let mark = Mark::read(reader)?;
            if mark == self.mark {
                // Something changed the file without counting up: not Roster, but it happened.
                freshness.new_epoch();
            }
            freshness.saw(mark);
            *self = Self { data_version, mark };
        }
        Ok(Epoch(freshness.epoch.load(Ordering::Acquire)))
    }
}
