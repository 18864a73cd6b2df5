//! PostgreSQL, and what speaks its wire protocol: any number of Roster processes over one database.

pub(crate) mod connect;
pub(crate) mod copy;
mod errors;
mod freshness;
mod list;
mod place;
mod rows;
mod schema;
mod writer;

use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use roster_directory::{
    Change, KeyId, Organization, OrganizationId, Payor, PayorId, Query, Timestamp, User, UserId, key::Key,
};
use tokio_postgres::{Row, types::ToSql};

use crate::{Epoch, Error, KeyRecord, Listing, Options, Owed, Remembered, rows::user_columns};
use connect::Url;
use freshness::Freshness;
use writer::Writer;

/// How long a query may take, waiting for a connection included, before its client is told to try again.
const QUERY_DEADLINE: Duration = Duration::from_millis(1_900);

/// The same for a query that may read many rows.
const HEAVY_DEADLINE: Duration = Duration::from_secs(30);

/// One database.
pub(crate) struct Postgres {
    pool: Pool,
    writer: Writer,
    freshness: Freshness,
}

impl Postgres {
    pub(crate) async fn open(url: &Url, options: &Options) -> Result<Self, Error> {
        let pool = url.pool()?;
        let mut client = pool.get().await.map_err(errors::of_pool)?;
        schema::migrate(&mut client).await?;
        drop(client);
        let writer = Writer::start(&pool, options)?;
        let freshness = Freshness::start(&pool);
        Ok(Self { pool, writer, freshness })
    }

    pub(crate) async fn commit(&self, change: Change) -> Result<Timestamp, Error> {
        self.writer.commit(change).await
    }

    pub(crate) async fn epoch(&self) -> Result<Epoch, Error> {
        self.freshness.epoch().await
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.epoch().await.map(drop)
    }

    pub(crate) async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Error> {
        let sql = "select k.id, k.role, k.name, k.hash, k.created_at, k.expires_at, k.revoked_at, \
                   o.id, o.name, o.created_at \
                   from api_key k join organization o on o.id = k.organization where k.id = $1";
        let record = |row: &Row| Ok(KeyRecord { key: rows::key(row)?, organization: rows::organization_at(row, 7)? });
        Ok(self.query(sql, &[&id.as_str()], record).await?.pop())
    }

    pub(crate) async fn user(&self, organization: OrganizationId, id: UserId) -> Result<Option<User>, Error> {
        let sql = concat!("select ", user_columns!(), ", place from users where organization = $1 and id = $2");
        Ok(self.query(sql, &[&organization.as_str(), &id.as_str()], rows::user).await?.pop())
    }

    pub(crate) async fn list(&self, organization: OrganizationId, query: &Query) -> Result<Listing, Error> {
        let deadline = if query.search.is_empty() { QUERY_DEADLINE } else { HEAVY_DEADLINE };
        self.within(deadline, async |client| list::list(client, organization, query).await).await
    }

    pub(crate) async fn payors_of(&self, organization: OrganizationId, user: UserId) -> Result<Vec<Payor>, Error> {
        let sql = "select p.id, p.name, p.created_at from user_payor a \
                   join payor p on p.organization = a.organization and p.id = a.payor \
                   where a.organization = $1 and a.user_id = $2";
        let mut payors = self.query(sql, &[&organization.as_str(), &user.as_str()], rows::payor).await?;
        // Not by the database, whose collation may have its own idea of the alphabet.
        payors.sort_unstable_by_key(|payor| payor.id);
        Ok(payors)
    }

    pub(crate) async fn known_payors(
        &self,
        organization: OrganizationId,
        ids: &[PayorId],
    ) -> Result<Vec<PayorId>, Error> {
        let ids: Vec<&str> = ids.iter().map(PayorId::as_str).collect();
        let sql = "select id from payor where organization = $1 and id = any ($2) order by id";
        self.query(sql, &[&organization.as_str(), &ids], |row| rows::parsed(row, 0, PayorId::parse)).await
    }

    pub(crate) async fn payors(&self, organization: OrganizationId) -> Result<Vec<Payor>, Error> {
        self.must_exist(organization).await?;
        let sql = "select id, name, created_at from payor where organization = $1";
        let mut payors = self.query(sql, &[&organization.as_str()], rows::payor).await?;
        payors.sort_unstable_by_key(|payor| payor.id);
        Ok(payors)
    }

    pub(crate) async fn keys(&self, organization: OrganizationId) -> Result<Vec<Key>, Error> {
        self.must_exist(organization).await?;
        let sql = "select id, role, name, hash, created_at, expires_at, revoked_at \
                   from api_key where organization = $1";
        let mut keys = self.query(sql, &[&organization.as_str()], rows::key).await?;
        keys.sort_unstable_by_key(|key| key.id);
        Ok(keys)
    }

    pub(crate) async fn organizations(&self) -> Result<Vec<Organization>, Error> {
        let sql = "select id, name, created_at from organization order by place, id";
        self.query(sql, &[], |row| rows::organization_at(row, 0)).await
    }

    pub(crate) async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Error> {
        let sql = "select id, name, created_at from organization where id = $1";
        Ok(self.query(sql, &[&id.as_str()], |row| rows::organization_at(row, 0)).await?.pop())
    }

    pub(crate) async fn owed(&self, organization: Option<OrganizationId>, limit: u32) -> Result<Vec<Owed>, Error> {
        if let Some(organization) = organization {
            self.must_exist(organization).await?;
        }
        let sql = "select id, organization, kind, user_id, place from outbox \
                   where $1::text is null or organization = $1 order by place, id limit $2";
        let organization = organization.as_ref().map(OrganizationId::as_str);
        self.query(sql, &[&organization, &i64::from(limit)], rows::owed).await
    }

    pub(crate) async fn audit(&self, organization: OrganizationId, limit: u32) -> Result<Vec<Remembered>, Error> {
        self.must_exist(organization).await?;
        let sql = "select place, actor, action, target, fields, request \
                   from audit where organization = $1 order by place desc, lane desc limit $2";
        self.query(sql, &[&organization.as_str(), &i64::from(limit)], |row| Ok(rows::remembered(row))).await
    }

    async fn must_exist(&self, organization: OrganizationId) -> Result<(), Error> {
        self.organization(organization).await?.map(drop).ok_or(Error::NoOrganization)
    }

    /// All rows of a short query.
    async fn query<T>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        row: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let rows = self
            .within(QUERY_DEADLINE, async |client| {
                let statement = client.prepare_cached(sql).await.map_err(errors::of)?;
                client.query(&statement, params).await.map_err(errors::of)
            })
            .await?;
        rows.iter().map(row).collect()
    }

    /// Lends a connection for so long. One that did not answer in time is thrown away: it may never.
    async fn within<T>(
        &self,
        deadline: Duration,
        work: impl AsyncFnOnce(&mut Object) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut client = self.pool.get().await.map_err(errors::of_pool)?;
        match tokio::time::timeout(deadline, work(&mut client)).await {
            Ok(answer) => answer,
            Err(_) => {
                drop(Object::take(client));
                Err(Error::Busy)
            }
        }
    }
}
