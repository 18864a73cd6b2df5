//! Rows, and the directory's types that they stand for.

use roster_directory::{
    KeyId, Message, MessageId, Organization, OrganizationId, Payor, PayorId, Role, Timestamp, User, Webhook, WebhookId,
    audit::{Action, Roles},
    key::{Access, Key, KeyHash},
    organization::TimeZone,
    outbox::{self, Attempt, Content, Kind, Outcome},
    repeat::Answered,
    sms::{Consent, ConsentWording, Setting},
};
use tokio_postgres::Row;

use super::place;
use crate::{
    Error, Remembered,
    outbox::{Backlog, BusyWebhook, Claimed, Event, Stop, StoredMessage, VersionedSetting},
    records::{
        Source,
        user::{self, USER_COLUMNS},
    },
    rows::StoredWebhook,
};

/// Reads a stored text as the type it was checked as. What does not parse was not written by Roster.
pub(super) fn parsed<T>(row: &Row, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Error> {
    parse(row.get(column)).ok_or_else(corrupt)
}

fn parsed_if_set<T>(row: &Row, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Error> {
    row.get::<_, Option<&str>>(column).map(|text| parse(text).ok_or_else(corrupt)).transpose()
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

fn small(row: &Row, column: usize) -> Result<u8, Error> {
    u8::try_from(row.get::<_, i16>(column)).map_err(|_| corrupt())
}

/// An organization's `id, name, country, time_zone, created_at`, from column `at` on.
pub(super) fn organization_at(row: &Row, at: usize) -> Result<Organization, Error> {
    Ok(Organization {
        id: parsed(row, at, OrganizationId::parse)?,
        name: parsed(row, at + 1, |text| text.parse().ok())?,
        country: parsed(row, at + 2, |text| text.parse().ok())?,
        time_zone: parsed(row, at + 3, |text| Some(TimeZone::from_stored(text)))?,
        created_at: timestamp(row, at + 4),
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

/// A key's `key_columns!`.
pub(super) fn key(row: &Row) -> Result<Key, Error> {
    Ok(Key {
        id: parsed(row, 0, KeyId::parse)?,
        role: Role::from_number(small(row, 1)?).ok_or_else(corrupt)?,
        name: parsed(row, 2, |text| text.parse().ok())?,
        hash: KeyHash::from_bytes(row.get::<_, &[u8]>(3).try_into().map_err(|_| corrupt())?),
        created_at: timestamp(row, 4),
        expires_at: timestamp_if_set(row, 5),
        revoked_at: timestamp_if_set(row, 6),
        access: Access::from_number(small(row, 7)?).ok_or_else(corrupt)?,
        created_by: row.get(8),
        replaces: parsed_if_set(row, 9, KeyId::parse)?,
        last_used_at: timestamp_if_set(row, 10),
    })
}

/// A webhook's `webhook_columns!`.
pub(super) fn webhook(row: &Row) -> Result<Webhook, Error> {
    let stored = StoredWebhook {
        id: row.get(0),
        url: row.get(1),
        description: row.get(2),
        events: row.get(3),
        state: small(row, 4)?,
        secret: row.get(5),
        old_secrets: row.get(6),
        created_at: row.get(7),
        heard_to: row.get(8),
    };
    stored.parse().ok_or_else(corrupt)
}

/// A webhook's `webhook_columns!`, its organization's id, whether it is behind, and how much it is owed.
pub(super) fn busy_webhook(row: &Row) -> Result<BusyWebhook, Error> {
    Ok(BusyWebhook {
        webhook: webhook(row)?,
        organization: parsed(row, 9, OrganizationId::parse)?,
        is_behind: row.get(10),
        owed: row.get::<_, i64>(11) as u64,
    })
}

/// A message's `message_columns!`, its organization's id, and its place.
fn message(row: &Row) -> Result<(OrganizationId, Message, outbox::State, u32), Error> {
    let webhook = row.get::<_, Option<&str>>(3);
    let webhook = webhook.map(|id| WebhookId::parse(id).ok_or_else(corrupt)).transpose()?;
    let kind = parsed(row, 1, Kind::parse)?;
    let message = Message {
        id: parsed(row, 0, MessageId::parse)?,
        content: Content::from_parts(kind, row.get(2), webhook).ok_or_else(corrupt)?,
        at: place::moment(row.get(7)),
    };
    let state = outbox::State::from_number(small(row, 4)?).ok_or_else(corrupt)?;
    Ok((parsed(row, 6, OrganizationId::parse)?, message, state, row.get::<_, i32>(5) as u32))
}

/// A message's `message_columns!`, its organization's id, `place, asked`.
pub(super) fn claimed(row: &Row) -> Result<Claimed, Error> {
    let (organization, message, state, attempts) = message(row)?;
    Ok(Claimed { organization, message, state, attempts, asked: row.get::<_, i32>(8) as u32 })
}

/// A message's `message_columns!`, its organization's id, `place, due_at, reference`.
pub(super) fn stored_message(row: &Row) -> Result<StoredMessage, Error> {
    let (organization, message, state, attempts) = message(row)?;
    let (due_at, reference) = (timestamp(row, 8), row.get(9));
    Ok(StoredMessage { organization, message, state, attempts, due_at, reference })
}

/// An attempt's `at, outcome, status, millis, note`.
pub(super) fn attempt(row: &Row) -> Result<Attempt, Error> {
    Ok(Attempt {
        at: timestamp(row, 0),
        outcome: Outcome::from_number(small(row, 1)?).ok_or_else(corrupt)?,
        status: row.get::<_, Option<i32>>(2).and_then(|status| status.try_into().ok()),
        millis: row.get(3),
        note: row.get(4),
    })
}

/// A kind of message, how many of it are owed, and the place of the oldest.
pub(super) fn backlog(row: &Row) -> Result<Backlog, Error> {
    Ok(Backlog {
        kind: parsed(row, 0, Kind::parse)?,
        owed: row.get::<_, i64>(1) as u64,
        oldest: place::moment(row.get(2)),
    })
}

/// An audit entry's `number, place, action, target, fields, role_before, role_after`.
pub(super) fn event(row: &Row) -> Result<Event, Error> {
    Ok(Event {
        number: row.get::<_, i64>(0) as u64,
        at: place::moment(row.get(1)),
        action: parsed(row, 2, Action::parse)?,
        target: row.get(3),
        fields: row.get(4),
        roles: roles(row, 5)?,
    })
}

/// An audit entry's `role_before, role_after`, from column `at` on.
pub(super) fn roles(row: &Row, at: usize) -> Result<Roles, Error> {
    let role = |column| {
        let role: Option<i16> = row.get(column);
        role.map(|role| u8::try_from(role).ok().and_then(Role::from_number).ok_or_else(corrupt)).transpose()
    };
    Ok(Roles { before: role(at)?, after: role(at + 1)? })
}

/// A setting's `version, template, wording, hourly, created_at`.
pub(super) fn sms_setting(row: &Row) -> Result<VersionedSetting, Error> {
    Ok(VersionedSetting {
        version: row.get::<_, i32>(0) as u32,
        setting: Setting {
            template: parsed(row, 1, |text| text.parse().ok())?,
            wording: row.get::<_, Option<&str>>(2).map(ConsentWording::from_stored),
            hourly: row.get::<_, Option<i32>>(3).map(|hourly| hourly as u32),
            at: timestamp(row, 4),
        },
    })
}

/// A consent's `at, given, said_by, wording, reference`.
pub(super) fn consent(row: &Row) -> Consent {
    Consent {
        at: timestamp(row, 0),
        given: row.get(1),
        by: row.get(2),
        wording: row.get::<_, i32>(3) as u32,
        reference: row.get(4),
    }
}

/// A stop's `phone, at, stopped, said_by, reference`.
pub(super) fn stop(row: &Row) -> Stop {
    Stop { phone: row.get(0), at: timestamp(row, 1), stopped: row.get(2), by: row.get(3), reference: row.get(4) }
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

/// A user's `user_columns!`, its `place`, where it changed last, and its payors.
pub(super) fn user(row: &Row) -> Result<User, Error> {
    let mut user = user::user(row)?;
    let (place, updated): (i64, Option<i64>) = (row.get(USER_COLUMNS), row.get(USER_COLUMNS + 1));
    user.created_at = place::moment(place);
    user.updated_at = place::moment(updated.unwrap_or(place));
    let payors: Vec<&str> = row.get(USER_COLUMNS + 2);
    user.payors = payors.into_iter().map(|id| PayorId::parse(id).ok_or_else(corrupt)).collect::<Result<_, _>>()?;
    // Not by the database, whose collation may have its own idea of the alphabet.
    user.payors.sort_unstable();
    Ok(user)
}

/// An answer's `request, status, headers, body`.
pub(super) fn answered(row: &Row) -> Result<Answered, Error> {
    Ok(Answered {
        request: row.get::<_, &[u8]>(0).try_into().map_err(|_| corrupt())?,
        status: row.get::<_, i16>(1) as u16,
        headers: row.get(2),
        body: row.get(3),
    })
}

impl Source for Row {
    type Error = Error;

    fn text(&self, column: usize) -> Result<Option<&str>, Error> {
        Ok(self.get(column))
    }

    fn number(&self, column: usize) -> Result<Option<i64>, Error> {
        Ok(self.get(column))
    }

    fn medium(&self, column: usize) -> Result<i32, Error> {
        Ok(self.get(column))
    }

    fn small(&self, column: usize) -> Result<i16, Error> {
        Ok(self.get(column))
    }

    fn flag(&self, column: usize) -> Result<bool, Error> {
        Ok(self.get(column))
    }

    fn corrupt(_: usize) -> Error {
        corrupt()
    }
}
