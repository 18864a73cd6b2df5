//! Many people at once, each by the rules of create or PATCH: rehearsed, or carried out.
//!
//! Rows are planned some hundred at a time, in their order, and many are under way at once, so that they share commits.
//! What becomes of a row never depends on which of them is faster: of two rows about one person the second is refused, and
//! a row that wants an e-mail which another row gives up waits for it. So a rehearsal, which does all of it but the
//! writes, says what a run does.

mod missing;
mod plan;

use std::{collections::VecDeque, future::Future, io, pin::pin};

use futures_util::{StreamExt, stream::FuturesOrdered};
use roster_directory::{
    Issue, UserId,
    user::{Patch, Warning},
};
use tokio::sync::mpsc;

use super::{App, Caller, Error, Meant};
pub use missing::{Cap, Missing};
use plan::{Act, Plan, Planner};

/// Rows that are planned at once: what is asked of the database for them is asked at once too.
const PLANNED_AT_ONCE: usize = 256;

/// Rows under way at once, and so the most that one commit carries.
const UNDER_WAY: usize = 2_048;

/// By what a row's person is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// Among the active users.
    Email,
    /// Among the active users.
    ExternalId,
    /// Among the active users. Nobody says that an NPI is one person's only: of two who have it neither is changed.
    Npi,
    /// Active or not. Who has none is new.
    PublicId,
}

impl By {
    /// The field, as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            By::Email => "email",
            By::ExternalId => "externalId",
            By::Npi => "npiNumber",
            By::PublicId => "publicId",
        }
    }
}

/// How rows become users.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Who is known by this is changed. Without it, every row is somebody new.
    pub by: Option<By>,
    /// Nothing is written.
    pub is_rehearsal: bool,
    /// Those whom no row is about leave, if they are no more than that.
    pub missing: Option<Cap>,
}

/// What a row says of somebody.
#[derive(Debug, Default)]
pub struct Given {
    /// Whom it is about, if it says so.
    pub id: Option<UserId>,
    /// Everything else. Its `metadata` is replaced whole.
    pub patch: Patch,
    /// Names within `metadata`, each set or removed; the others stay.
    pub metadata: Vec<(String, Option<String>)>,
}

/// A row.
#[derive(Debug)]
pub struct Incoming<T> {
    /// Its number.
    pub row: u64,
    /// What it says, or everything that is wrong with it.
    pub given: Result<Given, Vec<Issue>>,
    /// What whoever reads the outcome needs to know of it.
    pub beside: T,
}

/// What became of a row, or would.
#[derive(Debug)]
pub struct Done<T> {
    /// Its number; `None`: no row is about this user, who therefore left.
    pub row: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// What was taken all the same.
    pub warnings: Vec<Warning>,
    /// See [`Incoming`].
    pub beside: Option<T>,
}

/// What became of a row, or would.
#[derive(Debug)]
pub enum Outcome {
    /// Somebody new. A rehearsal makes no id.
    Created(Option<UserId>),
    /// Another than before.
    Changed(UserId),
    /// As before: nothing was written.
    Unchanged(UserId),
    /// Gone, because no row is about them.
    Deactivated(UserId),
    /// Nothing.
    Refused(Refusal),
}

/// Why a row was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// The rules of create or PATCH.
    Rule(Error),
    /// An earlier row has the same.
    Twin {
        /// That row.
        row: u64,
        /// What both have.
        field: &'static str,
    },
    /// It does not have what people are known by.
    Nameless(By),
    /// Several users have what it is known by.
    Several(By),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refusal::Rule(error) => error.fmt(f),
            Refusal::Twin { row, field } => {
                write!(f, "it is about the same person as row {row}: both have one {field}")
            }
            Refusal::Nameless(by) => write!(f, "it has no {}, by which people are found", by.as_str()),
            Refusal::Several(by) => write!(f, "several users have this {}: change them one by one", by.as_str()),
        }
    }
}

/// How many rows became what.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the outcomes")]
pub struct Counts {
    pub created: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub deactivated: u64,
    pub refused: u64,
}

/// How an import ended.
#[derive(Debug)]
pub struct Ended<E> {
    /// What became of its rows.
    pub counts: Counts,
    /// The last row that was begun.
    pub begun: u64,
    /// Why rows that follow were not begun, if they were not.
    pub stopped: Option<Stopped<E>>,
    /// Why nobody left, where somebody should have.
    pub kept: Option<Missing>,
}

/// Why rows were not begun.
#[derive(Debug)]
pub enum Stopped<E> {
    /// Somebody said so.
    Told,
    /// They could not be read.
    Unread(E),
    /// It failed, at this row; not because of what the row says.
    Failed(u64, Error),
    /// It is not known what became of this row. It was told as refused, with how to find out.
    Unknown(u64),
    /// What became of rows could not be told.
    Untold(io::Error),
}

