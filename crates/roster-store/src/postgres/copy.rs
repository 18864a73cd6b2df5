//! PostgreSQL as the one end, or the other, of a copy.

use std::{collections::BTreeMap, sync::Arc};

use roster_directory::{Timestamp, User, search::Haystack};
use tokio_postgres::Row as Stored;

use super::{
    ANALYZE,
    columns::{self, ACTIVE_KEY, Columns, FORMER_KEY},
    connect::Url,
    connection::{Ask, Param, Transaction},
    errors,
    place::{self, Kept},
    schema,
};
use crate::{
    Error,
    bucket::Bucket,
    copy::{BATCH, Batch, COUNTED, Collector, Delivery, Feed, Kind, MARK, Mark, Row, Table, Value, copied_columns},
    error::chain,
    records::{
        Sink,
        user::{WRITTEN, put, user_columns},
    },
};

/// A parameter of a statement, column by column.
type Column<'a> = Box<dyn Param + Send + 'a>;

/// Reads everything there is at one moment.
pub(crate) async fn read(url: &Url, feed: &Feed) -> Result<Mark, Error> {
    let mut client = url.connection().await?;
    schema::must_be_current(&client).await?;
    read_all(&client.moment().await.map_err(errors::of)?, feed).await
}

/// How much there is now.
pub(crate) async fn mark(url: &Url) -> Result<Mark, Error> {
    let mut client = url.connection().await?;
    schema::must_be_current(&client).await?;
    mark_of(&client.transaction().await.map_err(errors::of)?).await
}

/// Writes what arrives into an empty database, reads it back, and commits if it is told to.
pub(crate) async fn write(url: &Url, mut delivery: Delivery) -> Result<(), Error> {
    let mut client = url.connection().await?;
    schema::migrate(&mut client).await?;
    let transaction = client.transaction().await.map_err(errors::of)?;
    // Whoever starts on this database meanwhile waits here, as for a migration.
    schema::lock(&transaction).await.map_err(errors::of)?;
    mark_of(&transaction).await?.must_be_of_nothing()?;
    let _ = delivery.ready.send(());
    let mut arrival = Arrival { transaction: &transaction, places: Places::default() };
    while let Some(batch) = delivery.arriving.recv().await {
        arrival.take(&batch).await?;
    }
    arrival.finish().await?;
    read_all(&transaction, &delivery.back).await?;
    drop(delivery.back);
    match delivery.verdict.await {
        Ok(()) => {
            transaction.commit().await.map_err(errors::of)?;
            if let Err(error) = client.batch_execute(ANALYZE).await {
                let error = errors::of(error);
                tracing::warn!(error = %chain(&error), "the copy is whole, but its tables could not be analyzed");
            }
            Ok(())
        }
        Err(_) => transaction.rollback().await.map_err(errors::of),
    }
}

async fn mark_of(transaction: &Transaction<'_>) -> Result<Mark, Error> {
    let row = transaction.query_one(MARK, &[]).await.map_err(errors::of)?;
    Ok(Mark {
        counts: std::array::from_fn(|nth| row.get(nth)),
        epoch: row.get(COUNTED.len()),
        delivered: row.get(COUNTED.len() + 1),
    })
}

