//! What a caller can DO, one function per act, whichever door it came by. Time, ids and randomness are made here.

mod caller;
mod clock;
pub mod demo;
mod ids;
pub mod import;
mod keys;
mod organizations;
mod outbox;
mod payors;
mod repeat;
mod sms;
mod time;
mod trail;
mod users;
mod webhooks;

use std::sync::{Arc, Mutex};

use roster_directory::{Change, Issue, MessageId, Timestamp, WebhookId, audit::Target};
use roster_store::{Store, outbox::Backlog};
use tokio::sync::Notify;

pub use caller::{Caller, Identity};
pub(crate) use clock::DAY;
pub use clock::{Clock, ClockWasSet};
pub use ids::Ids;
pub use repeat::Answering;
pub use sms::ConsentHistory;
pub(crate) use sms::has_stopped;
pub use users::{Acted, Meant};
pub(crate) use webhooks::is_told;
pub use webhooks::{EventPage, NewWebhook};

pub use keys::{Ends, NewKey};
use keys::{Known, Used};

/// Messages of a kind that are counted at most: to read all of ten million that wait took seconds, every ten seconds.
pub(crate) const COUNTED: u32 = 100_000;

/// The directory, and the clock and ids it acts by.
pub struct App {
    store: Store,
    clock: Clock,
    ids: Ids,
    known_keys: Known,
    used_keys: Mutex<Used>,
    wake: Arc<Notify>,
    backlog: Mutex<Vec<Backlog>>,
}

impl App {
    /// An app over this store. What its rows remember as the latest moment was seen by this clock too.
    pub fn new(store: Store, clock: Clock, ids: Ids) -> Self {
        clock.saw(store.latest_when_opened());
        Self {
            store,
            clock,
            ids,
            known_keys: keys::none_known(),
            used_keys: Mutex::default(),
            wake: Arc::default(),
            backlog: Mutex::default(),
        }
    }

    /// Whether acts can be carried out at all: it is known what time it is, the database answers and its writer is alive.
    pub async fn check(&self) -> Result<(), Error> {
        self.clock.now()?;
        Ok(self.store.check().await?)
    }

    /// Where the rows are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Told whenever something may be owed to somebody.
    pub(crate) fn wake(&self) -> &Notify {
        &self.wake
    }

    /// Counts what is owed, in all organizations, up to [`COUNTED`]. Whoever only wants to know takes what was
    /// [counted](Self::counted) last.
    pub(crate) async fn count_owed(&self) -> Result<Vec<Backlog>, Error> {
        let backlog = self.store.backlog(COUNTED).await?;
        self.backlog.lock().expect("nobody panics holding it").clone_from(&backlog);
        Ok(backlog)
    }

    /// What was owed when it was counted last.
    pub(crate) fn counted(&self) -> Vec<Backlog> {
        self.backlog.lock().expect("nobody panics holding it").clone()
    }

    /// Writes a change: the way out of every act.
    async fn write(&self, change: Change) -> Result<Timestamp, Error> {
        let target = Unsettled::Target(change.audit.target);
        let at = self.store.commit(change).await.map_err(|error| Error::of_write(error, target))?;
        self.wake.notify_one();
        Ok(at)
    }

    /// What time it is.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Where ids come from.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }
}

/// Why an act was not carried out. Each door has its own words for them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was asked is not well-formed; everything that is wrong with it.
    #[error("the request is not valid: {}", summary(.0))]
    Invalid(Vec<Issue>),
    /// The caller's role does not allow it.
    #[error("the role does not allow it")]
    Forbidden,
    /// There is none, or it is not the caller's to see.
    #[error("there is none of this id")]
    NotFound,
    /// Another user of the organization has the e-mail.
    #[error("the e-mail is already in use in the organization")]
    EmailTaken,
    /// Another active user of the organization has the external id.
    #[error("the external id is already in use in the organization")]
    ExternalIdTaken,
    /// It is not of the version that was meant.
    #[error("it has changed meanwhile: look at it again")]
    AnotherVersion,
    /// Only who was deactivated is erased.
    #[error("deactivate the user first")]
    StillActive,
    /// Another request was called the same.
    #[error("another request had this Idempotency-Key")]
    AnotherRequest,
    /// The request was answered by another process at this moment.
    #[error("the request was answered already")]
    Answered,
    /// Others changed it again and again meanwhile.
    #[error("it changed meanwhile, again and again: try again")]
    Stale(#[source] roster_store::Error),
    /// Another of its kind in the organization has the name.
    #[error("the name is already in use in the organization")]
    NameTaken,
    /// Without it nobody could manage the organization by API any more.
    #[error("it is the last key that manages the organization: make another one first")]
    LastManager,
    /// The organization has as many webhooks as it may have.
    #[error("an organization may have {} webhooks", roster_directory::webhook::MOST)]
    TooManyWebhooks,
    /// What is asked cannot be done with it as it is.
    #[error("{0}")]
    NotNow(&'static str),
    /// Nobody knows what time it is.
    #[error(transparent)]
    ClockWasSet(#[from] ClockWasSet),
    /// Not now: the caller may try again.
    #[error("not now")]
    Busy(#[source] roster_store::Error),
    /// Whether it was done is not known: whoever does it again without looking may do it twice.
    #[error("the outcome is not known{}", to_look_at(.0))]
    Unknown(Option<Unsettled>, #[source] roster_store::Error),
    /// It failed, and the caller can do nothing about it.
    #[error("it failed")]
    Internal(#[source] roster_store::Error),
}

/// What tells whether an act was carried out whose outcome is not known: it is there then, or altered.
#[derive(Debug, Clone, Copy)]
pub enum Unsettled {
    /// What the act was done to.
    Target(Target),
    /// A message to a webhook.
    Delivery(WebhookId, MessageId),
}

impl Unsettled {
    /// The public id.
    pub fn as_str(&self) -> &str {
        match self {
            Unsettled::Target(target) => target.as_str(),
            Unsettled::Delivery(_, message) => message.as_str(),
        }
    }
}

fn to_look_at(unsettled: &Option<Unsettled>) -> String {
    unsettled.map_or_else(String::new, |unsettled| format!(": look at {} before you do it again", unsettled.as_str()))
}

impl Error {
    /// Why something was not written that would be found by this.
    fn of_write(error: roster_store::Error, unsettled: Unsettled) -> Self {
        match Error::from(error) {
            Error::Unknown(_, cause) => Error::Unknown(Some(unsettled), cause),
            error => error,
        }
    }
}

fn summary(issues: &[Issue]) -> String {
    let one = |issue: &Issue| match issue.path.is_empty() {
        true => issue.message.to_string(),
        false => format!("{}: {}", issue.path.join("."), issue.message),
    };
    issues.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl From<Vec<Issue>> for Error {
    fn from(issues: Vec<Issue>) -> Self {
        Error::Invalid(issues)
    }
}

impl From<roster_store::Error> for Error {
    fn from(error: roster_store::Error) -> Self {
        use roster_store::Error::*;
        match error {
            EmailTaken => Error::EmailTaken,
            NameTaken => Error::NameTaken,
            LastManager => Error::LastManager,
            ExternalIdTaken => Error::ExternalIdTaken,
            Stale => Error::Stale(error),
            Answered => Error::Answered,
            NoOrganization | NoSuchCursor => Error::NotFound,
            Busy | Locked | Storage(_) | Away(_) | Closed => Error::Busy(error),
            Unknown(_) => Error::Unknown(None, error),
            Unusable(_) | Engine(_) | Pooled => Error::Internal(error),
        }
    }
}
