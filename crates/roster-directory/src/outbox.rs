//! What is owed to somebody outside: written by the act that owes it, delivered after it, and what became of it.

use crate::{EventId, MessageId, Timestamp, UserId, WebhookId};

/// Something owed to somebody outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its public id.
    pub id: MessageId,
    /// What it says, and to whom.
    pub content: Content,
    /// Since when it is owed.
    pub at: Timestamp,
}

/// What a message says, and to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The text message that greets this new user, who asked for SMS.
    WelcomeSms(UserId),
    /// This event, to this webhook.
    Event(WebhookId, EventId),
    /// Something to try this webhook with.
    WebhookTest(WebhookId),
}

/// The kinds of message, as they are counted and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "see Content")]
pub enum Kind {
    WelcomeSms,
    Event,
    WebhookTest,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 3] = [Kind::WelcomeSms, Kind::Event, Kind::WebhookTest];

    /// The kind as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::WelcomeSms => "sms.welcome",
            Kind::Event => "webhook.event",
            Kind::WebhookTest => "webhook.test",
        }
    }

    /// The kind of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Content {
    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Content::WelcomeSms(_) => Kind::WelcomeSms,
            Content::Event(..) => Kind::Event,
            Content::WebhookTest(_) => Kind::WebhookTest,
        }
    }

    /// The id of what it is about: a user or an event.
    pub fn about(&self) -> &str {
        match self {
            Content::WelcomeSms(user) => user.as_str(),
            Content::Event(_, event) => event.as_str(),
            Content::WebhookTest(_) => "",
        }
    }

    /// The webhook it goes to.
    pub fn webhook(&self) -> Option<WebhookId> {
        match self {
            Content::WelcomeSms(_) => None,
            Content::Event(webhook, _) | Content::WebhookTest(webhook) => Some(*webhook),
        }
    }

    /// What was stored, read back.
    pub fn from_parts(kind: Kind, about: &str, webhook: Option<WebhookId>) -> Option<Self> {
        Some(match kind {
            Kind::WelcomeSms => Content::WelcomeSms(UserId::parse(about)?),
            Kind::Event => Content::Event(webhook?, EventId::parse(about)?),
            Kind::WebhookTest => Content::WebhookTest(webhook?),
        })
    }

    /// Which line it waits in: all text messages in one, and each webhook's in its own, so that a receiver that is slow
    /// holds up nobody else.
    pub fn queue(&self) -> Queue {
        match self.webhook() {
            None => Queue::Sms,
            Some(webhook) => Queue::Webhook(webhook),
        }
    }
}

/// A line of messages that wait to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Queue {
    /// All text messages.
    Sms,
    /// Text messages that the gateway took, until it is asked what became of them.
    Accepted,
    /// What one webhook is owed.
    Webhook(WebhookId),
}

impl Queue {
    /// The queue as it is stored.
    pub fn as_str(&self) -> &str {
        match self {
            Queue::Sms => "sms",
            Queue::Accepted => "accepted",
            Queue::Webhook(id) => id.as_str(),
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is to be delivered, at once or at its next attempt.
    Owed = 0,
    /// It is being delivered at this moment; or was, by a process that died.
    Sending = 1,
    /// It arrived: a webhook's receiver took it, or a text message reached its phone.
    Delivered = 2,
    /// It was given up: it surely did not arrive.
    Failed = 3,
    /// It may have arrived. Nobody sends it again unasked.
    Unknown = 4,
    /// It is not to be delivered any more.
    Dropped = 5,
    /// The gateway took the text message, and has not said yet what became of it.
    Accepted = 6,
    /// The gateway took the text message, and it did not reach its phone.
    Undelivered = 7,
}

impl State {
    /// All of them, each at the place of its number.
    pub const ALL: [State; 8] = [
        State::Owed,
        State::Sending,
        State::Delivered,
        State::Failed,
        State::Unknown,
        State::Dropped,
        State::Accepted,
        State::Undelivered,
    ];

    /// Those that a webhook's message can be in: nobody stands between us and its receiver.
    pub const OF_WEBHOOKS: [State; 6] =
        [State::Owed, State::Sending, State::Delivered, State::Failed, State::Unknown, State::Dropped];

    /// The state as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Owed => "owed",
            State::Sending => "sending",
            State::Delivered => "delivered",
            State::Failed => "failed",
            State::Unknown => "unknown",
            State::Dropped => "dropped",
            State::Accepted => "accepted",
            State::Undelivered => "undelivered",
        }
    }

