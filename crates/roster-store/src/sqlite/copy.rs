//! The file as the one end, or the other, of a copy.

use std::{collections::HashMap, path::Path, sync::Arc};

use roster_directory::Timestamp;
use rusqlite::{Connection, ToSql, TransactionBehavior, params, params_from_iter, types::ToSqlOutput, types::ValueRef};

use super::{emails, place::OrganizationNumber, schema, users};
use crate::{
    Error,
    bucket::Bucket,
    copy::{Batch, COUNTED, Collector, Delivery, Feed, MARK, Mark, Row, Table, Value, copied_columns},
    records::user::user_columns,
};

/// What a transaction that writes everything keeps in memory before it goes to the log: the indexes of a million users.
const CACHE_KIB: i64 = 256 * 1024;

/// The same for reading it again.
const READ_CACHE_KIB: i64 = 32 * 1024;

/// Reads everything there is at one moment.
pub(crate) fn read(path: &Path, feed: &Feed) -> Result<Mark, Error> {
    let connection = schema::open_unchanged(path)?;
    connection.execute_batch("begin")?; // never ended: it wrote nothing
    read_all(&connection, feed)
}

/// How much there is now.
pub(crate) fn mark(path: &Path) -> Result<Mark, Error> {
    mark_of(&schema::open_unchanged(path)?)
}

/// Writes what arrives into an empty file, reads it back, and commits if it is told to.
pub(crate) fn write(path: &Path, mut delivery: Delivery) -> Result<(), Error> {
    let mut connection = schema::open(path)?;
    schema::migrate(&mut connection)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    mark_of(&transaction)?.must_be_of_nothing()?;
    let _ = delivery.ready.send(());
    let mut arrival = Arrival { connection: &transaction, tenants: HashMap::new() };
    while let Some(batch) = delivery.arriving.blocking_recv() {
        arrival.take(&batch)?;
    }
    arrival.finish()?;
    // Reading back sorts the messages, in as much memory as the cache may take.
    transaction.pragma_update(None, "cache_size", -READ_CACHE_KIB)?;
    read_all(&transaction, &delivery.back)?;
    drop(delivery.back);
    match delivery.verdict.blocking_recv() {
        Ok(()) => Ok(transaction.commit()?),
        Err(_) => Ok(transaction.rollback()?),
    }
}

fn mark_of(connection: &Connection) -> Result<Mark, Error> {
    Ok(connection.query_row(MARK, [], |row| {
        let mut mark =
            Mark { epoch: row.get(COUNTED.len())?, delivered: row.get(COUNTED.len() + 1)?, ..Mark::default() };
        for (nth, count) in mark.counts.iter_mut().enumerate() {
            *count = row.get(nth)?;
        }
        Ok(mark)
    })?)
}

