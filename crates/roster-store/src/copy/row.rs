//! A row on its way from one database to another: the columns that both engines have, in one order.

use std::sync::Arc;

use roster_directory::{Timestamp, User};

use crate::{
    Error,
    records::{
        Source,
        user::{self, USER_COLUMNS},
    },
};

/// Rows in a batch: what one statement carries.
pub(crate) const BATCH: usize = 1_000;

/// The tables, in the order they are copied in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Organization,
    Key,
    Payor,
    User,
    Audit,
    Outbox,
    Attempt,
    Webhook,
    SmsSetting,
    SmsConsent,
    SmsStop,
    Repeat,
}

/// What a column holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Number,
    /// A number that PostgreSQL keeps in two bytes.
    Small,
    /// A number that PostgreSQL keeps in four bytes.
    Medium,
    Flag,
    Bytes,
}

/// The columns of [`Table::Outbox`] and of the others that both engines name alike.
macro_rules! copied_columns {
    (organization) => {
        "name, country, time_zone"
    };
    (audit) => {
        "actor, action, target, fields, request, role_before, role_after"
    };
    (repeat) => {
        "by_key, route, key, request, status, headers, body, user_id"
    };
    (outbox) => {
        "id, kind, about, webhook, state, attempts, asked, queue, due_at, claim, reference"
    };
    (attempt) => {
        "message, nth, outcome, status, millis, note"
    };
    (webhook) => {
        "id, url, description, events, state, secret, old_secrets, heard_to"
    };
    (sms_setting) => {
        "version, template, wording, hourly"
    };
    (sms_consent) => {
        "user_id, given, said_by, wording, reference"
    };
    (sms_stop) => {
        "phone, reference, stopped, said_by"
    };
}
pub(crate) use copied_columns;

impl Table {
    pub(crate) const ALL: [Table; 12] = [
        Table::Organization,
        Table::Key,
        Table::Payor,
        Table::User,
        Table::Audit,
        Table::Outbox,
        Table::Attempt,
        Table::Webhook,
        Table::SmsSetting,
        Table::SmsConsent,
        Table::SmsStop,
        Table::Repeat,
    ];

    /// What its columns hold, beside the organization and the moment.
    pub(crate) fn kinds(self) -> &'static [Kind] {
        use Kind::*;
        match self {
            Table::Organization => &[Text, Text, Text],
            Table::Key => &[Text, Small, Text, Bytes, Number, Number, Small, Text, Text, Number],
            Table::Payor => &[Text, Text],
            // The columns of a user, and when it changed last, if ever.
            Table::User => &[
                Text, Text, Text, Small, Text, Text, Text, Text, Text, Text, Text, Text, Medium, Text, Text, Text,
                Flag, Number, Text, Text, Text, Number, Text, Number,
            ],
            Table::Audit => &[Text, Text, Text, Text, Text, Small, Small],
            Table::Outbox => &[Text, Text, Text, Text, Small, Medium, Medium, Text, Number, Number, Text],
            Table::Attempt => &[Text, Medium, Small, Medium, Number, Text],
            Table::Webhook => &[Text, Text, Text, Text, Small, Bytes, Text, Number],
            Table::SmsSetting => &[Medium, Text, Text, Medium],
            Table::SmsConsent => &[Text, Flag, Text, Medium, Text],
            Table::SmsStop => &[Text, Text, Flag, Text],
            Table::Repeat => &[Text, Text, Text, Bytes, Small, Text, Bytes, Text],
        }
    }
}

/// One value. Truth is a number, as SQLite has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Number(i64),
    Text(Box<str>),
    Bytes(Box<[u8]>),
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// One row. Where it lies is the destination's to say: what is kept is the order, and the moment.
#[derive(Debug)]
pub(crate) struct Row {
    /// Whose it is, or, of an organization, which; empty where it is of no organization.
    pub(crate) organization: Arc<str>,
    /// When it was created, in milliseconds since 1970.
    pub(crate) at: i64,
    /// In the order of [`Table::kinds`].
    pub(crate) values: Vec<Value>,
    /// Of a user, the ids of its payors, ascending.
    pub(crate) payors: Vec<Box<str>>,
}

impl Row {
    /// Of a user, the user, without its payors, and when it changed last. What is stored beside its columns follows from it.
    pub(crate) fn user(&self) -> Result<(User, Option<Timestamp>), Error> {
        let updated_at = self.values.get(USER_COLUMNS).and_then(Value::number).map(Timestamp::from_millis);
        Ok((user::user(self)?, updated_at))
    }
}

