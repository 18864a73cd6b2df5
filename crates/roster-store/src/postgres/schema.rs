//! Bringing the schema up to this binary's, whoever else is about to do the same.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::{
    connection::{Ask, Connection, Transaction},
    errors,
    lending::Trouble,
    refold::refold,
};
use crate::{
    Error,
    migration::{self, Migration},
};

/// The number of the migration after which [`refold`] writes.
const FOLD: usize = 3;

const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_directory.sql", sql: include_str!("../../migrations/postgres/0001_directory.sql") },
    Migration { name: "0002_delivery.sql", sql: include_str!("../../migrations/postgres/0002_delivery.sql") },
    Migration { name: "0003_fold.sql", sql: include_str!("../../migrations/postgres/0003_fold.sql") },
    Migration { name: "0004_old_secrets.sql", sql: include_str!("../../migrations/postgres/0004_old_secrets.sql") },
    Migration { name: "0005_writer.sql", sql: include_str!("../../migrations/postgres/0005_writer.sql") },
    Migration { name: "0006_accepted.sql", sql: include_str!("../../migrations/postgres/0006_accepted.sql") },
    Migration { name: "0007_country.sql", sql: include_str!("../../migrations/postgres/0007_country.sql") },
    Migration { name: "0008_clock.sql", sql: include_str!("../../migrations/postgres/0008_clock.sql") },
    Migration { name: "0009_change.sql", sql: include_str!("../../migrations/postgres/0009_change.sql") },
    Migration { name: "0010_keys.sql", sql: include_str!("../../migrations/postgres/0010_keys.sql") },
];

/// Every statement of every migration, in order.
#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    MIGRATIONS.iter().flat_map(|migration| migration.sql.split(";\n"))
}

/// How long a process waits for another that is migrating.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs what has not run yet. Of several processes at once one runs it, the others wait.
///
/// A row is locked, not an advisory lock, which does nothing on some engines. Creating that row's table can itself
/// collide with another process, in as many ways as there are catalogues; then it is tried again.
pub(super) async fn migrate(client: &mut Connection) -> Result<(), Trouble> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match try_to_migrate(client).await {
            Err(Trouble::Driver(error)) if collided(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            result => return result,
        }
    }
}

fn collided(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        [
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_TABLE,
            SqlState::DUPLICATE_OBJECT,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(code)
    })
}

/// Until the transaction ends, whoever opens the database waits.
pub(super) async fn lock(transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
    transaction.query_one(LOCK, &[]).await.map(drop)
}

const LOCK: &str = "select number from schema_migration where number = 0 for update";

/// Refuses a database that is not just as this binary would have it, and leaves it as it is.
pub(super) async fn must_be_current(client: &Connection) -> Result<(), Error> {
    let ran = match ran(client).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            return Err(Error::Unusable("it is no database of Roster's".to_owned()));
        }
        ran => ran.map_err(errors::of)?,
    };
    migration::must_be_current(MIGRATIONS, &ran)
}

async fn try_to_migrate(client: &mut Connection) -> Result<(), Trouble> {
    must_take_all_text(client).await?;
    // Nothing to do, as nearly always: then no right to create tables is needed.
    match client.query(LOCK, &[]).await {
        Ok(_) if pending(&ran(client).await?)?.is_empty() => return Ok(()),
        Ok(_) => {}
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {}
        Err(error) => return Err(error.into()),
    }
    client
        .batch_execute(
            "create table if not exists schema_migration (
                 number bigint primary key,
                 name   text not null,
                 sha256 bytea not null
             )",
        )
        .await?;
    // Number 0 is not a migration: it is what is locked.
    client.execute("insert into schema_migration values (0, 'lock', '') on conflict (number) do nothing", &[]).await?;
    let transaction = client.transaction().await?;
    lock(&transaction).await?;
    let ran = ran(&transaction).await?;
    for (number, migration) in (ran.len() + 1..).zip(pending(&ran)?) {
        for statement in migration.sql.split(";\n") {
            transaction.batch_execute(statement).await?;
        }
        if number == FOLD {
            refold(&transaction).await?;
        }
        let sql = "insert into schema_migration (number, name, sha256) values ($1, $2, $3)";
        let hash = migration.sha256();
        transaction.execute(sql, &[&(number as i64), &migration.name, &hash.as_slice()]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The hashes of the migrations that ran, in order.
#[expect(clippy::future_not_send, reason = "it is, for a connection and for a transaction")]
async fn ran(client: &impl Ask) -> Result<Vec<Vec<u8>>, tokio_postgres::Error> {
    let sql = "select sha256 from schema_migration where number > 0 order by number";
    Ok(client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect())
}

fn pending(ran: &[Vec<u8>]) -> Result<&'static [Migration], Trouble> {
    migration::pending(MIGRATIONS, ran).map_err(Trouble::Refused)
}

/// A name that the database cannot write down would be found out only when somebody has it.
async fn must_take_all_text(client: &Connection) -> Result<(), Trouble> {
    let row = client.query_one("show server_encoding", &[]).await?;
    match row.get(0) {
        "UTF8" => Ok(()),
        other => Err(Trouble::Refused(Error::Unusable(format!(
            "the database has the encoding {other}, and must have UTF8: make it with `create database NAME encoding \
             'UTF8' template template0`"
        )))),
    }
}
