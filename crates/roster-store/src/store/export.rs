//! All of a list at once.

use std::time::Duration;

use roster_directory::{OrganizationId, Query, User};
use tokio::sync::mpsc;

use super::{Engine, Store};
use crate::{Error, fair::Place};

/// Users that are handed over at once.
pub(crate) const EXPORTED_AT_ONCE: usize = 256;

/// Exports that may be under way in one process, of one organization half of them.
pub(super) const AT_A_TIME: usize = 8;

/// How long one more of them waits.
const PATIENCE: Duration = Duration::from_millis(1_800);

/// The leave to export, until it is dropped.
pub struct Leave {
    _place: Place,
}

impl Store {
    /// Leave to export users of the organization. [`Error::Busy`] where too many have it already.
    pub async fn may_export(&self, organization: OrganizationId) -> Result<Leave, Error> {
        let place = tokio::time::timeout(PATIENCE, self.exports.place(organization)).await;
        Ok(Leave { _place: place.map_err(|_| Error::Busy)? })
    }

    /// All users that a query finds, whole, in its order, whatever its page: as they are at one moment, which includes every
    /// change committed before the call. They go through the channel, some at once.
    ///
    /// Where it fails, what went through is a part only. On SQLite it may be [`Error::Busy`] because it stood in the way of
    /// the write-ahead log: begin anew.
    pub async fn export(
        &self,
        organization: OrganizationId,
        query: Query,
        to: mpsc::Sender<Vec<User>>,
    ) -> Result<(), Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.export(organization, query, to).await,
            Engine::Postgres(postgres) => postgres.export(organization, query, to).await,
        }
    }
}
