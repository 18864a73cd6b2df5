//! What time it is, and whether the clock can be believed.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
    time::{SystemTime, UNIX_EPOCH},
};

use roster_directory::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// Milliseconds of a day: the wall clock may be put right by so much while the process runs.
pub(crate) const DAY: i64 = 24 * 60 * 60 * 1_000;

/// The clock that nobody can set. It goes on while the machine sleeps.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UPTIME: ClockId = ClockId::Boottime;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UPTIME: ClockId = ClockId::Monotonic;

/// The one place that reads the system clock; tests set their own.
///
/// It has two hands: the wall clock, which people and programs set, and the time since the machine started, which nobody
/// can. Where they come apart by more than a day, the wall clock was set, and what it says is not written down.
#[derive(Debug)]
pub struct Clock {
    hands: Hands,
    /// What the wall clock was ahead of the uptime when the process started.
    began: i64,
    /// The latest moment that was ever seen, here or by whoever wrote to the database.
    latest: AtomicI64,
    /// Whether it was said in the log that the clock was set.
    told: AtomicBool,
}

#[derive(Debug)]
enum Hands {
    /// The machine's.
    System,
    /// These milliseconds, until somebody sets others.
    Set { wall: AtomicI64, uptime: AtomicI64 },
}

/// The wall clock was set by more than a day while the process runs: nobody knows what time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock was set by more than a day: nothing is written until it is right again; set it right, or restart Roster \
     if the new time is right"
)]
pub struct ClockWasSet;

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::of(Hands::System)
    }

    /// A clock that stands still, at these milliseconds since 1970.
    pub fn at(millis: i64) -> Self {
        Self::of(Hands::Set { wall: millis.into(), uptime: AtomicI64::new(0) })
    }

    fn of(hands: Hands) -> Self {
        let began = hands.wall().saturating_sub(hands.uptime());
        Self { hands, began, latest: AtomicI64::new(i64::MIN), told: AtomicBool::new(false) }
    }

    /// Now, for what is written down.
    pub fn now(&self) -> Result<Timestamp, ClockWasSet> {
        let (wall, reckoned) = self.read();
        if is_believed(wall, reckoned) { Ok(Timestamp::from_millis(wall)) } else { Err(ClockWasSet) }
    }

    /// Now, or, where the clock was set, what it would say if nobody had. For what must go on meanwhile.
    pub fn steady(&self) -> Timestamp {
        let (wall, reckoned) = self.read();
        Timestamp::from_millis(if is_believed(wall, reckoned) { wall } else { reckoned })
    }

    /// The latest moment there ever was. What ends is judged by it, so what was over stays over.
    pub fn latest(&self) -> Timestamp {
        let now = self.steady();
        self.saw(now);
        now.max(Timestamp::from_millis(self.latest.load(Relaxed)))
    }

    /// Remembers that it was as late as this.
    pub(crate) fn saw(&self, moment: Timestamp) {
        // Most find it as late already. Then nothing is written that other threads read.
        if moment.as_millis() > self.latest.load(Relaxed) {
            self.latest.fetch_max(moment.as_millis(), Relaxed);
        }
    }

    /// Both hands: the wall clock, and what it would say if nobody had set it. A change from one state to the other is
    /// said in the log.
    fn read(&self) -> (i64, i64) {
        let (wall, reckoned) = (self.hands.wall(), self.hands.uptime().saturating_add(self.began));
        let was_set = !is_believed(wall, reckoned);
        if was_set != self.told.load(Relaxed) && self.told.swap(was_set, Relaxed) != was_set {
            match was_set {
                true => tracing::error!(clock = %Timestamp::from_millis(wall), "{ClockWasSet}"),
                false => tracing::info!("the clock is right again: changes are written"),
            }
        }
        (wall, reckoned)
    }

    /// Lets time pass until then, or back, on a clock that stands still; does nothing to the system's.
    pub fn set(&self, to: i64) {
        if let Hands::Set { wall, uptime } = &self.hands {
            uptime.fetch_add(to - wall.swap(to, Relaxed), Relaxed);
        }
    }

    /// Sets the wall clock only, as people do; does nothing to the system's.
    pub fn step(&self, to: i64) {
        if let Hands::Set { wall, .. } = &self.hands {
            wall.store(to, Relaxed);
        }
    }
}

fn is_believed(wall: i64, reckoned: i64) -> bool {
    wall.abs_diff(reckoned) <= DAY.unsigned_abs()
}

impl Hands {
    fn wall(&self) -> i64 {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is its one home")]
            Hands::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
            },
            Hands::Set { wall, .. } => wall.load(Relaxed),
        }
    }

    fn uptime(&self) -> i64 {
        match self {
            Hands::System => {
                let since = clock_gettime(UPTIME);
                since.tv_sec * 1_000 + since.tv_nsec / 1_000_000
            }
            Hands::Set { uptime, .. } => uptime.load(Relaxed),
        }
    }
}
