//! Adding users: a batch of them by one statement, which is a transaction of its own.

use std::collections::HashSet;

use roster_directory::{Change, PayorId, User, Write, search::Haystack};

use super::{
    super::{
        attempts::Attempts,
        connection::{Ask, Connection},
    },
    Job,
};

/// A user to be added, with what goes with it.
pub(super) struct Addition<'a> {
    change: &'a Change,
    pub(super) user: &'a User,
    payors: &'a [PayorId],
    pub(super) place: i64,
}

impl<'a> Addition<'a> {
    /// `None`: the change is another one.
    pub(super) fn of(job: &'a Job) -> Option<Self> {
        match job.change.writes.as_slice() {
            [Write::User(user, payors)] => Some(Self { change: &job.change, user, payors, place: job.place }),
            _ => None,
        }
    }
}

/// One statement, one transaction, one round trip: users, and for those that were added their payors, audit entries,
/// messages and counts. Answers the ids that were added; of the others the e-mail is taken.
const ADD_USERS: &str = "
with input as (
    select * from unnest(
        $1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::smallint[],
        $9::text[], $10::text[], $11::text[], $12::boolean[], $13::boolean[], $14::bigint[], $15::text[],
        $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[],
        $24::text[], $25::text[], $26::text[], $27::text[], $28::text[]
    ) as t (organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits, npi,
            npi_valid, sms, recertify_at, recertify_day, sex, caregiver, birth_date, address_line1, address_line2, city,
            state, postal_code, search, actor, action, fields, request)
), added as (
    insert into users (organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits,
                       npi, npi_valid, sms, recertify_at, recertify_day, sex, caregiver, birth_date,
                       address_line1, address_line2, city, state, postal_code, search)
    select organization, id, place, first_name, last_name, email, email_key, role, phone, phone_digits, npi,
           npi_valid, sms, recertify_at, recertify_day, sex, caregiver, birth_date, address_line1, address_line2, city,
           state, postal_code, search
    from input on conflict do nothing returning organization, id, role
), assigned as (
    insert into user_payor (organization, user_id, payor)
    select added.organization, added.id, p.payor from unnest($29::text[], $30::text[]) as p (user_id, payor)
    join added on added.id = p.user_id on conflict do nothing returning 1
), remembered as (
    insert into audit (organization, place, lane, actor, action, target, fields, request)
    select added.organization, input.place, $34::integer, input.actor, input.action, added.id, input.fields, input.request
    from input join added on added.id = input.id returning 1
), owing as (
    insert into outbox (organization, id, place, kind, about, queue, due_at)
    select added.organization, m.id, input.place, m.kind, added.id, 'sms', input.place / 1048576
    from unnest($31::text[], $32::text[], $33::text[]) as m (user_id, id, kind)
    join added on added.id = m.user_id join input on input.id = added.id returning 1
), consented as (
    insert into sms_consent (organization, user_id, at, given, said_by, wording, reference)
    select added.organization, added.id, input.place / 1048576, true, input.actor,
           coalesce((select max(version) from sms_setting s where s.organization = added.organization), 0),
           input.request
    from input join added on added.id = input.id where input.sms returning 1
), counted as (
    insert into role_count (organization, role, lane, users)
    select organization, role, $35::integer, count(*) from added group by organization, role order by organization, role
    on conflict (organization, role, lane) do update set users = role_count.users + excluded.users returning 1
)
select id from added";

