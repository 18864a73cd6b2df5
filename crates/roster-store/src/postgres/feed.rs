//! The feed: an organization's audit entries in the order in which they became known, and the webhooks told from it.
//!
//! An entry's place is given before it is committed, so that entries turn up behind others that were already read. So
//! whoever reads the feed first gives numbers to those that have none, holding the organization's row in `feed`: their
//! order is the order of commits, and whoever has seen a number has seen all below it. Where nobody reads, nothing is
//! numbered, and creates pay for one index.

use roster_directory::{OrganizationId, Timestamp, Webhook};
use tokio::time::Instant;
use tokio_postgres::Row;

use super::{
    Postgres,
    attempts::Attempts,
    connection::{Ask, Connection, Param},
    lending::Trouble,
    outbox::written,
    rows,
    writer::DEADLINE,
};
use crate::{
    Error,
    outbox::{BusyWebhook, Event},
    rows::webhook_columns,
};

/// Entries that are numbered at once, at least.
const NUMBERED_AT_ONCE: u32 = 1_000;

impl Postgres {
    pub(crate) async fn events(
        &self,
        organization: OrganizationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        let Ok(after) = i64::try_from(after) else {
            self.must_exist(organization).await?;
            return Ok(Vec::new());
        };
        let mut found = self.numbered(organization, after, limit).await?;
        if found.are_short {
            // Run again after a lost commit, it finds no more of what that numbered.
            let at_once = limit.max(NUMBERED_AT_ONCE);
            written!(self, |client, _| number(client, organization.as_str(), at_once).await)?;
            found = self.numbered(organization, after, limit).await?;
        }
        if found.events.is_empty() {
            self.must_exist(organization).await?;
        }
        Ok(found.events)
    }

    /// What has a number, and whether at the same moment there was something that had none. Asked one after the other,
    /// what somebody else numbered in between would be missing from both.
    async fn numbered(&self, organization: OrganizationId, after: i64, limit: u32) -> Result<Numbered, Error> {
        let sql = "with page as ( \
                       select a.number, a.place, a.action, a.target, a.fields, a.role_before, a.role_after \
                       from audit a where a.organization = $1 and a.number > $2 order by a.number limit (select $3::bigint) \
                   ), more as ( \
                       select exists (select 1 from audit where organization = $1 and number is null) \
                   ) select page.*, more.* from more left join page on true order by page.number";
        let row = |row: &Row| {
            let is_event = row.get::<_, Option<i64>>(0).is_some();
            Ok((is_event.then(|| rows::event(row)).transpose()?, row.get(UNNUMBERED)))
        };
        let params: [&dyn Param; 3] = [&organization.as_str(), &after, &i64::from(limit)];
        let rows: Vec<(Option<Event>, bool)> = self.query(sql, &params, row).await?;
        let some_have_none = rows.first().is_some_and(|(_, some_have_none)| *some_have_none);
        let events: Vec<Event> = rows.into_iter().filter_map(|(event, _)| event).collect();
        Ok(Numbered { are_short: some_have_none && events.len() < limit as usize, events })
    }

    pub(crate) async fn webhooks(&self, organization: OrganizationId) -> Result<Vec<Webhook>, Error> {
        self.must_exist(organization).await?;
        let sql = concat!("select ", webhook_columns!(), " from webhook w where organization = $1");
        let mut webhooks = self.query(sql, &[&organization.as_str()], rows::webhook).await?;
        webhooks.sort_unstable_by_key(|webhook| webhook.id);
        Ok(webhooks)
    }

    pub(crate) async fn busy_webhooks(&self, now: Timestamp) -> Result<Vec<BusyWebhook>, Error> {
        let sql = concat!(
            "select * from (select ",
            webhook_columns!(),
            ", w.organization, (w.heard_to < coalesce(f.last, 0) or exists \
                (select 1 from audit a where a.organization = w.organization and a.number is null)) as is_behind, \
             (select count(*) from outbox m where m.queue = w.id) as owed, \
             exists (select 1 from outbox m where m.queue = w.id and m.due_at <= $1) as is_due \
             from webhook w left join feed f on f.organization = w.organization where w.state = 0 \
             ) as active where is_behind or is_due"
        );
        self.query(sql, &[&now.as_millis()], rows::busy_webhook).await
    }
}

/// The column after [`rows::event`]'s.
const UNNUMBERED: usize = 7;

/// A piece of the feed.
struct Numbered {
    events: Vec<Event>,
    /// Whether there would be more of them if what has no number had one.
    are_short: bool,
}

/// Gives numbers to entries that have none.
async fn number(client: &mut Connection, organization: &str, limit: u32) -> Result<(), Trouble> {
    let transaction = client.transaction().await?;
    // Holds the row, whether or not it was there.
    let sql = "insert into feed (organization, last) values ($1, 0) \
               on conflict (organization) do update set last = feed.last returning last";
    let last: i64 = transaction.query_one(sql, &[&organization]).await?.get(0);
    let sql = "select place, lane from audit where organization = $1 and number is null order by place, lane limit $2";
    let pending = transaction.query(sql, &[&organization, &i64::from(limit)]).await?;
    if pending.is_empty() {
        return Ok(()); // somebody else was quicker
    }
    let places: Vec<i64> = pending.iter().map(|row| row.get(0)).collect();
    let lanes: Vec<i32> = pending.iter().map(|row| row.get(1)).collect();
    let numbers: Vec<i64> = (last + 1..).take(pending.len()).collect();
    let sql = "update audit set number = n.number from unnest($2::bigint[], $3::integer[], $4::bigint[]) \
               as n (place, lane, number) \
               where audit.organization = $1 and audit.place = n.place and audit.lane = n.lane";
    transaction.execute(sql, &[&organization, &places, &lanes, &numbers]).await?;
    let sql = "update feed set last = $2 where organization = $1";
    transaction.execute(sql, &[&organization, &(last + pending.len() as i64)]).await?;
    transaction.commit().await?;
    Ok(())
}
