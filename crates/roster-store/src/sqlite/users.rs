//! The rows of users: read, added, altered and removed.

use std::sync::LazyLock;

use roster_directory::{PayorId, Timestamp, User, UserId};
use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, params, params_from_iter,
    types::{ToSqlOutput, Value},
};

use super::{place::OrganizationNumber, rows};
use crate::{
    Error,
    records::{
        Sink,
        user::{self, USER_COLUMNS, WRITTEN, user_columns},
    },
};

/// What stands before a user's columns where it is added: where it lies, and since when it is there.
const BEFORE: [&str; 4] = ["place", "organization", "created_at", "updated_at"];

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let columns: Vec<&str> = BEFORE.iter().chain(WRITTEN.iter()).copied().collect();
    format!("insert into users ({}) values ({})", columns.join(", "), vec!["?"; columns.len()].join(", "))
});

/// Adds a row.
pub(super) fn insert(
    connection: &Connection,
    number: OrganizationNumber,
    place: i64,
    user: &User,
    created_at: Timestamp,
    updated_at: Option<Timestamp>,
) -> Result<(), Error> {
    let mut row = Values::default();
    row.push(place);
    row.0.push(number.to_sql()?);
    row.push(created_at.as_millis());
    row.push(updated_at.map(Timestamp::as_millis));
    user::put(user, &mut row);
    connection.prepare_cached(&INSERT)?.execute(params_from_iter(row.0))?;
    Ok(())
}

/// Writes what is another value than before, with the payors. SQLite writes an index anew for each column that is named,
/// changed or not.
pub(super) fn update(connection: &Connection, place: i64, before: &User, after: &User) -> Result<(), Error> {
    let [mut were, mut are] = [before, after].map(|user| {
        let mut row = Values::default();
        user::put(user, &mut row);
        row.0.into_iter()
    });
    let mut sql = String::from("update users set updated_at = ?");
    let mut values = Values::default();
    values.push(after.updated_at.as_millis());
    for column in WRITTEN.iter() {
        let (was, is) = (were.next(), are.next());
        if was != is {
            sql.extend([", ", column, " = ?"]);
            values.0.extend(is);
        }
    }
    sql.push_str(" where place = ?");
    values.push(place);
    connection.prepare_cached(&sql)?.execute(params_from_iter(values.0))?;
    if before.payors != after.payors {
        connection.prepare_cached("delete from user_payor where place = ?1")?.execute([place])?;
        assign(connection, place, &after.payors)?;
    }
    Ok(())
}

/// Assigns payors to a user.
pub(super) fn assign(connection: &Connection, place: i64, payors: &[PayorId]) -> Result<(), Error> {
    for payor in payors {
        let sql = "insert into user_payor (place, payor) values (?1, ?2) on conflict do nothing";
        connection.prepare_cached(sql)?.execute(params![place, payor.as_str()])?;
    }
    Ok(())
}

/// Removes a row, with its payors.
pub(super) fn delete(connection: &Connection, place: i64) -> Result<(), Error> {
    connection.prepare_cached("delete from user_payor where place = ?1")?.execute([place])?;
    connection.prepare_cached("delete from users where place = ?1")?.execute([place])?;
    Ok(())
}

/// Where the user of this id is, and of which version.
pub(super) fn find(
    connection: &Connection,
    number: OrganizationNumber,
    id: UserId,
) -> Result<Option<(i64, u32)>, Error> {
    let sql = "select place, version from users where organization = ?1 and id = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(params![number, id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The whole user of this id.
pub(super) fn read(connection: &Connection, number: OrganizationNumber, id: UserId) -> Result<Option<User>, Error> {
    let sql = concat!(
        "select ",
        user_columns!(),
        ", created_at, coalesce(updated_at, created_at), place from users where organization = ?1 and id = ?2"
    );
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![number, id.as_str()], |row| Ok((of_row(row)?, row.get(USER_COLUMNS + 2)?)));
    let Some((user, place)) = found.optional()? else { return Ok(None) };
    with_payors(connection, place, user).map(Some)
}

/// The whole user at this place.
pub(super) fn read_at(connection: &Connection, place: i64) -> Result<Option<User>, Error> {
    let sql = concat!(
        "select ",
        user_columns!(),
        ", created_at, coalesce(updated_at, created_at) from users where place = ?1"
    );
    let found = connection.prepare_cached(sql)?.query_row([place], of_row).optional()?;
    found.map(|user| with_payors(connection, place, user)).transpose()
}

fn with_payors(connection: &Connection, place: i64, mut user: User) -> Result<User, Error> {
    let mut payors = connection.prepare_cached("select payor from user_payor where place = ?1 order by payor")?;
    user.payors = payors
        .query_map([place], |row| rows::parsed(row, 0, PayorId::parse))?
        .collect::<Result<_, rusqlite::Error>>()?;
    Ok(user)
}

/// `user_columns!`, and the two moments. Without payors.
pub(super) fn of_row(row: &Row<'_>) -> rusqlite::Result<User> {
    let mut user = user::user(row)?;
    user.created_at = Timestamp::from_millis(row.get(USER_COLUMNS)?);
    user.updated_at = Timestamp::from_millis(row.get(USER_COLUMNS + 1)?);
    Ok(user)
}

/// Values of a row, as they are bound.
#[derive(Default)]
struct Values<'a>(Vec<ToSqlOutput<'a>>);

impl<'a> Values<'a> {
    fn push(&mut self, value: impl Into<Value>) {
        self.0.push(ToSqlOutput::Owned(value.into()));
    }
}

impl<'a> Sink<'a> for Values<'a> {
    fn text(&mut self, value: Option<&'a str>) {
        self.0.push(ToSqlOutput::Borrowed(value.into()));
    }

    fn made(&mut self, value: Option<String>) {
        self.push(value);
    }

    fn number(&mut self, value: Option<i64>) {
        self.push(value);
    }

    fn medium(&mut self, value: i32) {
        self.push(value);
    }

    fn small(&mut self, value: i16) {
        self.push(value);
    }

    fn flag(&mut self, value: Option<bool>) {
        self.push(value);
    }
}
