//! What the driver says, as what the reader of the error can do about it.

use tokio_postgres::error::SqlState;

use crate::Error;

/// Whether the whole transaction is to be run again: a serialization failure or a deadlock.
pub(super) fn wants_retry(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(code) if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}

/// Whether it is unknown what became of the statement: the connection is gone, or the server is going.
pub(super) fn lost(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        None => true,
        // Class 08: connection exception. Class 57P: the operator intervened. 25006: this server only reads now.
        Some(code) => {
            code.code().starts_with("08")
                || code.code().starts_with("57P")
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
        }
    }
}

pub(super) fn of(error: tokio_postgres::Error) -> Error {
    if wants_retry(&error) {
        return Error::Busy;
    }
    if lost(&error) {
        return Error::Away(Box::new(error));
    }
    // Class 53: insufficient resources, a full disk among them.
    if error.code().is_some_and(|code| code.code().starts_with("53")) {
        return Error::Storage(Box::new(error));
    }
    Error::Engine(Box::new(error))
}

pub(super) fn of_pool(error: deadpool_postgres::PoolError) -> Error {
    Error::Away(Box::new(error))
}
