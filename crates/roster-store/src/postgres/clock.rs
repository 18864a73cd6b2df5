//! The latest moment there was: what the rows say of it, and bringing it back.

use std::time::Duration;

use roster_directory::{OrganizationId, Timestamp};
use tokio::time::{Instant, sleep};

use super::{
    Postgres,
    attempts::Attempts,
    connection::{Ask, Connection, Transaction},
    horizon,
    lending::Trouble,
    place, rows,
};
use crate::{Ahead, Error, Repaired};

/// How long it may take to look at everything, or to bring it back.
const PATIENCE: Duration = Duration::from_secs(600);

/// What may be due a long time from now: what is settled is forgotten after a year at most.
const LONGEST: i64 = 366 * 24 * 60 * 60 * 1_000;

/// Keeps the moment of a change with it.
pub(super) async fn keep(transaction: &Transaction<'_>, at: Timestamp) -> Result<(), tokio_postgres::Error> {
    let sql = "update clock set latest = $1 where one = 1 and latest < $1";
    transaction.execute(sql, &[&at.as_millis()]).await.map(drop)
}

impl Postgres {
    /// What the clock's row and the floors of all who added users say. A floor is at most a tenth of a second behind.
    pub(crate) async fn latest(&self) -> Result<Timestamp, Error> {
        let sql = "select latest, (select max(floor) from writer) from clock where one = 1";
        let latest = |row: &tokio_postgres::Row| {
            let floor: Option<i64> = row.get(1);
            Ok(Timestamp::from_millis(row.get(0)).max(place::moment(floor.unwrap_or(0))))
        };
        Ok(self.query(sql, &[], latest).await?.pop().unwrap_or(Timestamp::from_millis(0)))
    }

    pub(crate) async fn keep_time(&self, at: Timestamp) -> Result<Timestamp, Error> {
        let millis = at.as_millis();
        let mut attempts = Attempts::until(Instant::now() + super::QUERY_DEADLINE);
        loop {
            let kept = self.lender.lend(attempts.deadline, async |client| {
                let sql = "update clock set latest = $1 where one = 1 and latest < $1 and exists (select 1 from api_key \
                           where expires_at > clock.latest and expires_at <= $1)";
                client.execute(sql, &[&millis]).await?;
                Ok(())
            });
            match kept.await {
                Ok(()) => return self.latest().await,
                Err(trouble) => attempts.ask_again_after(trouble).await?,
            }
        }
    }

    pub(crate) async fn ahead_of(&self, limit: Timestamp) -> Result<Vec<Ahead>, Error> {
        let first = place::first_of(limit.as_millis() + 1);
        let ahead = self.lender.lend(Instant::now() + PATIENCE, async |client| ahead_of(client, first).await);
        Ok(ahead.await?)
    }

    pub(crate) async fn repair_times(&self, now: Timestamp) -> Result<Vec<Repaired>, Error> {
        let deadline = Instant::now() + PATIENCE;
        let dead = self.lender.lend(deadline, async |client| nobody_may_write(client).await).await?;
        Ok(self.lender.lend(deadline, async |client| repair(client, now.as_millis(), &dead).await).await?)
    }
}

#[expect(clippy::future_not_send, reason = "it is, for a connection and for a transaction")]
async fn ahead_of(client: &impl Ask, first: i64) -> Result<Vec<Ahead>, Trouble> {
    // Every change leaves an audit entry, and its place is the change's.
    let sql =
        "select organization, max(place) from audit where place >= $1 group by organization order by organization";
    let found = client.query(sql, &[&first]).await?;
    let ahead = |row: &tokio_postgres::Row| {
        let organization = rows::parsed(row, 0, OrganizationId::parse).map_err(Trouble::Refused)?;
        Ok(Ahead { organization, latest: place::moment(row.get(1)) })
    };
    found.iter().map(ahead).collect()
}

