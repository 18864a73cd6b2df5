//! Whoever waits for a heavy read: when they go, the read ends.

use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::InterruptHandle;

use super::readers::Reader;
use crate::Error;

#[derive(Default)]
enum State {
    #[default]
    Waiting,
    Reading(Arc<InterruptHandle>),
    Gone,
}

/// Dropped when whoever asked goes, or has the answer.
#[derive(Default)]
pub(super) struct Asker(Arc<Mutex<State>>);

/// What the read knows of them.
pub(super) struct Asked(Arc<Mutex<State>>);

impl Asker {
    pub(super) fn asked(&self) -> Asked {
        Asked(self.0.clone())
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        // Under the lock: the connection is still this read's.
        let mut state = lock(&self.0);
        if let State::Reading(read) = &*state {
            read.interrupt();
        }
        *state = State::Gone;
    }
}

impl Asked {
    /// Reads, unless they have gone already. One that is between two statements when they go misses it.
    pub(super) fn unless_gone<T>(
        &self,
        reader: &Reader,
        read: impl FnOnce(&Reader) -> Result<T, Error>,
    ) -> Result<T, Error> {
        {
            let mut state = lock(&self.0);
            if matches!(*state, State::Gone) {
                return Err(Error::Busy);
            }
            *state = State::Reading(reader.interrupt());
        }
        let answer = read(reader);
        let mut state = lock(&self.0);
        if matches!(*state, State::Reading(_)) {
            *state = State::Waiting;
        }
        answer
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics holding it")
}
