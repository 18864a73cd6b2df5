//! Lending connections: each for so long and no longer, and never one that may not answer any more.

use deadpool_postgres::{ClientWrapper, Object, Pool};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{connect::CONNECT_WAIT, errors};
use crate::Error;

/// A pool, and how its connections are treated.
#[derive(Clone)]
pub(super) struct Lender {
    pool: Pool,
    tls: MakeRustlsConnect,
}

/// Why something was not done with a connection.
pub(super) enum Trouble {
    NoConnection(deadpool_postgres::PoolError),
    Driver(tokio_postgres::Error),
    /// It is not to be done.
    Refused(Error),
    /// It took too long; what became of it is unknown.
    Late,
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
            Trouble::Late => Error::Busy,
        }
    }
}

impl Lender {
    pub(super) fn of(pool: Pool, tls: MakeRustlsConnect) -> Self {
        Self { pool, tls }
    }

    /// Does something with a connection, waiting for one included, until the deadline.
    pub(super) async fn lend<T>(
        &self,
        deadline: Instant,
        work: impl AsyncFnOnce(&mut ClientWrapper) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let since = Instant::now();
        let mut lent = None;
        let worked = timeout_at(deadline, async {
            let client = self.pool.get().await?;
            let lent = lent.insert(Lent { client: Some(client), tls: &self.tls });
            work(lent.client.as_mut().expect("only its end takes it")).await
        });
        match worked.await {
            Ok(result) => {
                let lost = matches!(&result, Err(Trouble::Driver(error)) if errors::lost(error));
                lent.into_iter().filter(|_| !lost).for_each(Lent::give_back);
                result
            }
            Err(_) => {
                if lent.is_some() {
                    // A server that does not answer one may not answer any, and those that were not used meanwhile
                    // have nothing to show for themselves.
                    let since = since.into_std();
                    drop(self.pool.retain(|_, known| known.recycled.unwrap_or(known.created) >= since));
                }
                Err(Trouble::Late)
            }
        }
    }
}

/// A connection that is out. It comes back by [`give_back`](Self::give_back) only: one on which somebody gave up, because
/// of a deadline or because the client went away, still works for nobody, and whoever got it next would wait for that.
struct Lent<'a> {
    client: Option<Object>,
    tls: &'a MakeRustlsConnect,
}

impl Lent<'_> {
    fn give_back(mut self) {
        drop(self.client.take());
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let Some(client) = self.client.take().map(Object::take) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if client.is_closed() {
            return;
        }
        // The server would go on until it had something to say to us.
        let (cancel, tls) = (client.cancel_token(), self.tls.clone());
        runtime.spawn(async move {
            if !matches!(timeout(CONNECT_WAIT, cancel.cancel_query(tls)).await, Ok(Ok(()))) {
                tracing::debug!("cannot cancel a statement that nobody waits for");
            }
        });
    }
}
