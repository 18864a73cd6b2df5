//! PostgreSQL as the one end, or the other, of a copy.

use std::{collections::BTreeMap, sync::Arc};

use roster_directory::search::Haystack;
use tokio_postgres::Row as Stored;

use super::{
    ANALYZE,
    connect::Url,
    connection::{Ask, Param, Transaction},
    errors,
    place::{self, Kept},
    schema,
};
use crate::{
    Error,
    copy::{
        BATCH, Batch, Collector, Delivery, Feed, Kind, MARK, Mark, Row, Table, Value, copied_columns,
        copied_user_columns,
    },
    error::chain,
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
    Ok(Mark { counts: std::array::from_fn(|nth| row.get(nth)), epoch: row.get(12), delivered: row.get(13) })
}

async fn read_all(transaction: &Transaction<'_>, feed: &Feed) -> Result<Mark, Error> {
    let mark = mark_of(transaction).await?;
    let mut departure = Departure { transaction, feed, collector: Collector::new() };
    let organizations = departure.organizations().await?;
    let keys = "select created_at, id, role, name, hash, expires_at, revoked_at from api_key where organization = $1";
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
            copied_user_columns!(),
            " from users where organization = $1 and (place, id) > ($2, $3) order by place, id limit $4"
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
        let sql = "select place, actor, action, target, fields, request, organization from audit \
                   where organization = $1 order by number, place, lane";
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
            Table::Outbox => {
                let place = self.places_of(batch)?;
                self.insert(ADD_MESSAGES, vec![Box::new(organization), Box::new(place)], batch).await
            }
            Table::User => {
                let place = self.places_of(batch)?;
                let (search, phone_digits) = searched(rows);
                let first: Vec<Column<'_>> =
                    vec![Box::new(organization), Box::new(place), Box::new(search), Box::new(phone_digits)];
                self.insert(ADD_USERS, first, batch).await?;
                self.assign(rows).await?;
                self.count(rows).await
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

    async fn count(&self, rows: &[Row]) -> Result<(), Error> {
        let mut added: BTreeMap<(&str, i64), i64> = BTreeMap::new();
        for row in rows {
            *added.entry((&row.organization, row.user_role()?)).or_default() += 1;
        }
        let organization: Vec<&str> = added.keys().map(|(organization, _)| *organization).collect();
        let role: Vec<i16> = added.keys().map(|(_, role)| *role as i16).collect();
        let users: Vec<i64> = added.values().copied().collect();
        self.execute(COUNT_ROLES, &[Box::new(organization), Box::new(role), Box::new(users)]).await
    }
}

/// What users are found by, which SQLite does not keep: the folded text, and the digits of the phone.
fn searched(rows: &[Row]) -> (Vec<String>, Vec<String>) {
    let mut haystack = Haystack::default();
    let found_by = |row: &Row| {
        let [first, last, email, phone] = row.searched();
        haystack.fill(first.unwrap_or_default(), last.unwrap_or_default(), email, phone);
        let digits = phone.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
        (haystack.as_str().to_owned(), digits)
    };
    rows.iter().map(found_by).unzip()
}

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
insert into api_key (organization, created_at, id, role, name, hash, expires_at, revoked_at)
select * from unnest($1::text[], $2::bigint[], $3::text[], $4::smallint[], $5::text[], $6::bytea[], $7::bigint[],
    $8::bigint[])";

const ADD_PAYORS: &str = "insert into payor (organization, created_at, id, name) \
    select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[])";

const ADD_USERS: &str = concat!(
    "insert into users (organization, place, search, phone_digits, ",
    copied_user_columns!(),
    ") select * from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
     $8::text[], $9::text[], $10::smallint[], $11::text[], $12::text[], $13::boolean[], $14::boolean[], \
     $15::bigint[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[], \
     $23::text[], $24::text[])"
);

const ASSIGN_PAYORS: &str = "insert into user_payor (organization, user_id, payor) \
    select * from unnest($1::text[], $2::text[], $3::text[])";

/// In lane 0, in which a process may count too, later.
const COUNT_ROLES: &str = "insert into role_count (organization, role, lane, users) \
    select organization, role, 0, users from unnest($1::text[], $2::smallint[], $3::bigint[]) \
    as t (organization, role, users) \
    on conflict (organization, role, lane) do update set users = role_count.users + excluded.users";

const ADD_AUDIT: &str = "insert into audit (organization, place, lane, number, actor, action, target, fields, request) \
    select organization, place, cast(number % 2147483647 as integer), number, actor, action, target, fields, request \
    from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]) \
    as t (organization, place, number, actor, action, target, fields, request)";

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
