//! How a process writes: it takes all the creates that are waiting and writes them in one statement.
//!
//! PostgreSQL commits in groups by itself, but a statement that carries many users costs a fraction of a statement per
//! user. The statement is a transaction of its own, so a batch is one round trip; every change keeps its own outcome,
//! because only the users that were added get their audit entry and their messages. Nothing is locked while a batch waits
//! for anything but its commit: processes, and the batches of one, count in rows of their own.
//!
//! A batch is what arrived while the one before was written, and those who are about to ask again. Another goes beside it
//! only when it is full: what a statement costs beyond its users (a third of a millisecond, and the commit) is worth
//! sharing, but once there are enough to share it, the disk that one batch waits for is time for the other. With three
//! batches of whoever was there, a statement carried ten users where it now carries thirty.

mod add;
mod gather;
mod other;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use roster_directory::{Change, Timestamp, Write};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{
    attempts::Attempts,
    horizon::Horizon,
    lending::{GRACE, Lender},
    place,
};
use crate::{Error, Options, error::chain};
use add::{Addition, Columns};
use gather::{ENOUGH, Gathering};

/// How long a change may take, waiting and retries included, before the server is told to stop. With the time that it
/// has to answer that, whoever asked hears within two seconds.
pub(super) const DEADLINE: Duration = Duration::from_millis(1_950).saturating_sub(GRACE);

/// Batches of a process that are under way at once.
const LANES: u32 = 2;

/// Rows that processes count in, one for each lane. More lanes than that may meet in one row now and then, and wait there
/// for a commit; fewer rows are summed up sooner, and they do not get more with every process that ever wrote.
const COUNTERS: u32 = 32;

type Answer = Result<Timestamp, Error>;

struct Job {
    change: Box<Change>,
    /// Given when it is about to be written: the fewer are under way, the less a list in creation order waits for.
    place: i64,
    asker: oneshot::Sender<Answer>,
    deadline: Instant,
}

