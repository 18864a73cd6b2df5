//! One act, decided: what the store is handed.
//!
//! A `Change` is whole: the store writes all of it or none of it, and asks nothing back. Whether an e-mail was free is
//! the one thing only the store can say.

use crate::{
    KeyId, Message, MessageId, Organization, OrganizationId, Payor, Timestamp, WebhookId,
    audit::Entry,
    key::Key,
    organization::Alteration,
    repeat::Answer,
    sms::Setting,
    user::Diff,
    webhook::{Secret, State, Webhook},
};

/// Everything one act writes, for one organization.
#[derive(Debug, Clone)]
pub struct Change {
    /// Whose it is.
    pub organization: OrganizationId,
    /// The rows to add or alter, in this order.
    pub writes: Vec<Write>,
    /// What is remembered of it.
    pub audit: Entry,
    /// What must leave the house because of it, after it is committed.
    pub owed: Vec<Message>,
    /// What is answered, if the request may be sent again and is then to be answered alike.
    pub answer: Option<Answer>,
}

/// One row to add or alter.
#[derive(Debug, Clone)]
pub enum Write {
    /// A new organization: the one the change is for.
    Organization(Organization),
    /// The organization that the change is for is altered.
    OrganizationAltered(Alteration),
    /// A new payor.
    Payor(Payor),
    /// A new key. A live one that no other replaced must not have its name, unless the new one replaces it.
    Key(Box<Key>),
    /// A key ends at this moment, unless it ended before.
    KeyExpires(KeyId, Timestamp),
    /// A key is revoked at this moment, unless it was before. With `unless_last`, nothing is written if no other one is
    /// left that manages the organization.
    KeyRevoked {
        /// Which.
        id: KeyId,
        /// When.
        at: Timestamp,
        /// Whether the last one is to stay.
        unless_last: bool,
    },
    /// A user is created, changed or erased. If it is not of the version that is to change, nothing is written.
    ///
    /// Whether it agreed to be texted is recorded as consent: whose act it was, and under which wording. What is owed to
    /// somebody who leaves is dropped. The moments of the act are the store's to say.
    User(Box<Diff>),
    /// A new webhook. It hears of what comes after it.
    Webhook(Box<Webhook>),
    /// A webhook is told nothing more for now, or is told again.
    WebhookState(WebhookId, State),
    /// A webhook's new secret. The one before is used beside it until this moment.
    WebhookSecret(WebhookId, Secret, Timestamp),
    /// A webhook ends at this moment, and with it what it was still owed.
    WebhookDeleted(WebhookId, Timestamp),
    /// How the organization's text messages read from now on.
    SmsSetting(Setting),
    /// A message that was given up, or of which it is unknown whether it arrived, is owed again from this moment.
    MessageRetried(MessageId, Timestamp),
    /// A message is not owed any more, from this moment.
    MessageDropped(MessageId, Timestamp),
}
