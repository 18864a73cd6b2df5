//! The one writer: takes what is waiting, applies each change, commits once, and answers only then.
//!
//! A batch is whatever arrived during the last commit; no timer holds anything back. A change that is refused (its
//! e-mail is taken) leaves nothing behind and the batch goes on; one that fails sinks the batch, and then every change
//! of it is tried again by itself, so that only the guilty one is answered with the failure.

use std::{
    collections::HashMap,
    sync::{Arc, mpsc::Sender},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use roster_directory::{
    Change, OrganizationId, PayorId, Role, Timestamp, User, Write,
    organization::{Country, TimeZone},
    user::Line,
};
use rusqlite::{Connection, params};
use tokio::sync::mpsc;

use super::{
    emails::{Emails, Waiting},
    freshness::Freshness,
    index::{self, Wake},
    jobs::{BackgroundJobs, Job, Jobs, Outcome, Progress, Stage, Work},
    log::Log,
    outbox,
    place::{self, OrganizationNumber},
};
use crate::{Error, Options};

/// How long the writer waits for a lock before it looks whose time is over.
pub(super) const LOCK_WAIT: Duration = Duration::from_millis(100);

/// The way in, and the thread behind it.
pub(super) struct Writer {
    jobs: Option<Jobs>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        options: &Options,
        emails: Arc<Waiting>,
        freshness: Arc<Freshness>,
        log: Log,
        wake: Sender<Wake>,
    ) -> Result<Self, Error> {
        connection.busy_timeout(LOCK_WAIT)?;
        let (jobs, queue) = mpsc::channel(options.queue.max(1));
        let batch_limit = options.batch.max(1);
        let emails = Emails::new(emails, options.waiting_emails);
        let progress = Arc::<Progress>::default();
        let jobs = Jobs::new(jobs, progress.clone(), options.patience);
        let numbers = HashMap::new();
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                WriterThread { connection, emails, freshness, log, wake, progress, batch_limit, numbers }.run(queue)
            })
            .map_err(|error| Error::Unusable(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    fn jobs(&self) -> &Jobs {
        self.jobs.as_ref().expect("taken only by drop")
    }

    /// A way in that does not keep the writer running.
    pub(super) fn background(&self) -> BackgroundJobs {
        self.jobs().downgrade()
    }

    /// Whether it could write now.
    pub(super) async fn check(&self) -> Result<(), Error> {
        self.jobs().check().await
    }

    pub(super) async fn commit(&self, change: Change) -> Result<Timestamp, Error> {
        self.jobs().ask(Work::Change(Box::new(change))).await
    }

    pub(super) async fn do_task(&self, task: outbox::Task) -> Result<(), Error> {
        self.jobs().ask(Work::Outbox(task)).await.map(drop)
    }
}

/// Writes what is still waiting, then ends the thread.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread had panicked");
        }
    }
}

struct WriterThread {
    connection: Connection,
    emails: Emails,
    freshness: Arc<Freshness>,
    log: Log,
    wake: Sender<Wake>,
    progress: Arc<Progress>,
    batch_limit: usize,
    numbers: HashMap<OrganizationId, OrganizationNumber>,
}

