//! Users that are created, changed or erased: a batch of them by one statement, with all that follows from them.

use std::{borrow::Cow, collections::HashSet, fmt::Write as _, sync::OnceLock};

use roster_directory::{
    Change, Message, User, Write,
    repeat::{Answer, KEPT},
    search::Haystack,
    user::{Diff, ExternalId},
};

use super::super::{
    answers,
    attempts::Attempts,
    columns::{ACTIVE_KEY, Columns, FORMER_KEY, Kind},
    connection::{Ask, Connection, Param},
    place,
};
use crate::{
    Error,
    bucket::Bucket,
    outbox::REMEMBERED,
    records::{
        Sink,
        user::{WRITTEN, put},
    },
};

/// What is done to users by one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Create,
    Change,
    Erase,
}

impl Deed {
    pub(super) fn of(diff: &Diff) -> Self {
        match diff {
            Diff::Created(_) => Deed::Create,
            Diff::Changed { .. } => Deed::Change,
            Diff::Erased(_) => Deed::Erase,
        }
    }
}

/// What is done to one user, and the place it is done at.
pub(super) struct Act<'a> {
    change: &'a Change,
    diff: &'a Diff,
    pub(super) place: i64,
    after: Option<Cow<'a, User>>,
    /// What is owed because of it.
    owed: &'a [Message],
    answer: Option<(&'a Answer, Vec<u8>)>,
}

impl<'a> Act<'a> {
    /// Of a change that does nothing else.
    pub(super) fn alone(change: &'a Change, place: i64) -> Option<Self> {
        let [Write::User(diff)] = change.writes.as_slice() else { return None };
        let answer = change.answer.as_ref();
        let answer = answer.map(|answer| (answer, (answer.write)(place::moment(place))));
        Some(Self { answer, owed: &change.owed, ..Self::one_of(change, diff, place) })
    }

    /// Of a change that does more: what is owed and answered because of that is not part of it.
    pub(super) fn one_of(change: &'a Change, diff: &'a Diff, place: i64) -> Self {
        let after = diff.after_at(place::moment(place));
        Self { change, diff, place, after, owed: &[], answer: None }
    }

    /// Whether more follows than rows that every act has.
    fn has_more(&self) -> bool {
        let payors = |user: Option<&'a User>| user.map(|user| user.payors.as_slice()).unwrap_or_default();
        !self.owed.is_empty()
            || self.diff.consent().is_some()
            || self.diff.has_left()
            || payors(self.diff.before()) != payors(self.diff.after())
    }

    /// Why it was not written, as far as that can be told apart.
    #[expect(clippy::future_not_send, reason = "it is, for a connection and for a transaction")]
    pub(super) async fn refusal(&self, client: &impl Ask) -> Result<Error, tokio_postgres::Error> {
        let organization = self.change.organization.as_str();
        if let Some((answer, _)) = &self.answer
            && answers::is_there(client, organization, answer, place::moment(self.place)).await?
        {
            return Ok(Error::Answered);
        }
        let (email, external_id) = (self.diff.new_email(), self.diff.new_external_id());
        let deed = Deed::of(self.diff);
        match (deed, &email, external_id) {
            (Deed::Create, _, None) => return Ok(Error::EmailTaken),
            (Deed::Create, None, Some(_)) => return Ok(Error::ExternalIdTaken),
            (Deed::Erase, ..) | (Deed::Change, None, None) => return Ok(Error::Stale),
            _ => {}
        }
        if let Some(before) = self.diff.before() {
            let sql = "select 1 from users where organization = $1 and id = $2 and version = $3";
            let version = before.version as i32;
            if client.query_opt(sql, &[&organization, &before.id.as_str(), &version]).await?.is_none() {
                return Ok(Error::Stale);
            }
        }
        let sql = "select 1 from users where organization = $1 and email_key = $2";
        if let Some(key) = &email
            && client.query_opt(sql, &[&organization, &key.as_str()]).await?.is_some()
        {
            return Ok(Error::EmailTaken);
        }
        let sql = "select 1 from users where organization = $1 and external_id = $2 and deactivated_at is null";
        if let Some(id) = external_id
            && client.query_opt(sql, &[&organization, &id.as_str()]).await?.is_some()
        {
            return Ok(Error::ExternalIdTaken);
        }
        // What stood in its way is gone by now.
        Ok(Error::Stale)
    }

