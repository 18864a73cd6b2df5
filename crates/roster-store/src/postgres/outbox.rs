//! The outbox: what is owed, whose it is while it is delivered, and what became of it.
//!
//! Every write here finds out what a lost attempt of its own has done: by the claim's token, or by the ids it chose.

use roster_directory::{
    KeyId, Message, MessageId, OrganizationId, Timestamp, UserId, WebhookId, Write,
    outbox::{Attempt, Outcome},
    repeat::{self, Answer},
    sms::Consent,
};
use tokio::time::Instant;

use super::{
    Postgres, answers,
    attempts::Attempts,
    connection::{Ask, Connection, Param, Transaction},
    lending::Trouble,
    place, rows,
    writer::DEADLINE,
};
use crate::{
    Error,
    outbox::{
        Backlog, Beginning, Begun, Claim, Claimed, Filter, REMEMBERED, Report, SETTLED, Settlement, Stop,
        StoredMessage, VersionedSetting, Wanted,
    },
    rows::{OLD_SECRETS_LENGTH, event_names, message_columns},
};

/// Writes something, until it is known to be written, or the deadline. The work is told whether of an attempt before it
/// it is unknown what became of it. (A macro, because the futures of a closure that is handed on twice are not known to
/// be `Send`.)
macro_rules! written {
    ($self:ident, |$client:ident, $lost_one:tt| $work:expr) => {{
        let mut attempts = Attempts::until(Instant::now() + DEADLINE);
        loop {
            let $lost_one = attempts.lost_one;
            let tried = $self.lender.lend_to_write(&attempts, async |$client| {
                // Few of these are a single statement; all are known to have done nothing only if none was sent.
                attempts.sends_commit();
                $work
            });
            match tried.await {
                Ok(done) => break Ok(done),
                Err(trouble) => {
                    if let Err(error) = attempts.again_after(trouble).await {
                        break Err(error);
                    }
                }
            }
        }
    }};
}
pub(super) use written;

/// Milliseconds that it is known who was altered.
const TOLD: i64 = 10 * 60 * 1_000;

const HOUR: i64 = 60 * 60 * 1_000;

/// Settings that others may make at the same moment before it is too much.
const MOST_COLLISIONS: usize = 8;

impl Postgres {
    pub(crate) async fn keys_used(&self, used: Vec<(KeyId, Timestamp)>) -> Result<(), Error> {
        let ids: Vec<&str> = used.iter().map(|(id, _)| id.as_str()).collect();
        let moments: Vec<i64> = used.iter().map(|(_, at)| at.as_millis()).collect();
        let sql = "update api_key k set last_used_at = greatest(coalesce(k.last_used_at, 0), u.at) \
                   from unnest($1::text[], $2::bigint[]) as u (id, at) where k.id = u.id";
        written!(self, |client, _| {
            client.execute(sql, &[&ids, &moments]).await?;
            Ok(())
        })
    }

    /// Whether the webhook was where it was thought to be.
    pub(crate) async fn owe(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        (from, to): (u64, u64),
        messages: Vec<Message>,
        answer: Option<Answer>,
    ) -> Result<bool, Error> {
        let answered_at = messages.iter().map(|message| message.at).max();
        let answer = answer.as_ref().zip(answered_at);
        let places: Vec<i64> = messages.iter().map(|message| self.writer.place(message.at)).collect();
        let dues: Vec<i64> = messages.iter().map(|message| message.at.as_millis()).collect();
        let ids: Vec<&str> = messages.iter().map(|message| message.id.as_str()).collect();
        let kinds: Vec<&str> = messages.iter().map(|message| message.content.kind().as_str()).collect();
        let abouts: Vec<&str> = messages.iter().map(|message| message.content.about()).collect();
        let (organization, webhook) = (organization.as_str(), webhook.as_str());
        let sql = "with moved as ( \
                       update webhook set heard_to = $4 where organization = $1 and id = $2 and heard_to = $3 \
                       returning organization, id \
                   ), owing as ( \
                       insert into outbox (organization, id, place, kind, about, webhook, queue, due_at) \
                       select moved.organization, m.id, m.place, m.kind, m.about, moved.id, moved.id, m.due_at from moved, \
                       unnest($5::text[], $6::bigint[], $7::text[], $8::text[], $9::bigint[]) \
                       as m (id, place, kind, about, due_at) returning 1 \
                   ) select 1 from moved";
        written!(self, |client, lost_one| {
            if lost_one && is_there(client, organization, ids.first()).await? {
                return Ok(true);
            }
            let (from, to) = (from as i64, to as i64);
            let params: [&dyn Param; 9] = [&organization, &webhook, &from, &to, &ids, &places, &kinds, &abouts, &dues];
            let owes = match answer {
                None => client.query_opt(sql, &params).await?.is_some(),
                Some((answer, at)) => {
                    let transaction = client.transaction().await?;
                    let owes = transaction.query_opt(sql, &params).await?.is_some();
                    if owes {
                        answers::keep(&transaction, organization, answer, at).await?;
                    }
                    transaction.commit().await?;
                    owes
                }
            };
            if owes {
                return Ok(true);
            }
            // The lost attempt may have ended only now, while this one waited for it.
            Ok(lost_one && is_there(client, organization, ids.first()).await?)
        })
    }

