//! Gathering a batch: how long it waits for those who are about to write again.
//!
//! Clients that write one user after the other (an import, a balancer's) come back within a fraction of a millisecond of
//! their answer. A batch that is written the moment the one before is done leaves them all to the next: it carries half
//! of those it could, and each pays twice for what a statement and a commit cost whoever is in it.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

/// How long a batch waits for more at most.
const PATIENCE: Duration = Duration::from_millis(1);

/// Batches of fewer are not worth waiting for.
const FEW: usize = 4;

/// More than these share the cost of a statement and its commit (0.25 ms) well enough: it is 8 µs for each, of 90.
pub(super) const ENOUGH: usize = 32;

/// Batches that go by without waiting, at most, where waiting was in vain again and again.
const LONGEST_REST: u32 = 64;

#[derive(Default)]
pub(super) struct Gathering {
    /// Of the next batch: as many as were in the last one and came while it was written.
    expected: usize,
    /// How much oftener waiting was in vain than not: they come when they want to, not when they are answered.
    vain: u32,
    /// Batches that are written without waiting yet.
    rest: u32,
}

impl Gathering {
    /// A batch was written and answered, and so many waited meanwhile: of as many is the next one to be expected.
    pub(super) fn answered(&mut self, jobs: usize, waiting: usize) {
        self.expected = jobs + waiting;
    }

    /// Fills up a batch, with `most` at most, where it is worth waiting for those who are about to ask again.
    pub(super) async fn wait_for_more<J>(&mut self, queue: &mut mpsc::Receiver<J>, batch: &mut Vec<J>, most: usize) {
        let worth = self.expected.min(ENOUGH).min(most);
        if let Some(rest) = self.rest.checked_sub(1) {
            self.rest = rest;
            return;
        }
        if worth <= FEW || batch.len() >= worth {
            return;
        }
        let until = Instant::now() + PATIENCE;
        while batch.len() < worth {
            let room = most - batch.len();
            match timeout_at(until, queue.recv_many(batch, room)).await {
                Ok(more) if more > 0 => {}
                _ => {
                    self.rest = (1 << self.vain).min(LONGEST_REST);
                    self.vain = (self.vain + 1).min(LONGEST_REST.ilog2());
                    return;
                }
            }
        }
        self.vain = self.vain.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::mpsc, time::Instant};

    use super::{Gathering, PATIENCE};

    /// Two batches of `came` and `again` jobs; how long the second one took to gather.
    async fn gathered(gathering: &mut Gathering, came: usize, again: usize) -> (Vec<usize>, std::time::Duration) {
        let (jobs, mut queue) = mpsc::channel(64);
        for job in 0..came {
            jobs.send(job).await.expect("the queue is open");
        }
        let mut first = Vec::new();
        queue.recv_many(&mut first, 64).await;
        gathering.wait_for_more(&mut queue, &mut first, 64).await;
        assert_eq!(first.len(), came);
        jobs.send(0).await.expect("the queue is open");
        gathering.answered(first.len(), queue.len());
        let others = tokio::spawn(async move {
            for job in 1..again {
                jobs.send(job).await.expect("the queue is open");
            }
            // Nobody hangs up while the batch is gathered.
            tokio::time::sleep(PATIENCE * 10).await;
        });
        let mut batch = Vec::new();
        queue.recv_many(&mut batch, 1).await;
        let begin = Instant::now();
        gathering.wait_for_more(&mut queue, &mut batch, 64).await;
        let took = begin.elapsed();
        others.abort();
        (batch, took)
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_were_answered_are_waited_for() {
        let (batch, took) = gathered(&mut Gathering::default(), 20, 21).await;
        assert_eq!((batch.len(), took.as_millis()), (21, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_waited_for_long_nor_again_at_once() {
        let mut gathering = Gathering::default();
        let (batch, took) = gathered(&mut gathering, 20, 5).await;
        assert_eq!((batch.len(), took), (5, PATIENCE));
        // The next one rests, and the one after it waits again.
        let (batch, took) = gathered(&mut gathering, 20, 5).await;
        assert_eq!((batch.len(), took), (5, PATIENCE));
        // In vain twice: two batches rest.
        let (batch, took) = gathered(&mut gathering, 20, 5).await;
        assert_eq!((batch.len(), took.as_millis()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_client_is_never_waited_for() {
        let (batch, took) = gathered(&mut Gathering::default(), 1, 1).await;
        assert_eq!((batch.len(), took.as_millis()), (1, 0));
    }
}
