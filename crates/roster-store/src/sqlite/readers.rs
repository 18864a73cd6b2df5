//! Connections that only read: as many as are in use at once, each used by one thread at a time.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rusqlite::{CachedStatement, Connection, Params, Row};

use super::{emails::Waiting, profiles::Profiles, schema};
use crate::Error;

/// Idle connections, the last used on top: its cache is the warmest.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    profiles: Arc<Profiles>,
    emails: Arc<Waiting>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, emails: Arc<Waiting>) -> Self {
        Self { path, idle: Mutex::default(), profiles: Arc::default(), emails }
    }

    /// Lends a connection. One that failed is thrown away.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, Error>) -> Result<T, Error> {
        let idle = self.idle.lock().expect("nobody panics holding it").pop();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader {
                connection: schema::open_reader(&self.path)?,
                profiles: self.profiles.clone(),
                emails: self.emails.clone(),
            },
        };
        let answer = read(&mut reader)?;
        self.idle.lock().expect("nobody panics holding it").push(reader);
        Ok(answer)
    }
}

/// One connection.
pub(super) struct Reader {
    connection: Connection,
    profiles: Arc<Profiles>,
    emails: Arc<Waiting>,
}

impl Reader {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What all connections keep.
    pub(super) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The e-mails that are not in the index yet.
    pub(super) fn emails(&self) -> &Waiting {
        &self.emails
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// All rows of a query.
    pub(super) fn collect<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        Ok(self.prepare(sql)?.query_map(params, row)?.collect::<Result<_, _>>()?)
    }

    /// Runs several reads at one moment of the database.
    pub(super) fn at_one_moment<T>(&self, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.prepare("begin")?.execute([])?;
        let answer = read();
        self.prepare("commit")?.execute([])?;
        answer
    }
}