impl WriterThread {
    fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut batch = Vec::new();
        let mut outcomes = Vec::new();
        while let Some(first) = self.next(&mut queue) {
            if first.is_over(Instant::now()) {
                first.answer(Err(Error::Busy));
                continue;
            }
            batch.push(first);
            match self.write(&mut batch, &mut outcomes, Some(&mut queue)) {
                Ok(()) => {
                    if let Err(error) = self.freshness.committed(&self.connection) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "cannot read the epoch after a commit"
                        );
                    }
                    batch.drain(..).zip(outcomes.drain(..)).for_each(|(job, outcome)| job.answer(outcome));
                    self.log.committed(&self.connection);
                }
                // Each was answered when its time was over. It is not known that the lock is gone.
                Err(Sunk::Unbegun) => continue,
                Err(Sunk::By(error)) if batch.len() == 1 => {
                    batch.drain(..).for_each(drop_answered(error));
                }
                Err(Sunk::By(_)) => {
                    for job in std::mem::take(&mut batch) {
                        job.put_back();
                        self.write_alone(job);
                    }
                }
            }
            outcomes.clear();
            self.progress.is(Stage::Idle);
        }
    }

    /// The next job; `None` when there will be none. Meanwhile the log is begun anew, if it is time for that.
    fn next(&mut self, queue: &mut mpsc::Receiver<Job>) -> Option<Job> {
        while self.log.is_draining() {
            match queue.try_recv() {
                Ok(job) => return Some(job),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) => self.log.drain(&self.connection),
            }
        }
        queue.blocking_recv()
    }

    fn write_alone(&mut self, job: Job) {
        let mut batch = vec![job];
        let mut outcomes = Vec::new();
        let written = self.write(&mut batch, &mut outcomes, None);
        // It was answered already if the transaction never began.
        let Some(job) = batch.pop() else { return };
        job.answer(match written {
            Ok(()) => outcomes.pop().expect("write answers every job"),
            Err(Sunk::Unbegun) => Err(Error::Locked),
            Err(Sunk::By(error)) => Err(error),
        });
    }

    /// Begins a transaction. As long as something else holds the lock, whoever's time is over is told so.
    fn begin(&mut self, batch: &mut Vec<Job>) -> Result<(), Sunk> {
        loop {
            match self.execute("begin immediate") {
                Ok(()) => return Ok(()),
                Err(Error::Locked) => {
                    self.progress.is(Stage::Locked);
                    let now = Instant::now();
                    batch.extract_if(.., |job| job.is_over(now)).for_each(|job| job.answer(Err(Error::Locked)));
                    if batch.is_empty() {
                        return Err(Sunk::Unbegun);
                    }
                }
                Err(error) => return Err(Sunk::By(error)),
            }
        }
    }

    /// Writes a batch in one transaction: all its changes but those refused are on disk, or none is.
    ///
    /// Takes from `queue` what arrives meanwhile, up to the limit.
    fn write(
        &mut self,
        batch: &mut Vec<Job>,
        outcomes: &mut Vec<Outcome>,
        mut queue: Option<&mut mpsc::Receiver<Job>>,
    ) -> Result<(), Sunk> {
        self.begin(batch)?;
        self.progress.is(Stage::Writing);
        let written = (|| {
            self.emails.begin(&self.connection)?;
            let mut touched = HashMap::new();
            loop {
                let now = Instant::now();
                for job in &mut batch[outcomes.len()..] {
                    outcomes.push(match job.take(now) {
                        true => self.apply(&mut job.work, &mut touched)?,
                        false => Err(Error::Busy), // whoever asked was told so
                    });
                }
                let room = self.batch_limit.saturating_sub(batch.len());
                let before = batch.len();
                if let Some(queue) = &mut queue {
                    batch.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(room));
                }
                if batch.len() == before {
                    break;
                }
            }
            for tenant in touched.values() {
                tenant.save(&self.connection)?;
            }
            self.emails.save(&self.connection)?;
            self.execute("commit")?;
            Ok(touched)
        })();
        match written {
            Ok(touched) => {
                self.emails.committed();
                for tenant in touched.values().filter(|tenant| tenant.finished_a_chunk()) {
                    // Without an indexer nobody listens, and nothing is missed.
                    drop(self.wake.send(Wake::Crossed(tenant.number)));
                }
                Ok(())
            }
            Err(error) => {
                outcomes.clear();
                self.emails.rolled_back();
                // After a failed commit SQLite may have rolled back by itself.
                if !self.connection.is_autocommit()
                    && let Err(error) = self.execute("rollback")
                {
                    tracing::error!(error = %error, "cannot roll back a failed batch");
                }
                Err(Sunk::By(error))
            }
        }
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }

    /// Does one job. The inner result is its answer, if the commit holds; the outer error sinks the batch.
    fn apply(&mut self, work: &mut Work, touched: &mut HashMap<OrganizationId, Tenant>) -> Result<Outcome, Error> {
        let change = match work {
            Work::Change(change) => change,
            Work::Index(step) => {
                index::take(&self.connection, step)?;
                return Ok(Ok(Timestamp::from_millis(0)));
            }
            Work::Outbox(task) => {
                task(&self.connection)?;
                return Ok(Ok(Timestamp::from_millis(0)));
            }
        };
        if let [Write::Organization(organization)] = change.writes.as_slice() {
            let sql = "insert into organization (id, name, country, time_zone, created_at) values (?1, ?2, ?3, ?4, ?5)";
            self.connection.prepare_cached(sql)?.execute(params![
                organization.id.as_str(),
                organization.name.as_str(),
                organization.country.as_str(),
                organization.time_zone.as_str(),
                organization.created_at.as_millis()
            ])?;
        }
        let tenant = match touched.entry(change.organization) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let number = match self.numbers.get(&change.organization) {
                    Some(number) => *number,
                    None => match place::number_of(&self.connection, change.organization)? {
                        Some(number) => number,
                        None => return Ok(Err(Error::NoOrganization)),
                    },
                };
                entry.insert(Tenant::load(&self.connection, number)?)
            }
        };
        tenant.apply(&self.connection, &mut self.emails, change)
    }
}

