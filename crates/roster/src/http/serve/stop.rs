//! How far the end of the server has come, as its listeners and connections see it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::sync::watch;

/// The stages of an end, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Stage {
    /// Nobody has told the server to stop.
    Serving,
    /// Everything is served as before, new connections too, and each answer says that its connection ends with it.
    Leaving,
    /// Connections close once what has arrived on them is answered, and the listener closes.
    Closing,
}

/// The end of a server: told by one, seen by all. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The stage again, for each request to look at: cheaper than the channel's lock.
    stage: AtomicU8,
    changed: watch::Sender<Stage>,
}

impl Stop {
    /// Nobody has told the server to stop.
    #[expect(clippy::new_without_default, reason = "a stop is told to somebody: there is no default one")]
    pub fn new() -> Self {
        let inner = Inner { stage: AtomicU8::new(Stage::Serving as u8), changed: watch::Sender::new(Stage::Serving) };
        Self(Arc::new(inner))
    }

    /// Clients are to go elsewhere: each answer says `Connection: close` from now on.
    pub fn leave(&self) {
        self.turn(Stage::Leaving);
    }

    /// The listener and the connections are to close.
    pub fn close(&self) {
        self.turn(Stage::Closing);
    }

    /// Whether an answer is the last one of its connection.
    pub(super) fn is_leaving(&self) -> bool {
        self.0.stage.load(Ordering::Relaxed) >= Stage::Leaving as u8
    }

    /// Whether connections are to close.
    pub(super) fn is_closing(&self) -> bool {
        self.0.stage.load(Ordering::Relaxed) >= Stage::Closing as u8
    }

    /// Waits until connections are to close.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut changes = self.0.changed.subscribe();
        async move {
            // An error would say that nobody is left to tell: then it never comes.
            if changes.wait_for(|stage| *stage == Stage::Closing).await.is_err() {
                std::future::pending().await
            }
        }
    }

    fn turn(&self, stage: Stage) {
        // In this order: who is woken by the second sees the first.
        self.0.stage.store(stage as u8, Ordering::Relaxed);
        self.0.changed.send_replace(stage);
    }
}
