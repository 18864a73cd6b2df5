//! PostgreSQL, and what speaks its wire protocol: any number of Roster processes over one database.

mod answers;
mod attempts;
mod clock;
mod columns;
pub(crate) mod connect;
mod connection;
pub(crate) mod copy;
mod errors;
mod export;
mod feed;
mod freshness;
mod horizon;
mod lending;
mod list;
mod outbox;
mod place;
mod pooler;
mod refold;
mod rows;
mod schema;
mod sought;
mod trail;
mod writer;

use std::{sync::Arc, time::Duration};

use deadpool_postgres::PoolError;
use roster_directory::{
    Change, KeyId, Organization, OrganizationId, Payor, PayorId, Query, Timestamp, User, UserId,
    key::Key,
    repeat::{self, Answered, Repeat},
    user::Profile,
};
use tokio::time::Instant;
use tokio_postgres::Row;

use crate::{
    Epoch, Error, KeyRecord, Options, Remembered, Selection,
    altered::Alterations,
    fair::Fair,
    records::user::{self, profile_columns, user_columns},
    rows::{KEY_COLUMNS, key_columns},
};
use attempts::Attempts;
use connect::Url;
use connection::{Ask, Connection, Param};
use freshness::Freshness;
use lending::{Lender, Trouble};
use list::Page;
use writer::Writer;

/// How long a query may take, waiting for a connection included, before its client is told to try again.
const QUERY_DEADLINE: Duration = Duration::from_millis(1_800);

/// The same for a query that may read many rows.
const HEAVY_DEADLINE: Duration = Duration::from_secs(30);

/// How long a start asks servers that are silent: on a machine that boots everything is slow, and ending would only make
/// whoever starts processes start another.
const START_WAIT: Duration = Duration::from_secs(5);

/// How long the server may look at what the tables hold: it reads samples, which takes seconds on a slow disk.
const ANALYZE_DEADLINE: Duration = Duration::from_secs(60);

/// So that plans do not have to wait for autovacuum, where much was written at once.
const ANALYZE: &str = "analyze users, user_payor, role_count, audit, outbox, attempt, sms_consent, repeat";

/// Rows that a page may leave out before reading it is heavy.
const HEAVY_OFFSET: u64 = 10_000;

/// One database.
pub(crate) struct Postgres {
    lender: Lender,
    writer: Writer,
    freshness: Freshness,
    alterations: Arc<Alterations>,
    /// Connections that heavy queries may hold, half of all: the other half is for what must be answered at once.
    heavy: Fair,
    /// See [`Options`].
    horizon_wait: Duration,
}

impl Postgres {
    pub(crate) async fn open(url: &Url, options: &Options) -> Result<Self, Error> {
        let lender = url.lender()?;
        let given_up = Instant::now() + START_WAIT;
        loop {
            let deadline = Instant::now() + schema::PATIENCE;
            let migrated = async {
                pooler::must_keep_statements(&lender, deadline).await?;
                lender.lend(deadline, async |client| schema::migrate(client).await).await
            };
            match migrated.await {
                Err(Trouble::NoConnection(PoolError::Timeout(_))) if Instant::now() < given_up => {}
                migrated => break migrated?,
            }
        }
        let writer = Writer::start(&lender, options)?;
        let alterations = Arc::new(Alterations::default());
        let freshness = Freshness::start(lender.clone(), alterations.clone());
        let (heavy, horizon_wait) = (Fair::new(url.pool_size() / 2), options.horizon_wait);
        Ok(Self { lender, writer, freshness, alterations, heavy, horizon_wait })
    }

    pub(crate) async fn commit(&self, change: Change) -> Result<Timestamp, Error> {
        self.writer.commit(change).await
    }

    pub(crate) async fn epoch(&self) -> Result<Epoch, Error> {
        self.freshness.epoch().await
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.writer.check()?;
        self.epoch().await.map(drop)
    }

    pub(crate) async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, Error> {
        let sql = concat!(
            "select ",
            key_columns!(),
            ", o.id, o.name, o.country, o.time_zone, o.created_at \
             from api_key k join organization o on o.id = k.organization where k.id = $1"
        );
        let record =
            |row: &Row| Ok(KeyRecord { key: rows::key(row)?, organization: rows::organization_at(row, KEY_COLUMNS)? });
        Ok(self.query(sql, &[&id.as_str()], record).await?.pop())
    }

    pub(crate) async fn user(&self, organization: OrganizationId, id: UserId) -> Result<Option<User>, Error> {
        let sql = concat!(
            "select ",
            user_columns!(),
            ", place, updated, array (select payor from user_payor where organization = $1 and user_id = $2) \
             from users where organization = $1 and id = $2"
        );
        Ok(self.query(sql, &[&organization.as_str(), &id.as_str()], rows::user).await?.pop())
    }

    pub(crate) async fn profile(&self, organization: OrganizationId, id: UserId) -> Result<Option<Profile>, Error> {
        let sql = concat!("select ", profile_columns!(), " from users where organization = $1 and id = $2");
        Ok(self.query(sql, &[&organization.as_str(), &id.as_str()], user::profile).await?.pop())
    }

    /// Users of whom this one is the caregiver, some of them.
    pub(crate) async fn cared_for_by(&self, organization: OrganizationId, id: UserId) -> Result<Vec<UserId>, Error> {
        let sql = "select id from users where organization = $1 and caregiver = $2 limit 100";
        let id_of = |row: &Row| rows::parsed(row, 0, UserId::parse);
        self.query(sql, &[&organization.as_str(), &id.as_str()], id_of).await
    }