    pub(crate) async fn claim(&self, wanted: Wanted, claim: Claim) -> Result<Vec<Claimed>, Error> {
        let (queue, now, limit) = (wanted.queue.as_str(), wanted.now.as_millis(), i64::from(wanted.limit));
        // Of two who want the same message, one waits for the other's commit, and then finds that it is not due.
        let sql = concat!(
            "update outbox m set claim = $4, due_at = $5 from ( \
                 select organization, id from outbox where queue = $1 and due_at <= $2 order by due_at limit $3 \
             ) due where m.organization = due.organization and m.id = due.id and m.queue = $1 and m.due_at <= $2 \
             returning ",
            message_columns!(),
            ", m.organization, m.place, m.asked"
        );
        let again = concat!(
            "select ",
            message_columns!(),
            ", m.organization, m.place, m.asked from outbox m where queue = $1 and due_at = $2 and claim = $3"
        );
        let until = claim.until.as_millis();
        let claimed = written!(self, |client, lost_one| {
            let mut claimed = client.query(sql, &[&queue, &now, &limit, &claim.token, &until]).await?;
            if lost_one {
                // Asked only now: the lost attempt may have ended while this one waited for it.
                claimed = client.query(again, &[&queue, &until, &claim.token]).await?;
            }
            Ok(claimed)
        });
        claimed?.iter().map(rows::claimed).collect()
    }

    pub(crate) async fn begin(
        &self,
        organization: OrganizationId,
        id: MessageId,
        claim: Claim,
        beginning: Beginning,
    ) -> Result<Begun, Error> {
        let (organization, id) = (organization.as_str(), id.as_str());
        let until = claim.until.as_millis();
        let (hour, hourly) = (beginning.at.as_millis().div_euclid(HOUR), beginning.hourly.min(i32::MAX as u32) as i32);
        if hourly == 0 {
            return Ok(Begun::HourUsedUp);
        }
        written!(self, |client, lost_one| {
            let transaction = client.transaction().await?;
            let sql = "update outbox set state = 1, attempts = attempts + 1, due_at = $4 \
                       where organization = $1 and id = $2 and claim = $3 and state = 0";
            if transaction.execute(sql, &[&organization, &id, &claim.token, &until]).await? == 0 {
                // Asked only now: the lost attempt may have ended while this one waited for it.
                let sql = "select 1 from outbox where organization = $1 and id = $2 and claim = $3 and state = 1";
                let has_begun =
                    lost_one && transaction.query_opt(sql, &[&organization, &id, &claim.token]).await?.is_some();
                return Ok(if has_begun { Begun::Yes } else { Begun::Lost });
            }
            let sql = "insert into sms_hour (organization, hour, begun) values ($1, $2, 1) \
                       on conflict (organization, hour) do update set begun = sms_hour.begun + 1 \
                       where sms_hour.begun < $3";
            if transaction.execute(sql, &[&organization, &hour, &hourly]).await? == 0 {
                return Ok(Begun::HourUsedUp); // and what was done is undone
            }
            let attempt =
                Attempt { at: beginning.at, outcome: Outcome::Begun, status: None, millis: 0, note: String::new() };
            record(&transaction, organization, id, &attempt).await?;
            transaction.commit().await?;
            Ok(Begun::Yes)
        })
    }