    /// Removes an answer to the same request that is too old to count.
    pub(super) async fn forget_old_answer(&self, client: &Connection) -> Result<bool, tokio_postgres::Error> {
        let Some((answer, _)) = &self.answer else { return Ok(false) };
        let sql = "delete from repeat where organization = $1 and by_key = $2 and route = $3 and key = $4 and at <= $5";
        let (repeat, old) = (&answer.repeat, place::moment(self.place).plus_millis(-KEPT).as_millis());
        let organization = self.change.organization.as_str();
        let params: [&dyn Param; 5] = [&organization, &repeat.by.as_str(), &&*repeat.route, &repeat.key.as_str(), &old];
        Ok(client.execute(sql, &params).await? > 0)
    }
}

/// What a statement is to do beside its deed.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// Payors, messages and consents follow.
    more: bool,
    /// Some are answers to requests that may be sent again.
    answers: bool,
    /// The act is remembered.
    audit: bool,
}

/// One statement for users: of one organization, or, if they are created, of any.
pub(super) struct Statement<'a> {
    sql: Cow<'static, str>,
    counter: i32,
    organization: Option<&'a str>,
    tables: Vec<Columns<'a>>,
    organizations: Vec<&'a str>,
    places: Vec<i64>,
    lane: i32,
    is_remembered: bool,
}

const INPUT: [(&str, Kind); 11] = [
    ("nth", Kind::Medium),
    ("place", Kind::Number),
    ("actor", Kind::Text),
    ("action", Kind::Text),
    ("fields", Kind::Text),
    ("request", Kind::Text),
    ("role_before", Kind::Small),
    ("role_after", Kind::Small),
    ("consent", Kind::Flag),
    ("was", Kind::Small),
    ("leaves", Kind::Flag),
];

impl<'a> Statement<'a> {
    /// That writes all of each act, in a transaction of its own. All are the same deed.
    pub(super) fn whole(acts: &'a [Act<'a>], lane: i32, counter: i32) -> Self {
        let answers = acts.iter().any(|act| act.answer.is_some());
        Self::of(acts, Parts { more: acts.iter().any(Act::has_more), answers, audit: true }, lane, counter)
    }

    /// That writes what follows from a user, in the transaction of a change that does more.
    pub(super) fn part(act: &'a [Act<'a>; 1], lane: i32, counter: i32) -> Self {
        Self::of(act, Parts { more: true, answers: false, audit: false }, lane, counter)
    }

    fn of(acts: &'a [Act<'a>], parts: Parts, lane: i32, counter: i32) -> Self {
        let deed = acts.first().map_or(Deed::Create, |act| Deed::of(act.diff));
        let parts = Parts { more: parts.more && deed != Deed::Erase, ..parts };
        let mut tables = vec![input(deed, acts)];
        if parts.more {
            tables.extend([payors(acts, true), messages(acts)]);
            tables.extend((deed == Deed::Change).then(|| payors(acts, false)));
        }
        if parts.answers {
            tables.push(answers(acts));
        }
        let organizations: Vec<&str> = acts.iter().map(|act| act.change.organization.as_str()).collect();
        let organization = organizations.first().copied().filter(|_| deed != Deed::Create);
        let sql = match parts.audit {
            true => {
                // Which parts there are says what the text is.
                static TEXTS: [OnceLock<String>; 12] = [const { OnceLock::new() }; 12];
                let nth = deed as usize * 4 + usize::from(parts.more) * 2 + usize::from(parts.answers);
                Cow::Borrowed(TEXTS[nth].get_or_init(|| text(deed, parts, &tables)).as_str())
            }
            false => Cow::Owned(text(deed, parts, &tables)),
        };
        let places = acts.iter().map(|act| act.place).collect();
        Self { sql, counter, organization, tables, organizations, places, lane, is_remembered: parts.audit }
    }

    /// Does it, and returns the numbers of the acts that were written.
    #[expect(clippy::future_not_send, reason = "it is, for a connection and for a transaction")]
    pub(super) async fn run(&self, client: &impl Ask) -> Result<HashSet<usize>, tokio_postgres::Error> {
        let mut params: Vec<&dyn Param> = vec![&self.counter];
        params.extend(self.organization.as_ref().map(|organization| organization as &dyn Param));
        params.extend(self.tables.iter().flat_map(Columns::params));
        params.extend(self.is_remembered.then_some(&self.lane as &dyn Param));
        let rows = client.query(&self.sql, &params).await?;
        Ok(rows.iter().map(|row| row.get::<_, i32>(0) as usize).collect())
    }

    /// The same, once it is prepared: what is sent then may commit.
    pub(super) async fn commit(
        &self,
        client: &Connection,
        attempts: &Attempts,
    ) -> Result<HashSet<usize>, tokio_postgres::Error> {
        client.prepare(&self.sql).await?;
        attempts.sends_commit();
        self.run(client).await
    }

    /// Those of whom the audit entry is there: an attempt that was lost has written them.
    pub(super) async fn written_before(&self, client: &Connection) -> Result<HashSet<usize>, tokio_postgres::Error> {
        let sql = "select t.nth from unnest($1::text[], $2::bigint[]) with ordinality as t (organization, place, nth) \
                   join audit a on a.organization = t.organization and a.place = t.place and a.lane = $3";
        let rows = client.query(sql, &[&self.organizations, &self.places, &self.lane]).await?;
        Ok(rows.iter().map(|row| row.get::<_, i64>(0) as usize - 1).collect())
    }
}