    pub(crate) fn alterations(&self) -> &Alterations {
        &self.alterations
    }

    pub(crate) async fn answered(
        &self,
        organization: OrganizationId,
        repeat: &Repeat,
        now: Timestamp,
    ) -> Result<Option<Answered>, Error> {
        let sql = "select request, status, headers, body from repeat \
                   where organization = $1 and by_key = $2 and route = $3 and key = $4 and at > $5";
        let since = now.plus_millis(-repeat::KEPT).as_millis();
        let params: [&dyn Param; 5] =
            [&organization.as_str(), &repeat.by.as_str(), &&*repeat.route, &repeat.key.as_str(), &since];
        Ok(self.query(sql, &params, rows::answered).await?.pop())
    }

    pub(crate) async fn list(&self, organization: OrganizationId, query: &Query) -> Result<Selection, Error> {
        if query.search.is_empty() && query.offset() <= HEAVY_OFFSET {
            return self.list_within(QUERY_DEADLINE, organization, query).await;
        }
        let place = tokio::time::timeout(QUERY_DEADLINE, self.heavy.place(organization)).await;
        let place = place.map_err(|_| Error::Busy)?;
        let listing = self.list_within(HEAVY_DEADLINE, organization, query).await;
        drop(place);
        listing
    }

    async fn list_within(
        &self,
        limit: Duration,
        organization: OrganizationId,
        query: &Query,
    ) -> Result<Selection, Error> {
        let mut attempts = Attempts::until(Instant::now() + limit.max(self.horizon_wait));
        let mut below = None;
        loop {
            let list = async |client: &mut Connection| list::list(client, organization, query, below).await;
            let listed = match self.lender.lend(attempts.deadline, list).await {
                Ok(Page { selection, ends_beyond: None, .. }) => return Ok(selection),
                Ok(Page { selection, .. }) if below.is_some() => return Ok(selection),
                Ok(Page { ends_beyond: Some(last), is_full, .. }) => {
                    let deadline = attempts.deadline.min(Instant::now() + self.horizon_wait);
                    self.writer.horizon().has_passed(last, deadline).await.map(|horizon| (horizon, is_full))
                }
                Err(trouble) => Err(trouble),
            };
            match listed {
                // What a full page has is below by now. Any other is to end where nothing turns up any more, or there
                // would always be somebody newer whom to wait for.
                Ok((horizon, is_full)) => below = (!is_full).then_some(horizon),
                Err(trouble) => attempts.ask_again_after(trouble).await?,
            }
        }
    }

    pub(crate) async fn analyze(&self) -> Result<(), Error> {
        let deadline = Instant::now() + ANALYZE_DEADLINE;
        Ok(self.lender.lend(deadline, async |client| Ok(client.batch_execute(ANALYZE).await?)).await?)
    }

    /// Writes what is under way to its end, and nothing after it.
    pub(crate) async fn close(&self) {
        self.writer.close().await;
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
        let sql = concat!("select ", key_columns!(), " from api_key k where k.organization = $1");
        let mut keys = self.query(sql, &[&organization.as_str()], rows::key).await?;
        keys.sort_unstable_by_key(|key| key.id);
        Ok(keys)
    }

    pub(crate) async fn organizations(&self) -> Result<Vec<Organization>, Error> {
        let sql = "select id, name, country, time_zone, created_at from organization order by place, id";
        self.query(sql, &[], |row| rows::organization_at(row, 0)).await
    }

    pub(crate) async fn has_organizations(&self) -> Result<bool, Error> {
        let one = self.query("select 1 from organization limit 1", &[], |_| Ok(())).await?;
        Ok(!one.is_empty())
    }

    pub(crate) async fn organization(&self, id: OrganizationId) -> Result<Option<Organization>, Error> {
        let sql = "select id, name, country, time_zone, created_at from organization where id = $1";
        Ok(self.query(sql, &[&id.as_str()], |row| rows::organization_at(row, 0)).await?.pop())
    }

    pub(crate) async fn audit(&self, organization: OrganizationId, limit: u32) -> Result<Vec<Remembered>, Error> {
        self.must_exist(organization).await?;
        let sql = "select place, actor, action, target, fields, request \
                   from audit where organization = $1 order by place desc, lane desc limit (select $2::bigint)";
        self.query(sql, &[&organization.as_str(), &i64::from(limit)], |row| Ok(rows::remembered(row))).await
    }

    async fn must_exist(&self, organization: OrganizationId) -> Result<(), Error> {
        self.organization(organization).await?.map(drop).ok_or(Error::NoOrganization)
    }

    /// All rows of a short query.
    async fn query<T>(
        &self,
        sql: &str,
        params: &[&dyn Param],
        row: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.query_within(QUERY_DEADLINE, sql, params, row).await
    }

    /// All rows of a query that may take so long.
    async fn query_within<T>(
        &self,
        limit: Duration,
        sql: &str,
        params: &[&dyn Param],
        row: impl Fn(&Row) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut attempts = Attempts::until(Instant::now() + limit);
        loop {
            let query = async |client: &mut Connection| Ok(client.query(sql, params).await?);
            match self.lender.lend(attempts.deadline, query).await {
                Ok(rows) => return rows.iter().map(row).collect(),
                Err(trouble) => attempts.ask_again_after(trouble).await?,
            }
        }
    }
}