/// Refuses while another process adds users. Answers the numbers of those that ended without a word.
async fn nobody_may_write(client: &Connection) -> Result<Vec<i64>, Trouble> {
    let sql = "select number, beat from writer where number <> 0 order by number";
    let writers = async || -> Result<Vec<(i64, i64)>, tokio_postgres::Error> {
        Ok(client.query(sql, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect())
    };
    let before = writers().await?;
    if !before.is_empty() {
        sleep(horizon::DEAD).await;
    }
    if writers().await? != before {
        return Err(Trouble::Refused(Error::Unusable(
            "another process adds users to this database: stop every server first".to_owned(),
        )));
    }
    Ok(before.into_iter().map(|(number, _)| number).collect())
}

async fn repair(client: &mut Connection, now: i64, dead: &[i64]) -> Result<Vec<Repaired>, Trouble> {
    let first = place::first_of(now + 1);
    let transaction = client.transaction().await?;
    let mut repaired = Vec::new();
    // Whoever begins to write starts here: above all that is brought back.
    let mut floor = first;
    for Ahead { organization, .. } in ahead_of(&transaction, first).await? {
        let (done, following) = repair_organization(&transaction, organization, first, now).await?;
        floor = floor.max(following);
        repaired.push(done);
    }
    // Their list keeps its order.
    let sql = "update organization o set place = $2::bigint + r.nth, created_at = $3 \
               from (select id, row_number() over (order by place, id) nth from organization where place >= $1) r \
               where o.id = r.id";
    transaction.execute(sql, &[&first, &place::first_of(now), &now]).await?;
    // Of one number the later word counts: their order stays.
    let sql = "update sms_stop s set at = $1::bigint + r.nth from (select phone, reference, row_number() over \
               (partition by phone order by at, reference) nth from sms_stop where at > $1) r \
               where r.phone = s.phone and r.reference = s.reference";
    transaction.execute(sql, &[&now]).await?;
    transaction.execute("update clock set latest = least(latest, $1) where one = 1", &[&now]).await?;
    transaction.execute("delete from writer where number = any ($1)", &[&dead.to_vec()]).await?;
    transaction.execute("update writer set floor = least(floor, $1) where number = 0", &[&floor]).await?;
    transaction.execute("update epoch set number = number + 1 where one = 1", &[]).await?;
    transaction.commit().await?;
    Ok(repaired)
}

/// Gives what lies at `first` or after it the places that follow the last one before. Answers the place after them, too.
async fn repair_organization(
    transaction: &Transaction<'_>,
    organization: OrganizationId,
    first: i64,
    now: i64,
) -> Result<(Repaired, i64), Trouble> {
    let id = organization.as_str();
    let sql = "select max(place) from audit where organization = $1 and place < $2";
    let last: Option<i64> = transaction.query_one(sql, &[&id, &first]).await?.get(0);
    let last = last.unwrap_or(place::first_of(now));
    let to = place::moment(last).as_millis();
    let rotated = "update api_key set expires_at = least(coalesce(expires_at, $3), $3) where organization = $1 and id in \
                   (select target from audit where organization = $1 and place >= $2 and action = 'key.rotated')";
    transaction.execute(rotated, &[&id, &first, &now]).await?;
    // What had one place, as a user and its audit entry, has one again.
    let sql = "with moved as (select place, $3::bigint + row_number() over (order by place) as new from (\
                   select place from users where organization = $1 and place >= $2 union \
                   select updated from users where organization = $1 and updated >= $2 union \
                   select place from audit where organization = $1 and place >= $2 union \
                   select place from outbox where organization = $1 and place >= $2) as places), \
               users_moved as (update users u set place = coalesce(created.new, u.place), \
                   updated = coalesce(changed.new, u.updated) from users was \
                   left join moved created on created.place = was.place \
                   left join moved changed on changed.place = was.updated \
                   where was.organization = $1 and (was.place >= $2 or was.updated >= $2) \
                   and u.organization = $1 and u.id = was.id returning created.place), \
               entries_moved as (update audit a set place = moved.new from moved \
                   where a.organization = $1 and a.place = moved.place returning 1), \
               messages_moved as (update outbox m set place = moved.new, \
                   due_at = greatest($4, m.due_at - m.place / 1048576 + moved.new / 1048576) from moved \
                   where m.organization = $1 and m.place = moved.place returning 1) \
               select (select count(place) from users_moved), (select count(*) from entries_moved), \
                   (select count(*) from moved), (select count(*) from messages_moved)";
    let moved = transaction.query_one(sql, &[&id, &first, &last, &now]).await?;
    let (users, entries, places): (i64, i64, i64) = (moved.get(0), moved.get(1), moved.get(2));
    for sql in [
        "update users set deactivated_at = $2 where organization = $1 and deactivated_at > $3",
        "update repeat set at = $2 where organization = $1 and at > $3",
        "update payor set created_at = $2 where organization = $1 and created_at > $3",
        "update webhook set created_at = $2 where organization = $1 and created_at > $3",
        "update sms_setting set created_at = $2 where organization = $1 and created_at > $3",
        // A key that was made later than now lives as long as it was to live, from now on.
        "update api_key set created_at = $2, expires_at = expires_at - created_at + $3 \
         where organization = $1 and created_at > $3",
        "update sms_consent c set at = $2::bigint + r.nth from (select user_id, at as was, row_number() over (partition \
         by user_id order by at) nth from sms_consent where organization = $1 and at > $3) r \
         where c.organization = $1 and r.user_id = c.user_id and r.was = c.at",
    ] {
        transaction.execute(sql, &[&id, &to, &now]).await?;
    }
    let sql = "update outbox set due_at = case when queue in ('', 'person') then $3::bigint else $2::bigint end \
               where organization = $1 and due_at > $3::bigint";
    transaction.execute(sql, &[&id, &now, &(now + LONGEST)]).await?;
    let repaired =
        Repaired { organization, to: Timestamp::from_millis(to), users: users as u64, entries: entries as u64 };
    Ok((repaired, last + places + 1))
}
