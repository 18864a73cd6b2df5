//! Opening the file, and bringing its schema up to this binary's.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, config::DbConfig, params};

use super::emails;
use crate::{
    Error,
    migration::{self, Migration},
};

/// Marks the file as Roster's (SQLite's `application_id`; "ROST" in ASCII).
const APPLICATION_ID: i32 = 0x524f_5354;

/// How long a process that starts waits for another that holds the file.
const LOCK_WAIT: Duration = Duration::from_secs(5);

const MIGRATIONS: &[Migration] = &[
    Migration { name: "0001_directory.sql", sql: include_str!("../../migrations/sqlite/0001_directory.sql") },
    Migration { name: "0002_delivery.sql", sql: include_str!("../../migrations/sqlite/0002_delivery.sql") },
    Migration { name: "0003_search.sql", sql: include_str!("../../migrations/sqlite/0003_search.sql") },
    Migration { name: "0004_role_chunk.sql", sql: include_str!("../../migrations/sqlite/0004_role_chunk.sql") },
    Migration { name: "0005_email.sql", sql: include_str!("../../migrations/sqlite/0005_email.sql") },
    Migration { name: "0006_by_id.sql", sql: include_str!("../../migrations/sqlite/0006_by_id.sql") },
    Migration { name: "0007_email_round.sql", sql: include_str!("../../migrations/sqlite/0007_email_round.sql") },
    Migration { name: "0008_fold.sql", sql: include_str!("../../migrations/sqlite/0008_fold.sql") },
    Migration { name: "0009_old_secrets.sql", sql: include_str!("../../migrations/sqlite/0009_old_secrets.sql") },
    Migration { name: "0010_accepted.sql", sql: include_str!("../../migrations/sqlite/0010_accepted.sql") },
    Migration { name: "0011_country.sql", sql: include_str!("../../migrations/sqlite/0011_country.sql") },
    Migration { name: "0012_clock.sql", sql: include_str!("../../migrations/sqlite/0012_clock.sql") },
    Migration { name: "0013_change.sql", sql: include_str!("../../migrations/sqlite/0013_change.sql") },
    Migration { name: "0014_keys.sql", sql: include_str!("../../migrations/sqlite/0014_keys.sql") },
];

/// The writer's connection: makes the file if there is none, readable by its owner only.
pub(super) fn open(path: &Path) -> Result<Connection, Error> {
    make_private(path)
        .map_err(|error| Error::Unusable(format!("cannot open the database file {}: {error}", path.display())))?;
    let connection = connect(path, LOCK_WAIT)?;

    // The first look into the file.
    let tables = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get::<_, i64>(0));
    let tables = tables.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::Unusable(format!("{} is not an SQLite database", path.display())),
        _ => error.into(),
    })?;
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application_id != APPLICATION_ID && tables > 0 {
        return Err(Error::Unusable(format!("{} is another program's SQLite database", path.display())));
    }

    // KiB. Enough for the inner pages of ten million users. With four times as many, a tenth of a create on a small
    // database was SQLite going through all of them: it does after a commit that split an index's page.
    connection.pragma_update(None, "cache_size", -8 * 1024)?;
    // What is erased is overwritten, and not only forgotten.
    connection.pragma_update(None, "secure_delete", true)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    let synchronous: i64 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
    if (mode.as_str(), synchronous) != ("wal", 2) {
        return Err(Error::Unusable(format!(
            "{} cannot be used durably here: SQLite answers journal_mode={mode}, synchronous={synchronous} where wal \
             and 2 are needed; is it on a network file system?",
            path.display()
        )));
    }
    Ok(connection)
}

/// A connection that can only read, and waits so long for whoever holds the whole file.
pub(super) fn open_reader(path: &Path, wait: Duration) -> Result<Connection, Error> {
    let connection = connect(path, wait)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -8 * 1024)?; // KiB
    Ok(connection)
}

/// A connection that can only read, to a database that is just as this binary would have it.
pub(super) fn open_unchanged(path: &Path) -> Result<Connection, Error> {
    if !path.exists() {
        return Err(Error::Unusable(format!("there is no file {}", path.display())));
    }
    let connection = connect(path, LOCK_WAIT)?;
    // The first look into the file.
    let ran = connection.prepare(RAN).and_then(|mut ran| ran.query_map([], |row| row.get(0))?.collect());
    let ran: Vec<Vec<u8>> = ran.map_err(|error: rusqlite::Error| match error.sqlite_error_code() {
        // No such table, or no such thing.
        Some(ErrorCode::Unknown | ErrorCode::NotADatabase) => {
            Error::Unusable(format!("{} is no database of Roster's", path.display()))
        }
        _ => error.into(),
    })?;
    connection.pragma_update(None, "query_only", true)?;
    migration::must_be_current(MIGRATIONS, &ran)?;
    Ok(connection)
}

const RAN: &str = "select sha256 from schema_migration order by number";

fn connect(path: &Path, wait: Duration) -> Result<Connection, Error> {
    // No mutex: a connection is never used by two threads at once. No URI: a path is a path.
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(wait)?;
    keep_temporary_files_beside(path, &connection);
    connection.set_prepared_statement_cache_capacity(64);
    // A statement is prepared once. Without this SQLite prepares it again whenever a parameter that its plan might
    // depend on is bound to another value: that was a third of a list and a quarter of a lone create.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// What SQLite sorts and has no room for in memory goes into files without a name beside the database: a folder for
/// temporary files may be missing (a container whose root is read-only), or be smaller, or be others'. The setting is the
/// process's; where it is refused, SQLite looks for a folder by itself.
fn keep_temporary_files_beside(path: &Path, connection: &Connection) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Err(error) = connection.pragma_update(None, "temp_store_directory", folder.to_str()) {
        tracing::debug!(%error, "temporary files are not kept beside the database");
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Runs what has not run yet, all of it or nothing. Of two processes at once, one runs it and the other waits.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), Error> {
    emails::teach(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "create table if not exists schema_migration (
             number     integer primary key,
             name       text not null,
             sha256     blob not null
         ) strict",
    )?;
    let ran = transaction.prepare(RAN)?.query_map([], |row| row.get(0))?.collect::<Result<Vec<Vec<u8>>, _>>()?;
    for (number, migration) in (ran.len() + 1..).zip(migration::pending(MIGRATIONS, &ran)?) {
        transaction.execute_batch(migration.sql)?;
        transaction.execute(
            "insert into schema_migration (number, name, sha256) values (?1, ?2, ?3)",
            params![number as i64, migration.name, migration.sha256()],
        )?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.commit()?;
    Ok(())
}
