//! Users as lists show them, kept where they were read before.
//!
//! Finding each row, taking it apart and checking it was more than a third of a list's instructions. Who turns pages reads
//! the same ones again and again.

use std::sync::Arc;

use quick_cache::sync::Cache;
use roster_directory::user::Profile;
use rusqlite::CachedStatement;

use super::{readers::Reader, rows};
use crate::{Epoch, Error, rows::profile_columns};

/// Users that are kept: some ten megabytes, where they are many.
const KEPT: usize = 16_384;

/// By place, each right under one epoch.
pub(super) struct Profiles(Cache<i64, (Epoch, Arc<Profile>)>);

impl Default for Profiles {
    fn default() -> Self {
        Self(Cache::new(KEPT))
    }
}

/// The users at one moment of the database.
pub(super) struct Shown<'a> {
    profiles: &'a Profiles,
    epoch: Epoch,
    statement: CachedStatement<'a>,
}

impl<'a> Shown<'a> {
    /// To be called within [`Reader::at_one_moment`].
    pub(super) fn now(reader: &'a Reader) -> Result<Self, Error> {
        let number: i64 = reader.prepare("select number from epoch")?.query_row([], |row| row.get(0))?;
        let sql = concat!("select ", profile_columns!(), " from users where place = ?1");
        Ok(Self { profiles: reader.profiles(), epoch: Epoch(number as u64), statement: reader.prepare(sql)? })
    }

    /// The user at a place where there is one.
    pub(super) fn at(&mut self, place: i64) -> Result<Arc<Profile>, Error> {
        if let Some((epoch, profile)) = self.profiles.0.get(&place)
            && epoch == self.epoch
        {
            return Ok(profile);
        }
        let profile = Arc::new(self.statement.query_row([place], rows::profile)?);
        self.profiles.0.insert(place, (self.epoch, profile.clone()));
        Ok(profile)
    }

    /// The users at these places.
    pub(super) fn all(&mut self, places: &[i64]) -> Result<Vec<Arc<Profile>>, Error> {
        places.iter().map(|place| self.at(*place)).collect()
    }
}
