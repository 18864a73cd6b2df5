//! `Store`: commit a change, answer a query. Which engine answers is its secret.

mod export;
mod outbox;
mod sought;
mod trail;

use std::{
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use roster_directory::{
    Change, KeyId, Organization, OrganizationId, Payor, PayorId, Query, Timestamp, User, UserId,
    key::Key,
    repeat::{Answered, Repeat},
    user::Profile,
};

use crate::{
    Error,
    altered::{Alterations, Altered},
    fair::Fair,
    postgres::{Postgres, connect::Url},
    sqlite::Sqlite,
};

pub(crate) use export::EXPORTED_AT_ONCE;
pub use export::Leave;
pub use sought::Sought;

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
        if text.contains(char::is_control) {
            return Err("a database's address has no control characters".to_owned());
        }
        match text.split_once(':') {
            // What other programs read as a database in memory, and SQLite here as the name of a file, or the reverse.
            Some(("sqlite", path)) if path == ":memory:" || path.starts_with("file:") || path.contains("?mode=") => {
                Err("a database of SQLite is a file, sqlite:PATH: none in memory, and without parameters".to_owned())
            }
            Some(("sqlite", path)) if !path.trim().is_empty() => Ok(Location::Sqlite(path.into())),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                text.parse().map(Box::new).map(Location::Postgres)
            }
            _ => Err("a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE".to_owned()),
        }
    }
}

impl Location {
    /// Whether a password stands in it.
    pub fn has_password(&self) -> bool {
        matches!(self, Location::Postgres(url) if url.has_password())
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
    /// New pages of 4 KiB in the write-ahead log at which they are copied into the database: four times as many within the
    /// first 16 commits. Fewer: shorter pauses.
    pub checkpoint_pages: u32,
    /// Bytes of the write-ahead log beyond which reads are held for a moment so that it can begin anew (SQLite).
    pub wal_limit: u64,
    /// How long a change may wait to be written before it is refused (SQLite).
    pub patience: Duration,
    /// How long a list in creation order may wait for other processes that write (PostgreSQL). One of them that was killed
    /// is waited for for five seconds.
    pub horizon_wait: Duration,
    /// E-mails that wait in memory, 40 bytes each, before they go into the index by e-mail (SQLite). The more, the more of
    /// them go onto one page.
    pub waiting_emails: usize,
    /// Whether this process keeps the search index up. Searches are right without, and slow once there are many users.
    pub index: bool,
}

impl Default for Options {
    fn default() -> Self {
        // 2048 waiting changes are a tenth of a second's work; 500 pages are between the short pauses of 250 and the
        // speed of 1000 (docs/performance.md).
        Self {
            queue: 2_048,
            batch: 512,
            checkpoint_pages: 500,
            wal_limit: 64 << 20,
            patience: Duration::from_millis(1_800),
            horizon_wait: Duration::from_millis(1_800),
            waiting_emails: 131_072,
            index: true,
        }
    }
}

/// Changes whenever a key or an organization that was already stored may have changed, by whatever process.
///
/// What was cached under another epoch must be looked up again. A new row does not change it: so never cache that
/// something is *not* there. Who keeps users hears of them one by one ([`Store::on_altered`]).
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

/// An organization whose newest change lies ahead of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ahead {
    /// Which.
    pub organization: OrganizationId,
    /// When its newest change is said to have happened.
    pub latest: Timestamp,
}

/// An organization whose times were brought back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repaired {
    /// Which.
    pub organization: OrganizationId,
    /// What they are now.
    pub to: Timestamp,
    /// Users whose `createdAt` was brought back.
    pub users: u64,
    /// Audit entries.
    pub entries: u64,
}

/// A user as lists show it, which may be kept and shown again.
#[derive(Debug)]
pub struct Listed {
    /// The user.
    pub profile: Profile,
    written: OnceLock<Box<[u8]>>,
}