    /// Whether it was still claimed.
    pub(crate) async fn settle(&self, claimed: &Claimed, claim: Claim, settlement: Settlement) -> Result<bool, Error> {
        let (organization, id) = (claimed.organization.as_str(), claimed.message.id.as_str());
        let (queue, due_at) = settlement.place(claimed.message.content.queue());
        let due_at = due_at.as_millis();
        let added = i32::from(settlement.attempt.is_some() && !settlement.had_begun);
        let (state, asked) = (settlement.state as i16, settlement.asked as i32);
        written!(self, |client, lost_one| {
            let transaction = client.transaction().await?;
            let sql = "update outbox set state = $4, queue = $5, due_at = $6, attempts = attempts + $7, asked = $8, \
                       reference = coalesce($9, reference), claim = 0 \
                       where organization = $1 and id = $2 and claim = $3";
            let params: [&dyn Param; 9] =
                [&organization, &id, &claim.token, &state, &queue, &due_at, &added, &asked, &settlement.reference];
            if transaction.execute(sql, &params).await? == 0 {
                let sql = "select 1 from outbox where organization = $1 and id = $2 and claim = 0 and state = $3 \
                           and queue = $4 and due_at = $5";
                let settled: [&dyn Param; 5] = [&organization, &id, &state, &queue, &due_at];
                return Ok(lost_one && transaction.query_opt(sql, &settled).await?.is_some());
            }
            if let Some(attempt) = &settlement.attempt {
                record(&transaction, organization, id, attempt).await?;
            }
            transaction.commit().await?;
            Ok(true)
        })
    }

    /// Whether it was news.
    pub(crate) async fn report(
        &self,
        organization: OrganizationId,
        id: MessageId,
        report: Report,
    ) -> Result<bool, Error> {
        let sql = "with told as ( \
                       update outbox set state = $4::smallint, queue = $5, due_at = $6, reference = coalesce($7, reference), \
                       claim = 0 where organization = $1 and id = $2 and attempts = $3 and webhook is null \
                       and (state = 4 or state in (1, 6) and $4::smallint <> 6) returning organization, id, attempts \
                   ) update attempt set outcome = $8, note = $9 from told \
                   where attempt.organization = told.organization and attempt.message = told.id \
                   and attempt.nth = told.attempts";
        let (organization, id, nth) = (organization.as_str(), id.as_str(), report.nth as i32);
        let (state, outcome) = (report.state as i16, report.outcome as i16);
        let forgotten = report.now.plus_millis(REMEMBERED).as_millis();
        written!(self, |client, _| {
            let params: [&dyn Param; 9] =
                [&organization, &id, &nth, &state, &SETTLED, &forgotten, &report.reference, &outcome, &report.note];
            Ok(client.execute(sql, &params).await? > 0)
        })
    }

