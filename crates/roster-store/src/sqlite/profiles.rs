//! Users as lists show them, kept where they were read before.
//!
//! Finding each row, taking it apart and checking it was more than a third of a list's instructions. Who turns pages reads
//! the same ones again and again.

use std::sync::Arc;

use quick_cache::sync::Cache;
use rusqlite::CachedStatement;

use super::readers::Reader;
use crate::{
    Error, Listed,
    altered::Alterations,
    records::user::{self, profile_columns},
};

/// Users that are kept: some ten megabytes, where they are many.
const KEPT: usize = 16_384;

/// By place. Whoever is altered is dropped.
pub(super) struct Profiles {
    kept: Cache<i64, Arc<Listed>>,
    alterations: Arc<Alterations>,
}

impl Profiles {
    pub(super) fn new(alterations: Arc<Alterations>) -> Self {
        Self { kept: Cache::new(KEPT), alterations }
    }

    /// The user at this place was altered.
    pub(super) fn forget(&self, place: i64) {
        self.kept.remove(&place);
    }

    /// Anybody may have been altered.
    pub(super) fn forget_all(&self) {
        self.kept.clear();
    }
}

/// The users at one moment of the database.
pub(super) struct Shown<'a> {
    profiles: &'a Profiles,
    /// Whether what is kept is of this moment.
    keeps: bool,
    altered: i64,
    statement: CachedStatement<'a>,
}

impl<'a> Shown<'a> {
    /// At this moment, before which so many users were altered: to be called within [`Reader::at_one_moment`].
    pub(super) fn after(altered: i64, reader: &'a Reader) -> Result<Self, Error> {
        let sql = concat!("select ", profile_columns!(), " from users where place = ?1");
        let profiles = reader.profiles();
        let keeps = altered == profiles.alterations.told();
        Ok(Self { profiles, keeps, altered, statement: reader.prepare(sql)? })
    }

    /// The user at a place where there is one.
    pub(super) fn at(&mut self, place: i64) -> Result<Arc<Listed>, Error> {
        if self.keeps
            && let Some(profile) = self.profiles.kept.get(&place)
            // Whoever was altered since may have been kept anew.
            && self.altered == self.profiles.alterations.told()
        {
            return Ok(profile);
        }
        let profile = Arc::new(Listed::from(self.statement.query_row([place], |row| user::profile(row))?));
        if self.keeps {
            self.profiles.kept.insert(place, profile.clone());
            if self.altered != self.profiles.alterations.told() {
                self.keeps = false;
                self.profiles.forget(place);
            }
        }
        Ok(profile)
    }

    /// The users at these places.
    pub(super) fn all(&mut self, places: &[i64]) -> Result<Vec<Arc<Listed>>, Error> {
        places.iter().map(|place| self.at(*place)).collect()
    }
}
