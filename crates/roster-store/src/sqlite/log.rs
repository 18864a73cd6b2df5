//! Keeps the write-ahead log short.
//!
//! A checkpoint copies the log's pages into the database, and the log begins anew when all are copied and nobody reads.
//! The writer makes one after it has answered a batch, once there are enough new pages (`Due`). Where reads overlap all the time, such a moment never comes by itself. So when the log is longer than its limit, no
//! heavy read may begin until those under way have ended, while light ones go on; then all are held for the few
//! milliseconds that the end takes. Where that lasts, the writer waits too, and heavy reads are ended: the log is never
//! much longer than one and a half times its limit, unless a program from outside reads. Nothing can be done about that
//! one, but to say so.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::{Connection, hooks::Wal};

use super::{readers::Readers, writer};
use crate::{Error, Options};

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

/// Commits between two checkpoints, at least, unless there are [`FAR_MORE`] times the pages. Creates of one organization
/// write few pages a commit. Changes of anybody write two pages each: with a checkpoint at every third commit they were
/// half as fast.
const FEWEST_COMMITS: u32 = 16;
const FAR_MORE: u32 = 4;

/// When the next checkpoint is due.
struct Due {
    /// New pages in the log that are enough.
    enough: u32,
    /// Pages in the log, as the last commit left it.
    pages: Arc<AtomicU32>,
    /// Those of them that were copied.
    copied: u32,
    /// Commits since the last checkpoint.
    commits: u32,
}

impl Due {
    fn new(enough: u32, pages: Arc<AtomicU32>) -> Self {
        Self { enough, pages, copied: 0, commits: 0 }
    }

    /// After a commit: whether a checkpoint is due.
    fn committed(&mut self) -> bool {
        let pages = self.pages.load(Relaxed);
        if pages < self.copied {
            // It began anew.
            self.copied = 0;
        }
        self.commits += 1;
        let new = pages - self.copied;
        let enough = if self.commits < FEWEST_COMMITS { self.enough.saturating_mul(FAR_MORE) } else { self.enough };
        new >= enough
    }

    /// So many of the pages in the log are copied now.
    fn copied(&mut self, pages: u32) {
        (self.copied, self.commits) = (pages, 0);
    }
}

/// The log, as the writer minds it.
pub(super) struct Log {
    file: PathBuf,
    due: Due,
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
    /// Of the database that `writer` writes.
    pub(super) fn new(
        database: &Path,
        writer: &mut Connection,
        readers: Arc<Readers>,
        options: &Options,
    ) -> Result<Self, Error> {
        let pages = Arc::<AtomicU32>::default();
        let due = Due::new(options.checkpoint_pages, pages.clone());
        // In place of the one by which SQLite makes a checkpoint within a commit, before anybody is answered.
        writer.wal_hook(Some(move |_: &mut Wal, in_log| {
            pages.store(u32::try_from(in_log).unwrap_or(0), Relaxed);
            Ok(())
        }))?;
        let (file, limit, not_before) = (beside(database), options.wal_limit, Instant::now());
        Ok(Self { file, due, readers, limit, draining: None, not_before, held: Held::default() })
    }

    /// To be called after each commit, when those who wait for it are answered.
    pub(super) fn committed(&mut self, writer: &Connection) {
        if self.due.committed() {
            let copied = checkpoint(writer, "pragma wal_checkpoint(passive)").map(|(_, copied)| copied);
            self.due.copied(copied.unwrap_or_else(|error| {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot copy SQLite's log into the database");
                self.due.pages.load(Relaxed)
            }));
        }
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
        Ok(match (began?.0, is_quiet) {
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

/// Whether nothing was in its way, and how many of the log's pages are copied.
fn checkpoint(connection: &Connection, sql: &str) -> Result<(bool, u32), Error> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row([], |row| Ok((row.get::<_, i64>(0)? == 0, row.get::<_, i64>(2)?.max(0) as u32)))?)
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
    fn a_checkpoint_waits_for_some_commits_unless_pages_are_many() {
        let mut due = Due::new(500, Arc::default());
        let committed = |due: &mut Due, in_log| {
            due.pages.store(in_log, Relaxed);
            due.committed()
        };
        // Few pages a commit: at the five hundredth page.
        assert!((1..50).all(|commit| !committed(&mut due, commit * 10)));
        assert!(committed(&mut due, 500));
        due.copied(500);
        // Many pages a commit: at the sixteenth commit.
        assert!((1..16).all(|commit| !committed(&mut due, 500 + commit * 100)));
        assert!(committed(&mut due, 2_100));
        due.copied(2_100);
        // Very many: at once. Of a log that began anew nothing is copied.
        assert!(!committed(&mut due, 1_999));
        assert!(committed(&mut due, 2_000));
    }

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
