//! What is stored of a webhook, as the directory's types: the same for both engines.

use roster_directory::{
    Timestamp, Webhook, WebhookId,
    audit::Action,
    webhook::{Description, Secret, State, WebhookUrl},
};

/// The columns that a key is read from; what it opens comes after them.
macro_rules! key_columns {
    () => {
        "k.id, k.role, k.name, k.hash, k.created_at, k.expires_at, k.revoked_at, k.access, k.created_by, k.replaces, \
         k.last_used_at"
    };
}
pub(crate) use key_columns;

/// How many columns [`key_columns!`] names.
pub(crate) const KEY_COLUMNS: usize = 11;

/// The columns that a message is read from; its organization's id and more come after them.
macro_rules! message_columns {
    () => {
        "m.id, m.kind, m.about, m.webhook, m.state, m.attempts"
    };
}
pub(crate) use message_columns;

/// The columns that a [`StoredWebhook`] is filled from, in its order.
macro_rules! webhook_columns {
    () => {
        "w.id, w.url, w.description, w.events, w.state, w.secret, w.old_secrets, w.created_at, w.heard_to"
    };
}
pub(crate) use webhook_columns;

/// A webhook's row, still in the driver's buffer.
pub(crate) struct StoredWebhook<'a> {
    pub(crate) id: &'a str,
    pub(crate) url: &'a str,
    pub(crate) description: &'a str,
    pub(crate) events: &'a str,
    pub(crate) state: u8,
    pub(crate) secret: &'a [u8],
    pub(crate) old_secrets: &'a str,
    pub(crate) created_at: i64,
    pub(crate) heard_to: i64,
}

impl StoredWebhook<'_> {
    /// The webhook; `None` if something does not have its form, and so was not written by Roster.
    pub(crate) fn parse(&self) -> Option<Webhook> {
        let secret = |bytes: &[u8]| bytes.try_into().ok().map(Secret::from_bytes);
        let events = self.events.split(',').filter(|name| !name.is_empty());
        Some(Webhook {
            id: WebhookId::parse(self.id)?,
            url: WebhookUrl::from_stored(self.url),
            description: Description::from_stored(self.description),
            events: events.map(Action::parse).collect::<Option<_>>()?,
            state: State::from_number(self.state)?,
            secret: secret(self.secret)?,
            old_secrets: self.old_secrets.split_terminator(' ').map(old_secret).collect::<Option<_>>()?,
            created_at: Timestamp::from_millis(self.created_at),
            heard_to: self.heard_to as u64,
        })
    }
}

/// A replaced secret and until when it signs, as migration `old_secrets` describes it.
fn old_secret(text: &str) -> Option<(Secret, Timestamp)> {
    let (digits, until) = text.split_once(':')?;
    let mut bytes = [0; 24];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (nth, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * nth..2 * nth + 2)?, 16).ok()?;
    }
    Some((Secret::from_bytes(bytes), Timestamp::from_millis(until.parse().ok()?)))
}

/// Characters of so many replaced secrets.
pub(crate) const OLD_SECRETS_LENGTH: usize = 63 * roster_directory::webhook::MOST_OLD_SECRETS;

/// What a webhook hears of, as it is stored.
pub(crate) fn event_names(events: &[Action]) -> String {
    events.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(",")
}