    /// The state of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// The state that is stored as this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What one attempt at a message came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It has begun, and nobody has said yet how it ended.
    Begun = 0,
    /// It arrived.
    Delivered = 1,
    /// It surely did not arrive, and may the next time.
    NotSent = 2,
    /// The receiver will never take it.
    Refused = 3,
    /// It may have arrived.
    Unknown = 4,
    /// The gateway took the text message.
    Accepted = 5,
    /// The gateway took the text message, and it did not arrive.
    Undelivered = 6,
}

impl Outcome {
    /// All of them, each at the place of its number.
    pub const ALL: [Outcome; 7] = [
        Outcome::Begun,
        Outcome::Delivered,
        Outcome::NotSent,
        Outcome::Refused,
        Outcome::Unknown,
        Outcome::Accepted,
        Outcome::Undelivered,
    ];

    /// Those that an attempt at a webhook can have.
    pub const OF_WEBHOOKS: [Outcome; 5] =
        [Outcome::Begun, Outcome::Delivered, Outcome::NotSent, Outcome::Refused, Outcome::Unknown];

    /// The outcome as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Begun => "begun",
            Outcome::Delivered => "delivered",
            Outcome::NotSent => "not sent",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
            Outcome::Accepted => "accepted",
            Outcome::Undelivered => "undelivered",
        }
    }

    /// The outcome that is stored as this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// One attempt at a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub at: Timestamp,
    /// What it came to.
    pub outcome: Outcome,
    /// The status that was answered, if one was.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub millis: i64,
    /// Why, in few words that are ours: nothing a receiver wrote, and nobody's data.
    pub note: String,
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// Milliseconds from an attempt at a webhook to the next, as published in docs/webhooks.md.
///
/// Eleven attempts within about three days and ten hours (the schedule that Standard Webhooks 1.0.0 gives as its example, and one more day).
pub const WEBHOOK_SCHEDULE: [i64; 10] =
    [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR, 6 * HOUR];

/// Milliseconds to wait after the `attempts`-th attempt of a webhook, from 1; `None`: it is given up.
pub fn webhook_pause(attempts: u32) -> Option<i64> {
    WEBHOOK_SCHEDULE.get(attempts.checked_sub(1)? as usize).copied()
}

/// Milliseconds to wait after the `attempts`-th attempt at a text message that surely was not sent, from 1: from five
/// seconds, doubling, to half an hour. How long that goes on is the operator's to say.
pub fn sms_pause(attempts: u32) -> i64 {
    ((5 * SECOND) << attempts.saturating_sub(1).min(10)).min(30 * MINUTE)
}

/// Milliseconds to wait before the gateway is asked for the `asked`-th time, from 1, whether it knows of a text message
/// that may have been sent; `None`: a person has to look.
pub fn reconcile_pause(asked: u32) -> Option<i64> {
    [30 * SECOND, 5 * MINUTE, HOUR].get(asked.checked_sub(1)? as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back() {
        for (nth, state) in State::ALL.into_iter().enumerate() {
            assert_eq!((State::from_number(nth as u8), State::parse(state.as_str())), (Some(state), Some(state)));
            assert_eq!(state as usize, nth);
        }
        for (nth, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!((outcome as usize, Outcome::from_number(nth as u8)), (nth, Some(outcome)));
        }
        let (user, webhook) = (UserId::new(crate::Timestamp::from_millis(1), 2), WebhookId::new(3));
        let event = EventId::new(crate::OrganizationId::new(4), 5);
        for content in [Content::WelcomeSms(user), Content::Event(webhook, event), Content::WebhookTest(webhook)] {
            let read = Content::from_parts(content.kind(), content.about(), content.webhook());
            assert_eq!(read, Some(content));
            assert_eq!(Kind::parse(content.kind().as_str()), Some(content.kind()));
        }
    }

    #[test]
    fn attempts_come_further_and_further_apart_and_end() {
        assert_eq!(webhook_pause(0), None);
        assert_eq!((webhook_pause(1), webhook_pause(10), webhook_pause(11)), (Some(5_000), Some(6 * HOUR), None));
        assert_eq!((sms_pause(1), sms_pause(2), sms_pause(100)), (5_000, 10_000, 30 * MINUTE));
        assert_eq!((reconcile_pause(1), reconcile_pause(4)), (Some(30_000), None));
    }
}