/// Why a batch was not written.
enum Sunk {
    /// Something else held the database until the time of all was over; they were told so.
    Unbegun,
    /// One of its changes, or the commit, failed.
    By(Error),
}

fn drop_answered(error: Error) -> impl FnMut(Job) {
    let mut error = Some(error);
    move |job| job.answer(Err(error.take().unwrap_or(Error::Closed)))
}

/// What a batch keeps of one organization it writes for, so that its row is read and written once.
struct Tenant {
    number: OrganizationNumber,
    users_before: i64,
    users: i64,
    audits: i64,
    latest: Timestamp,
    added: [i64; Role::ALL.len()],
}

impl Tenant {
    fn load(connection: &Connection, number: OrganizationNumber) -> Result<Self, Error> {
        let mut statement =
            connection.prepare_cached("select users, audits, latest_at from organization where number = ?1")?;
        Ok(statement.query_row([number], |row| {
            Ok(Self {
                number,
                users_before: row.get(0)?,
                users: row.get(0)?,
                audits: row.get(1)?,
                latest: Timestamp::from_millis(row.get(2)?),
                added: [0; Role::ALL.len()],
            })
        })?)
    }

    fn save(&self, connection: &Connection) -> Result<(), Error> {
        let sql = "update organization set users = ?2, audits = ?3, latest_at = ?4 where number = ?1";
        connection.prepare_cached(sql)?.execute(params![
            self.number,
            self.users,
            self.audits,
            self.latest.as_millis()
        ])?;
        let sql = "insert into role_count (organization, role, users) values (?1, ?2, ?3) \
                   on conflict do update set users = users + excluded.users";
        for (role, added) in self.added.iter().enumerate().filter(|(_, added)| **added != 0) {
            connection.prepare_cached(sql)?.execute(params![self.number, role as i64, added])?;
        }
        Ok(())
    }

    fn finished_a_chunk(&self) -> bool {
        self.users_before / index::CHUNK < self.users / index::CHUNK
    }