/// Takes rows until there are no more, or until `stop`, and tells what became of each, in their order.
pub async fn import<T: Send + Sync, E: Send>(
    app: &App,
    caller: &Caller,
    how: How,
    mut rows: mpsc::Receiver<Result<Incoming<T>, E>>,
    stop: impl Future<Output = ()> + Send,
    mut tell: impl FnMut(Done<T>) -> io::Result<()> + Send,
) -> Ended<E> {
    let mut ended = Ended { counts: Counts::default(), begun: 0, stopped: None, kept: None };
    let mut planner = match Planner::new(app, caller, how).await {
        Ok(planner) => planner,
        Err(error) => return Ended { stopped: Some(Stopped::Failed(0, error)), ..ended },
    };
    let mut stop = pin!(stop);
    let (mut arrived, mut planned) = (Vec::with_capacity(PLANNED_AT_ONCE), VecDeque::new());
    let mut under_way = FuturesOrdered::new();
    let (mut no_more, mut failed) = (false, None);
    loop {
        while ended.stopped.is_none()
            && under_way.len() < UNDER_WAY
            && let Some(plan) = planned.pop_front_if(|plan: &mut Plan<T>| !plan.waits || under_way.is_empty())
        {
            ended.begun = plan.row;
            under_way.push_back(carry_out(app, caller, how, plan));
        }
        let is_idle = under_way.is_empty() && (planned.is_empty() || ended.stopped.is_some());
        if is_idle
            && no_more
            && let Some(stopped) = failed.take()
        {
            ended.stopped = Some(stopped);
        }
        if is_idle && (no_more || ended.stopped.is_some()) {
            break;
        }
        let has_room = !no_more && ended.stopped.is_none() && planned.is_empty() && under_way.len() < UNDER_WAY;
        tokio::select! {
            biased;
            () = &mut stop, if ended.stopped.is_none() => ended.stopped = Some(Stopped::Told),
            received = rows.recv_many(&mut arrived, PLANNED_AT_ONCE), if has_room => {
                no_more = received == 0;
                let mut read = Vec::with_capacity(received);
                for row in arrived.drain(..) {
                    match row {
                        Ok(row) => read.push(row),
                        // What was read before it is taken.
                        Err(error) => {
                            no_more = true;
                            failed = Some(Stopped::Unread(error));
                            break;
                        }
                    }
                }
                let first = read.first().map_or(0, |row| row.row);
                match planner.plan(read).await {
                    Ok(plans) => planned.extend(plans),
                    Err(error) => ended.stopped = Some(Stopped::Failed(first, error)),
                }
            }
            Some(done) = under_way.next(), if !under_way.is_empty() => {
                let (row, done) = done;
                match done {
                    Ok(done) => {
                        planner.saw(&done.outcome);
                        ended.counts.count(&done.outcome);
                        if let Err(error) = tell(done) {
                            ended.stopped.get_or_insert(Stopped::Untold(error));
                        }
                    }
                    // Each of them is named: they are what somebody has to look for.
                    Err(error @ Error::Unknown(..)) => {
                        let outcome = Outcome::Refused(Refusal::Rule(error));
                        ended.counts.count(&outcome);
                        ended.stopped.get_or_insert(Stopped::Unknown(row));
                        let done = Done { row: Some(row), outcome, warnings: Vec::new(), beside: None };
                        if let Err(error) = tell(done) {
                            ended.stopped.get_or_insert(Stopped::Untold(error));
                        }
                    }
                    Err(error) => {
                        ended.counts.refused += 1;
                        ended.stopped.get_or_insert(Stopped::Failed(row, error));
                    }
                }
            }
        }
    }
    if ended.stopped.is_none()
        && let Some(cap) = how.missing
    {
        planner.end_missing(cap, &mut ended, &mut tell).await;
    }
    ended
}

impl Counts {
    /// All rows, and whoever left.
    pub fn rows(&self) -> u64 {
        self.created + self.changed + self.unchanged + self.refused
    }

    fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Created(_) => &mut self.created,
            Outcome::Changed(_) => &mut self.changed,
            Outcome::Unchanged(_) => &mut self.unchanged,
            Outcome::Deactivated(_) => &mut self.deactivated,
            Outcome::Refused(_) => &mut self.refused,
        } += 1;
    }
}

/// What becomes of a row. An error is not the row's, and ends the import.
async fn carry_out<T: Send>(app: &App, caller: &Caller, how: How, plan: Plan<T>) -> (u64, Result<Done<T>, Error>) {
    let Plan { row, act, beside, .. } = plan;
    let done = |outcome, warnings| Done { row: Some(row), outcome, warnings, beside: Some(beside) };
    let acted = match act {
        Act::Refuse(refusal) => return (row, Ok(done(Outcome::Refused(refusal), Vec::new()))),
        Act::Settled(outcome, warnings) => return (row, Ok(done(outcome, warnings))),
        Act::Create(new) => app
            .create_user(caller, *new, None)
            .await
            .map(|acted| (Outcome::Created(Some(acted.user.id)), acted.warnings)),
        Act::Update(planned, patch) => {
            debug_assert!(!how.is_rehearsal);
            let version = planned.before.version;
            let acted = app.carry_out(caller, *planned, &Meant::Any, &patch).await;
            acted.map(|acted| match acted.user.version == version {
                true => (Outcome::Unchanged(acted.user.id), acted.warnings),
                false => (Outcome::Changed(acted.user.id), acted.warnings),
            })
        }
    };
    let done = match acted {
        Ok((outcome, warnings)) => Ok(done(outcome, warnings)),
        Err(error) if is_the_rows(&error) => Ok(done(Outcome::Refused(Refusal::Rule(error)), Vec::new())),
        Err(error) => Err(error),
    };
    (row, done)
}

/// Whether an error says something about the row, and nothing about those that follow.
fn is_the_rows(error: &Error) -> bool {
    match error {
        Error::Invalid(_)
        | Error::Forbidden
        | Error::NotFound
        | Error::EmailTaken
        | Error::ExternalIdTaken
        | Error::Stale(_) => true,
        Error::AnotherVersion
        | Error::StillActive
        | Error::AnotherRequest
        | Error::Answered
        | Error::NameTaken
        | Error::LastManager
        | Error::TooManyWebhooks
        | Error::NotNow(_)
        | Error::ClockWasSet(_)
        | Error::Busy(_)
        | Error::Unknown(..)
        | Error::Internal(_) => false,
    }
}