async fn read_all(transaction: &Transaction<'_>, feed: &Feed) -> Result<Mark, Error> {
    let mark = mark_of(transaction).await?;
    let mut departure = Departure { transaction, feed, collector: Collector::new() };
    let organizations = departure.organizations().await?;
    let keys = "select created_at, id, role, name, hash, expires_at, revoked_at, access, created_by, replaces, \
                last_used_at from api_key where organization = $1";
    let payors = "select created_at, id, name from payor where organization = $1";
    for (table, sql) in [(Table::Key, keys), (Table::Payor, payors)] {
        for organization in &organizations {
            departure.few(table, sql, organization).await?;
        }
    }
    for organization in &organizations {
        departure.users(organization).await?;
    }
    for organization in &organizations {
        departure.audit(organization).await?;
    }
    let messages = concat!(
        "select place, ",
        copied_columns!(outbox),
        ", organization from outbox where organization in (select id from organization) \
         order by place, id, organization"
    );
    departure.sorted(Table::Outbox, messages, &[], Some(moment)).await?;
    // Text is sorted by its bytes: the database may sort it otherwise.
    let attempts = concat!(
        "select at, ",
        copied_columns!(attempt),
        ", organization from attempt where organization = $1 order by convert_to(message, 'UTF8'), nth"
    );
    let consents = concat!(
        "select at, ",
        copied_columns!(sms_consent),
        ", organization from sms_consent join organization o on o.id = organization \
         order by convert_to(user_id, 'UTF8'), o.place, o.id, at"
    );
    let settings = concat!(
        "select created_at, ",
        copied_columns!(sms_setting),
        ", organization from sms_setting where organization = $1 order by version"
    );
    let webhooks = concat!("select created_at, ", copied_columns!(webhook), " from webhook where organization = $1");
    for organization in &organizations {
        departure.sorted(Table::Attempt, attempts, &[&&**organization], None).await?;
    }
    for organization in &organizations {
        departure.few(Table::Webhook, webhooks, organization).await?;
    }
    for organization in &organizations {
        departure.sorted(Table::SmsSetting, settings, &[&&**organization], None).await?;
    }
    departure.sorted(Table::SmsConsent, consents, &[], None).await?;
    let stops = concat!(
        "select at, ",
        copied_columns!(sms_stop),
        ", '' from sms_stop order by convert_to(phone, 'UTF8'), convert_to(reference, 'UTF8')"
    );
    departure.sorted(Table::SmsStop, stops, &[], None).await?;
    let answers = concat!(
        "select at, ",
        copied_columns!(repeat),
        ", organization from repeat where organization = $1 \
         order by convert_to(by_key, 'UTF8'), convert_to(route, 'UTF8'), convert_to(key, 'UTF8')"
    );
    for organization in &organizations {
        departure.sorted(Table::Repeat, answers, &[&&**organization], None).await?;
    }
    if let Some(last) = departure.collector.finish(&mark)? {
        send(feed, last).await?;
    }
    Ok(mark)
}

async fn send(feed: &Feed, batch: Batch) -> Result<(), Error> {
    feed.send(batch).await.map_err(|_| Error::Closed)
}

/// Everything on its way out.
struct Departure<'a> {
    transaction: &'a Transaction<'a>,
    feed: &'a Feed,
    collector: Collector,
}