fn read_all(connection: &Connection, feed: &Feed) -> Result<Mark, Error> {
    let mark = mark_of(connection)?;
    let mut departure = Departure { connection, feed, collector: Collector::new() };
    let organizations = departure.organizations()?;
    for sql in [
        (
            Table::Key,
            "select created_at, id, role, name, hash, expires_at, revoked_at, access, created_by, replaces, last_used_at \
                      from api_key where organization = ?1 order by id",
        ),
        (Table::Payor, "select created_at, id, name from payor where organization = ?1 order by id"),
    ] {
        for (number, organization) in &organizations {
            departure.rows(sql, organization, params![number])?;
        }
    }
    let users = concat!(
        "select created_at, ",
        user_columns!(),
        ", updated_at, place from users where place between ?1 and ?2 order by place"
    );
    let audit =
        concat!("select at, ", copied_columns!(audit), " from audit where place between ?1 and ?2 order by place");
    for sql in [(Table::User, users), (Table::Audit, audit)] {
        for (number, organization) in &organizations {
            let range = number.places();
            departure.rows(sql, organization, params![range.start(), range.end()])?;
        }
    }
    departure.of_all(
        Table::Outbox,
        concat!(
            "select created_at, ",
            copied_columns!(outbox),
            ", (select o.id from organization o where o.number = organization) from outbox order by created_at, number"
        ),
    )?;
    for sql in [
        (
            Table::Attempt,
            concat!(
                "select at, ",
                copied_columns!(attempt),
                " from attempt where organization = ?1 order by message, nth"
            ),
        ),
        (
            Table::Webhook,
            concat!(
                "select created_at, ",
                copied_columns!(webhook),
                " from webhook where organization = ?1 order by id"
            ),
        ),
        (
            Table::SmsSetting,
            concat!(
                "select created_at, ",
                copied_columns!(sms_setting),
                " from sms_setting where organization = ?1 order by version"
            ),
        ),
    ] {
        for (number, organization) in &organizations {
            departure.rows(sql, organization, params![number])?;
        }
    }
    departure.of_all(
        Table::SmsConsent,
        concat!(
            "select at, ",
            copied_columns!(sms_consent),
            ", (select o.id from organization o where o.number = organization) from sms_consent \
             order by user_id, organization, at"
        ),
    )?;
    let stops = concat!("select at, ", copied_columns!(sms_stop), " from sms_stop order by phone, reference");
    departure.rows((Table::SmsStop, stops), &"".into(), [])?;
    let answers = concat!(
        "select at, ",
        copied_columns!(repeat),
        " from repeat where organization = ?1 order by by_key, route, key"
    );
    for (number, organization) in &organizations {
        departure.rows((Table::Repeat, answers), organization, params![number])?;
    }
    if let Some(last) = departure.collector.finish(&mark)? {
        send(feed, last)?;
    }
    Ok(mark)
}

fn send(feed: &Feed, batch: Batch) -> Result<(), Error> {
    feed.blocking_send(batch).map_err(|_| Error::Closed)
}

/// Everything on its way out.
struct Departure<'a> {
    connection: &'a Connection,
    feed: &'a Feed,
    collector: Collector,
}

impl Departure<'_> {
    fn organizations(&mut self) -> Result<Vec<(OrganizationNumber, Arc<str>)>, Error> {
        let mut statement = self.connection.prepare_cached(concat!(
            "select created_at, ",
            copied_columns!(organization),
            ", id, number from organization order by number"
        ))?;
        let mut rows = statement.query([])?;
        let mut organizations = Vec::new();
        while let Some(row) = rows.next()? {
            let organization: Arc<str> = row.get(4)?;
            organizations.push((row.get(5)?, organization.clone()));
            let row = row_of(Table::Organization, organization, row)?;
            push(&mut self.collector, self.feed, Table::Organization, row)?;
        }
        Ok(organizations)
    }

    /// Rows of one organization: when, and its columns; of a user, also its place.
    fn rows(
        &mut self,
        (table, sql): (Table, &str),
        organization: &Arc<str>,
        params: impl rusqlite::Params,
    ) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(stored) = rows.next()? {
            let mut row = row_of(table, organization.clone(), stored)?;
            if table == Table::User {
                let place: i64 = stored.get(1 + table.kinds().len())?;
                let mut payors =
                    self.connection.prepare_cached("select payor from user_payor where place = ?1 order by payor")?;
                row.payors = payors.query_map([place], |payor| payor.get(0))?.collect::<Result<_, _>>()?;
            }
            push(&mut self.collector, self.feed, table, row)?;
        }
        Ok(())
    }

    /// Rows of all organizations: when, the table's columns, and whose. Those of none are missed at the end.
    fn of_all(&mut self, table: Table, sql: &str) -> Result<(), Error> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(organization) = row.get(1 + table.kinds().len())? else { continue };
            let row = row_of(table, organization, row)?;
            push(&mut self.collector, self.feed, table, row)?;
        }
        Ok(())
    }
}

