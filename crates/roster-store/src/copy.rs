//! Moving house: everything of one database into another, of whichever engine, or nothing.
//!
//! The source is read at one moment, the destination written in one transaction. Before that is committed, the
//! destination is read back from within it, and must hash to what was read at the source; and the source must still be
//! what it was. Rows pass through in batches, of which few are in memory at a time, however many there are.

mod row;
mod tally;

use std::fmt::Write as _;

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::{Error, Location, postgres, sqlite};

pub(crate) use row::{BATCH, Batch, COUNTED, Collector, Kind, MARK, Mark, Row, Table, Value, copied_columns};
use tally::{Sum, Tally};

/// Batches that may wait, between each two of those who hand them on.
const WAITING: usize = 4;

/// Where a reader puts what it reads.
pub(crate) type Feed = mpsc::Sender<Batch>;

/// What a writer is given.
pub(crate) struct Delivery {
    /// Told once the destination turned out to be empty, and is held.
    pub(crate) ready: oneshot::Sender<()>,
    /// What it is to write.
    pub(crate) arriving: mpsc::Receiver<Batch>,
    /// Where it puts what it reads back.
    pub(crate) back: Feed,
    /// Tells it to commit. Without that, nothing was written.
    pub(crate) verdict: oneshot::Receiver<()>,
}

/// What was copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Of what how many.
    pub counts: Vec<(&'static str, u64)>,
    /// SHA-256, in hexadecimal, over every row of every table in its order: the same at both ends, and the same again
    /// where the copy is copied.
    pub sha256: String,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many rows went to the destination.
    Sent(u64),
    /// So many of them were read back.
    Compared(u64),
}

