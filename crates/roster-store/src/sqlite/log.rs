//! Keeps the write-ahead log short.
//!
//! A checkpoint copies the log's pages into the database, and the log begins anew when all are copied and nobody reads.
//! Where reads overlap all the time, such a moment never comes by itself. So when the log is longer than its limit, no
//! heavy read may begin until those under way have ended, while light ones go on; then all are held for the few
//! milliseconds that the end takes. Where that lasts, the writer waits too, and heavy reads are ended: the log is never
//! much longer than one and a half times its limit, unless a program from outside reads. Nothing can be done about that
//! one, but to say so.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use rusqlite::Connection;

use super::{readers::Readers, writer};
use crate::Error;

/// How long heavy reads under way may go on before they are ended.
const HEAVY_TIME: Duration = Duration::from_secs(1);

/// How long no heavy read may begin, at most: they are answered within two seconds of their own arrival.
const HEAVY_HELD: Duration = Duration::from_millis(1_500);

/// How long light reads under way are waited for, and how long no read may begin at all.
const LIGHT_TIME: Duration = Duration::from_millis(50);
const SHUT: Duration = Duration::from_millis(250);

/// How long a read of another program is waited for within that.
const OUTSIDE_TIME: Duration = Duration::from_millis(20);

/// The pause after the log could not be begun anew.
const PAUSE: Duration = Duration::from_secs(1);

/// How long another program may hold the log before that is said.
const HELD_LONG: Duration = Duration::from_secs(60);

/// The log, as the writer minds it.
pub(super) struct Log {
    file: PathBuf,
    readers: Arc<Readers>,
    /// Bytes that it may have.
    limit: u64,
    /// Since when heavy reads are held.
    draining: Option<Instant>,
    not_before: Instant,
    held: Held,
}

/// Since when another program holds the log.
#[derive(Default)]
struct Held {
    since: Option<Instant>,
    is_said: bool,
}

impl Held {
    /// It is held at this moment; whether that is to be said now. It is said once.
    fn is_to_be_said(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        now - since >= HELD_LONG && !std::mem::replace(&mut self.is_said, now - since >= HELD_LONG)
    }
}

impl Log {
    pub(super) fn new(database: &Path, readers: Arc<Readers>, limit: u64) -> Self {
        let (draining, not_before, held) = (None, Instant::now(), Held::default());
        Self { file: beside(database), readers, limit, draining, not_before, held }
    }

    /// To be called after each commit.
    pub(super) fn committed(&mut self, writer: &Connection) {
        let bytes = bytes(&self.file);
        if bytes <= self.limit {
            // It began anew by itself.
            self.held = Held::default();
            if self.draining.take().is_some() {
                self.readers.open();
            }
            return;
        }
        let now = Instant::now();
        if self.draining.is_none() {
            if now < self.not_before {
                return;
            }
            self.draining = Some(now);
            self.readers.hold_heavy(now + HEAVY_HELD);
        }
        let is_far_over = bytes > self.limit / 2 * 3;
        loop {
            self.drain_for(writer, Duration::ZERO);
            if !is_far_over || !self.is_draining() {
                return;
            }
            self.drain(writer);
        }
    }

    /// Whether heavy reads are held, and the log is to be begun anew when the last has ended.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Waits a millisecond for the last heavy read; if it has ended, begins the log anew.
    pub(super) fn drain(&mut self, writer: &Connection) {
        self.drain_for(writer, Duration::from_millis(1));
    }

    fn drain_for(&mut self, writer: &Connection, wait: Duration) {
        let Some(since) = self.draining else { return };
        let now = Instant::now();
        if now - since > HEAVY_TIME {
            self.readers.interrupt_heavy();
        }
        if self.readers.heavy_ended(wait) {
            let began = self.begin_anew(writer);
            self.stop_draining();
            match began {
                Ok(Began::Anew) => self.held = Held::default(),
                Ok(Began::WhileRead) => {}
                Ok(Began::HeldOutside) => {
                    if self.held.is_to_be_said(Instant::now()) {
                        tracing::warn!(
                            bytes = bytes(&self.file),
                            "another program has been reading for over a minute: SQLite's log cannot begin anew and \
                             grows until that program ends"
                        );
                    }
                }
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot begin SQLite's log anew");
                }
            }
        } else if now - since > HEAVY_HELD {
            self.stop_draining();
        }
    }

    fn stop_draining(&mut self) {
        self.draining = None;
        self.not_before = Instant::now() + if bytes(&self.file) > self.limit { PAUSE } else { Duration::ZERO };
        self.readers.open();
    }

    fn begin_anew(&self, writer: &Connection) -> Result<Began, Error> {
        // Most is copied, and synced, while light reads go on.
        checkpoint(writer, "pragma wal_checkpoint(passive)")?;
        let is_quiet = self.readers.shut(Instant::now() + SHUT, LIGHT_TIME);
        writer.busy_timeout(OUTSIDE_TIME)?;
        let began = checkpoint(writer, "pragma wal_checkpoint(truncate)");
        writer.busy_timeout(writer::LOCK_WAIT)?;
        Ok(match (began?, is_quiet) {
            (true, _) => Began::Anew,
            (false, true) => Began::HeldOutside,
            (false, false) => Began::WhileRead,
        })
    }
}

enum Began {
    Anew,
    /// One of our own reads took longer than expected.
    WhileRead,
    HeldOutside,
}

/// Whether nothing was in its way.
fn checkpoint(connection: &Connection, sql: &str) -> Result<bool, Error> {
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))? == 0)
}

/// The file of a database's log. SQLite follows links before it names the files beside the database.
pub(super) fn beside(database: &Path) -> PathBuf {
    let mut log = database.canonicalize().unwrap_or_else(|_| database.to_owned()).into_os_string();
    log.push("-wal");
    log.into()
}

/// Bytes it has.
pub(super) fn bytes(file: &Path) -> u64 {
    file.metadata().map_or(0, |file| file.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_holds_the_log_is_named_after_a_minute_once() {
        let (mut held, start) = (Held::default(), Instant::now());
        let said = |held: &mut Held, seconds| held.is_to_be_said(start + Duration::from_secs(seconds));
        assert!(!said(&mut held, 0));
        assert!(!said(&mut held, 59));
        assert!(said(&mut held, 60));
        assert!(!said(&mut held, 61));
        assert!(!said(&mut held, 600));
    }
}
