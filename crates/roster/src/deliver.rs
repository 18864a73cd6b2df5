//! What is owed is delivered: text messages through the clinic's gateway, events to its webhooks.

pub mod address;
pub mod client;
pub(crate) mod phone;
pub mod signature;