/// Why nothing was copied: the destination is as empty as it was.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is but one database.
    #[error("the source and the destination are the same database, {0}")]
    Same(Location),
    /// The source cannot be read.
    #[error("cannot copy from {0}")]
    Source(Location, #[source] Error),
    /// The destination cannot be written to, or is not empty.
    #[error("cannot copy to {0}")]
    Destination(Location, #[source] Error),
    /// Somebody wrote to the source meanwhile, and that would have been lost.
    #[error("{0} was written to while it was copied: stop what serves it, and copy again")]
    SourceChanged(Location),
    /// What was read back is not what was sent.
    #[error("{0} does not hold what was sent to it, and nothing was kept: {1}")]
    Differs(Location, String),
}

/// Copies everything from one database into another, which must be empty: all of it, or nothing.
pub async fn copy(from: &Location, to: &Location, mut progress: impl FnMut(Progress)) -> Result<Copied, CopyError> {
    if from == to {
        return Err(CopyError::Same(from.clone()));
    }
    let at_source = |error| CopyError::Source(from.clone(), error);
    let at_destination = |error| CopyError::Destination(to.clone(), error);

    // Looked at first, so that a mistyped source makes no destination.
    mark(from).await.map_err(at_source)?;

    let (onward, arriving) = mpsc::channel(WAITING);
    let (back, mut returned) = mpsc::channel(WAITING);
    let (ready, is_ready) = oneshot::channel();
    let (approve, verdict) = oneshot::channel();
    let writing = write(to, Delivery { ready, arriving, back, verdict });
    if is_ready.await.is_err() {
        return Err(at_destination(ended(writing).await.err().unwrap_or(Error::Closed)));
    }

    let (feed, mut batches) = mpsc::channel(WAITING);
    let reading = read(from, feed);
    let mut sent = Tally::default();
    let mut taken = true;
    while let Some(batch) = batches.recv().await {
        sent.add(&batch);
        progress(Progress::Sent(sent.rows()));
        taken = onward.send(batch).await.is_ok();
        if !taken {
            break;
        }
    }
    drop(batches);
    let read = ended(reading).await;
    if !taken {
        return Err(at_destination(ended(writing).await.err().unwrap_or(Error::Closed)));
    }
    let mark = read.map_err(at_source)?;

    drop(onward);
    let mut found = Tally::default();
    while let Some(batch) = returned.recv().await {
        found.add(&batch);
        progress(Progress::Compared(found.rows()));
    }
    let (sent, found) = (sent.sum(), found.sum());
    let refusal = if sent != found {
        Some(CopyError::Differs(to.clone(), differences(&sent, &found)))
    } else if self::mark(from).await.map_err(at_source)? != mark {
        Some(CopyError::SourceChanged(from.clone()))
    } else {
        None
    };
    if let Some(refusal) = refusal {
        drop(approve);
        // Where the destination failed, that is why it differs.
        ended(writing).await.map_err(at_destination)?;
        return Err(refusal);
    }
    // Whether it was heard is what the writer says.
    let _ = approve.send(());
    ended(writing).await.map_err(at_destination)?;
    Ok(Copied { counts: sent.counts().collect(), sha256: sent.sha256() })
}

fn read(from: &Location, feed: Feed) -> JoinHandle<Result<Mark, Error>> {
    match from.clone() {
        Location::Sqlite(path) => tokio::task::spawn_blocking(move || sqlite::copy::read(&path, &feed)),
        Location::Postgres(url) => tokio::spawn(async move { postgres::copy::read(&url, &feed).await }),
    }
}

fn write(to: &Location, delivery: Delivery) -> JoinHandle<Result<(), Error>> {
    match to.clone() {
        Location::Sqlite(path) => tokio::task::spawn_blocking(move || sqlite::copy::write(&path, delivery)),
        Location::Postgres(url) => tokio::spawn(async move { postgres::copy::write(&url, delivery).await }),
    }
}

/// What would tell that the source was written to.
async fn mark(of: &Location) -> Result<Mark, Error> {
    match of.clone() {
        Location::Sqlite(path) => ended(tokio::task::spawn_blocking(move || sqlite::copy::mark(&path))).await,
        Location::Postgres(url) => postgres::copy::mark(&url).await,
    }
}

async fn ended<T>(task: JoinHandle<Result<T, Error>>) -> Result<T, Error> {
    task.await.map_err(|_| Error::Closed)?
}

fn differences(sent: &Sum, found: &Sum) -> String {
    let mut told = String::new();
    for (name, sent, found) in sent.differences(found) {
        let separator = if told.is_empty() { "" } else { "; " };
        match sent == found {
            true => write!(told, "{separator}some of {sent} {name} are not the same"),
            false => write!(told, "{separator}of {sent} {name} there are {found}"),
        }
        .expect("writing to a string does not fail");
    }
    told
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Table;
    use crate::sqlite::copy::tables;

    fn name(table: Table) -> &'static str {
        match table {
            Table::Organization => "organization",
            Table::Key => "api_key",
            Table::Payor => "payor",
            Table::User => "users",
            Table::Audit => "audit",
            Table::Outbox => "outbox",
            Table::Attempt => "attempt",
            Table::Webhook => "webhook",
            Table::SmsSetting => "sms_setting",
            Table::SmsConsent => "sms_consent",
            Table::SmsStop => "sms_stop",
            Table::Repeat => "repeat",
        }
    }

    /// Payors of users go with their users. The rest follows from what is copied, or begins anew.
    const OTHERS: [&str; 4] = ["user_payor", "role_count", "epoch", "schema_migration"];
    const OTHERS_ON_SQLITE: [&str; 10] = [
        "altered",
        "clock",
        "email_place",
        "email_recent",
        "erased",
        "role_chunk",
        "search_changed",
        "search_piece",
        "search_posting",
        "sms_hour",
    ];
    const OTHERS_ON_POSTGRESQL: [&str; 6] = ["altered", "clock", "feed", "generation", "sms_hour", "writer"];

    fn all(others: &[&'static str]) -> BTreeSet<String> {
        let copied = Table::ALL.into_iter().map(name);
        copied.chain(OTHERS).chain(others.iter().copied()).map(str::to_owned).collect()
    }

    #[test]
    fn every_table_is_copied_or_follows_from_what_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let tables = tables(&folder.path().join("roster.db")).expect("its tables");
        assert_eq!(tables, all(&OTHERS_ON_SQLITE), "on SQLite");
        assert_eq!(crate::postgres::copy::tables(), all(&OTHERS_ON_POSTGRESQL), "on PostgreSQL");
    }
}
