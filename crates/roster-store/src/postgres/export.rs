//! All users of a list, whole, as they are at one moment: one statement, whose rows are fetched one part after the other.

use std::time::Duration;

use roster_directory::{
    OrganizationId, Query, User,
    query::{Order, SortKey},
};
use tokio::{sync::mpsc, time::Instant};

use super::{
    Postgres, QUERY_DEADLINE,
    connection::{Connection, Param},
    lending::Trouble,
    list::{Needles, numbers, wanted},
    rows,
};
use crate::{Error, bucket::Buckets, records::user::user_columns, store::EXPORTED_AT_ONCE};

/// How long it may take. A million users take some seconds.
const EXPORT_DEADLINE: Duration = Duration::from_secs(600);

impl Postgres {
    pub(crate) async fn export(
        &self,
        organization: OrganizationId,
        query: Query,
        to: mpsc::Sender<Vec<User>>,
    ) -> Result<(), Error> {
        self.must_exist(organization).await?;
        let place = tokio::time::timeout(QUERY_DEADLINE, self.heavy.place(organization)).await;
        let _place = place.map_err(|_| Error::Busy)?;
        let read = async |client: &mut Connection| read(client, organization, &query, &to).await;
        Ok(self.lender.lend(Instant::now() + EXPORT_DEADLINE, read).await?)
    }
}

async fn read(
    client: &mut Connection,
    organization: OrganizationId,
    query: &Query,
    to: &mpsc::Sender<Vec<User>>,
) -> Result<(), Trouble> {
    let (organization, buckets) = (organization.as_str(), numbers(Buckets::of(query)));
    let email = query.email.as_ref().map(|email| email.as_str());
    let needles: Vec<Needles> = query.search.iter().map(Needles::of).collect();
    let mut params: Vec<&dyn Param> = vec![&organization, &buckets];
    let (users, filter) = wanted(query.status, &email, &needles, &mut params);
    let turn = match query.key {
        SortKey::CreatedAt => "place",
        SortKey::UpdatedAt => "coalesce(updated, place)",
    };
    let direction = match query.order {
        Order::NewestFirst => "desc",
        Order::OldestFirst => "asc",
    };
    let sql = format!(
        "select {}, place, updated, \
         array (select payor from user_payor a where a.organization = $1 and a.user_id = users.id) \
         from {users} where {filter} order by {turn} {direction}, id {direction}",
        user_columns!()
    );
    let moment = client.moment().await?;
    let found = moment.bind(&sql, &params).await?;
    loop {
        let rows = moment.query_portal(&found, EXPORTED_AT_ONCE as i32).await?;
        let is_last = rows.len() < EXPORTED_AT_ONCE;
        let users = rows.iter().map(rows::user).collect::<Result<_, _>>().map_err(Trouble::Refused)?;
        // Nobody takes them any more.
        to.send(users).await.map_err(|_| Trouble::Refused(Error::Busy))?;
        if is_last {
            return Ok(moment.commit().await?);
        }
    }
}
