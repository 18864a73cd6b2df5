//! `Store`: commit a change, answer a query. Which engine answers is its secret.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use roster_directory::{
    Change, KeyId, MessageId, Organization, OrganizationId, Payor, PayorId, Query, Timestamp, User, UserId,
    change::MessageKind, key::Key,
};

use crate::{
    Error,
    postgres::{Postgres, connect::Url},
    sqlite::Sqlite,
};

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// `sqlite:PATH`: one file (and its `-wal` and `-shm` beside it), made if it is not there.
    Sqlite(PathBuf),
    /// `postgres://…`: a database of PostgreSQL, or of what speaks its wire protocol.
    Postgres(Box<Url>),
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Location::Sqlite(path.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                text.parse().map(Box::new).map(Location::Postgres)
            }
            _ => Err("a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE".to_owned()),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Location::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the database is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// Changes that may wait to be written; one more is refused as [`Error::Busy`].
    pub queue: usize,
    /// Changes one commit carries at most. 1 is one fsync a change.
    pub batch: usize,
    /// Pages of 4 KiB in the write-ahead log at which SQLite moves them into the database. Fewer: shorter pauses.
    pub checkpoint_pages: u32,
    /// Whether this process keeps the search index up. Searches are right without, and slow once there are many users.
    pub index: bool,
}

impl Default for Options {
    fn default() -> Self {
        // 2048 waiting changes are a tenth of a second's work; 500 pages are between the short pauses of 250 and the
        // speed of 1000 (docs/performance.md).
        Self { queue: 2_048, batch: 512, checkpoint_pages: 500, index: true }
    }
}

/// Changes whenever something that was already stored may have changed, by whatever process.
///
/// What was cached under another epoch must be looked up again. A new row does not change it: so never cache that
/// something is *not* there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub(crate) u64);

/// A key and the organization it opens.
#[derive(Debug, Clone)]
pub struct KeyRecord {
    /// The key.
    pub key: Key,
    /// Whose it is.
    pub organization: Organization,
}

/// One page of a list, and how many there are in all.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The users of the page, in order.
    pub users: Vec<User>,
    /// All that the filter finds, counted at the same moment.
    pub total: u64,
}

/// A message that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// Its public id.
    pub id: MessageId,
    /// The organization that owes it.
    pub organization: OrganizationId,
    /// What it says.
    pub kind: MessageKind,
    /// Whom it is for.
    pub user: UserId,
    /// Since when.
    pub at: Timestamp,
}

/// An audit entry as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the columns of the table, explained at `roster_directory::audit::Entry`")]
pub struct Remembered {
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub fields: String,
    pub request: String,
}

/// The directory on disk. Cheap to clone; all clones share the writer and the readers.
///
/// Every change and every query is made for an organization, and sees that organization only. The exceptions are few
/// and say so: [`key`](Self::key), which finds the organization, and what the operator of the host lists.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

/// Asks the engine there is. SQLite answers at once where it can, PostgreSQL over the wire.
macro_rules! ask {
    ($self:ident, sqlite.$method:ident ( $($argument:expr),* )) => {
        match &$self.engine {
            Engine::Sqlite(sqlite) => sqlite.$method($($argument),*),
            Engine::Postgres(postgres) => postgres.$method($($argument),*).await,
        }
    };
}

impl Store {
    /// Opens the database, and brings its schema up to this binary's.
    ///
    /// Fails if the file is not a Roster database or was written by a newer Roster.
    pub async fn open(location: &Location, options: &Options) -> Result<Self, Error> {
        Ok(Self {
            engine: match location {
                Location::Sqlite(path) => Engine::Sqlite(Arc::new(Sqlite::open(path, options)?)),
                Location::Postgres(url) => Engine::Postgres(Arc::new(Postgres::open(url, options).await?)),
            },
        })
    }

    /// Writes all of a change, or none of it, and returns when it is on disk.
    ///
    /// The answer is the moment under which it was recorded: the change's own, or, where the clock ran backwards or
    /// changes overtook each other, that of the organization's newest change, so that the order of changes and that of
    /// their moments always agree.
    pub async fn commit(&self, change: Change) -> Result<Timestamp, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.commit(change).await,
            Engine::Postgres(postgres) => postgres.commit(change).await,
        }
    }

    /// See [`Epoch`]. Reflects every change that any process committed before the call.
    pub async fn epoch(&self) -> Result<Epoch, Error> {
        ask!(self, sqlite.epoch())
    }

    /// Whether the database can be read and its writer is alive.
    pub async fn check(&self) -> Result<(), Error> {
        ask!(self, sqlite.check())
    }

    /// The key of this id, with its organization. Revoked and expired ones too.
    pub async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Error> {
        ask!(self, sqlite.key(id))
    }

    /// One user of the organization.
    pub async fn user(&self, organization: OrganizationId, id: UserId) -> Result<Option<User>, Error> {
        ask!(self, sqlite.user(organization, id))
    }

    /// One page of the organization's users. Exact and current: it includes every change committed before the call.
    pub async fn list(&self, organization: OrganizationId, query: Query) -> Result<Listing, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => Sqlite::list(sqlite, organization, query).await,
            Engine::Postgres(postgres) => postgres.list(organization, &query).await,
        }
    }

    /// The payors a user is assigned to, by id.
    pub async fn payors_of(&self, organization: OrganizationId, user: UserId) -> Result<Vec<Payor>, Error> {
        ask!(self, sqlite.payors_of(organization, user))
    }

    /// Those of `ids` that are payors of the organization.
    pub async fn known_payors(&self, organization: OrganizationId, ids: &[PayorId]) -> Result<Vec<PayorId>, Error> {
        ask!(self, sqlite.known_payors(organization, ids))
    }

    /// All payors of the organization, by id.
    pub async fn payors(&self, organization: OrganizationId) -> Result<Vec<Payor>, Error> {
        ask!(self, sqlite.payors(organization))
    }

    /// All keys of the organization, by id.
    pub async fn keys(&self, organization: OrganizationId) -> Result<Vec<Key>, Error> {
        ask!(self, sqlite.keys(organization))
    }

    /// All organizations, oldest first. For the operator of the host.
    pub async fn organizations(&self) -> Result<Vec<Organization>, Error> {
        ask!(self, sqlite.organizations())
    }

    /// The organization of this id. For the operator of the host.
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Error> {
        ask!(self, sqlite.organization(id))
    }

    /// The oldest `limit` messages that are owed, of one organization or of all. For the operator of the host.
    pub async fn owed(&self, organization: Option<OrganizationId>, limit: u32) -> Result<Vec<Owed>, Error> {
        ask!(self, sqlite.owed(organization, limit))
    }

    /// The newest `limit` audit entries of the organization, newest first.
    pub async fn audit(&self, organization: OrganizationId, limit: u32) -> Result<Vec<Remembered>, Error> {
        ask!(self, sqlite.audit(organization, limit))
    }

    /// Waits until the search index has caught up with what was committed before the call. Searches are right without
    /// it, only slower; for benches and tests.
    pub async fn search_index_settled(&self) {
        if let Engine::Sqlite(sqlite) = &self.engine {
            sqlite.search_index_settled().await;
        }
    }
}
