//! What can go wrong in the store, named for what the reader of the error can do about it.

use std::{error::Error as StdError, fmt};

/// Why a change was not written, or a query not answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody in the organization has this e-mail already. Nothing was written.
    #[error("the e-mail belongs to another user of the organization")]
    EmailTaken,
    /// Another active user of the organization has this external id. Nothing was written.
    #[error("the external id belongs to another user of the organization")]
    ExternalIdTaken,
    /// What was to be changed has changed meanwhile, or is not there. Nothing was written: look again.
    #[error("it has changed meanwhile")]
    Stale,
    /// The request was answered before. Nothing was written: that answer is to be given again.
    #[error("the request was answered before")]
    Answered,
    /// Another payor or live key of the organization has this name already, in whatever case. Nothing was written.
    #[error("the name belongs to another one of the organization")]
    NameTaken,
    /// No other key would be left that manages the organization. Nothing was written.
    #[error("it is the last key that manages the organization")]
    LastManager,
    /// There is no such organization.
    #[error("there is no such organization")]
    NoOrganization,
    /// The user a page was to come after is not there. Ask for the page by its number.
    #[error("there is no such user to go on after")]
    NoSuchCursor,
    /// More is waiting than the store will queue, or it waited for too long. Nothing was written. Try again.
    #[error("the database is busy")]
    Busy,
    /// Another program holds the file of the database. Nothing was written. Try again.
    #[error("another program holds the database")]
    Locked,
    /// The disk is full, or failing. Nothing was written; it may work again by itself.
    #[error("the disk does not take the change")]
    Storage(#[source] Box<dyn StdError + Send + Sync>),
    /// The database cannot be reached, or went away. Nothing was written; it may work again by itself.
    #[error("the database cannot be reached")]
    Away(#[source] Box<dyn StdError + Send + Sync>),
    /// The change was sent, and whether it was written could not be found out in time: it may be there, or turn up yet,
    /// or be lost with a primary whose standbys do not have it.
    #[error("whether it was written is not known")]
    Unknown(#[source] Box<dyn StdError + Send + Sync>),
    /// The writer has stopped; the process must be started again.
    #[error("the database is closed")]
    Closed,
    /// The database is not one this binary can work with.
    #[error("{0}")]
    Unusable(String),
    /// A pooler forgets what Roster has prepared. Nothing was written, and trying again is luck.
    #[error(
        "a pooler between Roster and PostgreSQL does not keep prepared statements: add prepared_statements=false to the \
         URL of the database, or let it keep them (max_prepared_statements of PgBouncer 1.21 or later)"
    )]
    Pooled,
    /// What the driver said, where it says nothing of the above.
    #[error("the database failed")]
    Engine(#[source] Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// What is told to the others who wait for the same thing: one is told why.
    pub(crate) fn to_others(&self) -> Self {
        match self {
            Error::Unknown(_) => Error::Unknown(Box::new(Error::Busy)),
            Error::Pooled => Error::Pooled,
            _ => Error::Busy,
        }
    }
}

/// What went wrong, and why, and why that, in one line for a log.
pub fn chain(error: &dyn StdError) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "{error}")?;
        let mut cause = error.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    })
}

/// SQLite's `SQLITE_IOERR_GETTEMPPATH`.
const NO_FOLDER: i32 = 6410;

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::*;
        match error.sqlite_error_code() {
            Some(SystemIoFailure) if error.sqlite_error().is_some_and(|error| error.extended_code == NO_FOLDER) => {
                Error::Unusable(
                    "SQLite finds no folder for its temporary files: neither the database's own nor TMPDIR, /var/tmp or \
                     /tmp can be written to"
                        .to_owned(),
                )
            }
            // A heavy read that stood in the way of the log.
            Some(OperationInterrupted) => Error::Busy,
            Some(DatabaseBusy | DatabaseLocked) => Error::Locked,
            Some(DiskFull | SystemIoFailure | CannotOpen | ReadOnly) => Error::Storage(Box::new(error)),
            _ => Error::Engine(Box::new(error)),
        }
    }
}
