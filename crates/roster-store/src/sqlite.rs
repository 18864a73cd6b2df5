//! The embedded engine: one writer that batches, readers that never wait for it.

mod answers;
mod apply;
mod asker;
mod clock;
pub(crate) mod copy;
mod emails;
mod export;
mod freshness;
mod index;
mod jobs;
mod list;
mod log;
mod outbox;
mod place;
mod profiles;
mod ranks;
mod readers;
mod rows;
mod schema;
mod search;
mod sought;
mod trail;
mod turns;
mod users;
mod writer;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use roster_directory::{
    Change, KeyId, Organization, OrganizationId, Payor, PayorId, Query, Timestamp, User, UserId,
    key::Key,
    repeat::{Answered, Repeat},
    user::Profile,
};
use rusqlite::{OptionalExtension, params};
use tokio::time::Instant;

use crate::{
    Epoch, Error, KeyRecord, Options, Remembered, Selection,
    altered::Alterations,
    fair::Fair,
    records::user::{self, profile_columns},
    rows::{KEY_COLUMNS, key_columns},
};
use asker::Asker;
use emails::Waiting;
use freshness::Freshness;
use index::Indexer;
use log::Log;
use place::OrganizationNumber;
use profiles::Profiles;
use readers::{Reader, Readers};
use writer::Writer;

/// Queries that read more than a page of rows and may run at once. Each holds a thread and a connection.
const HEAVY_READS: usize = 4;

/// How long one more of them waits for its turn before it is told to try again.
const HEAVY_WAIT: Duration = Duration::from_millis(1_800);

/// One SQLite file.
pub(crate) struct Sqlite {
    // Dropped in this order: the indexer feeds the writer.
    indexer: Option<Indexer>,
    writer: Writer,
    readers: Arc<Readers>,
    freshness: Arc<Freshness>,
    alterations: Arc<Alterations>,
    path: PathBuf,
    /// The file of the write-ahead log.
    log: PathBuf,
    numbers: RwLock<HashMap<OrganizationId, OrganizationNumber>>,
    heavy: Fair,
}

impl Sqlite {
    pub(crate) fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let mut connection = schema::open(path)?;
        schema::migrate(&mut connection)?;
        // Bytes the log keeps after it was long and began anew by itself.
        connection.pragma_update(None, "journal_size_limit", options.wal_limit as i64)?;

