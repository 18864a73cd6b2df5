//! What a directory of users IS: its values and its rules.
//!
//! Nothing here reads a clock, a file or a socket, and nothing is async: time, ids and randomness are handed in as
//! values. Holding one of these types is the proof that its text was checked.

#![forbid(unsafe_code)]

pub mod id;
pub mod time;

pub mod organization;
pub mod payor;
pub mod user;

pub mod credential;
pub mod npi;
pub mod phone;

pub mod key;
pub mod role;

pub mod issue;
pub mod query;
pub mod search;

pub mod audit;
pub mod change;
pub mod outbox;
pub mod repeat;
pub mod sms;
pub mod webhook;

mod text;

pub use audit::Actor;
pub use change::{Change, Write};
pub use id::{EventId, KeyId, MessageId, OrganizationId, PayorId, UserId, WebhookId};
pub use issue::{Flaw, Issue};
pub use organization::Organization;
pub use outbox::Message;
pub use payor::Payor;
pub use query::Query;
pub use role::{Role, RoleSet};
pub use time::Timestamp;
pub use user::{NewUser, User};
pub use webhook::Webhook;
