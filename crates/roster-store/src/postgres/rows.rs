//! Rows, and the directory's types that they stand for.

use roster_directory::{
    KeyId, Organization, OrganizationId, Payor, PayorId, Role, Timestamp, User,
    key::{Key, KeyHash},
};
use tokio_postgres::Row;

use super::place;
use crate::{Error, Remembered, rows::StoredUser};

/// Reads a stored text as the type it was checked as. What does not parse was not written by Roster.
pub(super) fn parsed<T>(row: &Row, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
    parse(row.get(column)).ok_or_else(corrupt)
}

fn corrupt() -> Error {
    Error::Unusable("a stored value does not have its form: was the database changed by hand?".to_owned())
}

fn timestamp(row: &Row, column: usize) -> Timestamp {
    Timestamp::from_millis(row.get(column))
}

fn timestamp_if_set(row: &Row, column: usize) -> Option<Timestamp> {
    row.get::<_, Option<i64>>(column).map(Timestamp::from_millis)
}

fn role_number(row: &Row, column: usize) -> Result<u8, Error> {
    u8::try_from(row.get::<_, i16>(column)).map_err(|_| corrupt())
}

/// An organization's `id, name, created_at`, from column `at` on.
pub(super) fn organization_at(row: &Row, at: usize) -> Result<Organization, Error> {
    Ok(Organization {
        id: parsed(row, at, OrganizationId::parse)?,
        name: parsed(row, at + 1, |text| text.parse().ok())?,
        created_at: timestamp(row, at + 2),
    })
}

/// A payor's `id, name, created_at`.
pub(super) fn payor(row: &Row) -> Result<Payor, Error> {
    Ok(Payor {
        id: parsed(row, 0, PayorId::parse)?,
        name: parsed(row, 1, |text| text.parse().ok())?,
        created_at: timestamp(row, 2),
    })
}

/// A key's `id, role, name, hash, created_at, expires_at, revoked_at`.
pub(super) fn key(row: &Row) -> Result<Key, Error> {
    Ok(Key {
        id: parsed(row, 0, KeyId::parse)?,
        role: Role::from_number(role_number(row, 1)?).ok_or_else(corrupt)?,
        name: parsed(row, 2, |text| text.parse().ok())?,
        hash: KeyHash::from_bytes(row.get::<_, &[u8]>(3).try_into().map_err(|_| corrupt())?),
        created_at: timestamp(row, 4),
        expires_at: timestamp_if_set(row, 5),
        revoked_at: timestamp_if_set(row, 6),
    })
}

/// An audit entry's `place, actor, action, target, fields, request`.
pub(super) fn remembered(row: &Row) -> Remembered {
    Remembered {
        at: place::moment(row.get(0)),
        actor: row.get(1),
        action: row.get(2),
        target: row.get(3),
        fields: row.get(4),
        request: row.get(5),
    }
}

/// A user's `user_columns!`, and then its `place`.
pub(super) fn user(row: &Row) -> Result<User, Error> {
    let stored = StoredUser {
        id: row.get(0),
        first_name: row.get(1),
        last_name: row.get(2),
        email: row.get(3),
        role: role_number(row, 4)?,
        phone: row.get(5),
        npi: row.get(6),
        sms: row.get(7),
        recertify_at: row.get(8),
        recertify_day: row.get(9),
        sex: row.get(10),
        caregiver: row.get(11),
        birth_date: row.get(12),
        address_line1: row.get(13),
        address_line2: row.get(14),
        city: row.get(15),
        state: row.get(16),
        postal_code: row.get(17),
        created_at: place::moment(row.get(18)).as_millis(),
    };
    stored.parse().ok_or_else(corrupt)
}