        let emails = Arc::new(Waiting::default());
        let alterations = Arc::new(Alterations::default());
        let profiles = Arc::new(Profiles::new(alterations.clone()));
        let readers = Arc::new(Readers::new(path.to_owned(), emails.clone(), profiles.clone()));
        let freshness = Arc::new(Freshness::of(path, alterations.clone(), profiles));
        let (wake, wakes) = std::sync::mpsc::channel();
        let log = Log::new(path, &mut connection, readers.clone(), options)?;
        let writer = Writer::start(connection, options, emails, freshness.clone(), log, wake.clone())?;
        let indexer = match options.index {
            true => Some(Indexer::start(wake, wakes, readers.clone(), writer.background())?),
            false => None,
        };
        let (log, heavy) = (log::beside(path), Fair::new(HEAVY_READS));
        let path = path.to_owned();
        Ok(Self { indexer, writer, readers, freshness, alterations, path, log, numbers: RwLock::default(), heavy })
    }

    pub(crate) async fn commit(&self, change: Change) -> Result<Timestamp, Error> {
        self.writer.commit(change).await
    }

    pub(crate) fn epoch(&self) -> Result<Epoch, Error> {
        self.freshness.epoch(&self.readers)
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.readers.with(|reader| freshness::epoch(reader.connection()))?;
        self.writer.check().await
    }

    /// Bytes the write-ahead log has.
    pub(crate) fn log_bytes(&self) -> u64 {
        log::bytes(&self.log)
    }

    pub(crate) fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Error> {
        self.readers.with(|reader| {
            let sql = concat!(
                "select ",
                key_columns!(),
                ", o.id, o.name, o.country, o.time_zone, o.created_at \
                 from api_key k join organization o on o.number = k.organization where k.id = ?1"
            );
            let mut statement = reader.prepare(sql)?;
            let found = statement
                .query_row([id.as_str()], |row| {
                    Ok(KeyRecord { key: rows::key(row)?, organization: rows::organization_at(row, KEY_COLUMNS)? })
                })
                .optional()?;
            Ok(found)
        })
    }

    pub(crate) fn user(&self, organization: OrganizationId, id: UserId) -> Result<Option<User>, Error> {
        let Some(number) = self.number(organization)? else { return Ok(None) };
        self.readers.with(|reader| reader.at_one_moment(|| users::read(reader.connection(), number, id)))
    }

    pub(crate) fn profile(&self, organization: OrganizationId, id: UserId) -> Result<Option<Profile>, Error> {
        let Some(number) = self.number(organization)? else { return Ok(None) };
        self.readers.with(|reader| {
            let sql = concat!("select ", profile_columns!(), " from users where organization = ?1 and id = ?2");
            let mut statement = reader.prepare(sql)?;
            Ok(statement.query_row(params![number, id.as_str()], |row| user::profile(row)).optional()?)
        })
    }

    /// Users of whom this one is the caregiver, some of them.
    pub(crate) fn cared_for_by(&self, organization: OrganizationId, id: UserId) -> Result<Vec<UserId>, Error> {
        let Some(number) = self.number(organization)? else { return Ok(Vec::new()) };
        self.readers.with(|reader| {
            let sql = "select id from users where organization = ?1 and caregiver = ?2 limit 100";
            reader.collect(sql, params![number, id.as_str()], |row| rows::parsed(row, 0, UserId::parse))
        })
    }

    pub(crate) fn alterations(&self) -> &Alterations {
        &self.alterations
    }

    pub(crate) fn answered(
        &self,
        organization: OrganizationId,
        repeat: &Repeat,
        now: Timestamp,
    ) -> Result<Option<Answered>, Error> {
        let Some(number) = self.number(organization)? else { return Ok(None) };
        self.readers.with(|reader| answers::find(reader, number, repeat, now))
    }

    pub(crate) async fn list(self: &Arc<Self>, organization: OrganizationId, query: Query) -> Result<Selection, Error> {
        let Some(number) = self.number(organization)? else {
            return Ok(Selection { users: Vec::new(), whole: Vec::new(), turns: Vec::new(), total: 0 });
        };
        // What reads a page of rows at most is answered here; the rest leaves the runtime's threads alone.
        if let Some(listing) = self.readers.with(|reader| list::light(reader, number, &query))? {
            return Ok(listing);
        }
        self.read_heavily(organization, move |reader| list::heavy(reader, number, &query)).await
    }

    /// Answers a question that reads many rows, on a thread of its own, once it is the organization's turn.
    async fn read_heavily<T: Send + 'static>(
        &self,
        organization: OrganizationId,
        read: impl FnOnce(&Reader) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + HEAVY_WAIT;
        let place = tokio::time::timeout_at(deadline, self.heavy.place(organization)).await;
        let place = place.map_err(|_| Error::Busy)?;
        let readers = self.readers.clone();
        // Dropped when the client goes: then nobody needs the answer, and somebody else the place.
        let asker = Asker::default();
        let asked = asker.asked();
        let answer = tokio::task::spawn_blocking(move || {
            let _place = place;
            readers.with_heavy(deadline.into_std(), |reader| asked.unless_gone(reader, read))
        });
        answer.await.map_err(|_| Error::Closed)?
    }

    pub(crate) fn payors_of(&self, organization: OrganizationId, user: UserId) -> Result<Vec<Payor>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = "select p.id, p.name, p.created_at from users u \
                       join user_payor a on a.place = u.place \
                       join payor p on p.organization = u.organization and p.id = a.payor \
                       where u.organization = ?1 and u.id = ?2 order by p.id";
            reader.collect(sql, params![number, user.as_str()], rows::payor)
        })
    }

    pub(crate) fn known_payors(&self, organization: OrganizationId, ids: &[PayorId]) -> Result<Vec<PayorId>, Error> {
        let Some(number) = self.number(organization)? else { return Ok(Vec::new()) };
        self.readers.with(|reader| {
            let mut statement = reader.prepare("select 1 from payor where organization = ?1 and id = ?2")?;
            let mut known = Vec::with_capacity(ids.len());
            for id in ids {
                if statement.exists(params![number, id.as_str()])? {
                    known.push(*id);
                }
            }
            Ok(known)
        })
    }

    pub(crate) fn payors(&self, organization: OrganizationId) -> Result<Vec<Payor>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = "select id, name, created_at from payor where organization = ?1 order by id";
            reader.collect(sql, [number], rows::payor)
        })
    }

    pub(crate) fn keys(&self, organization: OrganizationId) -> Result<Vec<Key>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = concat!("select ", key_columns!(), " from api_key k where k.organization = ?1 order by k.id");
            reader.collect(sql, [number], rows::key)
        })
    }

    pub(crate) fn organizations(&self) -> Result<Vec<Organization>, Error> {
        self.readers.with(|reader| {
            let sql = "select id, name, country, time_zone, created_at from organization order by number";
            reader.collect(sql, [], |row| rows::organization_at(row, 0))
        })
    }

    pub(crate) fn has_organizations(&self) -> Result<bool, Error> {
        self.readers.with(|reader| {
            let mut statement = reader.prepare("select exists (select 1 from organization)")?;
            Ok(statement.query_row([], |row| row.get(0))?)
        })
    }

    pub(crate) fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Error> {
        self.readers.with(|reader| {
            let sql = "select id, name, country, time_zone, created_at from organization where id = ?1";
            Ok(reader.collect(sql, [id.as_str()], |row| rows::organization_at(row, 0))?.pop())
        })
    }

    pub(crate) fn audit(&self, organization: OrganizationId, limit: u32) -> Result<Vec<Remembered>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = "select at, actor, action, target, fields, request \
                       from audit where place between ?1 and ?2 order by place desc limit ?3";
            let range = number.places();
            reader.collect(sql, params![range.start(), range.end(), limit], rows::remembered)
        })
    }

    pub(crate) async fn search_index_settled(&self) {
        if let Some(indexer) = &self.indexer {
            indexer.settled().await;
        }
    }

    /// The organization's number in this file. It never changes, so it is remembered once found.
    fn number(&self, id: OrganizationId) -> Result<Option<OrganizationNumber>, Error> {
        if let Some(number) = self.numbers.read().expect("nobody panics holding it").get(&id) {
            return Ok(Some(*number));
        }
        let found = self.readers.with(|reader| place::number_of(reader.connection(), id))?;
        if let Some(number) = found {
            self.numbers.write().expect("nobody panics holding it").insert(id, number);
        }
        Ok(found)
    }
}
