//! How a process notices what another one altered in the same database: one query for all who ask at the same time.
//!
//! The row of `epoch` is changed by whatever alters something that may be kept in memory. Every request must know it as
//! of after its own arrival; so whoever asks while a query is under way waits for the next one, and that answers all of
//! them.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{QUERY_DEADLINE, attempts::Attempts, connection::Ask, lending::Lender};
use crate::{Epoch, Error, error::chain};

/// Questions that may wait at once; as many as there can be connections.
const QUEUE: usize = 65_536;

type Asker = oneshot::Sender<Result<Epoch, Error>>;

pub(super) struct Freshness {
    askers: mpsc::Sender<Asker>,
}

impl Freshness {
    pub(super) fn start(lender: Lender) -> Self {
        let (askers, queue) = mpsc::channel(QUEUE);
        tokio::spawn(answer_all(lender, queue));
        Self { askers }
    }

    pub(super) async fn epoch(&self) -> Result<Epoch, Error> {
        let (asker, answer) = oneshot::channel();
        self.askers.try_send(asker).map_err(|_| Error::Busy)?;
        // Whoever asks while a query hangs would otherwise wait for that and for the next one.
        let answer = timeout(QUERY_DEADLINE, answer).await.map_err(|_| Error::Busy)?;
        answer.map_err(|_| Error::Closed)?
    }
}

async fn answer_all(lender: Lender, mut queue: mpsc::Receiver<Asker>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE).await > 0 {
        let epoch = read(&lender).await;
        if let Err(error) = &epoch {
            tracing::warn!(error = %chain(error), "the database does not answer");
        }
        for asker in waiting.drain(..) {
            let epoch = epoch.as_ref().map_err(Error::to_others);
            let _ = asker.send(epoch.copied()); // whoever asked may have gone away
        }
        if epoch.is_err() {
            // Whoever asks meanwhile is answered together.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn read(lender: &Lender) -> Result<Epoch, Error> {
    let mut attempts = Attempts::until(Instant::now() + QUERY_DEADLINE);
    loop {
        let read = lender.lend(attempts.deadline, async |client| {
            Ok(client.query_one("select number from epoch where one = 1", &[]).await?.get::<_, i64>(0))
        });
        match read.await {
            Ok(number) => return Ok(Epoch(number as u64)),
            Err(trouble) => attempts.ask_again_after(trouble).await?,
        }
    }
}
