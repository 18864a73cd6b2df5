//! What webhooks and their deliveries look like on the wire.

use std::borrow::Cow;

use roster_directory::{
    Webhook,
    outbox::{Attempt, Content, Kind, Outcome, State},
    webhook,
};
use roster_store::outbox::StoredMessage;
use serde::{Serialize, Serializer};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::super::{events::EventType, role::words};

/// Whom to tell, and of what. Keys that are not listed here are ignored; `null` is not the same as leaving a key out, and
/// is refused.
// Values never take this shape: a body is read field by field.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct CreateWebhookRequest {
    /// Where the receiver is
    ///
    /// `https` only, and outside, unless the server's operator allows the network that it is in. Without user name,
    /// password and fragment; kept as the WHATWG URL Standard writes it.
    // No pattern: the URL Standard reads much that no short one would take, `HTTPS:` and spaces among it.
    #[schema(max_length = 2048, example = "https://hooks.example.com/roster")]
    url: String,
    /// The types of event it is told; left out or empty: all of them, also those that later versions add
    #[schema(nullable = false, max_items = 20)]
    events: Option<Vec<EventType>>,
    /// What it is for
    #[schema(nullable = false, max_length = 200, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    description: Option<String>,
}

/// A webhook, but for its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Webhook)]
pub(crate) struct WebhookBody<'a> {
    /// Webhook public identifier
    #[schema(pattern = "^whk_[a-z0-9]{12}$")]
    public_id: &'a str,
    /// Where the receiver is
    url: &'a str,
    /// What it is for
    description: &'a str,
    /// The types of event it is told; empty: all of them
    events: Vec<EventType>,
    state: WebhookState,
    #[schema(format = DateTime)]
    created_at: String,
}

impl<'a> WebhookBody<'a> {
    pub(crate) fn of(webhook: &'a Webhook) -> Self {
        Self {
            public_id: webhook.id.as_str(),
            url: webhook.url.as_str(),
            description: webhook.description.as_str(),
            events: webhook.events.iter().copied().map(EventType).collect(),
            state: WebhookState(webhook.state),
            created_at: webhook.created_at.to_string(),
        }
    }
}

/// A webhook, and the secret that its messages are signed with.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookWithSecret<'a> {
    /// Webhook public identifier
    #[schema(pattern = "^whk_[a-z0-9]{12}$")]
    public_id: &'a str,
    /// Where the receiver is
    url: &'a str,
    /// What it is for
    description: &'a str,
    /// The types of event it is told; empty: all of them
    events: Vec<EventType>,
    state: WebhookState,
    #[schema(format = DateTime)]
    created_at: String,
    /// What messages are signed with: `whsec_` and base64, as the libraries of Standard Webhooks take it. Never shown
    /// again
    secret: String,
}

impl<'a> WebhookWithSecret<'a> {
    pub(crate) fn of(webhook: &'a Webhook) -> Self {
        let WebhookBody { public_id, url, description, events, state, created_at } = WebhookBody::of(webhook);
        let secret = webhook.secret.reveal();
        Self { public_id, url, description, events, state, created_at, secret }
    }
}

/// A webhook with its secret, and what was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookSecretShown<'a> {
    #[schema(examples("Webhook created successfully"))]
    pub(crate) message: &'static str,
    pub(crate) webhook: WebhookWithSecret<'a>,
}

/// A webhook as it is now, and what was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookChanged<'a> {
    #[schema(examples("Webhook paused successfully"))]
    pub(crate) message: &'static str,
    pub(crate) webhook: WebhookBody<'a>,
}

/// How a list of webhooks is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct WebhookParams {
    /// How many at most
    #[param(minimum = 1, maximum = 100, default = 25)]
    page_size: Option<u32>,
    /// The `publicId` of the last webhook seen
    #[param(pattern = "^whk_[a-z0-9]{12}$")]
    cursor: Option<String>,
}

/// Webhooks of the organization.
#[derive(Serialize, ToSchema)]
pub(crate) struct WebhookList<'a> {
    pub(crate) data: Vec<WebhookBody<'a>>,
}

/// Which event to tell once more.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct ReplayRequest {
    /// Event public identifier
    #[schema(pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    event: String,
}

/// A delivery that is owed from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryOwed {
    #[schema(examples("Test queued successfully"))]
    pub(crate) message: &'static str,
    pub(crate) delivery: DeliveryRef,
}

/// The delivery that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryRef {
    /// Delivery public identifier
    #[schema(pattern = "^msg_[0-9]{10}_[a-z0-9]{9}$")]
    pub(crate) public_id: String,
}

/// Which webhook.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct WebhookPath {
    /// Webhook public identifier
    #[param(rename = "publicId", example = "whk_abc123def456", pattern = "^whk_[a-z0-9]{12}$")]
    public_id: String,
}

/// Which deliveries are asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct DeliveryParams {
    /// Only those in this state
    state: Option<DeliveryState>,
    /// How many at most
    #[param(minimum = 1, maximum = 100, default = 25)]
    page_size: Option<u32>,
    /// The `publicId` of the last delivery seen: only older ones
    #[param(pattern = "^msg_[0-9]{10}_[a-z0-9]{9}$")]
    cursor: Option<String>,
}

