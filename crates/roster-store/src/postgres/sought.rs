//! Many users at once, by id, e-mail, external id or NPI.

use roster_directory::{
    OrganizationId, User, UserId,
    user::{EmailKey, ExternalId},
};
use tokio::time::Instant;

use super::{
    HEAVY_DEADLINE, Postgres,
    attempts::Attempts,
    connection::{Ask, Connection},
    rows,
};
use crate::{Error, records::user::user_columns, store::Sought};

/// Users as [`rows::user`] reads them.
macro_rules! users_where {
    ($condition:literal) => {
        concat!(
            "select ",
            user_columns!(),
            ", place, updated, \
             array (select payor from user_payor a where a.organization = $1 and a.user_id = users.id) \
             from users where organization = $1 and ",
            $condition
        )
    };
}

impl Postgres {
    pub(crate) async fn users_sought(&self, organization: OrganizationId, sought: &Sought) -> Result<Vec<User>, Error> {
        self.must_exist(organization).await?;
        let (sql, keys): (&str, Vec<&str>) = match sought {
            Sought::Ids(ids) => (users_where!("id = any ($2)"), ids.iter().map(UserId::as_str).collect()),
            // Whoever was deactivated has no key.
            Sought::Emails(emails) => {
                (users_where!("email_key = any ($2)"), emails.iter().map(EmailKey::as_str).collect())
            }
            Sought::ExternalIds(ids) => (
                users_where!("external_id = any ($2) and deactivated_at is null"),
                ids.iter().map(ExternalId::as_str).collect(),
            ),
        };
        self.query(sql, &[&organization.as_str(), &keys], rows::user).await
    }

    pub(crate) async fn npis(&self, organization: OrganizationId) -> Result<Vec<(String, UserId)>, Error> {
        self.must_exist(organization).await?;
        let sql = "select npi, id from users where organization = $1 and npi is not null and deactivated_at is null";
        let mut attempts = Attempts::until(Instant::now() + HEAVY_DEADLINE);
        loop {
            let query = async |client: &mut Connection| Ok(client.query(sql, &[&organization.as_str()]).await?);
            match self.lender.lend(attempts.deadline, query).await {
                Ok(found) => {
                    return found.iter().map(|row| Ok((row.get(0), rows::parsed(row, 1, UserId::parse)?))).collect();
                }
                Err(trouble) => attempts.ask_again_after(trouble).await?,
            }
        }
    }
}
