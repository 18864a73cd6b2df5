//! Trying again: whole transactions only, with jitter, until a deadline.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{errors, lending::Trouble};
use crate::Error;

/// The longest pause before a retry; the first is a sixteenth of it.
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// Attempts at one transaction.
pub(super) struct Attempts {
    pub(super) deadline: Instant,
    /// Whether of one of them it is unknown what became of it.
    pub(super) lost_one: bool,
    /// Whether the attempt under way has sent what may commit.
    sent: AtomicBool,
    pause: Duration,
}

impl Attempts {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, lost_one: false, sent: AtomicBool::new(false), pause: LONGEST_PAUSE / 16 }
    }

    /// Attempts at a part of the same.
    pub(super) fn at_a_part(&self, deadline: Instant) -> Self {
        Self { lost_one: self.lost_one, ..Self::until(deadline) }
    }

    /// To be called before the statement is sent whose success is the commit. Of an attempt that ended before, it is
    /// known that it has written nothing.
    pub(super) fn sends_commit(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// The same for a query: whoever only asks is told at once that nobody can be asked.
    pub(super) async fn ask_again_after(&mut self, trouble: Trouble) -> Result<(), Error> {
        match trouble {
            Trouble::NoConnection(_) => Err(trouble.into()),
            trouble => self.again_after(trouble).await,
        }
    }

    /// Waits for the next attempt, or says that there is none.
    pub(super) async fn again_after(&mut self, trouble: Trouble) -> Result<(), Error> {
        let sent = std::mem::take(self.sent.get_mut());
        self.lost_one |= sent
            && match &trouble {
                Trouble::NoConnection(_) | Trouble::Refused(_) => false,
                Trouble::Late | Trouble::OnPrimaryOnly => true,
                Trouble::Driver(error) => errors::leaves_open(error),
            };
        let again = match &trouble {
            Trouble::Refused(_) | Trouble::Late | Trouble::OnPrimaryOnly => false,
            Trouble::NoConnection(_) => true,
            // What is there already may be what the lost attempt has written in the meantime.
            Trouble::Driver(error) => {
                errors::lost(error) || errors::wants_retry(error) || self.lost_one && errors::is_there_already(error)
            }
        };
        // Full jitter: lanes that met the same conflict come back apart.
        let jitter = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let pause = self.pause.mul_f64(jitter);
        if !again || Instant::now() + pause >= self.deadline {
            return Err(self.told(trouble.into()));
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// What the last attempt ended with says nothing of one before it whose end is unknown.
    fn told(&self, error: Error) -> Error {
        match error {
            // So it is whatever became of the others.
            error @ (Error::EmailTaken
            | Error::ExternalIdTaken
            | Error::Stale
            | Error::Answered
            | Error::NameTaken
            | Error::NoOrganization
            | Error::NoSuchCursor
            | Error::Unusable(_)) => error,
            error if self.lost_one => Error::Unknown(Box::new(error)),
            error => error,
        }
    }
}