impl Listed {
    /// The user as `write` writes it. That is done once: whoever asks must ask for the same thing.
    pub fn written(&self, write: impl FnOnce(&Profile) -> Vec<u8>) -> &[u8] {
        self.written.get_or_init(|| write(&self.profile).into())
    }
}

impl From<Profile> for Listed {
    fn from(profile: Profile) -> Self {
        Self { profile, written: OnceLock::new() }
    }
}

/// One page of a list, and how many there are in all.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The users of the page, in order.
    pub users: Vec<Arc<Listed>>,
    /// The same as they are whole, if that was asked for.
    pub whole: Vec<User>,
    /// Sorted by `updatedAt`, where the last of them stands, for whoever goes on after it.
    pub last_turn: Option<i64>,
    /// All that the filter finds, counted at the same moment.
    pub total: u64,
    /// Whether more come after the page.
    pub goes_on: bool,
}

/// What an engine finds: as many users as a page has, and how many there are in all.
pub(crate) struct Selection {
    pub(crate) users: Vec<Arc<Listed>>,
    /// The same as they are whole, if that was asked for.
    pub(crate) whole: Vec<User>,
    /// Sorted by `updatedAt`, where each of them stands.
    pub(crate) turns: Vec<i64>,
    pub(crate) total: u64,
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
    latest_when_opened: Timestamp,
    exports: Fair,
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
use ask;

impl Store {
    /// Opens the database, and brings its schema up to this binary's.
    ///
    /// Fails if the file is not a Roster database or was written by a newer Roster.
    pub async fn open(location: &Location, options: &Options) -> Result<Self, Error> {
        let (engine, latest_when_opened) = match location {
            Location::Sqlite(path) => {
                let sqlite = Sqlite::open(path, options)?;
                let latest = sqlite.latest()?;
                (Engine::Sqlite(Arc::new(sqlite)), latest)
            }
            Location::Postgres(url) => {
                let postgres = Postgres::open(url, options).await?;
                let latest = postgres.latest().await?;
                (Engine::Postgres(Arc::new(postgres)), latest)
            }
        };
        Ok(Self { engine, latest_when_opened, exports: Fair::new(export::AT_A_TIME) })
    }

    /// The latest moment that was recorded before the store was opened.
    pub fn latest_when_opened(&self) -> Timestamp {
        self.latest_when_opened
    }