fn input<'a>(deed: Deed, acts: &'a [Act<'a>]) -> Columns<'a> {
    let mut columns = INPUT.to_vec();
    columns.extend_from_slice(match deed {
        Deed::Create => &[("organization", Kind::Text)],
        Deed::Change => &[("version_before", Kind::Medium)],
        Deed::Erase => &[("version_before", Kind::Medium), ("id", Kind::Text)],
    });
    let mut more: Vec<&'static str> = Vec::new();
    if deed == Deed::Change {
        more.extend(["new_email_key", "new_external_id"]);
    }
    if deed != Deed::Erase {
        more.extend(["search", "phone_digits"]);
        more.extend_from_slice(&WRITTEN);
    }
    let mut rows = Columns::of(&columns, &more);
    let mut haystack = Haystack::default();
    for (nth, act) in acts.iter().enumerate() {
        let (entry, roles) = (&act.change.audit, act.change.audit.roles);
        rows.begin_row();
        rows.medium(nth as i32);
        rows.number(Some(act.place));
        rows.text(Some(entry.actor.as_str()));
        rows.text(Some(entry.action.as_str()));
        rows.text(Some(&entry.fields));
        rows.text(Some(entry.request.as_str()));
        rows.small_if_set(roles.before.map(|role| role as i16));
        rows.small_if_set(roles.after.map(|role| role as i16));
        rows.flag(act.diff.consent());
        rows.small_if_set(act.diff.before().map(|user| i16::from(Bucket::of(user).number())));
        rows.flag(Some(act.diff.has_left()));
        match act.diff.before() {
            None => rows.text(Some(act.change.organization.as_str())),
            Some(before) => rows.medium(before.version as i32),
        }
        let Some(after) = &act.after else {
            rows.text(Some(act.diff.user().id.as_str()));
            continue;
        };
        if deed == Deed::Change {
            rows.made(act.diff.new_email().map(|key| key.as_str().to_owned()));
            rows.text(act.diff.new_external_id().map(ExternalId::as_str));
        }
        haystack.fill_from(after);
        rows.made(Some(haystack.as_str().to_owned()));
        rows.made(Some(after.phone.iter().flat_map(|phone| phone.digits()).collect()));
        put(after, &mut rows);
    }
    rows
}

/// The payors that users have and had not, or had and have not.
fn payors<'a>(acts: &'a [Act<'a>], have: bool) -> Columns<'a> {
    let mut rows = Columns::of(&[("nth", Kind::Medium), ("payor", Kind::Text)], &[]);
    let of = |user: Option<&'a User>| user.map(|user| user.payors.as_slice()).unwrap_or_default();
    for (nth, act) in acts.iter().enumerate() {
        let (before, after) = (of(act.diff.before()), of(act.diff.after()));
        let (some, others) = if have { (after, before) } else { (before, after) };
        for payor in some.iter().filter(|payor| !others.contains(payor)) {
            rows.begin_row();
            rows.medium(nth as i32);
            rows.text(Some(payor.as_str()));
        }
    }
    rows
}

fn messages<'a>(acts: &'a [Act<'a>]) -> Columns<'a> {
    let mut rows = Columns::of(&[("nth", Kind::Medium), ("id", Kind::Text), ("kind", Kind::Text)], &[]);
    for (nth, act) in acts.iter().enumerate() {
        for message in act.owed {
            rows.begin_row();
            rows.medium(nth as i32);
            rows.text(Some(message.id.as_str()));
            rows.text(Some(message.content.kind().as_str()));
        }
    }
    rows
}

fn answers<'a>(acts: &'a [Act<'a>]) -> Columns<'a> {
    let mut rows = Columns::of(
        &[
            ("nth", Kind::Medium),
            ("by_key", Kind::Text),
            ("route", Kind::Text),
            ("key", Kind::Text),
            ("request", Kind::Bytes),
            ("status", Kind::Small),
            ("headers", Kind::Text),
            ("body", Kind::Bytes),
            ("user_id", Kind::Text),
            ("at", Kind::Number),
        ],
        &[],
    );
    for (nth, act) in acts.iter().enumerate() {
        let Some((answer, body)) = &act.answer else { continue };
        rows.begin_row();
        rows.medium(nth as i32);
        rows.text(Some(answer.repeat.by.as_str()));
        rows.text(Some(&answer.repeat.route));
        rows.text(Some(answer.repeat.key.as_str()));
        rows.bytes(&answer.repeat.body);
        rows.small(answer.status as i16);
        rows.text(Some(&answer.headers));
        rows.bytes(body);
        rows.text(answer.about.as_ref().map(|id| id.as_str()));
        rows.number(Some(place::moment(act.place).as_millis()));
    }
    rows
}

/// The statement. It answers the numbers of the acts that were written.
///
/// The parameters are the counter, the organization, unless users are created, the tables' columns, and the lane. The text of
/// users that are there already names the organization as a constant wherever it touches a table of organizations: where
/// these are spread over machines, one machine does it all.
///
/// `any (array (…))` is for the planner, whatever it thinks of how many there are: rows are found by an index, and not by
/// reading an organization's.
fn text(deed: Deed, parts: Parts, tables: &[Columns<'_>]) -> String {
    let mut sql = String::with_capacity(8_192);
    let mut add = |part: std::fmt::Arguments<'_>| sql.write_fmt(part).expect("writing to a string does not fail");
    let mut before = if deed == Deed::Create { 1 } else { 2 };
    let mut tables = tables.iter();
    let mut table = |name: &str| {
        let columns = tables.next().expect("as many as there are parts");
        let text = columns.table(name, before);
        before += columns.count();
        text
    };
    let (of_input, of_done) = match deed {
        Deed::Create => ("i.organization", "done.organization"),
        Deed::Change | Deed::Erase => ("$2", "$2::text"),
    };
    add(format_args!("with input as (select * from {})", table("i")));
    let more = parts.more.then(|| (table("come"), table("owed")));
    let gone = (parts.more && deed == Deed::Change).then(|| table("gone"));
    if parts.answers {
        add(format_args!(
            ", answering as (select * from {}), answered as ( \
                select a.nth from answering a join input i on i.nth = a.nth join repeat r on r.organization = {of_input} \
                and r.by_key = a.by_key and r.route = a.route and r.key = a.key and r.at > a.at - {KEPT})",
            table("a")
        ));
    }
    let lane = before + 1;
    let is_new = if parts.answers { "i.nth not in (select nth from answered)" } else { "true" };
    let by_ids = "u.organization = $2 and u.id = any (array (select id from input))";
    // Everybody takes rows in one order, so that nobody waits in a circle.
    let held =
        format!("held as materialized (select u.id from users u where {by_ids} order by u.id for no key update)");
    let is_it =
        format!("{by_ids} and u.id = i.id and u.version = i.version_before and (select count(*) from held) > 0");
    match deed {
        Deed::Create => {
            let others = WRITTEN.iter().filter(|column| **column != "email_key");
            let columns = others.copied().collect::<Vec<_>>().join(", ");
            add(format_args!(
                ", added as ( \
                    insert into users (organization, place, search, phone_digits, email_key, former_email_key, {columns}) \
                    select organization, place, search, phone_digits, {ACTIVE_KEY}, {FORMER_KEY}, {columns} \
                    from input i where {is_new} on conflict do nothing returning organization, id \
                ), done as (select i.organization, {DONE}, i.bucket from input i \
                    join added a on a.organization = i.organization and a.id = i.id)"
            ));
        }
        Deed::Change => {
            let others = WRITTEN.iter().filter(|column| !["id", "email_key"].contains(column));
            let set = others.map(|column| format!("{column} = i.{column}")).collect::<Vec<_>>().join(", ");
            // What is taken for sure is refused to the one who wants it, and does not fail the others.
            add(format_args!(
                ", {held}, changed as ( \
                    update users u set updated = i.place, search = i.search, phone_digits = i.phone_digits, \
                    email_key = {ACTIVE_KEY}, former_email_key = {FORMER_KEY}, {set} from input i where {is_it} \
                    and (i.new_email_key is null or (select t.id from users t where t.organization = $2 \
                        and t.email_key = i.new_email_key limit 1) is null) \
                    and (i.new_external_id is null or (select t.id from users t where t.organization = $2 \
                        and t.external_id = i.new_external_id and t.deactivated_at is null limit 1) is null) \
                    and {is_new} returning i.nth \
                ), done as (select {DONE}, i.bucket from input i join changed on changed.nth = i.nth)"
            ));
        }
        Deed::Erase => {
            let ids = "any (array (select id from done))";
            let of_user = format!("m.organization = $2 and m.about = {ids} and m.webhook is null");
            add(format_args!(
                ", {held}, gone as ( \
                    delete from users u using input i where {is_it} and (select c.id from users c \
                    where c.organization = $2 and c.caregiver = i.id limit 1) is null and {is_new} returning i.nth \
                ), done as (select {DONE}, null::smallint as bucket from input i join gone on gone.nth = i.nth \
                ), no_payors as (delete from user_payor where organization = $2 and user_id = {ids} \
                ), no_attempts as (delete from attempt where organization = $2 \
                    and message = any (array (select m.id from outbox m where {of_user})) \
                ), no_messages as (delete from outbox m where {of_user} \
                ), no_consents as (delete from sms_consent where organization = $2 and user_id = {ids} \
                ), no_answers as (delete from repeat where organization = $2 and user_id = {ids})"
            ));
        }
    }
    if parts.audit {
        add(format_args!(
            ", remembered as (insert into audit (organization, place, lane, actor, action, target, fields, request, \
                role_before, role_after) select {of_done}, place, ${lane}::integer, actor, action, id, fields, request, role_before, \
                role_after from done)"
        ));
    }
    if let Some((come, owed)) = more {
        if let Some(gone) = gone {
            add(format_args!(
                ", unassigned as (delete from user_payor p using done join {gone} on gone.nth = done.nth \
                    where p.organization = $2 and p.user_id = any (array (select id from done)) and p.user_id = done.id \
                    and p.payor = gone.payor \
                ), left_alone as (update outbox m set state = 5, queue = '', claim = 0, \
                    due_at = done.place / 1048576 + {REMEMBERED} from done where m.organization = $2 \
                    and m.about = any (array (select id from done where leaves)) and m.about = done.id \
                    and m.webhook is null and m.state = 0)"
            ));
        }
        add(format_args!(
            ", assigned as (insert into user_payor (organization, user_id, payor) \
                select {of_done}, done.id, come.payor from {come} join done on done.nth = come.nth on conflict do nothing \
            ), owing as (insert into outbox (organization, id, place, kind, about, queue, due_at) \
                select {of_done}, owed.id, done.place, owed.kind, done.id, 'sms', done.place / 1048576 \
                from {owed} join done on done.nth = owed.nth \
            ), consented as (insert into sms_consent (organization, user_id, at, given, said_by, wording, reference) \
                select {of_done}, id, place / 1048576, consent, actor, coalesce((select max(version) from sms_setting s \
                where s.organization = {of_done}), 0), request from done where consent is not null \
                on conflict (organization, user_id, at) do update set given = excluded.given, \
                said_by = excluded.said_by, wording = excluded.wording, reference = excluded.reference)"
        ));
    }
    let counted = match deed {
        Deed::Create => "select organization, bucket, 1 as one from done",
        Deed::Change => {
            "select $2::text as organization, was as bucket, -1 as one from done \
             union all select $2::text, bucket, 1 from done"
        }
        Deed::Erase => "select $2::text as organization, was as bucket, -1 as one from done",
    };
    add(format_args!(
        ", counted as (insert into role_count (organization, bucket, lane, users) \
            select organization, bucket, $1::integer, sum(one) from ({counted}) as counted group by organization, bucket \
            having sum(one) <> 0 order by organization, bucket \
            on conflict (organization, bucket, lane) do update set users = role_count.users + excluded.users)"
    ));
    if parts.answers {
        add(format_args!(
            ", kept as (insert into repeat (organization, by_key, route, key, request, status, headers, body, user_id, at) \
                select {of_done}, a.by_key, a.route, a.key, a.request, a.status, a.headers, a.body, a.user_id, a.at \
                from answering a join done on done.nth = a.nth)"
        ));
    }
    if deed != Deed::Create {
        // Last, so that the lane's row is held for the commit only.
        add(format_args!(
            ", counted_up as (insert into generation (lane, number, kept) \
                select $1::integer, max(place), 0 from done having count(*) > 0 \
                on conflict (lane) do update set number = greatest(generation.number + 1, excluded.number) \
                returning number \
            ), told as (insert into altered (lane, number, user_id, organization) \
                select $1::integer, counted_up.number, done.id, $2::text from counted_up cross join done)"
        ));
    }
    add(format_args!(" select nth from done"));
    sql
}

/// Of those who were written, what is written of them elsewhere.
const DONE: &str = "i.nth, i.id, i.place, i.actor, i.action, i.fields, i.request, i.role_before, i.role_after, i.consent, \
                    i.was, i.leaves";