fn push(collector: &mut Collector, feed: &Feed, table: Table, row: Row) -> Result<(), Error> {
    collector.push(table, row).map_or(Ok(()), |full| send(feed, full))
}

/// The moment in the first column, the table's columns after it.
fn row_of(table: Table, organization: Arc<str>, row: &rusqlite::Row<'_>) -> Result<Row, Error> {
    let value = |nth| {
        Ok(match row.get_ref(nth)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Number(number),
            ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
            text => Value::Text(text.as_str()?.into()),
        })
    };
    let values = (1..=table.kinds().len()).map(value).collect::<Result<_, rusqlite::Error>>()?;
    Ok(Row { organization, at: row.get(0)?, values, payors: Vec::new() })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Value::Null => ValueRef::Null,
            Value::Number(number) => ValueRef::Integer(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What an organization has been given so far.
struct Tenant {
    number: OrganizationNumber,
    users: i64,
    audits: i64,
    latest: i64,
}

/// Everything on its way in.
struct Arrival<'a> {
    connection: &'a Connection,
    tenants: HashMap<Arc<str>, Tenant>,
}

impl Arrival<'_> {
    fn take(&mut self, batch: &Batch) -> Result<(), Error> {
        match batch.table {
            Table::Organization => self.organizations(&batch.rows),
            Table::User => self.users(&batch.rows),
            Table::Audit => self.audit(&batch.rows),
            Table::Key => self.plain(
                "insert into api_key (organization, created_at, id, role, name, hash, expires_at, revoked_at, access, \
                 created_by, replaces, last_used_at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
                &batch.rows,
            ),
            Table::Payor => self
                .plain("insert into payor (organization, created_at, id, name) values (?1, ?2, ?3, ?4)", &batch.rows),
            Table::Outbox => self.plain(
                concat!(
                    "insert into outbox (organization, created_at, ",
                    copied_columns!(outbox),
                    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
                ),
                &batch.rows,
            ),
            Table::Attempt => self.plain(
                concat!(
                    "insert into attempt (organization, at, ",
                    copied_columns!(attempt),
                    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
                ),
                &batch.rows,
            ),
            Table::Webhook => self.plain(
                concat!(
                    "insert into webhook (organization, created_at, ",
                    copied_columns!(webhook),
                    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                ),
                &batch.rows,
            ),
            Table::SmsSetting => self.plain(
                concat!(
                    "insert into sms_setting (organization, created_at, ",
                    copied_columns!(sms_setting),
                    ") values (?1, ?2, ?3, ?4, ?5, ?6)"
                ),
                &batch.rows,
            ),
            Table::SmsConsent => self.plain(
                concat!(
                    "insert into sms_consent (organization, at, ",
                    copied_columns!(sms_consent),
                    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                ),
                &batch.rows,
            ),
            Table::SmsStop => self.stops(&batch.rows),
            Table::Repeat => self.plain(
                concat!(
                    "insert into repeat (organization, at, ",
                    copied_columns!(repeat),
                    ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                ),
                &batch.rows,
            ),
        }
    }

    fn organizations(&mut self, rows: &[Row]) -> Result<(), Error> {
        let mut insert = self.connection.prepare_cached(concat!(
            "insert into organization (id, created_at, ",
            copied_columns!(organization),
            ") values (?1, ?2, ?3, ?4, ?5)"
        ))?;
        for row in rows {
            let first: [&dyn ToSql; 2] = [&row.organization, &row.at];
            insert.execute(params_from_iter(first.into_iter().chain(row.values.iter().map(|value| value as _))))?;
            let sql = "select number from organization where id = ?1";
            let number = self.connection.prepare_cached(sql)?.query_row([&row.organization], |row| row.get(0))?;
            let tenant = Tenant { number, users: 0, audits: 0, latest: 0 };
            self.tenants.insert(row.organization.clone(), tenant);
        }
        Ok(())
    }

    /// Rows whose columns are the organization's number, the moment, and the table's.
    fn plain(&mut self, sql: &str, rows: &[Row]) -> Result<(), Error> {
        let mut insert = self.connection.prepare_cached(sql)?;
        for row in rows {
            let number = tenant(&mut self.tenants, row)?.number;
            let first: [&dyn ToSql; 2] = [&number, &row.at];
            insert.execute(params_from_iter(first.into_iter().chain(row.values.iter().map(|value| value as _))))?;
        }
        Ok(())
    }

    /// Rows of no organization.
    fn stops(&self, rows: &[Row]) -> Result<(), Error> {
        let mut insert = self.connection.prepare_cached(concat!(
            "insert into sms_stop (at, ",
            copied_columns!(sms_stop),
            ") values (?1, ?2, ?3, ?4, ?5)"
        ))?;
        for row in rows {
            let first: [&dyn ToSql; 1] = [&row.at];
            insert.execute(params_from_iter(first.into_iter().chain(row.values.iter().map(|value| value as _))))?;
        }
        Ok(())
    }

    fn users(&mut self, rows: &[Row]) -> Result<(), Error> {
        let mut assign = self.connection.prepare_cached("insert into user_payor (place, payor) values (?1, ?2)")?;
        let mut added: HashMap<(OrganizationNumber, Bucket), i64> = HashMap::new();
        for row in rows {
            let tenant = tenant(&mut self.tenants, row)?;
            let place = tenant.number.place(tenant.users);
            tenant.users += 1;
            tenant.latest = tenant.latest.max(row.at);
            let (user, updated_at) = row.user()?;
            users::insert(self.connection, tenant.number, place, &user, Timestamp::from_millis(row.at), updated_at)?;
            for payor in &row.payors {
                assign.execute(params![place, payor])?;
            }
            *added.entry((tenant.number, Bucket::of(&user))).or_default() += 1;
        }
        let mut count = self.connection.prepare_cached(
            "insert into role_count (organization, bucket, users) values (?1, ?2, ?3) \
             on conflict do update set users = users + excluded.users",
        )?;
        for ((number, bucket), users) in added {
            count.execute(params![number, bucket.number(), users])?;
        }
        Ok(())
    }

    fn audit(&mut self, rows: &[Row]) -> Result<(), Error> {
        let mut insert = self.connection.prepare_cached(concat!(
            "insert into audit (place, at, ",
            copied_columns!(audit),
            ") values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
        ))?;
        for row in rows {
            let tenant = tenant(&mut self.tenants, row)?;
            let place = tenant.number.place(tenant.audits);
            tenant.audits += 1;
            tenant.latest = tenant.latest.max(row.at);
            let first: [&dyn ToSql; 2] = [&place, &row.at];
            insert.execute(params_from_iter(first.into_iter().chain(row.values.iter().map(|value| value as _))))?;
        }
        Ok(())
    }

    /// Where the organizations go on from here.
    fn finish(self) -> Result<(), Error> {
        let sql = "update organization set users = ?2, audits = ?3, latest_at = ?4 where number = ?1";
        let mut update = self.connection.prepare_cached(sql)?;
        for tenant in self.tenants.values() {
            update.execute(params![tenant.number, tenant.users, tenant.audits, tenant.latest])?;
        }
        emails::fill(self.connection)
    }
}

fn tenant<'a>(tenants: &'a mut HashMap<Arc<str>, Tenant>, row: &Row) -> Result<&'a mut Tenant, Error> {
    tenants.get_mut(&row.organization).ok_or(Error::NoOrganization)
}

/// All tables of a new file.
#[cfg(test)]
pub(crate) fn tables(path: &Path) -> Result<std::collections::BTreeSet<String>, Error> {
    let mut connection = schema::open(path)?;
    schema::migrate(&mut connection)?;
    let sql = "select name from sqlite_master where type = 'table' and name not like 'sqlite%'";
    let mut tables = connection.prepare(sql)?;
    Ok(tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
