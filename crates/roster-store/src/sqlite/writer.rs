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

use roster_directory::{Change, OrganizationId, Timestamp};
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{
    apply::{self, Counters},
    emails::{Emails, Waiting},
    freshness::{self, Freshness},
    index::{self, Unfollowed, Wake},
    jobs::{BackgroundJobs, Job, Jobs, Outcome, Progress, Stage, Work},
    log::Log,
    outbox,
    place::OrganizationNumber,
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
        let (numbers, unfollowed) = (HashMap::new(), Unfollowed::default());
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                WriterThread { connection, emails, freshness, log, wake, progress, batch_limit, numbers, unfollowed }
                    .run(queue)
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
    unfollowed: Unfollowed,
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
            for counters in touched.values() {
                counters.save(&self.connection)?;
            }
            if touched.values().any(|counters| counters.altered) {
                freshness::trim(&self.connection)?;
            }
            self.emails.save(&self.connection)?;
            self.execute("commit")?;
            Ok(touched)
        })();
        match written {
            Ok(touched) => {
                self.emails.committed();
                for counters in touched.values() {
                    // Without an indexer nobody listens, and nothing is missed.
                    if counters.finished_a_chunk() {
                        drop(self.wake.send(Wake::Crossed(counters.number)));
                    }
                    let (changed, erased) = (counters.searched_otherwise, counters.erased);
                    if self.unfollowed.is_worth_it(counters.number, changed, erased) {
                        drop(self.wake.send(Wake::Altered(counters.number)));
                    }
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
    fn apply(&mut self, work: &mut Work, touched: &mut HashMap<OrganizationId, Counters>) -> Result<Outcome, Error> {
        let change = match work {
            Work::Change(change) => change,
            Work::Index(step) => {
                let refused = index::take(&self.connection, step)?;
                return Ok(refused.map_or(Ok(Timestamp::from_millis(0)), Err));
            }
            Work::Outbox(task) => {
                task(&self.connection)?;
                return Ok(Ok(Timestamp::from_millis(0)));
            }
        };
        apply::add_organization(&self.connection, change)?;
        let counters = match touched.entry(change.organization) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let number = self.numbers.get(&change.organization).copied();
                match Counters::load(&self.connection, change.organization, number)? {
                    Some(counters) => entry.insert(counters),
                    None => return Ok(Err(Error::NoOrganization)),
                }
            }
        };
        counters.apply(&self.connection, &mut self.emails, change)
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
