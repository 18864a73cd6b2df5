//! The commands, as an operator types them.

mod audit;
mod clock;
mod command;
mod database;
pub(crate) mod demo;
mod event;
mod export;
mod import;
mod key;
mod org;
mod outbox;
mod payor;
mod policy;
mod settings;
mod sms;
mod user;
mod webhook;
