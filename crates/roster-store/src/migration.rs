//! Which schema a database has, and how it gets this binary's.
//!
//! Numbered SQL, forward only, never edited once released: the SHA-256 of what was run is stored beside its number.

use crate::Error;

/// One step.
pub(crate) struct Migration {
    /// Its file, which starts with its number.
    pub(crate) name: &'static str,
    /// Its statements.
    pub(crate) sql: &'static str,
}

impl Migration {
    /// What is kept of it.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        use sha2::Digest;
        sha2::Sha256::digest(self.sql.as_bytes()).into()
    }
}

/// Which of `known` are still to run, given the hashes of those that ran, in order.
pub(crate) fn pending<'a>(known: &'a [Migration], ran: &[Vec<u8>]) -> Result<&'a [Migration], Error> {
    if ran.len() > known.len() {
        return Err(Error::Unusable(format!(
            "the database has schema {}, and this Roster ({}) knows schemas up to {}: start the newer Roster it was \
             last used with",
            ran.len(),
            env!("CARGO_PKG_VERSION"),
            known.len()
        )));
    }
    for (migration, hash) in known.iter().zip(ran) {
        if migration.sha256().as_slice() != hash {
            return Err(Error::Unusable(format!(
                "the database was made by another build of migration {}: this Roster cannot tell what it contains",
                migration.name
            )));
        }
    }
    Ok(&known[ran.len()..])
}

/// Whether all of `known` ran, and nothing else.
pub(crate) fn must_be_current(known: &[Migration], ran: &[Vec<u8>]) -> Result<(), Error> {
    match pending(known, ran)? {
        [] => Ok(()),
        [next, ..] => Err(Error::Unusable(format!(
            "its schema is older than this Roster ({}): migration {} has not run. Any command of this Roster on it, as \
             roster org list, brings it up to date",
            env!("CARGO_PKG_VERSION"),
            next.name
        ))),
    }
}
