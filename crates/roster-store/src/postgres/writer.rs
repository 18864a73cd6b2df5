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

mod gather;
mod other;
mod users;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use roster_directory::{Change, OrganizationId, Timestamp, Write};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{
    attempts::Attempts,
    horizon::Horizon,
    lending::{GRACE, Lender, Trouble},
    place,
};
use crate::{Error, Options, error::chain};
use gather::{ENOUGH, Gathering};
use users::{Act, Deed, Statement};

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
        let mut batches: Vec<(Option<OrganizationId>, Deed, Vec<Job>)> = Vec::new();
        for job in batch {
            let [Write::User(diff)] = job.change.writes.as_slice() else {
                self.write_other(job).await;
                continue;
            };
            let deed = Deed::of(diff);
            let organization = (deed != Deed::Create).then_some(job.change.organization);
            match batches.iter_mut().find(|(of, what, _)| (*of, *what) == (organization, deed)) {
                Some((.., jobs)) => jobs.push(job),
                None => batches.push((organization, deed, vec![job])),
            }
        }
        for (.., jobs) in batches {
            self.write_batch(jobs).await;
        }
    }

    /// Writes what is done to users: the same to all of them.
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
        match self.write_users(&jobs, &mut attempts).await {
            Ok(answers) => {
                for (job, answer) in jobs.into_iter().zip(answers) {
                    drop(job.asker.send(answer));
                }
            }
            Err(error) if jobs.len() == 1 || !is_about_one(&error) => {
                // The whole batch met the same: the server is away, or full, or too busy.
                may_end_later = matches!(error, Error::Unknown(_));
                tell_all(jobs, error);
            }
            Err(_) => {
                // One of them is refused for itself: only the guilty one is to hear it.
                for job in jobs {
                    let one = [job];
                    let answer = self.write_users(&one, &mut attempts.at_a_part(one[0].deadline)).await;
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

    /// Writes users, until it is known which of them were written, or the deadline.
    async fn write_users(&self, jobs: &[Job], attempts: &mut Attempts) -> Result<Vec<Answer>, Error> {
        let acts: Vec<Act<'_>> = jobs.iter().filter_map(|job| Act::alone(&job.change, job.place)).collect();
        let statement = Statement::whole(&acts, self.number, self.counter);
        loop {
            let tried = self.lender.lend_to_write(attempts, async |client| {
                let mut written = statement.commit(client, attempts).await?;
                // A lost attempt may have written them before this one found them there.
                if attempts.lost_one {
                    written.extend(statement.written_before(client).await?);
                }
                let mut answers = Vec::with_capacity(acts.len());
                for (nth, act) in acts.iter().enumerate() {
                    answers.push(match written.contains(&nth) {
                        true => Ok(place::moment(act.place)),
                        false => Err(act.refusal(client).await?),
                    });
                }
                Ok(answers)
            });
            let trouble = match tried.await {
                Ok(answers) => return Ok(answers),
                Err(trouble) => trouble,
            };
            match (attempts.again_after(trouble).await, acts.as_slice()) {
                (Ok(()), _) => {}
                (Err(Error::Answered), [act]) if self.forget_old_answer(act, attempts).await? => {}
                (Err(error), _) => return Err(error),
            }
        }
    }

    /// Whether an answer was there that is too old to count, and is gone now.
    async fn forget_old_answer(&self, act: &Act<'_>, attempts: &Attempts) -> Result<bool, Error> {
        Ok(self.lender.lend(attempts.deadline, async |client| Ok(act.forget_old_answer(client).await?)).await?)
    }

    /// Writes a change that does not do one thing to one user, in a transaction of its own.
    async fn write_other(&self, mut job: Job) {
        let at = job.change.audit.at;
        let creates = |write: &Write| matches!(write, Write::User(diff) if Deed::of(diff) == Deed::Create);
        let mut held = None;
        if job.change.writes.iter().any(creates) {
            match self.horizon.hold(&[at], job.deadline).await {
                Ok((places, hold)) => {
                    job.place = places.first().copied().unwrap_or_default();
                    held = Some(hold);
                }
                Err(error) => return drop(job.asker.send(Err(error))),
            }
        } else {
            job.place = self.horizon.place(at);
        }
        let answer = self.write_transaction(&job).await;
        if let (Some(held), Err(Error::Unknown(_))) = (held, &answer) {
            held.let_go_later();
        }
        drop(job.asker.send(answer));
    }

    async fn write_transaction(&self, job: &Job) -> Answer {
        let (change, place) = (&job.change, job.place);
        let mut attempts = Attempts::until(job.deadline);
        loop {
            let tried = self.lender.lend_to_write(&attempts, async |client| {
                if attempts.lost_one && other::is_written(client, change, place, self.number).await? {
                    return Ok(());
                }
                match other::write(client, &attempts, change, place, (self.number, self.counter)).await {
                    // The lost attempt may have ended only now, while this one waited for it.
                    Err(Trouble::Refused(_))
                        if attempts.lost_one && other::is_written(client, change, place, self.number).await? =>
                    {
                        Ok(())
                    }
                    written => written,
                }
            });
            match tried.await {
                Ok(()) => return Ok(place::moment(place)),
                Err(trouble) => attempts.again_after(trouble).await?,
            }
        }
    }
}

/// Whether an error may be about one change of a batch: the others are to be tried without it.
fn is_about_one(error: &Error) -> bool {
    matches!(error, Error::Engine(_) | Error::EmailTaken | Error::ExternalIdTaken | Error::Answered)
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
        [Write::User(diff)] => diff.user().email.as_ref().map(|email| email.key().as_str().to_owned()),
        _ => None,
    };
    (job.change.organization.as_str().to_owned(), email.unwrap_or_default())
}
