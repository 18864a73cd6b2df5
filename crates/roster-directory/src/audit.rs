//! What is worth remembering about an act: who, what, which fields, when, from which request. Never a value.

use crate::{KeyId, MessageId, OrganizationId, PayorId, Role, Timestamp, UserId, WebhookId};

/// Who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds this key.
    Key(KeyId),
    /// Whoever can run the command line on the host.
    CommandLine,
    /// Roster itself, by its own rules: it gave up on a webhook whose receiver is gone.
    Roster,
}

impl Actor {
    /// The key's id, `cli` or `roster`.
    pub fn as_str(&self) -> &str {
        match self {
            Actor::Key(id) => id.as_str(),
            Actor::CommandLine => "cli",
            Actor::Roster => "roster",
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Action {
    OrganizationCreated,
    OrganizationUpdated,
    PayorCreated,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    UserCreated,
    UserUpdated,
    UserDeactivated,
    UserRestored,
    UserErased,
    WebhookCreated,
    WebhookPaused,
    WebhookResumed,
    WebhookDisabled,
    WebhookDeleted,
    WebhookSecretRotated,
    SmsSettingChanged,
    MessageRetried,
    MessageDropped,
    AuditRead,
}

impl Action {
    /// Those that the feed and webhooks tell of: all but reading the trail, which would tell of itself for ever.
    pub const TOLD: [Action; 20] = [
        Action::OrganizationCreated,
        Action::OrganizationUpdated,
        Action::PayorCreated,
        Action::KeyCreated,
        Action::KeyRevoked,
        Action::KeyRotated,
        Action::UserCreated,
        Action::UserUpdated,
        Action::UserDeactivated,
        Action::UserRestored,
        Action::UserErased,
        Action::WebhookCreated,
        Action::WebhookPaused,
        Action::WebhookResumed,
        Action::WebhookDisabled,
        Action::WebhookDeleted,
        Action::WebhookSecretRotated,
        Action::SmsSettingChanged,
        Action::MessageRetried,
        Action::MessageDropped,
    ];

    /// All of them.
    pub const ALL: [Action; 21] = {
        let mut all = [Action::AuditRead; 21];
        let mut nth = 0;
        while nth < Self::TOLD.len() {
            all[nth] = Self::TOLD[nth];
            nth += 1;
        }
        all
    };

    /// The action as it is stored; also the type of the event it is told as.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::OrganizationCreated => "organization.created",
            Action::OrganizationUpdated => "organization.updated",
            Action::PayorCreated => "payor.created",
            Action::KeyCreated => "key.created",
            Action::KeyRevoked => "key.revoked",
            Action::KeyRotated => "key.rotated",
            Action::UserCreated => "user.created",
            Action::UserUpdated => "user.updated",
            Action::UserDeactivated => "user.deactivated",
            Action::UserRestored => "user.restored",
            Action::UserErased => "user.erased",
            Action::WebhookCreated => "webhook.created",
            Action::WebhookPaused => "webhook.paused",
            Action::WebhookResumed => "webhook.resumed",
            Action::WebhookDisabled => "webhook.disabled",
            Action::WebhookDeleted => "webhook.deleted",
            Action::WebhookSecretRotated => "webhook.secret_rotated",
            Action::SmsSettingChanged => "sms.setting_changed",
            Action::MessageRetried => "message.retried",
            Action::MessageDropped => "message.dropped",
            Action::AuditRead => "audit.read",
        }
    }

    /// The action of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// What it was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Target {
    Organization(OrganizationId),
    Payor(PayorId),
    Key(KeyId),
    User(UserId),
    Webhook(WebhookId),
    Message(MessageId),
}

impl Target {
    /// The public id.
    pub fn as_str(&self) -> &str {
        match self {
            Target::Organization(id) => id.as_str(),
            Target::Payor(id) => id.as_str(),
            Target::Key(id) => id.as_str(),
            Target::User(id) => id.as_str(),
            Target::Webhook(id) => id.as_str(),
            Target::Message(id) => id.as_str(),
        }
    }
}

/// The request an act came from: the `X-Request-Id` that was answered, or one made for a command.
///
/// 1 to 64 of `A-Z a-z 0-9 . _ -`: short enough to keep, and nothing that could forge a log line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    len: u8,
    text: [u8; Self::MAX],
}

impl RequestId {
    const MAX: usize = 64;

    /// Takes over an id that is sane.
    pub fn parse(text: &str) -> Option<Self> {
        let sane = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        ((1..=Self::MAX).contains(&text.len()) && text.bytes().all(sane)).then(|| Self::of(text.as_bytes()))
    }

    /// Makes one of 64 bits that no other request has.
    pub fn new(unique: u64) -> Self {
        let digit = |nth: usize| b"0123456789abcdef"[(unique >> (60 - 4 * nth) & 0xf) as usize];
        Self::of(&std::array::from_fn::<u8, 16, _>(digit))
    }

    fn of(short: &[u8]) -> Self {
        let mut text = [0; Self::MAX];
        text[..short.len()].copy_from_slice(short);
        Self { len: short.len() as u8, text }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..usize::from(self.len)]).expect("made of ASCII only")
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One remembered act.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When it was decided.
    pub at: Timestamp,
    /// Who acted.
    pub actor: Actor,
    /// What was done.
    pub action: Action,
    /// To what.
    pub target: Target,
    /// The names of the fields that were set or changed, separated by commas.
    pub fields: String,
    /// The role that a user had, and the one it has: the only values that are remembered. They say who may hear of it.
    pub roles: Roles,
    /// From which request.
    pub request: RequestId,
}

/// The role that a user had before an act, and the one it has after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub struct Roles {
    pub before: Option<Role>,
    pub after: Option<Role>,
}

impl Roles {
    /// Both, of whom there are.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        [self.before, self.after].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn only_a_sane_request_id_is_taken_over() {
        for (text, sane) in [
            ("a", true),
            ("0af7651916cd43dd8448eb211c80319c", true),
            ("Root-1_67891233.abcdef", true),
            (&"x".repeat(64), true),
            (&"x".repeat(65), false),
            ("", false),
            ("a b", false),
            ("a\r\nSet-Cookie: x", false),
            ("é", false),
        ] {
            assert_eq!(RequestId::parse(text).is_some(), sane, "{text}");
        }
        assert!(RequestId::parse(RequestId::new(7).as_str()).is_some());
    }
}
