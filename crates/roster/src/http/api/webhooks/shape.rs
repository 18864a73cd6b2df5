//! What webhooks and their deliveries look like on the wire.

use roster_directory::{
    MessageId, Webhook,
    outbox::{Attempt, Content, State},
};
use roster_store::outbox::StoredMessage;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::super::events::EventType;

/// A webhook to be made. Keys that are not listed here are ignored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct CreateWebhookRequest {
    /// Where its receiver is: https on port 443, at an address that everybody can reach; elsewhere only in networks that
    /// the operator of the server allows. No user name, no password, no fragment
    #[schema(max_length = 2048, examples("https://hooks.example.com/roster"))]
    url: String,
    /// What it hears of; all events, if none is named
    #[schema(nullable = false, max_items = 15)]
    events: Option<Vec<EventType>>,
    /// What it is for
    #[schema(nullable = false, max_length = 200)]
    description: Option<String>,
}

/// Which event to tell once more.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct ReplayRequest {
    /// Event public identifier
    #[schema(pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    event: String,
}

/// Which deliveries to show.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct DeliveryParams {
    /// Only those in this state: owed, sending, delivered, failed, unknown or dropped
    #[param(nullable = false)]
    state: Option<String>,
    /// How many at most
    #[param(nullable = false, minimum = 1, maximum = 100, default = 25)]
    limit: Option<u32>,
    /// Only those older than this delivery
    #[param(nullable = false, pattern = "^msg_[a-z0-9]{12}$")]
    before: Option<String>,
}

/// That it was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    pub(super) message: &'static str,
}

/// What was done, and the webhook as it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookAnswer<'a> {
    pub(super) message: &'static str,
    pub(super) webhook: WebhookBody<'a>,
}

/// What was done, the webhook as it is now, and its secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookSecretAnswer<'a> {
    pub(super) message: &'static str,
    /// What its messages are signed with, shown this once
    #[schema(pattern = "^whsec_[A-Za-z0-9+/]{32}$")]
    pub(super) secret: String,
    pub(super) webhook: WebhookBody<'a>,
}

/// All webhooks.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookList<'a> {
    pub(super) data: Vec<WebhookBody<'a>>,
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookBody<'a> {
    /// Webhook public identifier
    #[schema(pattern = "^whk_[a-z0-9]{12}$")]
    pub(super) public_id: &'a str,
    pub(super) url: &'a str,
    pub(super) description: &'a str,
    /// What it hears of; none: all events
    pub(super) events: Vec<EventType>,
    /// active, paused, or disabled: its receiver answered 410
    pub(super) state: &'static str,
    #[schema(format = DateTime)]
    pub(super) created_at: String,
}

impl<'a> WebhookBody<'a> {
    pub(super) fn of(webhook: &'a Webhook) -> Self {
        Self {
            public_id: webhook.id.as_str(),
            url: webhook.url.as_str(),
            description: webhook.description.as_str(),
            events: webhook.events.iter().copied().map(EventType).collect(),
            state: webhook.state.as_str(),
            created_at: webhook.created_at.to_string(),
        }
    }
}

/// What was done, and where to see what comes of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryCreated<'a> {
    message: &'static str,
    delivery: DeliveryRef<'a>,
}

impl<'a> DeliveryCreated<'a> {
    pub(super) fn of(message: &'static str, id: &'a MessageId) -> Self {
        Self { message, delivery: DeliveryRef { public_id: id.as_str() } }
    }
}

/// A delivery's id.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryRef<'a> {
    #[schema(pattern = "^msg_[a-z0-9]{12}$")]
    public_id: &'a str,
}

/// Some deliveries, the newest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryPage<'a> {
    pub(super) data: Vec<DeliveryBody<'a>>,
    /// Whether there are older ones
    pub(super) has_more: bool,
}

/// One delivery.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryBody<'a> {
    /// Delivery public identifier
    #[schema(pattern = "^msg_[a-z0-9]{12}$")]
    public_id: &'a str,
    /// The event it tells of; null: it is a test
    #[schema(required, pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    event: Option<&'a str>,
    /// owed, sending, delivered, failed, unknown or dropped
    state: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it is tried next; null: never, by itself
    #[schema(required, format = DateTime)]
    next_attempt_at: Option<String>,
    /// Attempts so far
    attempt_count: u32,
}

impl<'a> DeliveryBody<'a> {
    pub(super) fn of(stored: &'a StoredMessage) -> Self {
        let event = match &stored.message.content {
            Content::Event(_, id) => Some(id.as_str()),
            _ => None,
        };
        let waits = matches!(stored.state, State::Owed | State::Sending);
        Self {
            public_id: stored.message.id.as_str(),
            event,
            state: stored.state.as_str(),
            created_at: stored.message.at.to_string(),
            next_attempt_at: waits.then(|| stored.due_at.to_string()),
            attempt_count: stored.attempts,
        }
    }
}

/// One delivery, and every attempt at it.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryDetail<'a> {
    delivery: DeliveryBody<'a>,
    /// The oldest first
    attempts: Vec<AttemptBody<'a>>,
}

impl<'a> DeliveryDetail<'a> {
    pub(super) fn of(stored: &'a StoredMessage, attempts: &'a [Attempt]) -> Self {
        Self { delivery: DeliveryBody::of(stored), attempts: attempts.iter().map(AttemptBody::of).collect() }
    }
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptBody<'a> {
    /// When it began
    #[schema(format = DateTime)]
    at: String,
    /// delivered, not sent, refused or unknown
    outcome: &'static str,
    /// The status that was answered; null: there was no answer
    #[schema(required)]
    status: Option<u16>,
    /// How long it took
    milliseconds: i64,
    /// Why
    note: &'a str,
}

impl<'a> AttemptBody<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            at: attempt.at.to_string(),
            outcome: attempt.outcome.as_str(),
            status: attempt.status,
            milliseconds: attempt.millis,
            note: &attempt.note,
        }
    }
}