/// Deliveries of a webhook, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct DeliveryList<'a> {
    pub(crate) data: Vec<DeliveryBody<'a>>,
}

/// What a webhook was told, or is to be told.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
pub(crate) struct DeliveryBody<'a> {
    /// Delivery public identifier
    #[schema(pattern = "^msg_[0-9]{10}_[a-z0-9]{9}$")]
    public_id: &'a str,
    /// Event public identifier; null: it is a test
    #[schema(required, pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    event: Option<&'a str>,
    kind: DeliveryKind,
    state: DeliveryState,
    /// How many attempts were made
    attempts: u32,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it is tried next; null: never, unless somebody asks for it
    #[schema(required, format = DateTime)]
    next_attempt_at: Option<String>,
}

impl<'a> DeliveryBody<'a> {
    pub(crate) fn of(stored: &'a StoredMessage) -> Self {
        let event = match &stored.message.content {
            Content::Event(_, event) => Some(event.as_str()),
            Content::WebhookTest(_) | Content::WelcomeSms(_) => None,
        };
        Self {
            public_id: stored.message.id.as_str(),
            event,
            kind: DeliveryKind(stored.message.content.kind()),
            state: DeliveryState(stored.state),
            attempts: stored.attempts,
            created_at: stored.message.at.to_string(),
            next_attempt_at: (stored.state == State::Owed).then(|| stored.due_at.to_string()),
        }
    }
}

/// What a webhook was told, or is to be told, with every attempt at it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryDetails<'a> {
    /// Delivery public identifier
    #[schema(pattern = "^msg_[0-9]{10}_[a-z0-9]{9}$")]
    public_id: &'a str,
    /// Event public identifier; null: it is a test
    #[schema(required, pattern = "^evt_[a-z0-9]{12}_[0-9]{12}$")]
    event: Option<&'a str>,
    kind: DeliveryKind,
    state: DeliveryState,
    /// In their order
    attempts: Vec<AttemptBody<'a>>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it is tried next; null: never, unless somebody asks for it
    #[schema(required, format = DateTime)]
    next_attempt_at: Option<String>,
}

impl<'a> DeliveryDetails<'a> {
    pub(crate) fn of(stored: &'a StoredMessage, attempts: &'a [Attempt]) -> Self {
        let DeliveryBody { public_id, event, kind, state, created_at, next_attempt_at, .. } = DeliveryBody::of(stored);
        let attempts = attempts.iter().map(AttemptBody::of).collect();
        Self { public_id, event, kind, state, attempts, created_at, next_attempt_at }
    }
}

/// One attempt.
#[derive(Serialize, ToSchema)]
#[schema(as = Attempt)]
pub(crate) struct AttemptBody<'a> {
    /// When it began
    #[schema(format = DateTime)]
    at: String,
    outcome: AttemptOutcome,
    /// The status that the receiver answered with; null: it did not answer
    #[schema(required)]
    status: Option<u16>,
    /// How long it took
    milliseconds: i64,
    /// Why, in a few words; nothing that the receiver wrote
    note: &'a str,
}

impl<'a> AttemptBody<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self {
            at: attempt.at.to_string(),
            outcome: AttemptOutcome(attempt.outcome),
            status: attempt.status,
            milliseconds: attempt.millis,
            note: &attempt.note,
        }
    }
}

/// A type for one of several words, whose schema lists them.
macro_rules! word {
    ($name:ident of $inner:ty: $said:expr, $description:literal, $words:expr) => {
        #[doc = $description]
        #[derive(Clone, Copy)]
        pub(crate) struct $name(pub(crate) $inner);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let said: fn($inner) -> &'static str = $said;
                serializer.serialize_str(said(self.0))
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                words($words).description(Some($description)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

word!(
    WebhookState of webhook::State: webhook::State::as_str,
    "`paused`: somebody asked to wait. `disabled`: the receiver answered 410, that it is gone for good.",
    webhook::State::ALL.map(webhook::State::as_str)
);
word!(
    DeliveryKind of Kind: Kind::as_str,
    "Whether it tells of an event or was made to try the webhook.",
    [Kind::Event, Kind::WebhookTest].map(Kind::as_str)
);
word!(
    DeliveryState of State: State::as_str,
    "`owed`: it is to be delivered, now or at its next attempt. `failed`: it was given up after the last attempt, or \
     because the receiver is gone. `dropped`: the webhook was deleted, or somebody asked for it.",
    State::OF_WEBHOOKS.map(State::as_str)
);
word!(
    AttemptOutcome of Outcome: outcome,
    "`delivered`: answered 2xx. `not_sent`: refused, or it did not arrive. `refused`: answered 410. `unknown`: it may \
     have arrived.",
    Outcome::OF_WEBHOOKS.map(outcome)
);

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotSent => "not_sent",
        other => other.as_str(),
    }
}
