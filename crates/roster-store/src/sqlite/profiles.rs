//! Users as lists show them, kept where they were read before.
//!
//! Finding each row, taking it apart and checking it was more than a third of a list's instructions. Who turns pages reads
//! the same ones again and again.

use std::sync::Arc;

use quick_cache::sync::Cache;
use rusqlite::CachedStatement;

use super::{readers::Reader, rows};
use crate::{Epoch, Error, Listed, rows::profile_columns};

/// Users that are kept: some ten megabytes, where they are many.
const KEPT: usize = 16_384;

/// By place, each right under one epoch.
pub(super) struct Profiles(Cache<i64, (Epoch, Arc<Listed>)>);

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
    /// Under the epoch of this moment: to be called within [`Reader::at_one_moment`].
    pub(super) fn under(epoch: Epoch, reader: &'a Reader) -> Result<Self, Error> {
        let sql = concat!("select ", profile_columns!(), " from users where place = ?1");
        Ok(Self { profiles: reader.profiles(), epoch, statement: reader.prepare(sql)? })
    }

    /// The user at a place where there is one.
    pub(super) fn at(&mut self, place: i64) -> Result<Arc<Listed>, Error> {
        if let Some((epoch, profile)) = self.profiles.0.get(&place)
            && epoch == self.epoch
        {
            return Ok(profile);
        }
        let profile = Arc::new(Listed::from(self.statement.query_row([place], rows::profile)?));
        self.profiles.0.insert(place, (self.epoch, profile.clone()));
        Ok(profile)
    }

    /// The users at these places.
    pub(super) fn all(&mut self, places: &[i64]) -> Result<Vec<Arc<Listed>>, Error> {
        places.iter().map(|place| self.at(*place)).collect()
    }
}
