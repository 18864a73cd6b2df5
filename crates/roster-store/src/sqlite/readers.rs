//! Connections that only read: as many as are in use at once, each used by one thread at a time.
//!
//! SQLite begins its log anew only in a moment in which nobody reads. So whoever reads passes a gate, which log.rs closes
//! when the log is too long: first for heavy reads, and when the last of them has ended, for all.

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rusqlite::{CachedStatement, Connection, InterruptHandle, Params, Row};

use super::{emails::Waiting, profiles::Profiles, schema};
use crate::Error;

/// How long a read waits for somebody who holds the whole file. Whoever comes while it is known to be held does not wait:
/// reads are answered on the runtime's threads.
const LOCK_WAIT: Duration = Duration::from_millis(300);

/// Lends connections, and lets whoever reads through a gate.
pub(super) struct Readers {
    path: PathBuf,
    pool: Mutex<Pool>,
    /// Told when somebody ended whom the gate's keeper waits for, and when the gate opens.
    changed: Condvar,
    /// Whether the last read found the file held by another program.
    is_locked: AtomicBool,
    profiles: Arc<Profiles>,
    emails: Arc<Waiting>,
}

#[derive(Default)]
struct Pool {
    /// The last used on top: its cache is the warmest.
    idle: Vec<Reader>,
    /// How many are lent for light reads.
    light: usize,
    /// What ends the heavy reads under way.
    heavy: Vec<Arc<InterruptHandle>>,
    gate: Gate,
}

/// Who may begin to read. A gate opens by itself when its time is over, so that nobody waits for ever.
#[derive(Default, Clone, Copy)]
enum Gate {
    #[default]
    Open,
    LightOnly {
        until: Instant,
    },
    Shut {
        until: Instant,
    },
}

impl Gate {
    /// Until when a read has to wait.
    fn holds(self, is_heavy: bool) -> Option<Instant> {
        match self {
            Gate::LightOnly { until } if is_heavy => Some(until),
            Gate::Shut { until } => Some(until),
            _ => None,
        }
    }
}

impl Readers {
    pub(super) fn new(path: PathBuf, emails: Arc<Waiting>, profiles: Arc<Profiles>) -> Self {
        Self {
            path,
            pool: Mutex::default(),
            changed: Condvar::new(),
            is_locked: AtomicBool::new(false),
            profiles,
            emails,
        }
    }

    /// Lends a connection for a read that costs little more than its rows. One that failed is thrown away.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, Error>) -> Result<T, Error> {
        self.lend(None, read)
    }

    /// Lends a connection for a read that may take long, and may be ended early ([`Error::Busy`]). It begins before the
    /// deadline, or not at all.
    pub(super) fn with_heavy<T>(
        &self,
        deadline: Instant,
        read: impl FnOnce(&mut Reader) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.lend(Some(deadline), read)
    }

    fn lend<T>(
        &self,
        heavy_until: Option<Instant>,
        read: impl FnOnce(&mut Reader) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut pool = self.pool();
        while let Some(until) = pool.gate.holds(heavy_until.is_some()) {
            let now = Instant::now();
            if heavy_until.is_some_and(|deadline| now >= deadline) {
                return Err(Error::Busy);
            }
            if now >= until {
                break;
            }
            let until = heavy_until.map_or(until, |deadline| deadline.min(until));
            (pool, _) = self.changed.wait_timeout(pool, until - now).expect("nobody panics holding it");
        }
        let reader = pool.idle.pop();
        let handle = match &reader {
            Some(reader) if heavy_until.is_some() => Some(reader.interrupt.clone()),
            _ => None,
        };
        match &handle {
            Some(handle) => pool.heavy.push(handle.clone()),
            None => pool.light += 1,
        }
        drop(pool);
        let mut lent = Lent { readers: self, reader, handle };
        let was_locked = self.is_locked.load(Relaxed);
        let answer = lent.read(was_locked, heavy_until.is_some(), read);
        match &answer {
            Err(Error::Locked) => self.is_locked.store(true, Relaxed),
            _ if was_locked => self.is_locked.store(false, Relaxed),
            _ => {}
        }
        if answer.is_err() {
            lent.reader = None;
        }
        answer
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().expect("nobody panics holding it")
    }

    /// Lets no heavy read begin for so long.
    pub(super) fn hold_heavy(&self, until: Instant) {
        self.pool().gate = Gate::LightOnly { until };
    }

    /// Waits until no heavy read is under way, so long at most.
    pub(super) fn heavy_ended(&self, wait: Duration) -> bool {
        let ended = self.changed.wait_timeout_while(self.pool(), wait, |pool| !pool.heavy.is_empty());
        ended.expect("nobody panics holding it").0.heavy.is_empty()
    }

    /// Ends the heavy reads under way. One that is between two statements may miss it.
    pub(super) fn interrupt_heavy(&self) {
        self.pool().heavy.iter().for_each(|handle| handle.interrupt());
    }

    /// Lets nobody begin until then, and waits so long for those under way to end; whether they did.
    pub(super) fn shut(&self, until: Instant, wait: Duration) -> bool {
        let mut pool = self.pool();
        pool.gate = Gate::Shut { until };
        let ended = self.changed.wait_timeout_while(pool, wait, Pool::is_lent);
        !ended.expect("nobody panics holding it").0.is_lent()
    }

    /// Lets everybody begin.
    pub(super) fn open(&self) {
        self.pool().gate = Gate::Open;
        self.changed.notify_all();
    }
}

