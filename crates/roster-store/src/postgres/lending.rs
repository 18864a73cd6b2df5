//! Lending connections: each for so long and no longer, and never one that may not answer any more.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use deadpool_postgres::{Pool, PoolError};
use tokio::{
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::CancelToken;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    attempts::Attempts,
    connect::CONNECT_WAIT,
    connection::{Ask, Connection, Statements},
    errors,
};
use crate::Error;

/// How long a server that was told to stop writing has to say what became of it.
pub(super) const GRACE: Duration = Duration::from_millis(350);

/// How long a server that has no room for a connection is left alone, if none of ours comes back before.
const FULL_PAUSE: Duration = Duration::from_millis(100);

/// A pool, and how its connections are treated.
#[derive(Clone)]
pub(super) struct Lender {
    pool: Pool,
    tls: MakeRustlsConnect,
    statements: Statements,
    /// Told when a connection comes back.
    came_back: Arc<Notify>,
}

/// Why something was not done with a connection.
pub(super) enum Trouble {
    NoConnection(deadpool_postgres::PoolError),
    Driver(tokio_postgres::Error),
    /// It is not to be done.
    Refused(Error),
    /// It took too long. What became of it, if it was sent, is unknown.
    Late,
    /// It was written, but its wait for a synchronous standby was cut short: a failover may lose it.
    OnPrimaryOnly,
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Trouble::Driver(error)
    }
}

impl From<deadpool_postgres::PoolError> for Trouble {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Trouble::NoConnection(error)
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::NoConnection(error) => errors::of_pool(error),
            Trouble::Driver(error) => errors::of(error),
            Trouble::Refused(error) => error,
            Trouble::Late | Trouble::OnPrimaryOnly => Error::Busy,
        }
    }
}

impl Lender {
    pub(super) fn of(pool: Pool, tls: MakeRustlsConnect, statements: Statements) -> Self {
        Self { pool, tls, statements, came_back: Arc::default() }
    }

    pub(super) fn statements(&self) -> Statements {
        self.statements
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A connection, for whoever has a deadline. Where the server has no room for another, one that is lent is waited for.
    async fn connection(&self) -> Result<Lent<'_>, PoolError> {
        loop {
            match self.pool.get().await {
                Err(PoolError::Backend(error)) if errors::has_no_room(&error) && self.pool.status().size > 0 => {
                    let _ = timeout(FULL_PAUSE, self.came_back.notified()).await;
                }
                got => {
                    let connection = got.map(|client| Connection::new(client, self.statements));
                    return connection.map(|connection| Lent { connection: Some(connection), lender: self });
                }
            }
        }
    }

    /// Does something with a connection, waiting for one included, until the deadline.
    pub(super) async fn lend<T>(
        &self,
        deadline: Instant,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let since = Instant::now();
        let mut lent = None;
        let worked = timeout_at(deadline, async {
            let lent = lent.insert(self.connection().await?);
            work(lent.connection.as_mut().expect("only its end takes it")).await
        });
        match worked.await {
            Ok(result) => {
                give_back(lent, &result);
                result
            }
            Err(_) => Err(self.late(since, lent.is_some())),
        }
    }

    /// The same for what writes. At the deadline the server is told to stop, and has the [`GRACE`] to say what became of
    /// the statement: its refusal is the proof that nothing was written, which our giving up is not.
    pub(super) async fn lend_to_write<T>(
        &self,
        attempts: &Attempts,
        work: impl AsyncFnOnce(&mut Connection) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let since = Instant::now();
        if since >= attempts.deadline {
            return Err(Trouble::Late);
        }
        let limit = attempts.deadline + GRACE;
        let mut lent = None;
        let stop = OnceLock::new();
        let mut told_to_stop = false;
        let worked = {
            let mut working = pin!(async {
                let lent = lent.insert(self.connection().await?);
                let client = lent.connection.as_mut().expect("only its end takes it");
                let _ = stop.set(client.cancel_token());
                work(client).await
            });
            match (timeout_at(attempts.deadline, &mut working).await, stop.get()) {
                (Ok(result), _) => Some(result),
                (Err(_), None) => None,
                (Err(_), Some(stop)) => {
                    told_to_stop = true;
                    tokio::spawn(cancel(stop.clone(), self.tls.clone()));
                    timeout_at(limit, working).await.ok()
                }
            }
        };
        match worked {
            Some(Ok(done)) if told_to_stop => {
                // Never given back: the cancellation may be under way yet, and would meet somebody else's statement.
                let client = lent.as_mut().and_then(|lent| lent.connection.as_ref());
                let waits = async { waits_for_standbys(client.expect("it was used just now")).await };
                match timeout_at(limit, waits).await {
                    Ok(Ok(false)) => Ok(done),
                    _ => Err(Trouble::OnPrimaryOnly),
                }
            }
            Some(result) => {
                if !told_to_stop {
                    give_back(lent, &result);
                }
                result
            }
            None => Err(self.late(since, lent.is_some())),
        }
    }

    fn late(&self, since: Instant, was_lent: bool) -> Trouble {
        if was_lent {
            // A server that does not answer one may not answer any, and those that were not used meanwhile have nothing
            // to show for themselves.
            let since = since.into_std();
            drop(self.pool.retain(|_, known| known.recycled.unwrap_or(known.created) >= since));
        }
        Trouble::Late
    }
}

/// Whether a commit here waits for standbys: one whose wait is cancelled is on this machine only, and the server calls
/// that a success (postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION).
async fn waits_for_standbys(client: &Connection) -> Result<bool, tokio_postgres::Error> {
    let sql = "select coalesce(current_setting('synchronous_standby_names', true), '') <> '' \
               and current_setting('synchronous_commit', true) not in ('off', 'local')";
    Ok(client.query_one(sql, &[]).await?.get::<_, Option<bool>>(0).unwrap_or_default())
}

async fn cancel(token: CancelToken, tls: MakeRustlsConnect) {
    if !matches!(timeout(CONNECT_WAIT, token.cancel_query(tls)).await, Ok(Ok(()))) {
        tracing::debug!("cannot cancel a statement that nobody waits for");
    }
}

/// Gives a connection back that is still of use.
fn give_back<T>(lent: Option<Lent<'_>>, result: &Result<T, Trouble>) {
    let lost = matches!(result, Err(Trouble::Driver(error)) if errors::lost(error));
    lent.into_iter().filter(|_| !lost).for_each(Lent::give_back);
}

/// A connection that is out. It comes back by [`give_back`](Self::give_back) only: one on which somebody gave up, because
/// of a deadline or because the client went away, still works for nobody, and whoever got it next would wait for that.
struct Lent<'a> {
    connection: Option<Connection>,
    lender: &'a Lender,
}

impl Lent<'_> {
    fn give_back(mut self) {
        drop(self.connection.take());
        self.lender.came_back.notify_one();
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let (is_closed, token) = (connection.is_closed(), connection.cancel_token());
        connection.close();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !is_closed {
            // The server would go on until it had something to say to us.
            runtime.spawn(cancel(token, self.lender.tls.clone()));
        }
    }
}
