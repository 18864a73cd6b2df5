//! A server over a database of its own, ready to be loaded.

use std::path::PathBuf;

use anyhow::Context;
use roster_directory::Role;

use crate::{
    load::{self, Asker, Outcome, Plan},
    seed,
    server::{Roster, Server, target_folder},
};

/// What every measurement needs.
pub(crate) struct Bench {
    pub(crate) roster: Roster,
    /// On the disk that is measured, and kept.
    pub(crate) folder: PathBuf,
}

impl Bench {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let folder = target_folder()?.join("bench-data");
        std::fs::create_dir_all(&folder)?;
        Ok(Self { roster: Roster::built()?, folder })
    }

    /// A folder that goes when it is dropped.
    pub(crate) fn temporary_folder(&self) -> anyhow::Result<tempfile::TempDir> {
        Ok(tempfile::Builder::new().prefix("run-").tempdir_in(&self.folder)?)
    }

    /// A database of so many users, and a server over it.
    pub(crate) fn site(&self, users: u64, flags: &[String]) -> anyhow::Result<Site> {
        let ground = self.ground(users)?;
        let server = self.roster.serve(&ground.database, flags)?;
        Ok(Site { server, ground })
    }

    /// A copy of the database of so many users, or a new one with an organization in it.
    pub(crate) fn ground(&self, users: u64) -> anyhow::Result<Ground> {
        self.ground_of(users, 1)
    }

    /// The same of users in so many organizations. The keys are to the first.
    pub(crate) fn ground_of(&self, users: u64, organizations: u64) -> anyhow::Result<Ground> {
        let folder = self.temporary_folder()?;
        let database = folder.path().join("roster.db");
        let org = if users == 0 {
            self.roster.last_word(&database, &["org", "create", "Bench Organization"])?
        } else {
            seed::copy(&seed::database(&self.folder, users, organizations)?, &database)?;
            seed::organization(0).to_string()
        };
        let key = self.roster.key(&database, &org, Role::Admin.as_str())?;
        let clinician_key = self.roster.key(&database, &org, Role::Clinician.as_str())?;
        Ok(Ground { users, database, key, clinician_key, _folder: folder })
    }
}

/// A database that can be written to, and keys to it.
pub(crate) struct Ground {
    pub(crate) users: u64,
    pub(crate) database: PathBuf,
    pub(crate) key: String,
    /// Of a role that may not read everybody.
    pub(crate) clinician_key: String,
    _folder: tempfile::TempDir,
}

/// A server over it.
pub(crate) struct Site {
    pub(crate) server: Server,
    pub(crate) ground: Ground,
}

impl Site {
    pub(crate) fn load(&self, plan: &Plan, ask: &mut Asker<'_>) -> anyhow::Result<Outcome> {
        load::run(plan, self.server.address, self.server.pid(), ask)
    }

    /// The number that `field` of the pagination has in the answer to `query`.
    pub(crate) fn pagination(&self, key: &str, query: &str, field: &str) -> anyhow::Result<u64> {
        let body = self.server.body_of(key, &format!("/api/v1/users?{query}"))?;
        let (_, after) = body.rsplit_once(&format!("\"{field}\":")).context("a list has a pagination")?;
        let digits = after.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().context("it is a number")
    }

    /// Stops the server, which must not have complained. What it served is left.
    pub(crate) fn stop(self) -> anyhow::Result<Ground> {
        self.server.stop()?;
        Ok(self.ground)
    }
}
