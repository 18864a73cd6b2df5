//! Where an organization's rows lie: one integer key, led by the organization.

use std::ops::RangeInclusive;

use roster_directory::{OrganizationId, RoleSet, UserId};
use rusqlite::{
    Connection, OptionalExtension, ToSql, params,
    types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef},
};

use super::readers::Reader;
use crate::{Error, bucket::Bucket};

/// Bits of a place that count within the organization: 68 thousand million users, and 134 million organizations.
const ORDINAL_BITS: u32 = 36;

/// The number an organization has inside this file. From 1; never reused, never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OrganizationNumber(i64);

impl OrganizationNumber {
    /// The place of the `ordinal`-th thing of the organization, from 0.
    pub(super) fn place(self, ordinal: i64) -> i64 {
        debug_assert!((0..1 << ORDINAL_BITS).contains(&ordinal));
        (self.0 << ORDINAL_BITS) + ordinal
    }

    /// The number, where something is to be computed of it.
    pub(super) fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    /// The ordinal of a place of this organization.
    pub(super) fn ordinal(self, place: i64) -> i64 {
        place - (self.0 << ORDINAL_BITS)
    }

    /// All places of the organization.
    pub(super) fn places(self) -> RangeInclusive<i64> {
        self.place(0)..=self.place((1 << ORDINAL_BITS) - 1)
    }
}

impl ToSql for OrganizationNumber {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for OrganizationNumber {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self)
    }
}

/// The number of the organization with this id.
pub(super) fn number_of(connection: &Connection, id: OrganizationId) -> Result<Option<OrganizationNumber>, Error> {
    let mut statement = connection.prepare_cached("select number from organization where id = ?1")?;
    Ok(statement.query_row([id.as_str()], |row| row.get(0)).optional()?)
}

/// The place of the user with this id.
pub(super) fn of_user(reader: &Reader, number: OrganizationNumber, id: UserId) -> Result<Option<i64>, Error> {
    let mut statement = reader.prepare("select place from users where organization = ?1 and id = ?2")?;
    Ok(statement.query_row(params![number, id.as_str()], |row| row.get(0)).optional()?)
}

/// The place of the user whom the page comes after. One who may not be seen is as unknown as one who never was.
pub(super) fn of_cursor(reader: &Reader, number: OrganizationNumber, id: UserId, seen: RoleSet) -> Result<i64, Error> {
    let mut statement = reader.prepare("select place, bucket from users where organization = ?1 and id = ?2")?;
    let found = statement.query_row(params![number, id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let seen =
        found.filter(|(_, bucket)| Bucket::from_number(*bucket).is_some_and(|bucket| seen.contains(bucket.role())));
    seen.map(|(place, _)| place).ok_or(Error::NoSuchCursor)
}
