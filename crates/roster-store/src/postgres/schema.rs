//! Bringing the schema up to this binary's, whoever else is about to do the same.

use std::time::Duration;

use deadpool_postgres::{Object, Transaction};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use super::errors;
use crate::{
    Error,
    migration::{self, Migration},
};

const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_directory.sql", sql: include_str!("../../migrations/postgres/0001_directory.sql") }];

/// How long a process waits for another that is migrating.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs what has not run yet. Of several processes at once one runs it, the others wait.
///
/// A row is locked, not an advisory lock, which does nothing on some engines. Creating that row's table can itself
/// collide with another process, in as many ways as there are catalogues; then it is tried again.
pub(super) async fn migrate(client: &mut Object) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        match try_to_migrate(client).await {
            Err(Failure::Driver(error)) if collided(&error) && started.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(Failure::Driver(error)) => return Err(errors::of(error)),
            Err(Failure::Unusable(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

enum Failure {
    Driver(tokio_postgres::Error),
    Unusable(Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Failure::Driver(error)
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
    transaction.query_one("select number from schema_migration where number = 0 for update", &[]).await.map(drop)
}

/// Refuses a database that is not just as this binary would have it, and leaves it as it is.
pub(super) async fn must_be_current(client: &Object) -> Result<(), Error> {
    let ran = match client.query(RAN, &[]).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            return Err(Error::Unusable("it is no database of Roster's".to_owned()));
        }
        ran => ran.map_err(errors::of)?,
    };
    let ran: Vec<Vec<u8>> = ran.iter().map(|row| row.get(0)).collect();
    migration::must_be_current(MIGRATIONS, &ran)
}

const RAN: &str = "select sha256 from schema_migration where number > 0 order by number";

async fn try_to_migrate(client: &mut Object) -> Result<(), Failure> {
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
    let ran = transaction.query(RAN, &[]).await?;
    let ran: Vec<Vec<u8>> = ran.iter().map(|row| row.get(0)).collect();
    for (number, migration) in (ran.len() + 1..).zip(migration::pending(MIGRATIONS, &ran).map_err(Failure::Unusable)?) {
        for statement in migration.sql.split(";\n") {
            transaction.batch_execute(statement).await?;
        }
        let sql = "insert into schema_migration (number, name, sha256) values ($1, $2, $3)";
        let hash = migration.sha256();
        transaction.execute(sql, &[&(number as i64), &migration.name, &hash.as_slice()]).await?;
    }
    transaction.commit().await?;
    Ok(())
}
