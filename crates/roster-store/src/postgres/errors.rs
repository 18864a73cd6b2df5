//! What the driver says, as what the reader of the error can do about it.

use std::{error::Error as StdError, fmt};

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use super::connect::CONNECT_WAIT;
use crate::{Error, error::chain};

/// Whether the whole transaction is to be run again: a serialization failure or a deadlock.
pub(super) fn wants_retry(error: &tokio_postgres::Error) -> bool {
    is_one_of(error, &[SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED])
}

/// Whether what became of the statement is unknown: nothing was answered, or by somebody in between, or by a server that
/// crashed, which may have been after the commit. Any other error is the server's word that it has undone the statement.
pub(super) fn leaves_open(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return true };
    // Class 08: connection exception, of a pooler for one.
    code.code().starts_with("08")
        || [SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN /* how CockroachDB says so */, SqlState::CRASH_SHUTDOWN]
            .contains(code)
}

/// Whether the connection is of no more use: it is gone, or the server is going, or takes no changes (any more).
pub(super) fn lost(error: &tokio_postgres::Error) -> bool {
    let intervened = |code: &SqlState| code.code().starts_with("57P"); // the operator, or the server itself
    leaves_open(error)
        || error.code().is_some_and(intervened)
        || is_one_of(error, &[SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, SqlState::READ_ONLY_SQL_TRANSACTION])
}

/// Whether a row of the same key is there.
pub(super) fn is_there_already(error: &tokio_postgres::Error) -> bool {
    is_one_of(error, &[SqlState::UNIQUE_VIOLATION])
}

/// Whether the server, or the role, has as many connections as it may have.
pub(super) fn has_no_room(error: &tokio_postgres::Error) -> bool {
    is_one_of(error, &[SqlState::TOO_MANY_CONNECTIONS])
}

/// Whether a statement that was prepared is not there, or one that was not is there: a pooler has given the connection to
/// somebody else meanwhile.
pub(super) fn is_pooled(error: &tokio_postgres::Error) -> bool {
    is_one_of(error, &[SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT])
}

fn is_one_of(error: &tokio_postgres::Error, codes: &[SqlState]) -> bool {
    error.code().is_some_and(|code| codes.contains(code))
}

pub(super) fn of(error: tokio_postgres::Error) -> Error {
    let error = &error;
    // The operator's own limits, `statement_timeout` and `lock_timeout`, are as good as ours.
    if wants_retry(error) || is_one_of(error, &[SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE]) {
        return Error::Busy;
    }
    if is_pooled(error) {
        return Error::Pooled;
    }
    match error.as_db_error().filter(|_| is_there_already(error)).and_then(|error| error.constraint()) {
        Some("users_by_email") => return Error::EmailTaken,
        Some("users_by_external_id") => return Error::ExternalIdTaken,
        Some("repeat_once") => return Error::Answered,
        _ => {}
    }
    let said = Box::new(Said::of(error));
    if lost(error) {
        return Error::Away(said);
    }
    match error.code() {
        // Class 53: insufficient resources, a full disk among them.
        Some(code) if code.code().starts_with("53") => Error::Storage(said),
        _ => Error::Engine(said),
    }
}

pub(super) fn of_pool(error: PoolError) -> Error {
    let said = match &error {
        PoolError::Timeout(TimeoutType::Wait) => return Error::Busy,
        PoolError::Timeout(_) => Said(format!("no server took a connection within {CONNECT_WAIT:?}")),
        PoolError::Backend(error) => Said::of(error),
        other => Said(other.to_string()),
    };
    Error::Away(Box::new(said))
}

/// What the driver or the server said, without the server's DETAIL: that quotes rows, and rows are people.
#[derive(Debug)]
struct Said(String);

impl Said {
    fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(error) = error.as_db_error() {
            return Self(format!("{} ({})", error.message(), error.code().code()));
        }
        Self(chain(error).to_string())
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Said {}
