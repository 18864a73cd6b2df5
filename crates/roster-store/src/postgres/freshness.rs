//! How a process notices what another one altered in the same database: one query for all who ask at the same time.
//!
//! The row of `epoch` is counted up by whatever alters something that may be kept in memory. Every request must know it
//! as of after its own arrival; so whoever asks while a query is under way waits for the next one, and that answers all
//! of them.

use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::{mpsc, oneshot};

use super::{QUERY_DEADLINE, errors};
use crate::{Epoch, Error};

/// Questions that may wait at once; as many as there can be connections.
const QUEUE: usize = 65_536;

type Asker = oneshot::Sender<Option<Epoch>>;

pub(super) struct Freshness {
    askers: mpsc::Sender<Asker>,
}

impl Freshness {
    pub(super) fn start(pool: &Pool) -> Self {
        let (askers, queue) = mpsc::channel(QUEUE);
        tokio::spawn(answer_all(pool.clone(), queue));
        Self { askers }
    }

    pub(super) async fn epoch(&self) -> Result<Epoch, Error> {
        let (asker, answer) = oneshot::channel();
        self.askers.try_send(asker).map_err(|_| Error::Busy)?;
        answer.await.map_err(|_| Error::Closed)?.ok_or(Error::Busy)
    }
}

async fn answer_all(pool: Pool, mut queue: mpsc::Receiver<Asker>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE).await > 0 {
        let epoch = tokio::time::timeout(QUERY_DEADLINE, read(&pool)).await;
        let epoch = match epoch {
            Ok(Ok(epoch)) => Some(epoch),
            Ok(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the database does not answer");
                None
            }
            Err(_) => {
                tracing::warn!(limit = ?QUERY_DEADLINE, "the database does not answer in time");
                None
            }
        };
        for asker in waiting.drain(..) {
            let _ = asker.send(epoch); // whoever asked may have gone away
        }
        if epoch.is_none() {
            // Whoever asks meanwhile is answered together.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn read(pool: &Pool) -> Result<Epoch, Error> {
    let client = pool.get().await.map_err(errors::of_pool)?;
    let statement = client.prepare_cached("select number from epoch where one = 1").await.map_err(errors::of)?;
    let row = client.query_one(&statement, &[]).await.map_err(errors::of)?;
    Ok(Epoch(row.get::<_, i64>(0) as u64))
}