    /// How many were dropped.
    pub(crate) async fn drop_old_sms(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<u64, Error> {
        let sql = "update outbox m set state = 5, queue = $3, due_at = $4, claim = 0 from ( \
                       select organization, id from outbox where queue = 'sms' and due_at <= $1 \
                       and place / 1048576 <= $1 and state = 0 order by due_at limit $2 \
                   ) old where m.organization = old.organization and m.id = old.id and m.queue = 'sms' \
                   and m.due_at <= $1 and m.state = 0";
        let (before, limit) = (before.as_millis(), i64::from(limit));
        let forgotten = now.plus_millis(REMEMBERED).as_millis();
        written!(self, |client, _| Ok(client.execute(sql, &[&before, &limit, &SETTLED, &forgotten]).await?))
    }

    /// How many were forgotten.
    pub(crate) async fn forget(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        // What somebody has retried meanwhile stays, with its attempts.
        let sql = "with due as ( \
                       select organization, id from outbox where queue in ('', 'person') and due_at <= $1 limit $2 \
                   ), forgotten as ( \
                       delete from outbox m using due where m.organization = due.organization and m.id = due.id \
                       and m.queue in ('', 'person') and m.due_at <= $1 returning m.organization, m.id \
                   ), attempts as ( \
                       delete from attempt using forgotten \
                       where attempt.organization = forgotten.organization and attempt.message = forgotten.id \
                   ) select count(*) from forgotten";
        let old_answers = "delete from repeat r using ( \
                               select organization, by_key, route, key from repeat where at <= $1 order by at limit $2 \
                           ) old where r.organization = old.organization and r.by_key = old.by_key \
                           and r.route = old.route and r.key = old.key and r.at <= $1";
        // Who was altered is known to everybody by then, or they look at all again.
        let told = "with gone as ( \
                        delete from altered a using (select lane, number, user_id from altered where number < $1 \
                            order by number limit $2) old \
                        where a.lane = old.lane and a.number = old.number and a.user_id = old.user_id \
                        returning a.lane, a.number \
                    ), last as (select lane, max(number) as number from gone group by lane) \
                    update generation set kept = greatest(kept, last.number) from last where generation.lane = last.lane";
        let (limit, at) = (i64::from(limit), now.as_millis());
        let answered = now.plus_millis(-repeat::KEPT).as_millis();
        let (heard, most) = (place::first_of(now.plus_millis(-TOLD).as_millis()), limit * 100);
        written!(self, |client, _| {
            client.execute(old_answers, &[&answered, &limit]).await?;
            client.execute(told, &[&heard, &most]).await?;
            Ok(client.query_one(sql, &[&at, &limit]).await?.get::<_, i64>(0) as u64)
        })
    }

    pub(crate) async fn backlog(&self, most: u32) -> Result<Vec<Backlog>, Error> {
        // Ranges of the index: what is settled, the many, is not read.
        let sql = "select kind, count(*), min(place) from ( \
                   select * from (select kind, place from outbox where queue = 'sms' order by due_at limit $1) as texts \
                   union all \
                   select * from (select kind, place from outbox where queue > 'sms' limit $1) as others \
                   ) as waiting group by kind";
        let mut backlog = self.query(sql, &[&i64::from(most)], rows::backlog).await?;
        backlog.sort_unstable_by_key(|backlog| backlog.kind.as_str());
        Ok(backlog)
    }

    pub(crate) async fn messages(&self, filter: Filter, limit: u32) -> Result<Vec<StoredMessage>, Error> {
        if let Some(organization) = filter.organization {
            self.must_exist(organization).await?;
        }
        let organization = filter.organization.as_ref().map(OrganizationId::as_str);
        let state = filter.state.map(|state| state as i16);
        let limit = i64::from(limit);
        let Some(webhook) = filter.webhook else {
            let sql = concat!(
                "select ",
                message_columns!(),
                ", m.organization, m.place, m.due_at, m.reference from outbox m \
                 where ($1::text is null or organization = $1) and ($2::smallint is null or state = $2) \
                 order by place, id limit $3"
            );
            return self.query(sql, &[&organization, &state, &limit], rows::stored_message).await;
        };
        let before = match filter.before {
            Some(id) => {
                let sql = "select place from outbox where organization = $1 and id = $2";
                let place = self.query(sql, &[&organization, &id.as_str()], |row| Ok(row.get::<_, i64>(0))).await?;
                (*place.first().ok_or(Error::NoSuchCursor)?, id.to_string())
            }
            None => (i64::MAX, String::new()),
        };
        // The index has no ids: without the place of the page's last, all that comes after the cursor would be sorted.
        let sql = concat!(
            "select ",
            message_columns!(),
            ", m.organization, m.place, m.due_at, m.reference from outbox m \
             where organization = $1 and webhook = $2 and ($3::smallint is null or state = $3) \
             and (place, id) < ($4, $5) and place >= coalesce(( \
                 select place from outbox where organization = $1 and webhook = $2 \
                 and ($3::smallint is null or state = $3) and (place, id) < ($4, $5) \
                 order by place desc limit 1 offset (select $6::bigint - 1)), 0) \
             order by place desc, id desc limit $6"
        );
        let params: [&dyn Param; 6] = [&organization, &webhook.as_str(), &state, &before.0, &before.1, &limit];
        self.query(sql, &params, rows::stored_message).await
    }

    pub(crate) async fn message(
        &self,
        organization: OrganizationId,
        id: MessageId,
    ) -> Result<Option<StoredMessage>, Error> {
        self.must_exist(organization).await?;
        let sql = concat!(
            "select ",
            message_columns!(),
            ", m.organization, m.place, m.due_at, m.reference from outbox m where organization = $1 and id = $2"
        );
        Ok(self.query(sql, &[&organization.as_str(), &id.as_str()], rows::stored_message).await?.pop())
    }

    pub(crate) async fn attempts(&self, organization: OrganizationId, id: MessageId) -> Result<Vec<Attempt>, Error> {
        self.must_exist(organization).await?;
        let sql = "select at, outcome, status, millis, note from attempt \
                   where organization = $1 and message = $2 order by nth";
        self.query(sql, &[&organization.as_str(), &id.as_str()], rows::attempt).await
    }

    pub(crate) async fn sms_setting(&self, organization: OrganizationId) -> Result<Option<VersionedSetting>, Error> {
        self.must_exist(organization).await?;
        let sql = "select version, template, wording, hourly, created_at from sms_setting \
                   where organization = $1 order by version desc limit 1";
        Ok(self.query(sql, &[&organization.as_str()], rows::sms_setting).await?.pop())
    }

    pub(crate) async fn consents(&self, organization: OrganizationId, user: UserId) -> Result<Vec<Consent>, Error> {
        self.must_exist(organization).await?;
        let sql = "select at, given, said_by, wording, reference from sms_consent \
                   where organization = $1 and user_id = $2 order by at";
        self.query(sql, &[&organization.as_str(), &user.as_str()], |row| Ok(rows::consent(row))).await
    }

    pub(crate) async fn stops(&self, phone: &str) -> Result<Vec<Stop>, Error> {
        let sql = "select phone, at, stopped, said_by, reference from sms_stop where phone = $1";
        let mut stops = self.query(sql, &[&phone], |row| Ok(rows::stop(row))).await?;
        stops.sort_by(|a, b| (a.at, &a.reference).cmp(&(b.at, &b.reference)));
        Ok(stops)
    }

    pub(crate) async fn record_stop(&self, stop: Stop) -> Result<(), Error> {
        let sql = "insert into sms_stop (phone, reference, at, stopped, said_by) values ($1, $2, $3, $4, $5) \
                   on conflict do nothing";
        let at = stop.at.as_millis();
        written!(self, |client, _| {
            client.execute(sql, &[&stop.phone, &stop.reference, &at, &stop.stopped, &stop.by]).await?;
            Ok(())
        })
    }
}

/// Adds what a change owes, in its transaction, at its place.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    organization: &str,
    place: i64,
    message: &Message,
) -> Result<(), Trouble> {
    let sql = "insert into outbox (organization, id, place, kind, about, webhook, queue, due_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let content = &message.content;
    let (webhook, queue) = (content.webhook(), content.queue());
    let webhook = webhook.as_ref().map(WebhookId::as_str);
    let due_at = place::moment(place).as_millis();
    let (id, kind, about, queue) = (message.id.as_str(), content.kind().as_str(), content.about(), queue.as_str());
    let params: [&dyn Param; 8] = [&organization, &id, &place, &kind, &about, &webhook, &queue, &due_at];
    transaction.execute(sql, &params).await?;
    Ok(())
}

