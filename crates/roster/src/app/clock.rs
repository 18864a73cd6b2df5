//! What time it is.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use roster_directory::Timestamp;

/// The one place that reads the system clock; tests set their own.
#[derive(Debug)]
pub enum Clock {
    /// The system's.
    System,
    /// These milliseconds since 1970, until somebody sets others.
    Set(AtomicI64),
}

impl Clock {
    /// A clock that stands still.
    pub fn at(millis: i64) -> Self {
        Clock::Set(AtomicI64::new(millis))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(match self {
            #[expect(clippy::disallowed_methods, reason = "this is its one home")]
            Clock::System => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
            },
            Clock::Set(millis) => millis.load(Ordering::Relaxed),
        })
    }

    /// Sets a clock that stands still; does nothing to the system's.
    pub fn set(&self, to: i64) {
        if let Clock::Set(millis) = self {
            millis.store(to, Ordering::Relaxed);
        }
    }
}
