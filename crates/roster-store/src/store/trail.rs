//! What is asked of the audit trail.

use roster_directory::OrganizationId;

use super::{Engine, Store};
use crate::{
    Error,
    trail::{TrailEntry, TrailFilter},
};

impl Store {
    /// Some of the organization's audit entries, `limit` at most. A filter other than by time looks at each entry.
    pub async fn trail(
        &self,
        organization: OrganizationId,
        filter: TrailFilter,
        limit: u32,
    ) -> Result<Vec<TrailEntry>, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.trail(organization, filter, limit).await,
            Engine::Postgres(postgres) => postgres.trail(organization, filter, limit).await,
        }
    }
}
