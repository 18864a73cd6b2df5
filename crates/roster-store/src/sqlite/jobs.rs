//! What waits to be written, and until when: whoever asks is answered in time, whatever stands before it.
//!
//! A job is first waiting and then either taken by the writer or given up by whoever asked; which of the two is decided
//! once, by one atomic step. A job that was given up is never applied, so "nothing was written" stays true. A job that
//! was taken and whose commit does not end in time has an outcome that is not known.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire},
    },
    time::{Duration, Instant},
};

use roster_directory::{Change, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout_at,
};

use super::{index::Step, outbox::Task};
use crate::Error;

/// What the commit that a job is in may take beyond the job's time, so that few outcomes are not known.
const GRACE: Duration = Duration::from_millis(100);

/// How long the writer may take over one batch before the server is not ready any more.
const SLOW: Duration = Duration::from_millis(900);

/// Something to be written.
pub(super) enum Work {
    Change(Box<Change>),
    Index(Step),
    Outbox(Task),
}

/// What became of it. Only a change has a moment.
pub(super) type Outcome = Result<Timestamp, Error>;

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Work, its time, and whom to tell.
pub(super) struct Job {
    pub(super) work: Work,
    deadline: Instant,
    stage: Arc<AtomicU8>,
    asker: oneshot::Sender<Outcome>,
}

impl Job {
    fn new(work: Work, deadline: Instant) -> (Self, Ticket) {
        let (asker, answer) = oneshot::channel();
        let stage = Arc::new(AtomicU8::new(WAITING));
        (Self { work, deadline, stage: stage.clone(), asker }, Ticket { stage, answer })
    }

    /// Whether it is the writer's to do now. Whoever asked does not give it up any more.
    pub(super) fn take(&self, now: Instant) -> bool {
        let to = if now < self.deadline { TAKEN } else { GIVEN_UP };
        self.stage.compare_exchange(WAITING, to, AcqRel, Acquire).is_ok() && to == TAKEN
    }

    /// It was taken, and nothing came of it.
    pub(super) fn put_back(&self) {
        // Nobody else moves it on from there.
        let _ = self.stage.compare_exchange(TAKEN, WAITING, AcqRel, Acquire);
    }

    /// Whether its time is over, or whoever asked gave it up.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.deadline || self.stage.load(Acquire) == GIVEN_UP
    }

    pub(super) fn answer(self, outcome: Outcome) {
        // Whoever asked may have gone away; what was written stays written.
        drop(self.asker.send(outcome));
    }
}

/// What is left to whoever asked.
struct Ticket {
    stage: Arc<AtomicU8>,
    answer: oneshot::Receiver<Outcome>,
}

impl Ticket {
    fn give_up(&self) -> bool {
        self.stage.compare_exchange(WAITING, GIVEN_UP, AcqRel, Acquire).is_ok()
    }

    /// The writer is gone.
    fn lost(&self) -> Error {
        match self.stage.load(Acquire) {
            TAKEN => Error::Unknown("the writer stopped over it".into()),
            _ => Error::Closed,
        }
    }
}

/// What the writer is at, and since when.
pub(super) struct Progress(Mutex<(Stage, Instant)>);

/// What the writer is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Idle,
    /// Something else holds the lock that it needs.
    Locked,
    Writing,
}

impl Default for Progress {
    fn default() -> Self {
        Self(Mutex::new((Stage::Idle, Instant::now())))
    }
}

impl Progress {
    pub(super) fn is(&self, stage: Stage) {
        let mut known = self.0.lock().expect("nobody panics holding it");
        if known.0 != stage {
            *known = (stage, Instant::now());
        }
    }

    /// What holds up whatever waits, if anything does.
    fn obstacle(&self) -> Option<Error> {
        match *self.0.lock().expect("nobody panics holding it") {
            (Stage::Locked, _) => Some(Error::Locked),
            (Stage::Writing, since) if since.elapsed() > SLOW => {
                Some(Error::Storage("a commit takes longer than it may".into()))
            }
            _ => None,
        }
    }
}

/// The way in: a bounded queue.
pub(super) struct Jobs {
    queue: mpsc::Sender<Job>,
    progress: Arc<Progress>,
    /// How long a job may wait.
    patience: Duration,
}