impl Pool {
    fn is_lent(&mut self) -> bool {
        self.light > 0 || !self.heavy.is_empty()
    }
}

/// A connection that is lent, until it is dropped.
struct Lent<'a> {
    readers: &'a Readers,
    /// What goes back. `None`: a new one is opened, or it failed.
    reader: Option<Reader>,
    /// Of a heavy read that is counted as one.
    handle: Option<Arc<InterruptHandle>>,
}

impl Lent<'_> {
    fn read<T>(
        &mut self,
        is_locked: bool,
        is_heavy: bool,
        read: impl FnOnce(&mut Reader) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let wait = if is_locked { Duration::ZERO } else { LOCK_WAIT };
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => self.readers.connect(wait)?,
        };
        if is_heavy && self.handle.is_none() {
            let mut pool = self.readers.pool();
            pool.light -= 1;
            pool.heavy.push(reader.interrupt.clone());
            self.handle = Some(reader.interrupt.clone());
        }
        if reader.wait != wait {
            reader.connection.busy_timeout(wait)?;
            reader.wait = wait;
        }
        // Not in its place meanwhile: if this panics, it is thrown away.
        let answer = read(&mut reader)?;
        self.reader = Some(reader);
        Ok(answer)
    }
}

impl Readers {
    fn connect(&self, wait: Duration) -> Result<Reader, Error> {
        let connection = schema::open_reader(&self.path, wait)?;
        Ok(Reader {
            interrupt: Arc::new(connection.get_interrupt_handle()),
            wait,
            connection,
            profiles: self.profiles.clone(),
            emails: self.emails.clone(),
        })
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.pool();
        pool.idle.extend(self.reader.take());
        match &self.handle {
            Some(mine) => pool.heavy.retain(|handle| !Arc::ptr_eq(handle, mine)),
            None => pool.light -= 1,
        }
        let is_awaited = !matches!(pool.gate, Gate::Open);
        drop(pool);
        if is_awaited {
            self.readers.changed.notify_all();
        }
    }
}

/// One connection.
pub(super) struct Reader {
    connection: Connection,
    interrupt: Arc<InterruptHandle>,
    /// How long it waits for a lock.
    wait: Duration,
    profiles: Arc<Profiles>,
    emails: Arc<Waiting>,
}

impl Reader {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What ends its statement from another thread.
    pub(super) fn interrupt(&self) -> Arc<InterruptHandle> {
        self.interrupt.clone()
    }

    /// What all connections keep.
    pub(super) fn profiles(&self) -> &Profiles {
        &self.profiles
    }

    /// The e-mails that are not in the index yet.
    pub(super) fn emails(&self) -> &Waiting {
        &self.emails
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// All rows of a query.
    pub(super) fn collect<T>(
        &self,
        sql: &str,
        params: impl Params,
        row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        Ok(self.prepare(sql)?.query_map(params, row)?.collect::<Result<_, _>>()?)
    }

    /// Runs several reads at one moment of the database.
    pub(super) fn at_one_moment<T>(&self, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.prepare("begin")?.execute([])?;
        let answer = read();
        self.prepare("commit")?.execute([])?;
        answer
    }
}