impl Departure<'_> {
    async fn query(&self, sql: &str, params: &[&dyn Param]) -> Result<Vec<Stored>, Error> {
        self.transaction.query(sql, params).await.map_err(errors::of)
    }

    async fn push(&mut self, table: Table, row: Row) -> Result<(), Error> {
        match self.collector.push(table, row) {
            Some(full) => send(self.feed, full).await,
            None => Ok(()),
        }
    }

    async fn organizations(&mut self) -> Result<Vec<Arc<str>>, Error> {
        let sql =
            concat!("select created_at, ", copied_columns!(organization), ", id from organization order by place, id");
        let mut organizations = Vec::new();
        for stored in self.query(sql, &[]).await? {
            let organization: Arc<str> = stored.get::<_, &str>(4).into();
            organizations.push(organization.clone());
            let row = row_of(Table::Organization, organization, &stored, stored.get(0));
            self.push(Table::Organization, row).await?;
        }
        Ok(organizations)
    }

    /// What an organization has so few of that they can be sorted here: the database may sort text otherwise.
    async fn few(&mut self, table: Table, sql: &str, organization: &Arc<str>) -> Result<(), Error> {
        let mut rows = self.query(sql, &[&&**organization]).await?;
        rows.sort_by(|a, b| a.get::<_, &str>(1).cmp(b.get(1)));
        for stored in rows {
            self.push(table, row_of(table, organization.clone(), &stored, stored.get(0))).await?;
        }
        Ok(())
    }

    async fn users(&mut self, organization: &Arc<str>) -> Result<(), Error> {
        let sql = concat!(
            "select place, ",
            user_columns!(),
            ", updated >> 20 from users where organization = $1 and (place, id) > ($2, $3) order by place, id limit $4"
        );
        let (mut place, mut id) = (i64::MIN, String::new());
        loop {
            let some = self.query(sql, &[&&**organization, &place, &id, &(BATCH as i64)]).await?;
            let Some(last) = some.last() else { return Ok(()) };
            (place, id) = (last.get(0), last.get(1));
            let mut payors = self.payors_of(organization, &some).await?;
            for stored in &some {
                let row = row_of(Table::User, organization.clone(), stored, moment(stored));
                let payors = payors.remove(stored.get::<_, &str>(1)).unwrap_or_default();
                self.push(Table::User, Row { payors, ..row }).await?;
            }
        }
    }

    async fn payors_of(
        &self,
        organization: &Arc<str>,
        users: &[Stored],
    ) -> Result<BTreeMap<String, Vec<Box<str>>>, Error> {
        let users: Vec<&str> = users.iter().map(|user| user.get(1)).collect();
        let sql = "select user_id, payor from user_payor where organization = $1 and user_id = any ($2)";
        let mut payors: BTreeMap<String, Vec<Box<str>>> = BTreeMap::new();
        for stored in self.query(sql, &[&&**organization, &users]).await? {
            payors.entry(stored.get(0)).or_default().push(stored.get::<_, &str>(1).into());
        }
        payors.values_mut().for_each(|payors| payors.sort_unstable());
        Ok(payors)
    }

    /// Audit entries by their number in the feed, and behind them those that have none yet.
    async fn audit(&mut self, organization: &Arc<str>) -> Result<(), Error> {
        let sql = concat!(
            "select place, ",
            copied_columns!(audit),
            ", organization from audit where organization = $1 order by number, place, lane"
        );
        self.sorted(Table::Audit, sql, &[&&**organization], Some(moment)).await
    }

    /// Rows in an order that may be no key's: they are sorted once, and fetched from that. When, the table's columns, and
    /// the organization.
    async fn sorted(
        &mut self,
        table: Table,
        sql: &str,
        params: &[&dyn Param],
        moment: Option<fn(&Stored) -> i64>,
    ) -> Result<(), Error> {
        let sorted = self.transaction.bind(sql, params).await.map_err(errors::of)?;
        loop {
            let some = self.transaction.query_portal(&sorted, BATCH as i32).await.map_err(errors::of)?;
            for stored in &some {
                let organization = stored.get::<_, &str>(1 + table.kinds().len()).into();
                let at = moment.map_or_else(|| stored.get(0), |moment| moment(stored));
                self.push(table, row_of(table, organization, stored, at)).await?;
            }
            if some.len() < BATCH {
                return Ok(());
            }
        }
    }
}

/// When what lies at the place in the first column was created.
fn moment(stored: &Stored) -> i64 {
    place::moment(stored.get(0)).as_millis()
}

/// The table's columns stand after the first.
fn row_of(table: Table, organization: Arc<str>, stored: &Stored, at: i64) -> Row {
    let value = |(nth, kind): (usize, &Kind)| {
        match kind {
            Kind::Text => stored.get::<_, Option<&str>>(nth).map(|text| Value::Text(text.into())),
            Kind::Number => stored.get::<_, Option<i64>>(nth).map(Value::Number),
            Kind::Small => stored.get::<_, Option<i16>>(nth).map(|number| Value::Number(number.into())),
            Kind::Medium => stored.get::<_, Option<i32>>(nth).map(|number| Value::Number(number.into())),
            Kind::Flag => stored.get::<_, Option<bool>>(nth).map(|flag| Value::Number(flag.into())),
            Kind::Bytes => stored.get::<_, Option<&[u8]>>(nth).map(|bytes| Value::Bytes(bytes.into())),
        }
        .unwrap_or(Value::Null)
    };
    Row { organization, at, values: (1..).zip(table.kinds()).map(value).collect(), payors: Vec::new() }
}

/// The places given out so far.
#[derive(Default)]
struct Places {
    organizations: Kept,
    messages: Kept,
    /// Of the users of the organization that is under way.
    within: Option<(Arc<str>, Kept)>,
    /// How many audit entries an organization has so far.
    audits: BTreeMap<Arc<str>, i64>,
}

impl Places {
    /// The place of the next row of its table, with exactly its moment.
    fn next(&mut self, table: Table, row: &Row) -> Result<i64, Error> {
        let kept = match (table, &mut self.within) {
            (Table::Outbox, _) => &mut self.messages,
            (_, Some((organization, kept))) if *organization == row.organization => kept,
            (_, within) => &mut within.insert((row.organization.clone(), Kept::default())).1,
        };
        kept.next(row.at).ok_or_else(|| {
            let what = if table == Table::User { "a user" } else { "a message" };
            Error::Unusable(format!(
                "{what} of {} cannot keep both its moment ({}) and its place in the order: moments run backwards \
                 before it, or it has more than a million of the same",
                row.organization,
                roster_directory::Timestamp::from_millis(row.at)
            ))
        })
    }
}