    /// Records that it was as late as this, if some key ended since what is recorded. Answers what is recorded now.
    pub async fn keep_time(&self, at: Timestamp) -> Result<Timestamp, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.keep_time(at).await,
            Engine::Postgres(postgres) => postgres.keep_time(at).await,
        }
    }

    /// The organizations whose newest change is later than this. Reads all that there is.
    pub async fn ahead_of(&self, limit: Timestamp) -> Result<Vec<Ahead>, Error> {
        ask!(self, sqlite.ahead_of(limit))
    }

    /// Brings back what is recorded after `now`: in each organization it becomes as late as the last change before, and
    /// keeps its order. All or nothing. Nobody else may use the database.
    pub async fn repair_times(&self, now: Timestamp) -> Result<Vec<Repaired>, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.repair_times(now).await,
            Engine::Postgres(postgres) => postgres.repair_times(now).await,
        }
    }

    /// Writes what is under way to its end, and takes nothing more. To be called before the process ends: on PostgreSQL
    /// others wait some seconds for one that ends without a word.
    pub async fn close(&self) {
        if let Engine::Postgres(postgres) = &self.engine {
            postgres.close().await;
        }
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
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.check().await,
            Engine::Postgres(postgres) => postgres.check().await,
        }
    }

    /// Tells PostgreSQL's planner what the tables hold by now. To be called after much was added at once: answers are right
    /// without, and plans may be worse. SQLite has only plans that need no statistics.
    pub async fn analyze(&self) -> Result<(), Error> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(postgres) => postgres.analyze().await,
        }
    }

    /// Bytes of SQLite's write-ahead log, as its file is now.
    pub fn wal_bytes(&self) -> Option<u64> {
        match &self.engine {
            Engine::Sqlite(sqlite) => Some(sqlite.log_bytes()),
            Engine::Postgres(_) => None,
        }
    }

    /// The key of this id, with its organization. Revoked and expired ones too.
    pub async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Error> {
        ask!(self, sqlite.key(id))
    }

    /// One user of the organization.
    pub async fn user(&self, organization: OrganizationId, id: UserId) -> Result<Option<User>, Error> {
        ask!(self, sqlite.user(organization, id))
    }

    /// What lists show of one user of the organization.
    pub async fn profile(&self, organization: OrganizationId, id: UserId) -> Result<Option<Profile>, Error> {
        ask!(self, sqlite.profile(organization, id))
    }

    /// Users of whom this one is the caregiver: some of them, or none.
    pub async fn cared_for_by(&self, organization: OrganizationId, id: UserId) -> Result<Vec<UserId>, Error> {
        ask!(self, sqlite.cared_for_by(organization, id))
    }

    /// What was answered to a request, if it was, within the last [day](roster_directory::repeat::KEPT).
    pub async fn answered(
        &self,
        organization: OrganizationId,
        repeat: &Repeat,
        now: Timestamp,
    ) -> Result<Option<Answered>, Error> {
        ask!(self, sqlite.answered(organization, repeat, now))
    }

    /// A number that is another one whenever users were altered, as far as this process knows: whoever keeps what was read
    /// of a user reads it before and after, and drops it if it is not the same. [`Store::epoch`] brings it up to date.
    pub fn altered(&self) -> i64 {
        self.alterations().told()
    }

    /// Has whoever keeps users in memory hear who was altered. There can be one.
    pub fn on_altered(&self, listener: impl Fn(Altered<'_>) + Send + Sync + 'static) {
        self.alterations().listen(Box::new(listener));
    }

    fn alterations(&self) -> &Alterations {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.alterations(),
            Engine::Postgres(postgres) => postgres.alterations(),
        }
    }

    /// One page of the organization's users. Exact and current: it includes every change committed before the call.
    pub async fn list(&self, organization: OrganizationId, mut query: Query) -> Result<Listing, Error> {
        let (page, follows) = (query.page, query.after.is_some());
        if follows {
            // Nobody counts what comes before it. So one more is asked for: if there is one, the list goes on.
            query.page.size += 1;
        }
        let Selection { mut users, mut whole, mut turns, total } = match &self.engine {
            Engine::Sqlite(sqlite) => Sqlite::list(sqlite, organization, query).await?,
            Engine::Postgres(postgres) => postgres.list(organization, &query).await?,
        };
        let size = page.size as usize;
        let goes_on = if follows { users.len() > size } else { page.offset() + (users.len() as u64) < total };
        users.truncate(size);
        whole.truncate(size);
        turns.truncate(size);
        Ok(Listing { users, whole, last_turn: turns.last().copied(), total, goes_on })
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

    /// Notes when keys were used last. Nobody's change, so the audit trail says nothing of it.
    pub async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.keys_used(used).await,
            Engine::Postgres(postgres) => postgres.keys_used(used).await,
        }
    }

    /// All keys of the organization, by id.
    pub async fn keys(&self, organization: OrganizationId) -> Result<Vec<Key>, Error> {
        ask!(self, sqlite.keys(organization))
    }

    /// Whether there is any organization.
    pub async fn has_organizations(&self) -> Result<bool, Error> {
        ask!(self, sqlite.has_organizations())
    }

    /// All organizations, oldest first. For the operator of the host.
    pub async fn organizations(&self) -> Result<Vec<Organization>, Error> {
        ask!(self, sqlite.organizations())
    }

    /// The organization of this id. For the operator of the host.
    pub async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Error> {
        ask!(self, sqlite.organization(id))
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