impl Source for Row {
    type Error = Error;

    fn text(&self, column: usize) -> Result<Option<&str>, Error> {
        Ok(self.values[column].text())
    }

    fn number(&self, column: usize) -> Result<Option<i64>, Error> {
        Ok(self.values[column].number())
    }

    fn medium(&self, column: usize) -> Result<i32, Error> {
        self.values[column].number().and_then(|number| number.try_into().ok()).ok_or_else(|| Self::corrupt(column))
    }

    fn small(&self, column: usize) -> Result<i16, Error> {
        self.values[column].number().and_then(|number| number.try_into().ok()).ok_or_else(|| Self::corrupt(column))
    }

    fn flag(&self, column: usize) -> Result<bool, Error> {
        self.values[column].number().map(|number| number != 0).ok_or_else(|| Self::corrupt(column))
    }

    fn corrupt(_: usize) -> Error {
        Error::Unusable("a stored value does not have its form: was the database changed by hand?".to_owned())
    }
}

/// Rows of one table.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) table: Table,
    pub(crate) rows: Vec<Row>,
}

/// How many rows the tables have, [`COUNTED`] in its order, the epoch, and a sum over what is altered as messages are
/// delivered: whatever is written changes one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) counts: [i64; COUNTED.len()],
    pub(crate) epoch: i64,
    pub(crate) delivered: i64,
}

/// What is counted, in words: the tables of [`Table::ALL`], and the assignments of payors to users.
pub(crate) const COUNTED: [&str; 13] = [
    "organizations",
    "keys",
    "payors",
    "users",
    "audit entries",
    "messages",
    "attempts",
    "webhooks",
    "SMS settings",
    "consents",
    "opt-outs",
    "answers",
    "payors of users",
];

/// The statement that answers a [`Mark`], on both engines.
pub(crate) const MARK: &str = "select (select count(*) from organization), (select count(*) from api_key), \
    (select count(*) from payor), (select count(*) from users), (select count(*) from audit), \
    (select count(*) from outbox), (select count(*) from attempt), (select count(*) from webhook), \
    (select count(*) from sms_setting), (select count(*) from sms_consent), (select count(*) from sms_stop), \
    (select count(*) from repeat), (select count(*) from user_payor), (select number from epoch where one = 1), \
    (select cast(coalesce(sum(state + attempts + asked + due_at % 1000003 + claim % 1000003), 0) as bigint) from outbox) \
    + (select cast(coalesce(sum(state + heard_to), 0) as bigint) from webhook)";

impl Mark {
    /// Whether there is nothing at all.
    pub(crate) fn must_be_of_nothing(&self) -> Result<(), Error> {
        match COUNTED.iter().zip(self.counts).find(|(_, count)| *count > 0) {
            None => Ok(()),
            Some((name, count)) => Err(Error::Unusable(format!(
                "it is not empty ({name}: {count}), and a copy goes into an empty database only"
            ))),
        }
    }
}

/// Makes batches of rows, and counts them.
pub(crate) struct Collector {
    batch: Batch,
    counts: [i64; COUNTED.len()],
}

impl Collector {
    pub(crate) fn new() -> Self {
        Self { batch: Batch { table: Table::Organization, rows: Vec::new() }, counts: [0; COUNTED.len()] }
    }

    /// Takes one more row. What it returns is to be sent.
    #[must_use]
    pub(crate) fn push(&mut self, table: Table, row: Row) -> Option<Batch> {
        self.counts[table as usize] += 1;
        self.counts[Table::ALL.len()] += row.payors.len() as i64;
        let full = (table != self.batch.table || self.batch.rows.len() == BATCH).then(|| self.swap(table)).flatten();
        self.batch.rows.push(row);
        full
    }

    /// The last batch, once everything was read that there is according to the mark.
    pub(crate) fn finish(mut self, mark: &Mark) -> Result<Option<Batch>, Error> {
        for ((name, read), there) in COUNTED.iter().zip(self.counts).zip(mark.counts) {
            if read != there {
                return Err(Error::Unusable(format!(
                    "of {there} {name} only {read} belong to something that is there: was the database changed by hand?"
                )));
            }
        }
        Ok(self.swap(Table::Organization))
    }

    fn swap(&mut self, table: Table) -> Option<Batch> {
        let full = std::mem::replace(&mut self.batch, Batch { table, rows: Vec::with_capacity(BATCH) });
        (!full.rows.is_empty()).then_some(full)
    }
}