impl Places {
    /// The number of the next audit entry of its organization.
    fn number(&mut self, row: &Row) -> i64 {
        let number = self.audits.entry(row.organization.clone()).or_default();
        *number += 1;
        *number
    }
}

/// Everything on its way in.
struct Arrival<'a> {
    transaction: &'a Transaction<'a>,
    places: Places,
}

impl Arrival<'_> {
    async fn take(&mut self, batch: &Batch) -> Result<(), Error> {
        let rows = batch.rows.as_slice();
        let organization: Vec<&str> = rows.iter().map(|row| &*row.organization).collect();
        let at = || rows.iter().map(|row| row.at).collect::<Vec<_>>();
        match batch.table {
            Table::Organization => {
                let place: Vec<i64> = rows.iter().map(|row| self.places.organizations.after(row.at)).collect();
                self.insert(ADD_ORGANIZATIONS, vec![Box::new(organization), Box::new(place), Box::new(at())], batch)
                    .await
            }
            Table::Key => self.insert(ADD_KEYS, vec![Box::new(organization), Box::new(at())], batch).await,
            Table::Payor => self.insert(ADD_PAYORS, vec![Box::new(organization), Box::new(at())], batch).await,
            Table::Audit => {
                // The order is that of the numbers; a place tells the moment, and a lane keeps apart what has the same.
                let place: Vec<i64> = rows.iter().map(|row| place::first_of(row.at)).collect();
                let number: Vec<i64> = rows.iter().map(|row| self.places.number(row)).collect();
                let first: Vec<Column<'_>> = vec![Box::new(organization), Box::new(place), Box::new(number)];
                self.insert(ADD_AUDIT, first, batch).await
            }
            Table::Attempt => self.insert(ADD_ATTEMPTS, vec![Box::new(organization), Box::new(at())], batch).await,
            Table::Webhook => self.insert(ADD_WEBHOOKS, vec![Box::new(organization), Box::new(at())], batch).await,
            Table::SmsSetting => self.insert(ADD_SETTINGS, vec![Box::new(organization), Box::new(at())], batch).await,
            Table::SmsConsent => self.insert(ADD_CONSENTS, vec![Box::new(organization), Box::new(at())], batch).await,
            Table::SmsStop => self.insert(ADD_STOPS, vec![Box::new(at())], batch).await,
            Table::Repeat => self.insert(ADD_ANSWERS, vec![Box::new(organization), Box::new(at())], batch).await,
            Table::Outbox => {
                let place = self.places_of(batch)?;
                self.insert(ADD_MESSAGES, vec![Box::new(organization), Box::new(place)], batch).await
            }
            Table::User => {
                let place = self.places_of(batch)?;
                let users = rows.iter().map(Row::user).collect::<Result<Vec<_>, _>>()?;
                let mut columns = Columns::of(&USERS, &WRITTEN);
                let mut haystack = Haystack::default();
                for ((organization, place), (user, updated_at)) in organization.into_iter().zip(place).zip(&users) {
                    haystack.fill_from(user);
                    columns.begin_row();
                    columns.text(Some(organization));
                    columns.number(Some(place));
                    columns.number(updated_at.map(|at| place::first_of(at.as_millis())));
                    columns.made(Some(haystack.as_str().to_owned()));
                    columns.made(Some(user.phone.iter().flat_map(|phone| phone.digits()).collect()));
                    put(user, &mut columns);
                }
                let others = WRITTEN.iter().filter(|column| **column != "email_key").copied();
                let others = others.collect::<Vec<_>>().join(", ");
                let sql = format!(
                    "insert into users (organization, place, updated, search, phone_digits, email_key, former_email_key, \
                     {others}) select organization, place, updated, search, phone_digits, {ACTIVE_KEY}, {FORMER_KEY}, \
                     {others} from {}",
                    columns.table("i", 0)
                );
                let params: Vec<&dyn Param> = columns.params().collect();
                self.transaction.execute(&sql, &params).await.map_err(errors::of)?;
                self.assign(rows).await?;
                self.count(rows, &users).await
            }
        }
    }

    /// Where feeds and places go on from here.
    async fn finish(&self) -> Result<(), Error> {
        let (organization, last): (Vec<&str>, Vec<i64>) =
            self.places.audits.iter().map(|(organization, last)| (&**organization, *last)).unzip();
        let sql = "insert into feed (organization, last) select * from unnest($1::text[], $2::bigint[])";
        self.execute(sql, &[Box::new(organization), Box::new(last)]).await?;
        let sql = "update clock set latest = greatest(latest, (select coalesce(max(place), 0) / 1048576 from audit)) \
                   where one = 1";
        self.execute(sql, &[]).await?;
        // Nobody begins to write below who is there: readers may have passed them.
        let sql = "update writer set floor = greatest(floor, (select coalesce(max(place), 0) + 1 from users)) \
                   where number = 0";
        self.execute(sql, &[]).await
    }

    fn places_of(&mut self, batch: &Batch) -> Result<Vec<i64>, Error> {
        batch.rows.iter().map(|row| self.places.next(batch.table, row)).collect()
    }

    /// Inserts rows: the columns given, and then the table's.
    async fn insert(&self, sql: &str, mut columns: Vec<Column<'_>>, batch: &Batch) -> Result<(), Error> {
        columns.extend(batch.table.kinds().iter().enumerate().map(|(nth, kind)| column(&batch.rows, nth, *kind)));
        self.execute(sql, &columns).await
    }

    async fn execute(&self, sql: &str, columns: &[Column<'_>]) -> Result<(), Error> {
        let params: Vec<&dyn Param> = columns.iter().map(|column| &**column as _).collect();
        self.transaction.execute(sql, &params).await.map_err(errors::of)?;
        Ok(())
    }

    async fn assign(&self, rows: &[Row]) -> Result<(), Error> {
        let pairs = || rows.iter().flat_map(|row| row.payors.iter().map(move |payor| (row, &**payor)));
        if pairs().next().is_none() {
            return Ok(());
        }
        let organization: Vec<&str> = pairs().map(|(row, _)| &*row.organization).collect();
        let user: Vec<Option<&str>> = pairs().map(|(row, _)| row.values[0].text()).collect();
        let payor: Vec<&str> = pairs().map(|(_, payor)| payor).collect();
        self.execute(ASSIGN_PAYORS, &[Box::new(organization), Box::new(user), Box::new(payor)]).await
    }

    async fn count(&self, rows: &[Row], users: &[(User, Option<Timestamp>)]) -> Result<(), Error> {
        let mut added: BTreeMap<(&str, Bucket), i64> = BTreeMap::new();
        for (row, (user, _)) in rows.iter().zip(users) {
            *added.entry((&row.organization, Bucket::of(user))).or_default() += 1;
        }
        let organization: Vec<&str> = added.keys().map(|(organization, _)| *organization).collect();
        let bucket: Vec<i16> = added.keys().map(|(_, bucket)| i16::from(bucket.number())).collect();
        let users: Vec<i64> = added.values().copied().collect();
        self.execute(COUNT_USERS, &[Box::new(organization), Box::new(bucket), Box::new(users)]).await
    }
}

