//! Rows, and the directory's types that they stand for.

use roster_directory::{
    KeyId, Message, MessageId, Organization, OrganizationId, Payor, PayorId, Role, Timestamp, Webhook, WebhookId,
    audit::{Action, Roles},
    key::{Access, Key, KeyHash},
    organization::TimeZone,
    outbox::{self, Attempt, Content, Kind, Outcome},
    sms::{Consent, ConsentWording, Setting},
};
use rusqlite::{Row, types::Type};

use crate::{
    Remembered,
    outbox::{Backlog, BusyWebhook, Claimed, Event, Stop, StoredMessage, VersionedSetting},
    records::Source,
    rows::StoredWebhook,
};

/// Reads a stored text as the type it was checked as. What does not parse was not written by Roster.
pub(super) fn parsed<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| corrupt(column))
}

fn parsed_if_set<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(column)?.as_str_or_null()?;
    text.map(|text| parse(text).ok_or_else(|| corrupt(column))).transpose()
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

/// An organization's `id, name, country, time_zone, created_at`, from column `at` on.
pub(super) fn organization_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Organization> {
    Ok(Organization {
        id: parsed(row, at, OrganizationId::parse)?,
        name: parsed(row, at + 1, |text| text.parse().ok())?,
        country: parsed(row, at + 2, |text| text.parse().ok())?,
        time_zone: parsed(row, at + 3, |text| Some(TimeZone::from_stored(text)))?,
        created_at: timestamp(row, at + 4)?,
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

/// A key's `key_columns!`.
pub(super) fn key(row: &Row<'_>) -> rusqlite::Result<Key> {
    Ok(Key {
        id: parsed(row, 0, KeyId::parse)?,
        role: role(row, 1)?,
        name: parsed(row, 2, |text| text.parse().ok())?,
        hash: KeyHash::from_bytes(row.get(3)?),
        created_at: timestamp(row, 4)?,
        expires_at: timestamp_if_set(row, 5)?,
        revoked_at: timestamp_if_set(row, 6)?,
        access: Access::from_number(row.get(7)?).ok_or_else(|| corrupt(7))?,
        created_by: row.get(8)?,
        replaces: parsed_if_set(row, 9, KeyId::parse)?,
        last_used_at: timestamp_if_set(row, 10)?,
    })
}

/// A webhook's `webhook_columns!`.
pub(super) fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?));
    let stored = StoredWebhook {
        id: text(0)?,
        url: text(1)?,
        description: text(2)?,
        events: text(3)?,
        state: row.get(4)?,
        secret: row.get_ref(5)?.as_blob()?,
        old_secrets: text(6)?,
        created_at: row.get(7)?,
        heard_to: row.get(8)?,
    };
    stored.parse().ok_or_else(|| corrupt(0))
}

/// A webhook's `webhook_columns!`, its organization's id, whether it is behind, and how much it is owed.
pub(super) fn busy_webhook(row: &Row<'_>) -> rusqlite::Result<BusyWebhook> {
    Ok(BusyWebhook {
        webhook: webhook(row)?,
        organization: parsed(row, 9, OrganizationId::parse)?,
        is_behind: row.get(10)?,
        owed: row.get::<_, i64>(11)? as u64,
    })
}

/// A message's `message_columns!`, its organization's id, and its `created_at`.
fn message(row: &Row<'_>) -> rusqlite::Result<(OrganizationId, Message, outbox::State, u32)> {
    let webhook = row.get_ref(3)?.as_str_or_null()?;
    let content = parsed(row, 1, Kind::parse)?;
    let about = row.get_ref(2)?.as_str()?;
    let webhook = webhook.map(|id| WebhookId::parse(id).ok_or_else(|| corrupt(3))).transpose()?;
    let message = Message {
        id: parsed(row, 0, MessageId::parse)?,
        content: Content::from_parts(content, about, webhook).ok_or_else(|| corrupt(2))?,
        at: timestamp(row, 7)?,
    };
    let state = outbox::State::from_number(row.get(4)?).ok_or_else(|| corrupt(4))?;
    Ok((parsed(row, 6, OrganizationId::parse)?, message, state, row.get(5)?))
}

