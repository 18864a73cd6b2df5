//! Who was altered: what is kept in memory of them is dropped, and only of them.
//!
//! Whoever keeps something reads [`Alterations::told`] first, then the database, keeps what it read, and drops it again if
//! `told` says another number by then. Whoever tells counts up first, and then has everybody drop what they keep.

use std::sync::{
    OnceLock,
    atomic::{AtomicI64, Ordering::SeqCst},
};

use roster_directory::UserId;

/// Users who were changed or erased, by whatever process.
#[derive(Debug, Clone, Copy)]
pub enum Altered<'a> {
    /// These.
    Users(&'a [UserId]),
    /// Nobody knows who: it may be anybody.
    Anybody,
}

type Listener = Box<dyn Fn(Altered<'_>) + Send + Sync>;

/// What was told so far, and who hears of it.
#[derive(Default)]
pub(crate) struct Alterations {
    told: AtomicI64,
    listener: OnceLock<Listener>,
}

impl Alterations {
    /// A number that is another one whenever somebody was told something.
    pub(crate) fn told(&self) -> i64 {
        self.told.load(SeqCst)
    }

    /// Tells who was altered up to this number.
    pub(crate) fn tell(&self, number: i64, who: Altered<'_>) {
        self.told.store(number, SeqCst);
        if let Some(listener) = self.listener.get() {
            listener(who);
        }
    }

    /// Who hears of it: one.
    pub(crate) fn listen(&self, listener: Listener) {
        // A second one would be told nothing, and keep what is wrong.
        assert!(self.listener.set(listener).is_ok(), "one listens already");
    }
}
