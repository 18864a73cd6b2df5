//! The limit that creates are measured against: SQLite alone, one thread, the rows that a create writes, nothing else.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::ensure;
use hdrhistogram::Histogram;
use roster_directory::Role;
use rusqlite::{Connection, params};

use crate::{
    people::{NPI, Person, mix},
    process::cpu_time,
    seed,
};

/// The schema, whole.
pub(crate) const SCHEMA: &str = concat!(
    include_str!("../../crates/roster-store/migrations/sqlite/0001_directory.sql"),
    include_str!("../../crates/roster-store/migrations/sqlite/0002_delivery.sql"),
    include_str!("../../crates/roster-store/migrations/sqlite/0003_search.sql")
);

/// How it is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Users a commit.
    pub(crate) batch: u64,
    /// SQLite's default is 1000; Roster's is 250.
    pub(crate) checkpoint_pages: u32,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    pub(crate) cpu_us: f64,
    /// Of commits, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>9.0}/s  {:>5.1} µs CPU", self.per_second, self.cpu_us)
    }
}

/// Writes users to a new database in `folder` as long as planned.
pub(crate) fn run(plan: &Plan, folder: &Path) -> anyhow::Result<Outcome> {
    let mut alone = Alone::open(folder, plan)?;
    let begin = Instant::now();
    while begin.elapsed() < plan.warm_up {
        alone.commit(plan.batch)?;
    }
    let (start, cpu, users) = (Instant::now(), cpu_time(std::process::id())?, alone.users);
    let mut latency = Histogram::new(3)?;
    while start.elapsed() < plan.measured {
        let begin = Instant::now();
        alone.commit(plan.batch)?;
        latency.record(begin.elapsed().as_nanos() as u64)?;
    }
    let (took, users) = (start.elapsed(), (alone.users - users) as f64);
    let cpu = cpu_time(std::process::id())?.saturating_sub(cpu);
    alone.check()?;
    Ok(Outcome { per_second: users / took.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / users, latency })
}

/// The writer of `crates/roster-store/src/sqlite/writer.rs` without everything around it: the same statements.
struct Alone {
    connection: Connection,
    users: u64,
}

/// The organization's number, shifted as its places are.
const NUMBER: i64 = 1;
const FIRST_PLACE: i64 = NUMBER << 36;

impl Alone {
    fn open(folder: &Path, plan: &Plan) -> anyhow::Result<Self> {
        let connection = Connection::open(folder.join("alone.db"))?;
        connection.pragma_update(None, "cache_size", -8 * 1024)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "wal_autocheckpoint", plan.checkpoint_pages)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.execute_batch(SCHEMA)?;
        connection.execute(
            "insert into organization (id, name, created_at) values (?1, 'Bench Organization', 0)",
            [seed::organization(0).as_str()],
        )?;
        Ok(Self { connection, users: 0 })
    }

    fn commit(&mut self, batch: u64) -> anyhow::Result<()> {
        let connection = &self.connection;
        let run = |sql| connection.prepare_cached(sql)?.execute([]);
        run("begin immediate")?;
        let (mut users, mut audits): (i64, i64) = connection
            .prepare_cached("select users, audits, latest_at from organization where number = ?1")?
            .query_row([NUMBER], |row| Ok((row.get(0)?, row.get(1)?)))?;

        let mut insert_user = connection.prepare_cached(
            "insert into users (place, organization, id, first_name, last_name, email, email_key, bucket, phone, \
             npi, npi_valid, sms, recertify_at, recertify_day, created_at, sex, caregiver, birth_date, address_line1, \
             address_line2, city, state, postal_code) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
             ?22, ?23) on conflict (organization, email_key) do nothing",
        )?;
        let mut insert_audit = connection.prepare_cached(
            "insert into audit (place, at, actor, action, target, fields, request, role_after) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let mut insert_message = connection.prepare_cached(
            "insert into outbox (organization, id, kind, about, webhook, created_at, queue, due_at) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6)",
        )?;
        let mut insert_consent = connection.prepare_cached(
            "insert into sms_consent (organization, user_id, at, given, said_by, wording, reference) \
             values (?1, ?2, ?3, 1, ?4, \
             coalesce((select max(version) from sms_setting where organization = ?1), 0), ?5)",
        )?;
        let mut added = [0; Role::ALL.len()];
        let mut at = 0;
        for nth in self.users..self.users + batch {
            let person = Person::nth(nth);
            at = Person::created_at(nth);
            let nothing = None::<&str>;
            insert_user.execute(params![
                FIRST_PLACE + users,
                NUMBER,
                person.id.as_str(),
                person.first_name,
                person.last_name,
                person.email,
                person.email,
                person.role as u8,
                person.phone,
                NPI,
                true,
                true,
                1_926_201_600_000_i64,
                "2031-01-15",
                at,
                nothing,
                nothing,
                nothing,
                nothing,
                nothing,
                nothing,
                nothing,
                nothing
            ])?;
            insert_audit.execute(params![
                FIRST_PLACE + audits,
                at,
                "key_0123456789ab",
                "user.created",
                person.id.as_str(),
                "firstName,lastName,role,shouldSendSMS,email,phoneNumber,npiNumber,recertificationDate",
                format!("{:016x}", mix(nth)),
                person.role as u8
            ])?;
            insert_message.execute(params![
                NUMBER,
                seed::message_id(nth).as_str(),
                "sms.welcome",
                person.id.as_str(),
                nothing,
                at,
                "sms"
            ])?;
            insert_consent.execute(params![
                NUMBER,
                person.id.as_str(),
                at,
                "key_0123456789ab",
                format!("{:016x}", mix(nth))
            ])?;
            users += 1;
            audits += 1;
            added[person.role as usize] += 1;
        }
        self.users += batch;

        connection
            .prepare_cached("update organization set users = ?2, audits = ?3, latest_at = ?4 where number = ?1")?
            .execute(params![NUMBER, users, audits, at])?;
        let mut count = connection.prepare_cached(
            "insert into role_count (organization, bucket, users) values (?1, ?2, ?3) \
             on conflict do update set users = users + excluded.users",
        )?;
        for (role, added) in added.iter().enumerate().filter(|(_, added)| **added != 0) {
            count.execute(params![NUMBER, role as i64, added])?;
        }
        run("commit")?;
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        for table in ["users", "audit", "outbox", "sms_consent"] {
            let rows: i64 =
                self.connection.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0))?;
            ensure!(rows as u64 == self.users, "{rows} rows in {table}, {} users", self.users);
        }
        let durable: i64 = self.connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        ensure!(durable == 2, "not written durably");
        Ok(())
    }
}