/// A message's `message_columns!`, its organization's id, `created_at, asked`.
pub(super) fn claimed(row: &Row<'_>) -> rusqlite::Result<Claimed> {
    let (organization, message, state, attempts) = message(row)?;
    Ok(Claimed { organization, message, state, attempts, asked: row.get(8)? })
}

/// A message's `message_columns!`, its organization's id, `created_at, due_at, reference`.
pub(super) fn stored_message(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    let (organization, message, state, attempts) = message(row)?;
    let (due_at, reference) = (timestamp(row, 8)?, row.get(9)?);
    Ok(StoredMessage { organization, message, state, attempts, due_at, reference })
}

/// An attempt's `at, outcome, status, millis, note`.
pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        at: timestamp(row, 0)?,
        outcome: Outcome::from_number(row.get(1)?).ok_or_else(|| corrupt(1))?,
        status: row.get(2)?,
        millis: row.get(3)?,
        note: row.get(4)?,
    })
}

/// A kind of message, how many of it are owed, and since when the oldest is.
pub(super) fn backlog(row: &Row<'_>) -> rusqlite::Result<Backlog> {
    Ok(Backlog { kind: parsed(row, 0, Kind::parse)?, owed: row.get::<_, i64>(1)? as u64, oldest: timestamp(row, 2)? })
}

/// An audit entry's `place, at, action, target, fields, role_before, role_after`.
pub(super) fn event(row: &Row<'_>, number: impl FnOnce(i64) -> u64) -> rusqlite::Result<Event> {
    Ok(Event {
        number: number(row.get(0)?),
        at: timestamp(row, 1)?,
        action: parsed(row, 2, Action::parse)?,
        target: row.get(3)?,
        fields: row.get(4)?,
        roles: roles(row, 5)?,
    })
}

/// An audit entry's `role_before, role_after`, from column `at` on.
pub(super) fn roles(row: &Row<'_>, at: usize) -> rusqlite::Result<Roles> {
    let role = |column| {
        let role: Option<u8> = row.get(column)?;
        role.map(|role| Role::from_number(role).ok_or_else(|| corrupt(column))).transpose()
    };
    Ok(Roles { before: role(at)?, after: role(at + 1)? })
}

/// A setting's `version, template, wording, hourly, created_at`.
pub(super) fn sms_setting(row: &Row<'_>) -> rusqlite::Result<VersionedSetting> {
    Ok(VersionedSetting {
        version: row.get(0)?,
        setting: Setting {
            template: parsed(row, 1, |text| text.parse().ok())?,
            wording: row.get_ref(2)?.as_str_or_null()?.map(ConsentWording::from_stored),
            hourly: row.get(3)?,
            at: timestamp(row, 4)?,
        },
    })
}

/// A consent's `at, given, said_by, wording, reference`.
pub(super) fn consent(row: &Row<'_>) -> rusqlite::Result<Consent> {
    Ok(Consent {
        at: timestamp(row, 0)?,
        given: row.get(1)?,
        by: row.get(2)?,
        wording: row.get(3)?,
        reference: row.get(4)?,
    })
}

/// A stop's `phone, at, stopped, said_by, reference`.
pub(super) fn stop(row: &Row<'_>) -> rusqlite::Result<Stop> {
    Ok(Stop {
        phone: row.get(0)?,
        at: timestamp(row, 1)?,
        stopped: row.get(2)?,
        by: row.get(3)?,
        reference: row.get(4)?,
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

impl Source for Row<'_> {
    type Error = rusqlite::Error;

    fn text(&self, column: usize) -> rusqlite::Result<Option<&str>> {
        Ok(self.get_ref(column)?.as_str_or_null()?)
    }

    fn number(&self, column: usize) -> rusqlite::Result<Option<i64>> {
        self.get(column)
    }

    fn medium(&self, column: usize) -> rusqlite::Result<i32> {
        self.get(column)
    }

    fn small(&self, column: usize) -> rusqlite::Result<i16> {
        self.get(column)
    }

    fn flag(&self, column: usize) -> rusqlite::Result<bool> {
        self.get(column)
    }

    fn corrupt(column: usize) -> rusqlite::Error {
        corrupt(column)
    }
}