/// Whether a message is there.
async fn is_there(client: &Connection, organization: &str, id: Option<&&str>) -> Result<bool, Trouble> {
    let Some(id) = id else { return Ok(false) };
    let sql = "select 1 from outbox where organization = $1 and id = $2";
    Ok(client.query_opt(sql, &[&organization, id]).await?.is_some())
}

/// Writes down an attempt: a new one, or how one that had begun went on.
async fn record(transaction: &Transaction<'_>, organization: &str, id: &str, attempt: &Attempt) -> Result<(), Trouble> {
    let sql = "insert into attempt (organization, message, nth, at, outcome, status, millis, note) \
               select organization, id, attempts, $3, $4, $5, $6, $7 from outbox where organization = $1 and id = $2 \
               on conflict (organization, message, nth) do update set outcome = excluded.outcome, \
               status = excluded.status, millis = excluded.millis, note = excluded.note";
    let (at, outcome) = (attempt.at.as_millis(), attempt.outcome as i16);
    let status = attempt.status.map(i32::from);
    let params: [&dyn Param; 7] = [&organization, &id, &at, &outcome, &status, &attempt.millis, &attempt.note];
    transaction.execute(sql, &params).await?;
    Ok(())
}

/// Applies a write that is about delivery.
pub(super) async fn apply(transaction: &Transaction<'_>, organization: &str, write: &Write) -> Result<(), Trouble> {
    match write {
        Write::Webhook(webhook) => {
            let sql = "insert into webhook (organization, id, url, description, events, state, secret, created_at, \
                       heard_to) values ($1, $2, $3, $4, $5, $6, $7, $8, \
                       coalesce((select last from feed where organization = $1), 0))";
            let (events, at) = (event_names(&webhook.events), webhook.created_at.as_millis());
            let params: [&dyn Param; 8] = [
                &organization,
                &webhook.id.as_str(),
                &webhook.url.as_str(),
                &webhook.description.as_str(),
                &events,
                &(webhook.state as i16),
                &webhook.secret.as_bytes().as_slice(),
                &at,
            ];
            transaction.execute(sql, &params).await?;
        }
        Write::WebhookState(id, state) => {
            let sql = "update webhook set state = $3 where organization = $1 and id = $2";
            transaction.execute(sql, &[&organization, &id.as_str(), &(*state as i16)]).await?;
        }
        Write::WebhookSecret(id, secret, until) => {
            let sql = "update webhook set secret = $3, old_secrets = \
                       right(old_secrets || encode(secret, 'hex') || ':' || $4 || ' ', $5) \
                       where organization = $1 and id = $2";
            let (secret, until) = (secret.as_bytes().as_slice(), format!("{:013}", until.as_millis()));
            let length = OLD_SECRETS_LENGTH as i32;
            transaction.execute(sql, &[&organization, &id.as_str(), &secret, &until, &length]).await?;
        }
        Write::WebhookDeleted(id, at) => {
            let sql = "delete from webhook where organization = $1 and id = $2";
            transaction.execute(sql, &[&organization, &id.as_str()]).await?;
            let sql = "update outbox set state = 5, queue = $2, due_at = $3, claim = 0 where queue = $1";
            let forgotten = at.plus_millis(REMEMBERED).as_millis();
            transaction.execute(sql, &[&id.as_str(), &SETTLED, &forgotten]).await?;
        }
        Write::SmsSetting(setting) => {
            let sql = "insert into sms_setting (organization, version, template, wording, hourly, created_at) \
                       select $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5 from sms_setting \
                       where organization = $1 on conflict (organization, version) do nothing";
            let wording = setting.wording.as_ref().map(|wording| wording.as_str());
            let hourly = setting.hourly.map(|hourly| hourly.min(i32::MAX as u32) as i32);
            let at = setting.at.as_millis();
            // Whoever makes the same version at this moment was waited for, and is followed.
            for _ in 0..MOST_COLLISIONS {
                let template = setting.template.as_str();
                if transaction.execute(sql, &[&organization, &template, &wording, &hourly, &at]).await? > 0 {
                    return Ok(());
                }
            }
            return Err(Trouble::Refused(Error::Busy));
        }
        Write::MessageRetried(id, at) => {
            let sql = "update outbox set state = 0, queue = coalesce(webhook, 'sms'), due_at = $3, asked = 0, claim = 0 \
                       where organization = $1 and id = $2 and state not in (0, 1)";
            transaction.execute(sql, &[&organization, &id.as_str(), &at.as_millis()]).await?;
        }
        Write::MessageDropped(id, at) => {
            let sql = "update outbox set state = 5, queue = $4, due_at = $3, claim = 0 \
                       where organization = $1 and id = $2 and state in (0, 4)";
            let forgotten = at.plus_millis(REMEMBERED).as_millis();
            transaction.execute(sql, &[&organization, &id.as_str(), &forgotten, &SETTLED]).await?;
        }
        _ => {}
    }
    Ok(())
}
