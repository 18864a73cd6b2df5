//! Rows, and the directory's types that they stand for.

use roster_directory::{
    KeyId, MessageId, Organization, OrganizationId, Payor, PayorId, Role, Timestamp, User, UserId,
    change::MessageKind,
    credential::{Day, RecertificationDate},
    key::{Key, KeyHash},
    user::Demographics,
};
use rusqlite::{Row, types::Type};

use crate::{Owed, Remembered};

/// The columns [`user`] reads, in its order.
macro_rules! user_columns {
    () => {
        "id, first_name, last_name, email, role, phone, npi, sms, recertify_at, recertify_day, created_at, sex, \
         caregiver, birth_date, address_line1, address_line2, city, state, postal_code"
    };
}
pub(super) use user_columns;

/// Reads a stored text as the type it was checked as. What does not parse was not written by Roster.
fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| corrupt(column))
}

fn parsed_if_set<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_str_or_null()? {
        Some(text) => parse(text).map(Some).ok_or_else(|| corrupt(column)),
        None => Ok(None),
    }
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

/// A user's `user_columns!`.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let recertification = match (timestamp_if_set(row, 8)?, parsed_if_set(row, 9, |text| Day::parse(text).ok())?) {
        (Some(at), Some(day)) => Some(RecertificationDate::from_parts(at, day)),
        _ => None,
    };
    let line = |column| parsed_if_set(row, column, |text| text.parse().ok());
    Ok(User {
        id: parsed(row, 0, UserId::parse)?,
        first_name: parsed(row, 1, |text| text.parse().ok())?,
        last_name: parsed(row, 2, |text| text.parse().ok())?,
        email: parsed_if_set(row, 3, |text| text.parse().ok())?,
        role: role(row, 4)?,
        phone: parsed_if_set(row, 5, |text| text.parse().ok())?,
        npi: parsed_if_set(row, 6, |text| text.parse().ok())?,
        should_send_sms: row.get(7)?,
        recertification,
        demographics: Demographics {
            sex: line(11)?,
            caregiver: parsed_if_set(row, 12, UserId::parse)?,
            birth_date: parsed_if_set(row, 13, |text| Day::parse(text).ok())?,
            address_line1: line(14)?,
            address_line2: line(15)?,
            city: line(16)?,
            state: line(17)?,
            postal_code: line(18)?,
        },
        created_at: timestamp(row, 10)?,
    })
}
