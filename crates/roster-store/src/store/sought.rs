//! Many users at once, by what makes them who they are: for whoever brings a list of people.

use roster_directory::{
    OrganizationId, User, UserId,
    user::{EmailKey, ExternalId},
};

use super::{Engine, Store, ask};
use crate::Error;

/// Who is looked for. Some hundred at once, so that the answer is soon there.
#[derive(Debug, Clone)]
pub enum Sought {
    /// Users of these ids, active or not.
    Ids(Vec<UserId>),
    /// Active users with one of these e-mails.
    Emails(Vec<EmailKey>),
    /// Active users with one of these external ids.
    ExternalIds(Vec<ExternalId>),
}

impl Store {
    /// Those of the organization's users who are looked for and are there, in no order.
    pub async fn users_sought(&self, organization: OrganizationId, sought: &Sought) -> Result<Vec<User>, Error> {
        ask!(self, sqlite.users_sought(organization, sought))
    }

    /// The NPI of each active user of the organization who has one. It reads them all: no index is kept for this.
    pub async fn npis(&self, organization: OrganizationId) -> Result<Vec<(String, UserId)>, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.npis(organization).await,
            Engine::Postgres(postgres) => postgres.npis(organization).await,
        }
    }
}
