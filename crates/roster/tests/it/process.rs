//! The real binary, over real sockets, while bad things happen.

mod connections;
mod crash;
mod drain;
mod framing;
mod log;
mod metrics;
mod race;
mod redaction;
mod signals;
mod slow;
mod sqlite;
pub(crate) mod tail;
mod tls;
mod unread;
mod wrong_keys;