/// What stands before a user's columns where it is added.
const USERS: [(&str, columns::Kind); 5] = [
    ("organization", columns::Kind::Text),
    ("place", columns::Kind::Number),
    ("updated", columns::Kind::Number),
    ("search", columns::Kind::Made),
    ("phone_digits", columns::Kind::Made),
];

fn column(rows: &[Row], nth: usize, kind: Kind) -> Column<'_> {
    let values = rows.iter().map(|row| &row.values[nth]);
    match kind {
        Kind::Text => Box::new(values.map(Value::text).collect::<Vec<_>>()),
        Kind::Bytes => Box::new(values.map(Value::bytes).collect::<Vec<_>>()),
        Kind::Number => Box::new(values.map(Value::number).collect::<Vec<_>>()),
        Kind::Small => Box::new(values.map(|value| value.number().map(|number| number as i16)).collect::<Vec<_>>()),
        Kind::Medium => Box::new(values.map(|value| value.number().map(|number| number as i32)).collect::<Vec<_>>()),
        Kind::Flag => Box::new(values.map(|value| value.number().map(|number| number != 0)).collect::<Vec<_>>()),
    }
}

const ADD_ORGANIZATIONS: &str = concat!(
    "insert into organization (id, place, created_at, ",
    copied_columns!(organization),
    ") select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])"
);