/// The users of a batch, column by column.
pub(super) struct Columns<'a> {
    organization: Vec<&'a str>,
    id: Vec<&'a str>,
    place: Vec<i64>,
    first_name: Vec<&'a str>,
    last_name: Vec<&'a str>,
    email: Vec<Option<&'a str>>,
    email_key: Vec<Option<String>>,
    role: Vec<i16>,
    phone: Vec<Option<&'a str>>,
    phone_digits: Vec<String>,
    npi: Vec<Option<&'a str>>,
    npi_valid: Vec<Option<bool>>,
    sms: Vec<bool>,
    recertify_at: Vec<Option<i64>>,
    recertify_day: Vec<Option<String>>,
    sex: Vec<Option<&'a str>>,
    caregiver: Vec<Option<&'a str>>,
    birth_date: Vec<Option<String>>,
    address_line1: Vec<Option<&'a str>>,
    address_line2: Vec<Option<&'a str>>,
    city: Vec<Option<&'a str>>,
    state: Vec<Option<&'a str>>,
    postal_code: Vec<Option<&'a str>>,
    search: Vec<String>,
    actor: Vec<&'a str>,
    action: Vec<&'a str>,
    fields: Vec<&'a str>,
    request: Vec<&'a str>,
    payor_user: Vec<&'a str>,
    payor: Vec<&'a str>,
    message_user: Vec<&'a str>,
    message_id: Vec<&'a str>,
    message_kind: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(additions: &[Addition<'a>]) -> Self {
        let user = |column: fn(&'a User) -> Option<&'a str>| additions.iter().map(|a| column(a.user)).collect();
        let mut haystack = Haystack::default();
        let search = additions.iter().map(|a| {
            haystack.fill_from(a.user);
            haystack.as_str().to_owned()
        });
        let payors = || additions.iter().flat_map(|a| a.payors.iter().map(|payor| (&a.user.id, payor)));
        let messages = || additions.iter().flat_map(|a| a.change.owed.iter());
        Self {
            search: search.collect(),
            organization: additions.iter().map(|a| a.change.organization.as_str()).collect(),
            id: additions.iter().map(|a| a.user.id.as_str()).collect(),
            place: additions.iter().map(|a| a.place).collect(),
            first_name: additions.iter().map(|a| a.user.first_name.as_str()).collect(),
            last_name: additions.iter().map(|a| a.user.last_name.as_str()).collect(),
            email: user(|user| user.email.as_ref().map(|email| email.as_str())),
            email_key: additions
                .iter()
                .map(|a| a.user.email.as_ref().map(|email| email.key().as_str().to_owned()))
                .collect(),
            role: additions.iter().map(|a| a.user.role as i16).collect(),
            phone: user(|user| user.phone.as_ref().map(|phone| phone.as_str())),
            phone_digits: additions
                .iter()
                .map(|a| a.user.phone.iter().flat_map(|phone| phone.digits()).collect())
                .collect(),
            npi: user(|user| user.npi.as_ref().map(|npi| npi.as_str())),
            npi_valid: additions.iter().map(|a| a.user.npi.as_ref().map(|npi| npi.is_valid())).collect(),
            sms: additions.iter().map(|a| a.user.should_send_sms).collect(),
            recertify_at: additions.iter().map(|a| a.user.recertification.map(|date| date.at().as_millis())).collect(),
            recertify_day: additions
                .iter()
                .map(|a| a.user.recertification.map(|date| date.day().to_string()))
                .collect(),
            sex: user(|user| user.demographics.sex.as_ref().map(|line| line.as_str())),
            caregiver: user(|user| user.demographics.caregiver.as_ref().map(|id| id.as_str())),
            birth_date: additions.iter().map(|a| a.user.demographics.birth_date.map(|day| day.to_string())).collect(),
            address_line1: user(|user| user.demographics.address_line1.as_ref().map(|line| line.as_str())),
            address_line2: user(|user| user.demographics.address_line2.as_ref().map(|line| line.as_str())),
            city: user(|user| user.demographics.city.as_ref().map(|line| line.as_str())),
            state: user(|user| user.demographics.state.as_ref().map(|line| line.as_str())),
            postal_code: user(|user| user.demographics.postal_code.as_ref().map(|line| line.as_str())),
            actor: additions.iter().map(|a| a.change.audit.actor.as_str()).collect(),
            action: additions.iter().map(|a| a.change.audit.action.as_str()).collect(),
            fields: additions.iter().map(|a| a.change.audit.fields.as_str()).collect(),
            request: additions.iter().map(|a| a.change.audit.request.as_str()).collect(),
            payor_user: payors().map(|(user, _)| user.as_str()).collect(),
            payor: payors().map(|(_, payor)| payor.as_str()).collect(),
            message_user: additions.iter().flat_map(|a| a.change.owed.iter().map(|_| a.user.id.as_str())).collect(),
            message_id: messages().map(|message| message.id.as_str()).collect(),
            message_kind: messages().map(|message| message.content.kind().as_str()).collect(),
        }
    }

    /// Adds them, and returns the ids of those that were added.
    pub(super) async fn add(
        &self,
        client: &Connection,
        attempts: &Attempts,
        lane: i32,
        counter: i32,
    ) -> Result<HashSet<String>, tokio_postgres::Error> {
        client.prepare(ADD_USERS).await?;
        attempts.sends_commit();
        let rows = client
            .query(
                ADD_USERS,
                &[
                    &self.organization,
                    &self.id,
                    &self.place,
                    &self.first_name,
                    &self.last_name,
                    &self.email,
                    &self.email_key,
                    &self.role,
                    &self.phone,
                    &self.phone_digits,
                    &self.npi,
                    &self.npi_valid,
                    &self.sms,
                    &self.recertify_at,
                    &self.recertify_day,
                    &self.sex,
                    &self.caregiver,
                    &self.birth_date,
                    &self.address_line1,
                    &self.address_line2,
                    &self.city,
                    &self.state,
                    &self.postal_code,
                    &self.search,
                    &self.actor,
                    &self.action,
                    &self.fields,
                    &self.request,
                    &self.payor_user,
                    &self.payor,
                    &self.message_user,
                    &self.message_id,
                    &self.message_kind,
                    &lane,
                    &counter,
                ],
            )
            .await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Which of them are there, by the ids we chose.
    pub(super) async fn existing(&self, client: &Connection) -> Result<HashSet<String>, tokio_postgres::Error> {
        let sql = "select u.id from unnest($1::text[], $2::text[]) as t (organization, id) \
                   join users u on u.organization = t.organization and u.id = t.id";
        let rows = client.query(sql, &[&self.organization, &self.id]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}
