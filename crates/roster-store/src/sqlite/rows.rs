//! Rows, and the directory's types that they stand for.

use roster_directory::{
    KeyId, MessageId, Organization, OrganizationId, Payor, PayorId, Role, Timestamp, User, UserId,
    change::MessageKind,
    key::{Key, KeyHash},
};
use rusqlite::{Row, types::Type};

use crate::{Owed, Remembered, rows::StoredUser};

/// Reads a stored text as the type it was checked as. What does not parse was not written by Roster.
fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| corrupt(column))
}

fn corrupt(column: usize) -> rusqlite::Error {
    let why = "a stored value does not have its form: was the file changed by hand?";
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

fn role(row: &Row<'_>, column: usize) -> rusqlite::Result<Role> {
    Role::from_number(row.get(column)?).ok_or_else(|| corrupt(column))
}

fn timestamp(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

fn timestamp_if_set(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// An organization's `id, name, created_at`, from column `at` on.
pub(super) fn organization_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Organization> {
    Ok(Organization {
        id: parsed(row, at, OrganizationId::parse)?,
        name: parsed(row, at + 1, |text| text.parse().ok())?,
        created_at: timestamp(row, at + 2)?,
    })
}

/// A payor's `id, name, created_at`.
pub(super) fn payor(row: &Row<'_>) -> rusqlite::Result<Payor> {
    Ok(Payor {
        id: parsed(row, 0, PayorId::parse)?,
        name: parsed(row, 1, |text| text.parse().ok())?,
        created_at: timestamp(row, 2)?,
    })
}

/// A key's `id, role, name, hash, created_at, expires_at, revoked_at`.
pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: parsed(row, 0, KeyId::parse)?,
        role: role(row, 1)?,
        name: parsed(row, 2, |text| text.parse().ok())?,
        hash: KeyHash::from_bytes(row.get(3)?),
        created_at: timestamp(row, 4)?,
        expires_at: timestamp_if_set(row, 5)?,
        revoked_at: timestamp_if_set(row, 6)?,
    })
}

/// A message's `id`, its organization's id, `kind, user, created_at`.
pub(super) fn owed(row: &Row<'_>) -> rusqlite::Result<Owed> {
    Ok(Owed {
        id: parsed(row, 0, MessageId::parse)?,
        organization: parsed(row, 1, OrganizationId::parse)?,
        kind: parsed(row, 2, MessageKind::parse)?,
        user: parsed(row, 3, UserId::parse)?,
        at: timestamp(row, 4)?,
    })
}

/// An audit entry's `at, actor, action, target, fields, request`.
pub(super) fn remembered(row: &Row<'_>) -> rusqlite::Result<Remembered> {
    Ok(Remembered {
        at: timestamp(row, 0)?,
        actor: row.get(1)?,
        action: row.get(2)?,
        target: row.get(3)?,
        fields: row.get(4)?,
        request: row.get(5)?,
    })
}

/// A user's `user_columns!`, and then its `created_at`.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?));
    let text_if_set = |column| row.get_ref(column).and_then(|value| Ok(value.as_str_or_null()?));
    let stored = StoredUser {
        id: text(0)?,
        first_name: text(1)?,
        last_name: text(2)?,
        email: text_if_set(3)?,
        role: row.get(4)?,
        phone: text_if_set(5)?,
        npi: text_if_set(6)?,
        sms: row.get(7)?,
        recertify_at: row.get(8)?,
        recertify_day: text_if_set(9)?,
        sex: text_if_set(10)?,
        caregiver: text_if_set(11)?,
        birth_date: text_if_set(12)?,
        address_line1: text_if_set(13)?,
        address_line2: text_if_set(14)?,
        city: text_if_set(15)?,
        state: text_if_set(16)?,
        postal_code: text_if_set(17)?,
        created_at: row.get(18)?,
    };
    stored.parse().ok_or_else(|| corrupt(0))
}