const ADD_KEYS: &str = "
insert into api_key (organization, created_at, id, role, name, hash, expires_at, revoked_at, access, created_by,
    replaces, last_used_at)
select * from unnest($1::text[], $2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::bytea[], $7::bigint[],
    $8::bigint[], $9::smallint[], $10::text[], $11::text[], $12::bigint[])";

const ADD_PAYORS: &str = "insert into payor (organization, created_at, id, name) \
    select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[])";

const ASSIGN_PAYORS: &str = "insert into user_payor (organization, user_id, payor) \
    select * from unnest($1::text[], $2::text[], $3::text[])";

/// In lane 0, in which a process may count too, later.
const COUNT_USERS: &str = "insert into role_count (organization, bucket, lane, users) \
    select organization, bucket, 0, users from unnest($1::text[], $2::smallint[], $3::bigint[]) \
    as t (organization, bucket, users) \
    on conflict (organization, bucket, lane) do update set users = role_count.users + excluded.users";

const ADD_AUDIT: &str = concat!(
    "insert into audit (organization, place, lane, number, ",
    copied_columns!(audit),
    ") select organization, place, cast(number % 2147483647 as integer), number, ",
    copied_columns!(audit),
    " from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
     $9::smallint[], $10::smallint[]) as t (organization, place, number, ",
    copied_columns!(audit),
    ")"
);

const ADD_ANSWERS: &str = concat!(
    "insert into repeat (organization, at, ",
    copied_columns!(repeat),
    ") select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::smallint[], \
     $8::text[], $9::bytea[], $10::text[])"
);

const ADD_MESSAGES: &str = concat!(
    "insert into outbox (organization, place, ",
    copied_columns!(outbox),
    ") select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], \
     $8::integer[], $9::integer[], $10::text[], $11::bigint[], $12::bigint[], $13::text[])"
);

const ADD_ATTEMPTS: &str = concat!(
    "insert into attempt (organization, at, ",
    copied_columns!(attempt),
    ") select * from unnest($1::text[], $2::bigint[], $3::text[], $4::integer[], $5::smallint[], $6::integer[], \
     $7::bigint[], $8::text[])"
);

const ADD_WEBHOOKS: &str = concat!(
    "insert into webhook (organization, created_at, ",
    copied_columns!(webhook),
    ") select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[], \
     $8::bytea[], $9::text[], $10::bigint[])"
);

const ADD_SETTINGS: &str = concat!(
    "insert into sms_setting (organization, created_at, ",
    copied_columns!(sms_setting),
    ") select * from unnest($1::text[], $2::bigint[], $3::integer[], $4::text[], $5::text[], $6::integer[])"
);

const ADD_CONSENTS: &str = concat!(
    "insert into sms_consent (organization, at, ",
    copied_columns!(sms_consent),
    ") select * from unnest($1::text[], $2::bigint[], $3::text[], $4::boolean[], $5::text[], $6::integer[], $7::text[])"
);

const ADD_STOPS: &str = concat!(
    "insert into sms_stop (at, ",
    copied_columns!(sms_stop),
    ") select * from unnest($1::bigint[], $2::text[], $3::text[], $4::boolean[], $5::text[])"
);

/// All tables that the migrations leave behind.
#[cfg(test)]
pub(crate) fn tables() -> std::collections::BTreeSet<String> {
    let mut tables = std::collections::BTreeSet::from(["schema_migration".to_owned()]);
    for sql in schema::statements() {
        let words: Vec<&str> =
            sql.lines().filter(|line| !line.starts_with("--")).flat_map(str::split_whitespace).collect();
        match words.as_slice() {
            ["create", "table", name, ..] => drop(tables.insert((*name).to_owned())),
            ["drop", "table", name, ..] => drop(tables.remove(*name)),
            ["alter", "table", name, "rename", "to", other] => {
                tables.remove(*name);
                tables.insert((*other).to_owned());
            }
            _ => {}
        }
    }
    tables
}
