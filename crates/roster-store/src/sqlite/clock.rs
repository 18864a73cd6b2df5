//! The latest moment there was: what the rows say of it, and bringing it back.

use roster_directory::{OrganizationId, Timestamp};
use rusqlite::{Connection, TransactionBehavior, params};

use super::{Sqlite, place::OrganizationNumber, rows, schema};
use crate::{Ahead, Error, Repaired};

/// The latest moment of the clock's row and of all changes.
const LATEST: &str = "select max(latest, (select coalesce(max(latest_at), 0) from organization)) from clock";

/// What may be due a long time from now: what is settled is forgotten after a year at most.
const LONGEST: i64 = 366 * 24 * 60 * 60 * 1_000;

impl Sqlite {
    pub(crate) fn latest(&self) -> Result<Timestamp, Error> {
        self.readers.with(|reader| latest(reader.connection()))
    }

    pub(crate) async fn keep_time(&self, at: Timestamp) -> Result<Timestamp, Error> {
        let (latest, a_key_ended) = self.readers.with(|reader| {
            let latest = latest(reader.connection())?;
            let sql = "select exists (select 1 from api_key where expires_at > ?1 and expires_at <= ?2)";
            let mut statement = reader.prepare(sql)?;
            let ended: bool = statement.query_row([latest.as_millis(), at.as_millis()], |row| row.get(0))?;
            Ok((latest, ended))
        })?;
        if a_key_ended {
            let keep = move |connection: &Connection| {
                let sql = "update clock set latest = max(latest, ?1)";
                connection.prepare_cached(sql)?.execute([at.as_millis()])?;
                Ok(())
            };
            self.writer.do_task(Box::new(keep)).await?;
        }
        Ok(latest.max(at))
    }

    pub(crate) fn ahead_of(&self, limit: Timestamp) -> Result<Vec<Ahead>, Error> {
        self.readers.with(|reader| {
            let sql = "select id, latest_at from organization where latest_at > ?1 order by number";
            reader.collect(sql, [limit.as_millis()], |row| {
                let latest = Timestamp::from_millis(row.get(1)?);
                Ok(Ahead { organization: rows::parsed(row, 0, OrganizationId::parse)?, latest })
            })
        })
    }

    pub(crate) async fn repair_times(&self, now: Timestamp) -> Result<Vec<Repaired>, Error> {
        let path = self.path.clone();
        // Not the writer's connection: it may take longer than a change may wait.
        let repaired = tokio::task::spawn_blocking(move || repair(&mut schema::open(&path)?, now));
        repaired.await.map_err(|_| Error::Closed)?
    }
}

fn latest(connection: &Connection) -> Result<Timestamp, Error> {
    let millis = connection.prepare_cached(LATEST)?.query_row([], |row| row.get(0))?;
    Ok(Timestamp::from_millis(millis))
}

fn repair(connection: &mut Connection, now: Timestamp) -> Result<Vec<Repaired>, Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = now.as_millis();
    let mut repaired = Vec::new();
    {
        let sql = "select number, id from organization where max(latest_at, created_at) > ?1 order by number";
        let mut statement = transaction.prepare(sql)?;
        let mut rows = statement.query([now])?;
        while let Some(row) = rows.next()? {
            let organization = rows::parsed(row, 1, OrganizationId::parse)?;
            repaired.push(repair_organization(&transaction, row.get(0)?, organization, now)?);
        }
    }
    // Of one number the later word counts: their order stays.
    transaction.execute(
        "update sms_stop set at = ?1 + r.nth from (select phone, reference, row_number() over (partition by phone order \
         by at, reference) nth from sms_stop where at > ?1) r \
         where r.phone = sms_stop.phone and r.reference = sms_stop.reference",
        [now],
    )?;
    transaction.execute("update clock set latest = min(latest, ?1)", [now])?;
    transaction.execute("update epoch set number = number + 1", [])?;
    transaction.commit()?;
    Ok(repaired)
}

fn repair_organization(
    transaction: &Connection,
    number: OrganizationNumber,
    organization: OrganizationId,
    now: i64,
) -> Result<Repaired, Error> {
    let places = number.places();
    let (first, last) = (*places.start(), *places.end());
    let sql = "select coalesce(max(at), ?3) from audit where place between ?1 and ?2 and at <= ?3";
    let to: i64 = transaction.query_row(sql, [first, last, now], |row| row.get(0))?;
    let rotated = "update api_key set expires_at = min(coalesce(expires_at, ?1), ?1) where id in (select target from \
                   audit where place between ?2 and ?3 and at > ?1 and action = 'key.rotated')";
    transaction.execute(rotated, [now, first, last])?;
    let sql = "update users set created_at = ?3 where place between ?1 and ?2 and created_at > ?4";
    let users = transaction.execute(sql, [first, last, to, now])? as u64;
    for sql in [
        "update users set updated_at = ?3 where place between ?1 and ?2 and updated_at > ?4",
        "update users set deactivated_at = ?3 where place between ?1 and ?2 and deactivated_at > ?4",
    ] {
        transaction.execute(sql, [first, last, to, now])?;
    }
    let sql = "update audit set at = ?3 where place between ?1 and ?2 and at > ?4";
    let entries = transaction.execute(sql, [first, last, to, now])? as u64;
    for sql in [
        "update organization set latest_at = min(latest_at, ?2), created_at = min(created_at, ?3) where number = ?1",
        "update payor set created_at = ?2 where organization = ?1 and created_at > ?3",
        "update repeat set at = ?2 where organization = ?1 and at > ?3",
        "update webhook set created_at = ?2 where organization = ?1 and created_at > ?3",
        "update sms_setting set created_at = ?2 where organization = ?1 and created_at > ?3",
        // A key that was made later than now lives as long as it was to live, from now on.
        "update api_key set created_at = ?2, expires_at = expires_at - created_at + ?3 \
         where organization = ?1 and created_at > ?3",
        "update outbox set created_at = ?2, due_at = max(?3, due_at - created_at + ?2) \
         where organization = ?1 and created_at > ?3",
        "update sms_consent set at = ?2 + r.nth from (select user_id, at as was, row_number() over (partition by user_id \
         order by at) nth from sms_consent where organization = ?1 and at > ?3) r \
         where organization = ?1 and r.user_id = sms_consent.user_id and r.was = sms_consent.at",
    ] {
        transaction.execute(sql, params![number, to, now])?;
    }
    let sql = "update outbox set due_at = case when queue in ('', 'person') then ?3 else ?2 end \
               where organization = ?1 and due_at > ?3";
    transaction.execute(sql, params![number, now, now + LONGEST])?;
    Ok(Repaired { organization, to: Timestamp::from_millis(to), users, entries })
}