    fn apply(&mut self, connection: &Connection, emails: &mut Emails, change: &Change) -> Result<Outcome, Error> {
        // The order of an organization's changes and the order of their moments are one, whatever the clock does.
        let at = change.audit.at.max(self.latest);
        for (nth, write) in change.writes.iter().enumerate() {
            match write {
                Write::Organization(_) => {} // the caller's: the organization had no number yet
                Write::OrganizationAltered(altered) => {
                    let sql = "update organization set name = coalesce(?2, name), country = coalesce(?3, country), \
                               time_zone = coalesce(?4, time_zone) where number = ?1";
                    connection.prepare_cached(sql)?.execute(params![
                        self.number,
                        altered.name.as_ref().map(|name| name.as_str()),
                        altered.country.as_ref().map(Country::as_str),
                        altered.time_zone.as_ref().map(TimeZone::as_str)
                    ])?;
                }
                Write::Payor(payor) => {
                    let mut names = connection.prepare_cached("select name from payor where organization = ?1")?;
                    let mut names = names.query([self.number])?;
                    while let Some(row) = names.next()? {
                        if payor.name.is_taken_by(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?) {
                            return if nth == 0 { Ok(Err(Error::NameTaken)) } else { Err(Error::NameTaken) };
                        }
                    }
                    let sql = "insert into payor (organization, id, name, created_at) values (?1, ?2, ?3, ?4)";
                    connection.prepare_cached(sql)?.execute(params![
                        self.number,
                        payor.id.as_str(),
                        payor.name.as_str(),
                        payor.created_at.as_millis()
                    ])?;
                }
                Write::Key(key) => {
                    let sql = "insert into api_key (id, organization, role, name, hash, created_at, expires_at, \
                               revoked_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                    connection.prepare_cached(sql)?.execute(params![
                        key.id.as_str(),
                        self.number,
                        key.role as u8,
                        key.name.as_str(),
                        key.hash.as_bytes(),
                        key.created_at.as_millis(),
                        key.expires_at.map(Timestamp::as_millis),
                        key.revoked_at.map(Timestamp::as_millis)
                    ])?;
                }
                Write::KeyExpires(id, end) => {
                    let sql = "update api_key set expires_at = min(coalesce(expires_at, ?3), ?3) \
                               where organization = ?1 and id = ?2";
                    connection.prepare_cached(sql)?.execute(params![self.number, id.as_str(), end.as_millis()])?;
                }
                Write::KeyRevoked(id, end) => {
                    let sql = "update api_key set revoked_at = coalesce(revoked_at, ?3) \
                               where organization = ?1 and id = ?2";
                    connection.prepare_cached(sql)?.execute(params![self.number, id.as_str(), end.as_millis()])?;
                }
                Write::User(user, payors) => match self.insert_user(connection, emails, user, payors, at)? {
                    Inserted::Yes => {}
                    Inserted::EmailTaken if nth == 0 => return Ok(Err(Error::EmailTaken)),
                    // Something of this change is written already: undo it all.
                    Inserted::EmailTaken => return Err(Error::EmailTaken),
                },
                Write::Webhook(_)
                | Write::WebhookState(..)
                | Write::WebhookSecret(..)
                | Write::WebhookDeleted(..)
                | Write::SmsSetting(_)
                | Write::MessageRetried(..)
                | Write::MessageDropped(..) => outbox::apply(connection, self.number, write, self.audits)?,
            }
        }
        self.remember(connection, change, at)?;
        Ok(Ok(at))
    }

    fn insert_user(
        &mut self,
        connection: &Connection,
        emails: &mut Emails,
        user: &User,
        payors: &[PayorId],
        at: Timestamp,
    ) -> Result<Inserted, Error> {
        let sql = "insert into users (place, organization, id, first_name, last_name, email, email_key, role, phone, \
                   npi, npi_valid, sms, recertify_at, recertify_day, created_at, sex, caregiver, birth_date, \
                   address_line1, address_line2, city, state, postal_code) \
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, \
                   ?20, ?21, ?22, ?23)";
        let email_key = user.email.as_ref().map(|email| email.key());
        if let Some(key) = &email_key
            && emails.is_taken(connection, self.number, key)?
        {
            return Ok(Inserted::EmailTaken);
        }
        let place = self.number.place(self.users);
        let more = &user.demographics;
        connection.prepare_cached(sql)?.execute(params![
            place,
            self.number,
            user.id.as_str(),
            user.first_name.as_str(),
            user.last_name.as_str(),
            user.email.as_ref().map(|email| email.as_str()),
            email_key.as_ref().map(|key| key.as_str()),
            user.role as u8,
            user.phone.as_ref().map(|phone| phone.as_str()),
            user.npi.as_ref().map(|npi| npi.as_str()),
            user.npi.as_ref().map(|npi| npi.is_valid()),
            user.should_send_sms,
            user.recertification.map(|date| date.at().as_millis()),
            user.recertification.map(|date| date.day().to_string()),
            at.as_millis(),
            more.sex.as_ref().map(Line::as_str),
            more.caregiver.as_ref().map(|id| id.as_str()),
            more.birth_date.map(|day| day.to_string()),
            more.address_line1.as_ref().map(Line::as_str),
            more.address_line2.as_ref().map(Line::as_str),
            more.city.as_ref().map(Line::as_str),
            more.state.as_ref().map(Line::as_str),
            more.postal_code.as_ref().map(Line::as_str)
        ])?;
        if let Some(key) = &email_key {
            emails.add(self.number, key, place);
        }
        for payor in payors {
            let sql = "insert into user_payor (place, payor) values (?1, ?2) on conflict do nothing";
            connection.prepare_cached(sql)?.execute(params![place, payor.as_str()])?;
        }
        self.users += 1;
        self.added[user.role as usize] += 1;
        Ok(Inserted::Yes)
    }

    fn remember(&mut self, connection: &Connection, change: &Change, at: Timestamp) -> Result<(), Error> {
        let entry = &change.audit;
        let sql = "insert into audit (place, at, actor, action, target, fields, request) \
                   values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        connection.prepare_cached(sql)?.execute(params![
            self.number.place(self.audits),
            at.as_millis(),
            entry.actor.as_str(),
            entry.action.as_str(),
            entry.target.as_str(),
            entry.fields,
            entry.request.as_str()
        ])?;
        self.audits += 1;
        self.latest = at;
        for message in &change.owed {
            outbox::insert(connection, self.number, message, at)?;
        }
        for write in &change.writes {
            if let Write::User(user, _) = write
                && user.should_send_sms
            {
                let by = (entry.actor.as_str(), entry.request.as_str());
                outbox::record_consent(connection, self.number, user.id, at, by)?;
            }
        }
        Ok(())
    }
}

enum Inserted {
    Yes,
    EmailTaken,
}
