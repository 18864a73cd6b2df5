//! The outbox and the feed: what the writer does with them, and what is read of them.

use roster_directory::{
    KeyId, Message, MessageId, OrganizationId, Timestamp, UserId, Webhook, WebhookId, Write,
    outbox::{Attempt, Outcome},
    repeat::Answer,
    sms::Consent,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{Sqlite, answers, place::OrganizationNumber, readers::Reader, rows, writer};
use crate::{
    Error,
    outbox::{
        Backlog, Beginning, Begun, BusyWebhook, Claim, Claimed, Event, Filter, REMEMBERED, Report, SETTLED, Settlement,
        Stop, StoredMessage, VersionedSetting, Wanted,
    },
    rows::{OLD_SECRETS_LENGTH, message_columns, webhook_columns},
};

/// Something the writer does with the outbox, in the transaction of its batch.
pub(super) type Task = Box<dyn FnMut(&Connection) -> Result<(), Error> + Send>;

impl Sqlite {
    pub(crate) async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), Error> {
        self.writer
            .run(move |connection| {
                let sql = "update api_key set last_used_at = max(coalesce(last_used_at, 0), ?2) where id = ?1";
                let mut statement = connection.prepare_cached(sql)?;
                for (id, at) in &used {
                    statement.execute(params![id.as_str(), at.as_millis()])?;
                }
                Ok(())
            })
            .await
    }

    pub(crate) fn events(&self, organization: OrganizationId, after: u64, limit: u32) -> Result<Vec<Event>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        let Some(first) = place_after(number, after) else { return Ok(Vec::new()) };
        self.readers.with(|reader| {
            let sql = "select place, at, action, target, fields, role_before, role_after \
                       from audit where place between ?1 and ?2 order by place limit ?3";
            let last = *number.places().end();
            reader.collect(sql, params![first, last, limit], |row| {
                rows::event(row, |place| number.ordinal(place) as u64 + 1)
            })
        })
    }

    pub(crate) fn webhooks(&self, organization: OrganizationId) -> Result<Vec<Webhook>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = concat!("select ", webhook_columns!(), " from webhook w where organization = ?1 order by id");
            reader.collect(sql, [number], rows::webhook)
        })
    }

    pub(crate) fn busy_webhooks(&self, now: Timestamp) -> Result<Vec<BusyWebhook>, Error> {
        self.readers.with(|reader| {
            let sql = concat!(
                "select ",
                webhook_columns!(),
                ", o.id, w.heard_to < o.audits, (select count(*) from outbox m where m.queue = w.id) \
                 from webhook w join organization o on o.number = w.organization \
                 where w.state = 0 and (w.heard_to < o.audits \
                 or exists (select 1 from outbox m where m.queue = w.id and m.due_at <= ?1))"
            );
            reader.collect(sql, [now.as_millis()], rows::busy_webhook)
        })
    }

    /// Whether the webhook was where it was thought to be.
    pub(crate) async fn owe(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        heard: (u64, u64),
        messages: Vec<Message>,
        answer: Option<Answer>,
    ) -> Result<bool, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.writer
            .run(move |connection| {
                let at = messages.iter().map(|message| message.at).max();
                let answer = answer.as_ref().zip(at);
                if let Some((answer, at)) = answer
                    && answers::is_there(connection, number, answer, at)?
                {
                    return Ok(Err(Error::Answered));
                }
                let sql = "update webhook set heard_to = ?4 where organization = ?1 and id = ?2 and heard_to = ?3";
                let moved = connection.prepare_cached(sql)?.execute(params![
                    number,
                    webhook.as_str(),
                    heard.0 as i64,
                    heard.1 as i64
                ])?;
                if moved == 0 {
                    return Ok(Ok(false));
                }
                for message in &messages {
                    insert(connection, number, message, message.at)?;
                }
                if let Some((answer, at)) = answer {
                    answers::keep(connection, number, answer, at)?;
                }
                Ok(Ok(true))
            })
            .await?
    }

    pub(crate) async fn claim(&self, wanted: Wanted, claim: Claim) -> Result<Vec<Claimed>, Error> {
        self.writer
            .run(move |connection| {
                let sql = "select number from outbox where queue = ?1 and due_at <= ?2 order by due_at limit ?3";
                let mut due = connection.prepare_cached(sql)?;
                let due = due
                    .query_map(params![wanted.queue.as_str(), wanted.now.as_millis(), wanted.limit], |row| row.get(0))?
                    .collect::<Result<Vec<i64>, _>>()?;
                let sql = concat!(
                    "select ",
                    message_columns!(),
                    ", o.id, m.created_at, m.asked from outbox m \
                     join organization o on o.number = m.organization where m.number = ?1"
                );
                let mut read = connection.prepare_cached(sql)?;
                let mut take =
                    connection.prepare_cached("update outbox set claim = ?2, due_at = ?3 where number = ?1")?;
                let mut claimed = Vec::with_capacity(due.len());
                for number in due {
                    claimed.push(read.query_row([number], rows::claimed)?);
                    take.execute(params![number, claim.token, claim.until.as_millis()])?;
                }
                Ok(claimed)
            })
            .await
    }

    pub(crate) async fn begin(
        &self,
        organization: OrganizationId,
        id: MessageId,
        claim: Claim,
        beginning: Beginning,
    ) -> Result<Begun, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.writer
            .run(move |connection| {
                let sql = "select 1 from outbox where organization = ?1 and id = ?2 and claim = ?3 and state = 0";
                if !connection.prepare_cached(sql)?.exists(params![number, id.as_str(), claim.token])? {
                    return Ok(Begun::Lost);
                }
                let sql = "insert into sms_hour (organization, hour, begun) values (?1, ?2, 1) \
                           on conflict do update set begun = begun + 1 where begun < ?3";
                let hour = beginning.at.as_millis().div_euclid(HOUR);
                if beginning.hourly == 0
                    || connection.prepare_cached(sql)?.execute(params![number, hour, beginning.hourly])? == 0
                {
                    return Ok(Begun::HourUsedUp);
                }
                let sql = "update outbox set state = 1, attempts = attempts + 1, due_at = ?3 \
                           where organization = ?1 and id = ?2";
                connection.prepare_cached(sql)?.execute(params![number, id.as_str(), claim.until.as_millis()])?;
                let attempt =
                    Attempt { at: beginning.at, outcome: Outcome::Begun, status: None, millis: 0, note: String::new() };
                record(connection, number, id, &attempt)?;
                Ok(Begun::Yes)
            })
            .await
    }

    /// Whether it was still claimed.
    pub(crate) async fn settle(&self, claimed: &Claimed, claim: Claim, settlement: Settlement) -> Result<bool, Error> {
        let Some(number) = self.number(claimed.organization)? else { return Err(Error::NoOrganization) };
        let id = claimed.message.id;
        let (queue, due_at) = settlement.place(claimed.message.content.queue());
        self.writer
            .run(move |connection| {
                let added = u32::from(settlement.attempt.is_some() && !settlement.had_begun);
                let sql = "update outbox set state = ?4, queue = ?5, due_at = ?6, attempts = attempts + ?7, asked = ?8, \
                           reference = coalesce(?9, reference), claim = 0 \
                           where organization = ?1 and id = ?2 and claim = ?3";
                let settled = connection.prepare_cached(sql)?.execute(params![
                    number,
                    id.as_str(),
                    claim.token,
                    settlement.state as u8,
                    queue,
                    due_at.as_millis(),
                    added,
                    settlement.asked,
                    settlement.reference
                ])?;
                if let Some(attempt) = settlement.attempt.as_ref().filter(|_| settled > 0) {
                    record(connection, number, id, attempt)?;
                }
                Ok(settled > 0)
            })
            .await
    }

    /// Whether it was news.
    pub(crate) async fn report(
        &self,
        organization: OrganizationId,
        id: MessageId,
        report: Report,
    ) -> Result<bool, Error> {
        let Some(number) = self.number(organization)? else { return Ok(false) };
        let forgotten = report.now.plus_millis(REMEMBERED);
        self.writer
            .run(move |connection| {
                let sql = "update outbox set state = ?4, queue = ?5, due_at = ?6, reference = coalesce(?7, reference), \
                           claim = 0 where organization = ?1 and id = ?2 and attempts = ?3 and webhook is null \
                           and (state = 4 or state in (1, 6) and ?4 <> 6)";
                let told = connection.prepare_cached(sql)?.execute(params![
                    number,
                    id.as_str(),
                    report.nth,
                    report.state as u8,
                    SETTLED,
                    forgotten.as_millis(),
                    report.reference
                ])?;
                if told > 0 {
                    let sql = "update attempt set outcome = ?4, note = ?5 \
                               where organization = ?1 and message = ?2 and nth = ?3";
                    connection.prepare_cached(sql)?.execute(params![
                        number,
                        id.as_str(),
                        report.nth,
                        report.outcome as u8,
                        report.note
                    ])?;
                }
                Ok(told > 0)
            })
            .await
    }

    /// How many were dropped.
    pub(crate) async fn drop_old_sms(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<u64, Error> {
        self.writer
            .run(move |connection| {
                let sql = "update outbox set state = 5, queue = ?3, due_at = ?4, claim = 0 where number in \
                           (select number from outbox where queue = 'sms' and due_at <= ?1 and created_at <= ?1 \
                           and state = 0 order by due_at limit ?2)";
                let forgotten = now.plus_millis(REMEMBERED).as_millis();
                let dropped =
                    connection.prepare_cached(sql)?.execute(params![before.as_millis(), limit, SETTLED, forgotten])?;
                Ok(dropped as u64)
            })
            .await
    }

    /// How many were forgotten.
    pub(crate) async fn forget(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        self.writer
            .run(move |connection| {
                let sql = "select number, organization, id from outbox \
                           where queue in ('', 'person') and due_at <= ?1 limit ?2";
                let mut due = connection.prepare_cached(sql)?;
                let due = due
                    .query_map(params![now.as_millis(), limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                    .collect::<Result<Vec<(i64, OrganizationNumber, String)>, _>>()?;
                for (number, organization, id) in &due {
                    let sql = "delete from attempt where organization = ?1 and message = ?2";
                    connection.prepare_cached(sql)?.execute(params![organization, id])?;
                    connection.prepare_cached("delete from outbox where number = ?1")?.execute([number])?;
                }
                answers::forget_old(connection, now, limit)?;
                Ok(due.len() as u64)
            })
            .await
    }

    pub(crate) async fn backlog(&self, most: u32) -> Result<Vec<Backlog>, Error> {
        let readers = self.readers.clone();
        let deadline = std::time::Instant::now() + super::HEAVY_WAIT;
        let read = move || {
            readers.with_heavy(deadline, |reader| {
                let sql = "select kind, count(*), min(created_at) from ( \
                           select * from (select kind, created_at from outbox where queue = 'sms' \
                           order by due_at limit ?1) \
                           union all \
                           select * from (select kind, created_at from outbox where queue > 'sms' limit ?1) \
                           ) group by kind order by kind";
                reader.collect(sql, [most], rows::backlog)
            })
        };
        // It may be a hundred thousand rows: not on a thread that others wait for.
        tokio::task::spawn_blocking(read).await.map_err(|_| Error::Closed)?
    }

    pub(crate) fn messages(&self, filter: Filter, limit: u32) -> Result<Vec<StoredMessage>, Error> {
        let number = match filter.organization {
            Some(id) => Some(self.number(id)?.ok_or(Error::NoOrganization)?),
            None => None,
        };
        let state = filter.state.map(|state| state as u8);
        self.readers.with(|reader| match filter.webhook {
            Some(webhook) => {
                let (at, before) = match filter.before {
                    Some(id) => place_of_message(reader, number, id)?.ok_or(Error::NoSuchCursor)?,
                    None => (i64::MAX, i64::MAX),
                };
                let sql = concat!(
                    "select ",
                    message_columns!(),
                    ", o.id, m.created_at, m.due_at, m.reference from outbox m \
                     join organization o on o.number = m.organization \
                     where m.webhook = ?1 and m.organization = ?2 and (?3 is null or m.state = ?3) \
                     and (m.created_at, m.number) < (?4, ?5) \
                     order by m.created_at desc, m.number desc limit ?6"
                );
                reader.collect(sql, params![webhook.as_str(), number, state, at, before, limit], rows::stored_message)
            }
            None => {
                let sql = concat!(
                    "select ",
                    message_columns!(),
                    ", o.id, m.created_at, m.due_at, m.reference from outbox m \
                     join organization o on o.number = m.organization \
                     where (?1 is null or m.organization = ?1) and (?2 is null or m.state = ?2) \
                     order by m.created_at, m.number limit ?3"
                );
                reader.collect(sql, params![number, state, limit], rows::stored_message)
            }
        })
    }

    pub(crate) fn message(&self, organization: OrganizationId, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = concat!(
                "select ",
                message_columns!(),
                ", o.id, m.created_at, m.due_at, m.reference from outbox m \
                 join organization o on o.number = m.organization where m.organization = ?1 and m.id = ?2"
            );
            Ok(reader.collect(sql, params![number, id.as_str()], rows::stored_message)?.pop())
        })
    }

    pub(crate) fn attempts(&self, organization: OrganizationId, id: MessageId) -> Result<Vec<Attempt>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = "select at, outcome, status, millis, note from attempt \
                       where organization = ?1 and message = ?2 order by nth";
            reader.collect(sql, params![number, id.as_str()], rows::attempt)
        })
    }

    pub(crate) fn sms_setting(&self, organization: OrganizationId) -> Result<Option<VersionedSetting>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = "select version, template, wording, hourly, created_at from sms_setting \
                       where organization = ?1 order by version desc limit 1";
            Ok(reader.collect(sql, [number], rows::sms_setting)?.pop())
        })
    }

    pub(crate) fn consents(&self, organization: OrganizationId, user: UserId) -> Result<Vec<Consent>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let sql = "select at, given, said_by, wording, reference from sms_consent \
                       where organization = ?1 and user_id = ?2 order by at";
            reader.collect(sql, params![number, user.as_str()], rows::consent)
        })
    }

    pub(crate) fn stops(&self, phone: &str) -> Result<Vec<Stop>, Error> {
        self.readers.with(|reader| {
            let sql = "select phone, at, stopped, said_by, reference from sms_stop \
                       where phone = ?1 order by at, reference";
            reader.collect(sql, [phone], rows::stop)
        })
    }

    pub(crate) async fn record_stop(&self, stop: Stop) -> Result<(), Error> {
        self.writer
            .run(move |connection| {
                let sql = "insert into sms_stop (phone, reference, at, stopped, said_by) values (?1, ?2, ?3, ?4, ?5) \
                           on conflict do nothing";
                connection.prepare_cached(sql)?.execute(params![
                    stop.phone,
                    stop.reference,
                    stop.at.as_millis(),
                    stop.stopped,
                    stop.by
                ])?;
                Ok(())
            })
            .await
    }
}

