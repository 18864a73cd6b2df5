//! One act, decided: what the store is handed.
//!
//! A `Change` is whole: the store writes all of it or none of it, and asks nothing back. Whether an e-mail was free is
//! the one thing only the store can say.

use crate::{
    KeyId, MessageId, Organization, OrganizationId, Payor, PayorId, Timestamp, User, UserId, audit::Entry, key::Key,
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
}

/// One row to add or alter.
#[derive(Debug, Clone)]
pub enum Write {
    /// A new organization: the one the change is for.
    Organization(Organization),
    /// A new payor.
    Payor(Payor),
    /// A new key.
    Key(Key),
    /// A key ends at this moment, unless it ended before.
    KeyExpires(KeyId, Timestamp),
    /// A key is revoked at this moment, unless it was before.
    KeyRevoked(KeyId, Timestamp),
    /// A new user, and those of the organization's payors it is assigned to.
    User(Box<User>, Vec<PayorId>),
}

/// Something owed to somebody outside.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its public id.
    pub id: MessageId,
    /// What it says.
    pub kind: MessageKind,
    /// Whom it is about, and for.
    pub user: UserId,
    /// Since when it is owed.
    pub at: Timestamp,
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// The text message that greets a new user who asked for SMS.
    WelcomeSms,
}

impl MessageKind {
    /// The kind as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            MessageKind::WelcomeSms => "sms.welcome",
        }
    }

    /// The kind of this name.
    pub fn parse(text: &str) -> Option<Self> {
        (text == "sms.welcome").then_some(MessageKind::WelcomeSms)
    }
}
