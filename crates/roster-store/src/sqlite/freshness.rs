//! How a process notices what another one altered in the same file.
//!
//! SQLite tells a connection cheaply whether ANY other connection has committed since it last asked (`pragma
//! data_version`): our own writer, another Roster, an SQLite shell. Only then is the row of `epoch` read, which triggers
//! count up when something is altered or removed that may be kept in memory.

use rusqlite::Connection;

use crate::{Epoch, Error};

/// What one reading connection saw when it last asked.
#[derive(Default)]
pub(super) struct Seen {
    data_version: i64,
    epoch: Option<Epoch>,
}

impl Seen {
    /// The epoch after every commit so far.
    pub(super) fn epoch(&mut self, reader: &Connection) -> Result<Epoch, Error> {
        let data_version = reader.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))?;
        if let Some(epoch) = self.epoch.filter(|_| data_version == self.data_version) {
            return Ok(epoch);
        }
        // A commit between the two statements is seen now, and looked at once more the next time: that is harmless.
        let number: i64 = reader.prepare_cached("select number from epoch")?.query_row([], |row| row.get(0))?;
        let epoch = Epoch(number as u64);
        *self = Self { data_version, epoch: Some(epoch) };
        Ok(epoch)
    }
}
