//! Trying again: whole transactions only, with jitter, until a deadline.

use std::time::Duration;

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
    pause: Duration,
}

impl Attempts {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { deadline, lost_one: false, pause: LONGEST_PAUSE / 16 }
    }

    /// Attempts at a part of the same.
    pub(super) fn at_a_part(&self, deadline: Instant) -> Self {
        Self { lost_one: self.lost_one, ..Self::until(deadline) }
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
        let again = match &trouble {
            Trouble::Refused(_) => false,
            Trouble::Late => {
                self.lost_one = true;
                false
            }
            Trouble::NoConnection(_) => true,
            Trouble::Driver(error) if errors::lost(error) => {
                self.lost_one = true;
                true
            }
            // What is there already may be what the lost attempt has written in the meantime.
            Trouble::Driver(error) => errors::wants_retry(error) || self.lost_one && errors::is_there_already(error),
        };
        // Full jitter: lanes that met the same conflict come back apart.
        let jitter = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
        let pause = self.pause.mul_f64(jitter);
        if !again || Instant::now() + pause >= self.deadline {
            return Err(trouble.into());
        }
        tokio::time::sleep(pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}