/// The way in: a bounded queue, and the lanes behind it.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
    horizon: Arc<Horizon>,
    closing: Arc<Notify>,
    dispatching: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(lender: &Lender, options: &Options) -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel(options.queue.max(1));
        let random = || getrandom::u32().map_err(|error| Error::Unusable(format!("no randomness: {error}")));
        let (number, counter) = ((random()? >> 1) as i32, (random()? % (COUNTERS / LANES) * LANES) as i32);
        let horizon = Arc::new(Horizon::new(lender.clone()));
        let lane =
            |nth| Lane { number, counter: counter + nth as i32, lender: lender.clone(), horizon: horizon.clone() };
        let closing = Arc::new(Notify::new());
        let dispatcher = Dispatcher {
            queue,
            closing: closing.clone(),
            horizon: horizon.clone(),
            batch_limit: options.batch.max(1),
            gathering: Gathering::default(),
            idle: (0..LANES).map(lane).collect(),
            under_way: JoinSet::new(),
        };
        let dispatching = Mutex::new(Some(tokio::spawn(dispatcher.run())));
        Ok(Self { jobs, horizon, closing, dispatching })
    }

    pub(super) fn horizon(&self) -> &Horizon {
        &self.horizon
    }

    /// Takes nothing more, and returns when everybody is answered.
    pub(super) async fn close(&self) {
        self.closing.notify_one();
        let dispatching = self.dispatching.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(dispatching) = dispatching {
            drop(dispatching.await);
        }
    }

    /// Whether anybody still writes.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.jobs.is_closed() { Err(Error::Closed) } else { Ok(()) }
    }

    /// A place for something that is owed since this moment.
    pub(super) fn place(&self, at: Timestamp) -> i64 {
        self.horizon.place(at)
    }

    pub(super) async fn commit(&self, change: Change) -> Answer {
        let (asker, answer) = oneshot::channel();
        let job = Job { change: Box::new(change), place: 0, asker, deadline: Instant::now() + DEADLINE };
        self.jobs.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

/// Takes the jobs as they come, and hands them to its lanes in batches.
struct Dispatcher {
    queue: mpsc::Receiver<Job>,
    closing: Arc<Notify>,
    horizon: Arc<Horizon>,
    batch_limit: usize,
    gathering: Gathering,
    idle: Vec<Lane>,
    under_way: JoinSet<(Lane, usize)>,
}

impl Dispatcher {
    /// Until nobody can ask any more and everybody is answered.
    async fn run(mut self) {
        let keeping = tokio::spawn({
            let horizon = self.horizon.clone();
            async move { horizon.keep().await }
        });
        while let Some(batch) = self.next().await {
            let Some(lane) = self.idle.pop() else { break };
            self.under_way.spawn(async move {
                let jobs = batch.len();
                lane.write(batch).await;
                (lane, jobs)
            });
        }
        while self.under_way.join_next().await.is_some() {}
        keeping.abort();
        if let Err(error) = self.horizon.end().await {
            tracing::debug!(error = %chain(&error), "cannot say that this process writes no more");
        }
    }

    /// The next batch that is to be written. One goes beside another that is under way only when it is full.
    async fn next(&mut self) -> Option<Vec<Job>> {
        let mut batch = Vec::with_capacity(ENOUGH);
        loop {
            match self.under_way.len() {
                0 if !batch.is_empty() => {
                    self.gathering.wait_for_more(&mut self.queue, &mut batch, self.batch_limit).await;
                    return Some(batch);
                }
                _ if batch.len() >= ENOUGH.min(self.batch_limit) && !self.idle.is_empty() => return Some(batch),
                _ => {}
            }
            let nobody_is_left = self.queue.is_closed() && self.queue.is_empty();
            if nobody_is_left && batch.is_empty() {
                return None;
            }
            let room = self.batch_limit - batch.len();
            tokio::select! {
                biased;
                Some(ended) = self.under_way.join_next() => {
                    let (lane, jobs) = ended.ok()?;
                    self.idle.push(lane);
                    self.gathering.answered(jobs, batch.len() + self.queue.len());
                }
                () = self.closing.notified() => self.queue.close(),
                _ = self.queue.recv_many(&mut batch, room), if room > 0 && !nobody_is_left => {}
            }
        }
    }
}

/// Writes one batch after the other.
struct Lane {
    /// Keeps the audit entries of this process apart from those of all others.
    number: i32,
    /// Where it counts. Lanes that counted in one row would wait for each other's commits.
    counter: i32,
    lender: Lender,
    horizon: Arc<Horizon>,
}

impl Lane {
    async fn write(&self, mut batch: Vec<Job>) {
        batch.retain(|job: &Job| !job.asker.is_closed());
        let (users, others): (Vec<Job>, Vec<Job>) =
            batch.into_iter().partition(|job| matches!(job.change.writes.as_slice(), [Write::User(..)]));
        for mut job in others {
            job.place = self.horizon.place(job.change.audit.at);
            let answer = self.write_other(&job).await;
            drop(job.asker.send(answer));
        }
        self.write_batch(users).await;
    }

    async fn write_batch(&self, jobs: Vec<Job>) {
        let now = Instant::now();
        let (late, mut jobs): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| job.deadline <= now);
        tell_all(late, Error::Busy);
        let Some(deadline) = jobs.iter().map(|job| job.deadline).min() else { return };
        let at: Vec<Timestamp> = jobs.iter().map(|job| job.change.audit.at).collect();
        let (places, held) = match self.horizon.hold(&at, deadline).await {
            Ok(held) => held,
            Err(error) => return tell_all(jobs, error),
        };
        jobs.iter_mut().zip(places).for_each(|(job, place)| job.place = place);
        // Two processes that take the same e-mails one after the other wait for each other once, and not in a circle.
        jobs.sort_by_cached_key(email_key);
        let mut attempts = Attempts::until(deadline);
        let mut may_end_later = false;
        match self.add(&jobs, &mut attempts).await {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    drop(job.asker.send(answer));
                }
            }
            Err(error) if jobs.len() == 1 || !matches!(error, Error::Engine(_)) => {
                // The whole batch met the same: the server is away, or full, or too busy.
                may_end_later = matches!(error, Error::Unknown(_));
                tell_all(jobs, error);
            }
            Err(_) => {
                // One of them is refused for itself: only the guilty one is to hear it.
                for job in jobs {
                    let one = [job];
                    let answer = self.add(&one, &mut attempts.at_a_part(one[0].deadline)).await;
                    let [job] = one;
                    let answer = answer.and_then(|mut answers| answers.pop().unwrap_or(Err(Error::Closed)));
                    may_end_later |= matches!(answer, Err(Error::Unknown(_)));
                    drop(job.asker.send(answer));
                }
            }
        }
        if may_end_later {
            held.let_go_later();
        }
    }

    /// Adds users, until it is known which of them were added, or the deadline.
    async fn add(&self, jobs: &[Job], attempts: &mut Attempts) -> Result<Vec<Answer>, Error> {
        let additions: Vec<Addition<'_>> = jobs.iter().filter_map(Addition::of).collect();
        let columns = Columns::of(&additions);
        loop {
            let tried = self.lender.lend_to_write(attempts, async |client| {
                let added = columns.add(client, attempts, self.number, self.counter).await?;
                // A lost attempt may have added them before this one found them there.
                let found = match attempts.lost_one {
                    true => columns.existing(client).await?,
                    false => HashSet::new(),
                };
                Ok((added, found))
            });
            match tried.await {
                Ok((added, found)) => {
                    let is_there = |addition: &Addition<'_>| {
                        let id = addition.user.id.as_str();
                        added.contains(id) || found.contains(id)
                    };
                    return Ok(additions
                        .iter()
                        .map(|addition| match is_there(addition) {
                            true => Ok(place::moment(addition.place)),
                            false => Err(Error::EmailTaken),
                        })
                        .collect());
                }
                Err(trouble) => attempts.again_after(trouble).await?,
            }
        }
    }

    /// Writes a change that adds no user, in a transaction of its own.
    async fn write_other(&self, job: &Job) -> Answer {
        let (change, place) = (&job.change, job.place);
        let mut attempts = Attempts::until(job.deadline);
        loop {
            let tried = self.lender.lend_to_write(&attempts, async |client| {
                if attempts.lost_one && other::is_written(client, change, place, self.number).await? {
                    return Ok(());
                }
                other::write(client, &attempts, change, place, self.number).await
            });
            match tried.await {
                Ok(()) => return Ok(place::moment(place)),
                Err(trouble) => attempts.again_after(trouble).await?,
            }
        }
    }
}

/// Tells everybody the same; the first of them hears why.
fn tell_all(jobs: Vec<Job>, error: Error) {
    let others = error.to_others();
    let mut first = Some(error);
    for job in jobs {
        drop(job.asker.send(Err(first.take().unwrap_or_else(|| others.to_others()))));
    }
}

/// What an e-mail is unique by.
fn email_key(job: &Job) -> (String, String) {
    let email = match job.change.writes.as_slice() {
        [Write::User(user, _)] => user.email.as_ref().map(|email| email.key().as_str().to_owned()),
        _ => None,
    };
    (job.change.organization.as_str().to_owned(), email.unwrap_or_default())
}
