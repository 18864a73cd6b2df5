//! Whether something between Roster and the server forgets what was prepared.

use deadpool_postgres::Object;
use tokio::time::{Instant, timeout};

use super::{
    connect::CONNECT_WAIT,
    connection::{Ask, Statements},
    errors,
    lending::{Lender, Trouble},
};

/// Refuses a pooler that gives each transaction the server's connection that is free, and leaves prepared statements
/// behind: nearly every request would fail, and a statement of another process may run in place of ours.
///
/// A second connection takes the one that the first has just used, by a transaction. What the first has prepared is then
/// gone, where the pooler does not take it along. Where the trial says nothing (others use the pooler at that moment, or
/// there is no second connection), a request that meets it says so ([`errors::of`]).
pub(super) async fn must_keep_statements(lender: &Lender, deadline: Instant) -> Result<(), Trouble> {
    if lender.statements() == Statements::Unnamed {
        return Ok(());
    }
    lender
        .lend(deadline, async |first| {
            first.query_one("select 1", &[]).await?;
            let Ok(second) = lender.pool().get().await else { return Ok(()) };
            // Closed afterwards, in whatever state it is.
            let second = Object::take(second);
            second.batch_execute("begin").await?;
            match timeout(CONNECT_WAIT, first.query_one("select 1", &[])).await {
                Ok(Err(error)) if errors::is_pooled(&error) => Err(error.into()),
                _ => Ok(()),
            }
        })
        .await
}