const HOUR: i64 = 60 * 60 * 1_000;

/// The place of the event after the `after`-th; `None` where no place is so high.
fn place_after(number: OrganizationNumber, after: u64) -> Option<i64> {
    let ordinal = i64::try_from(after).ok()?;
    let last = number.ordinal(*number.places().end());
    (ordinal <= last).then(|| number.place(ordinal))
}

/// Where a message stands among others: when it was owed, and its number.
fn place_of_message(
    reader: &Reader,
    organization: Option<OrganizationNumber>,
    id: MessageId,
) -> Result<Option<(i64, i64)>, Error> {
    let mut statement = reader.prepare("select created_at, number from outbox where organization = ?1 and id = ?2")?;
    Ok(statement.query_row(params![organization, id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Writes down an attempt: a new one, or how one that had begun went on.
fn record(connection: &Connection, number: OrganizationNumber, id: MessageId, attempt: &Attempt) -> Result<(), Error> {
    let sql = "insert into attempt (organization, message, nth, at, outcome, status, millis, note) \
               select organization, id, attempts, ?3, ?4, ?5, ?6, ?7 from outbox where organization = ?1 and id = ?2 \
               on conflict do update set outcome = excluded.outcome, status = excluded.status, \
               millis = excluded.millis, note = excluded.note";
    connection.prepare_cached(sql)?.execute(params![
        number,
        id.as_str(),
        attempt.at.as_millis(),
        attempt.outcome as u8,
        attempt.status,
        attempt.millis,
        attempt.note
    ])?;
    Ok(())
}

/// Adds a message that is owed from this moment.
pub(super) fn insert(
    connection: &Connection,
    number: OrganizationNumber,
    message: &Message,
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "insert into outbox (organization, id, kind, about, webhook, created_at, queue, due_at) \
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6)";
    let content = &message.content;
    connection.prepare_cached(sql)?.execute(params![
        number,
        message.id.as_str(),
        content.kind().as_str(),
        content.about(),
        content.webhook().as_ref().map(WebhookId::as_str),
        at.as_millis(),
        content.queue().as_str()
    ])?;
    Ok(())
}

/// Writes down whether somebody may be sent text messages, under the organization's wording of now. Said twice within a
/// millisecond, the last counts.
pub(super) fn record_consent(
    connection: &Connection,
    number: OrganizationNumber,
    user: UserId,
    given: bool,
    at: Timestamp,
    (by, request): (&str, &str),
) -> Result<(), Error> {
    let sql = "insert into sms_consent (organization, user_id, at, given, said_by, wording, reference) \
               values (?1, ?2, ?3, ?4, ?5, \
               coalesce((select max(version) from sms_setting where organization = ?1), 0), ?6) \
               on conflict do update set given = excluded.given, said_by = excluded.said_by, \
               wording = excluded.wording, reference = excluded.reference";
    connection.prepare_cached(sql)?.execute(params![number, user.as_str(), at.as_millis(), given, by, request])?;
    Ok(())
}

/// Drops what is owed to a user. What is being sent at this moment is not stopped any more.
pub(super) fn drop_owed_to(
    connection: &Connection,
    number: OrganizationNumber,
    user: UserId,
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "update outbox set state = 5, queue = ?3, due_at = ?4, claim = 0 \
               where organization = ?1 and about = ?2 and webhook is null and state = 0";
    let forgotten = at.plus_millis(REMEMBERED).as_millis();
    connection.prepare_cached(sql)?.execute(params![number, user.as_str(), SETTLED, forgotten])?;
    Ok(())
}

/// Removes every message to a user, and whether it agreed to get them.
pub(super) fn erase_of(connection: &Connection, number: OrganizationNumber, user: UserId) -> Result<(), Error> {
    for sql in [
        "delete from attempt where organization = ?1 and message in \
         (select id from outbox where organization = ?1 and about = ?2 and webhook is null)",
        "delete from outbox where organization = ?1 and about = ?2 and webhook is null",
        "delete from sms_consent where organization = ?1 and user_id = ?2",
    ] {
        connection.prepare_cached(sql)?.execute(params![number, user.as_str()])?;
    }
    Ok(())
}

/// Applies a write that is about delivery. Events up to the `audits`-th were there before it.
pub(super) fn apply(
    connection: &Connection,
    number: OrganizationNumber,
    write: &Write,
    audits: i64,
) -> Result<(), Error> {
    match write {
        Write::Webhook(webhook) => {
            let sql = "insert into webhook (organization, id, url, description, events, state, secret, created_at, \
                       heard_to) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
            connection.prepare_cached(sql)?.execute(params![
                number,
                webhook.id.as_str(),
                webhook.url.as_str(),
                webhook.description.as_str(),
                crate::rows::event_names(&webhook.events),
                webhook.state as u8,
                webhook.secret.as_bytes(),
                webhook.created_at.as_millis(),
                audits + 1 // and that it was made
            ])?;
        }
        Write::WebhookState(id, state) => {
            let sql = "update webhook set state = ?3 where organization = ?1 and id = ?2";
            connection.prepare_cached(sql)?.execute(params![number, id.as_str(), *state as u8])?;
        }
        Write::WebhookSecret(id, secret, until) => {
            let sql = "update webhook set secret = ?3, old_secrets = \
                       substr(old_secrets || lower(hex(secret)) || ':' || printf('%013d', ?4) || ' ', -?5) \
                       where organization = ?1 and id = ?2";
            connection.prepare_cached(sql)?.execute(params![
                number,
                id.as_str(),
                secret.as_bytes(),
                until.as_millis(),
                OLD_SECRETS_LENGTH as i64
            ])?;
        }
        Write::WebhookDeleted(id, at) => {
            let sql = "delete from webhook where organization = ?1 and id = ?2";
            connection.prepare_cached(sql)?.execute(params![number, id.as_str()])?;
            let sql = "update outbox set state = 5, queue = ?2, due_at = ?3, claim = 0 where queue = ?1";
            let forgotten = at.plus_millis(REMEMBERED).as_millis();
            connection.prepare_cached(sql)?.execute(params![id.as_str(), SETTLED, forgotten])?;
        }
        Write::SmsSetting(setting) => {
            let sql = "insert into sms_setting (organization, version, template, wording, hourly, created_at) \
                       values (?1, coalesce((select max(version) from sms_setting where organization = ?1), 0) + 1, \
                       ?2, ?3, ?4, ?5)";
            connection.prepare_cached(sql)?.execute(params![
                number,
                setting.template.as_str(),
                setting.wording.as_ref().map(|wording| wording.as_str()),
                setting.hourly,
                setting.at.as_millis()
            ])?;
        }
        Write::MessageRetried(id, at) => {
            let sql = "update outbox set state = 0, queue = coalesce(webhook, 'sms'), due_at = ?3, asked = 0, claim = 0 \
                       where organization = ?1 and id = ?2 and state not in (0, 1)";
            connection.prepare_cached(sql)?.execute(params![number, id.as_str(), at.as_millis()])?;
        }
        Write::MessageDropped(id, at) => {
            let sql = "update outbox set state = 5, queue = ?4, due_at = ?3, claim = 0 \
                       where organization = ?1 and id = ?2 and state in (0, 4)";
            let forgotten = at.plus_millis(REMEMBERED).as_millis();
            connection.prepare_cached(sql)?.execute(params![number, id.as_str(), forgotten, SETTLED])?;
        }
        _ => {}
    }
    Ok(())
}

impl writer::Writer {
    /// Does something with the outbox, in the transaction of the next batch, and returns when that is on disk.
    async fn run<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (put, got) = std::sync::mpsc::channel();
        // It may run twice, if its batch has to: the last answer counts.
        self.do_task(Box::new(move |connection| {
            let answer = work(connection)?;
            drop(put.send(answer));
            Ok(())
        }))
        .await?;
        got.try_iter().last().ok_or(Error::Closed)
    }
}