impl Jobs {
    pub(super) fn new(queue: mpsc::Sender<Job>, progress: Arc<Progress>, patience: Duration) -> Self {
        Self { queue, progress, patience }
    }

    /// Has something written, and returns when that is on disk, or its time is over.
    pub(super) async fn ask(&self, work: Work) -> Outcome {
        self.ask_within(work, self.patience).await
    }

    async fn ask_within(&self, work: Work, patience: Duration) -> Outcome {
        let deadline = tokio::time::Instant::now() + patience;
        let (job, mut ticket) = Job::new(work, deadline.into_std());
        self.queue.try_send(job).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => self.progress.obstacle().unwrap_or(Error::Busy),
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })?;
        if let Ok(answer) = timeout_at(deadline, &mut ticket.answer).await {
            return answer.unwrap_or_else(|_| Err(ticket.lost()));
        }
        if ticket.give_up() {
            return Err(self.progress.obstacle().unwrap_or(Error::Busy));
        }
        match timeout_at(deadline + GRACE, &mut ticket.answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(ticket.lost())),
            Err(_) => Err(Error::Unknown("the commit it is in does not end".into())),
        }
    }

    /// Whether something could be written now.
    pub(super) async fn check(&self) -> Result<(), Error> {
        if self.queue.capacity() == 0 {
            // So much is being written that nothing more is taken; whether it is being written shows.
            return self.progress.obstacle().map_or(Ok(()), Err);
        }
        match self.ask_within(Work::Outbox(Box::new(|_| Ok(()))), SLOW).await {
            Ok(_) => Ok(()),
            Err(Error::Unknown(why)) => Err(Error::Storage(why)),
            Err(error) => Err(error),
        }
    }

    /// A way in that does not keep the writer running.
    pub(super) fn downgrade(&self) -> BackgroundJobs {
        BackgroundJobs { queue: self.queue.downgrade(), patience: self.patience }
    }
}

/// The way in for a thread that has time.
pub(super) struct BackgroundJobs {
    queue: mpsc::WeakSender<Job>,
    patience: Duration,
}

impl BackgroundJobs {
    pub(super) fn ask(&self, work: Work) -> Outcome {
        let queue = self.queue.upgrade().ok_or(Error::Closed)?;
        let (job, ticket) = Job::new(work, Instant::now() + self.patience);
        queue.blocking_send(job).map_err(|_| Error::Closed)?;
        drop(queue);
        ticket.answer.blocking_recv().map_err(|_| Error::Closed)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(time: Duration) -> (Job, Ticket) {
        Job::new(Work::Outbox(Box::new(|_| Ok(()))), Instant::now() + time)
    }

    #[test]
    fn what_was_given_up_is_never_taken() {
        let (job, ticket) = job(Duration::from_secs(60));
        assert!(ticket.give_up());
        assert!(job.is_over(Instant::now()) && !job.take(Instant::now()));
    }

    #[test]
    fn what_was_taken_is_not_given_up() {
        let (job, ticket) = job(Duration::from_secs(60));
        assert!(job.take(Instant::now()));
        assert!(!ticket.give_up());
        job.put_back();
        assert!(ticket.give_up());
    }

    #[test]
    fn what_is_late_is_not_taken() {
        let (job, ticket) = job(Duration::ZERO);
        assert!(!job.take(Instant::now()));
        assert!(!ticket.give_up(), "it is given up already, and answered");
    }

    #[tokio::test]
    async fn a_job_whose_commit_does_not_end_has_an_outcome_that_is_not_known() {
        let (queue, mut waiting) = mpsc::channel(1);
        let jobs = Jobs::new(queue, Arc::default(), Duration::from_millis(200));
        let work = || Work::Outbox(Box::new(|_| Ok(())));
        let writer = async {
            let job = waiting.recv().await.expect("a job");
            assert!(job.take(Instant::now()));
            job
        };
        let (outcome, _job) = tokio::join!(jobs.ask(work()), writer);
        assert!(matches!(outcome, Err(Error::Unknown(_))), "{outcome:?}");
        assert!(matches!(jobs.ask(work()).await, Err(Error::Busy)), "nobody took it");
    }
}
