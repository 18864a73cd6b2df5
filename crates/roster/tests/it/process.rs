//! The real binary, over real sockets, while bad things happen.

mod connections;
mod crash;
mod drain;
mod erase;
mod framing;
mod log;
mod metrics;
mod race;
mod redaction;
mod repeat;
mod signals;
mod slow;
pub(crate) mod sqlite;
pub(crate) mod tail;
mod tls;
mod unread;
mod wrong_keys;
