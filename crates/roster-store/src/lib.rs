//! Rows and transactions: commit a change, answer a query.

#![forbid(unsafe_code)]

mod altered;
mod bucket;
pub mod dial;
mod error;
mod fair;
mod migration;
pub mod outbox;
mod records;
mod rows;

mod postgres;
mod sqlite;

mod copy;
mod store;
pub mod trail;

pub use altered::Altered;
pub use copy::{Copied, CopyError, Progress, copy};
pub use error::{Error, chain};
pub(crate) use store::Selection;
pub use store::{
    Ahead, Epoch, KeyRecord, Leave, Listed, Listing, Location, Options, Remembered, Repaired, Sought, Store,
};
