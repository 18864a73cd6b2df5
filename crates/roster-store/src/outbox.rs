//! The outbox and the feed, as the store is asked for them: the same for both engines.

use roster_directory::{
    Message, MessageId, OrganizationId, Timestamp, Webhook,
    audit::{Action, Roles},
    outbox::{Attempt, Kind, Outcome, Queue, State},
    sms::Setting,
};

/// Milliseconds that a message is remembered after it was delivered, dropped or given up.
pub const REMEMBERED: i64 = 30 * 24 * 60 * 60 * 1_000;

/// Milliseconds that a message is remembered of which nobody ever found out whether it arrived.
pub const REMEMBERED_IF_UNKNOWN: i64 = 365 * 24 * 60 * 60 * 1_000;

/// One event of an organization's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where it stands in the feed, from 1. Whoever has read it has read all before it.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub action: Action,
    /// To what: a public id.
    pub target: String,
    /// The names of the fields that were set or changed, separated by commas.
    pub fields: String,
    /// The role it had and the one it has since, if that is a user.
    pub roles: Roles,
}

impl Event {
    /// The names of the fields that changed, where that is what happened.
    pub fn changed(&self) -> Option<Vec<&str>> {
        (self.action == Action::UserUpdated).then(|| self.fields.split(',').collect())
    }
}

/// A webhook that is to be told something.
#[derive(Debug, Clone)]
pub struct BusyWebhook {
    /// Whose it is.
    pub organization: OrganizationId,
    /// The webhook.
    pub webhook: Webhook,
    /// Whether there are events that it is not owed yet.
    pub is_behind: bool,
    /// How many messages it is owed.
    pub owed: u64,
}

/// A message that is to be delivered by whoever has claimed it.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is.
    pub message: Message,
    /// What it was: [`State::Sending`] if whoever had claimed it before died over it.
    pub state: State,
    /// Attempts so far.
    pub attempts: u32,
    /// How often the gateway was asked whether it had arrived.
    pub asked: u32,
}

/// Whose a message is while it is being delivered, and until when.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Told apart from all other claims by chance. Not 0.
    pub token: i64,
    /// From when on somebody else may claim it.
    pub until: Timestamp,
}

/// Which messages are claimed.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// From which queue.
    pub queue: Queue,
    /// Those that are due by now.
    pub now: Timestamp,
    /// How many at most.
    pub limit: u32,
}

/// What an attempt is begun under.
#[derive(Debug, Clone, Copy)]
pub struct Beginning {
    /// When.
    pub at: Timestamp,
    /// How many may be begun in this hour.
    pub hourly: u32,
}

/// Whether an attempt may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It has: the message may leave.
    Yes,
    /// The organization's hour is used up.
    HourUsedUp,
    /// The message is somebody else's by now.
    Lost,
}

/// What becomes of a claimed message.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// What it is from now on.
    pub state: State,
    /// When something is to be done about it again; `None`: never, by itself.
    pub due_at: Option<Timestamp>,
    /// The attempt that was made: a new one, or, if it had [begun](Begun::Yes), that one.
    pub attempt: Option<Attempt>,
    /// Whether that attempt had begun.
    pub had_begun: bool,
    /// How often the gateway was asked whether it had arrived.
    pub asked: u32,
    /// What the gateway calls it.
    pub reference: Option<String>,
    /// The moment, from which on it is remembered for a while if it is settled.
    pub now: Timestamp,
}

impl Settlement {
    /// The queue it is in from now on, and its due time there.
    pub(crate) fn place(&self, queue: Queue) -> (String, Timestamp) {
        match (self.due_at, self.state) {
            (Some(due), State::Accepted) => (Queue::Accepted.as_str().to_owned(), due),
            (Some(due), _) => (queue.as_str().to_owned(), due),
            (None, State::Unknown) => (PERSON.to_owned(), self.now.plus_millis(REMEMBERED_IF_UNKNOWN)),
            (None, _) => (SETTLED.to_owned(), self.now.plus_millis(REMEMBERED)),
        }
    }
}

/// What the gateway says became of a text message after it took it.
#[derive(Debug, Clone)]
pub struct Report {
    /// Of which attempt it speaks, from 1. Of an attempt before the last, it is too late.
    pub nth: u32,
    /// What the message is from now on: [`State::Accepted`], or an end.
    pub state: State,
    /// What the attempt came to.
    pub outcome: Outcome,
    /// Why, in words that are ours.
    pub note: String,
    /// What the gateway calls it.
    pub reference: Option<String>,
    /// The moment, from which on it is remembered for a while.
    pub now: Timestamp,
}

/// The queue of what somebody has to look at.
pub(crate) const PERSON: &str = "person";

/// The queue of what is settled.
pub(crate) const SETTLED: &str = "";

/// A message as people look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Whose it is.
    pub organization: OrganizationId,
    /// What it is.
    pub message: Message,
    /// What became of it.
    pub state: State,
    /// Attempts so far.
    pub attempts: u32,
    /// When something is to be done about it again; of what is settled, when it is forgotten.
    pub due_at: Timestamp,
    /// What the gateway calls it.
    pub reference: Option<String>,
}

/// Which messages are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only this organization's.
    pub organization: Option<OrganizationId>,
    /// Only those in this state.
    pub state: Option<State>,
    /// Only this webhook's, newest first instead of oldest first; of its organization.
    pub webhook: Option<roster_directory::WebhookId>,
    /// Only those before this one, of a webhook's.
    pub before: Option<MessageId>,
}

/// How many messages of a kind are owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// The kind.
    pub kind: Kind,
    /// How many wait or are being sent, of those that were counted.
    pub owed: u64,
    /// Since when the oldest of these is owed.
    pub oldest: Timestamp,
}

/// An organization's setting for text messages, and which version of it that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionedSetting {
    /// From 1.
    pub version: u32,
    /// The setting.
    pub setting: Setting,
}

/// What the holder of a phone number said about text messages from us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The number, in E.164 form.
    pub phone: String,
    /// When.
    pub at: Timestamp,
    /// `true`: no more. `false`: again.
    pub stopped: bool,
    /// How we know: `sms`, `gateway` or `cli`.
    pub by: String,
    /// The gateway's id of the message that said so, or ours of the one that was refused, or the command's request. The
    /// same one twice is one.
    pub reference: String,
}
