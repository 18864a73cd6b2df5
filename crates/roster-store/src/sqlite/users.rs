//! The rows of users: read, added, altered and removed.

use std::sync::LazyLock;

use roster_directory::{PayorId, Timestamp, User, UserId};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, ToSql, params};

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

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let set: Vec<String> = WRITTEN.iter().map(|column| format!("{column} = ?")).collect();
    format!("update users set {}, updated_at = ? where place = ?", set.join(", "))
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
    let mut row = Binding::of(connection.prepare_cached(&INSERT)?);
    row.bind(place);
    row.bind(number);
    row.bind(created_at.as_millis());
    row.bind(updated_at.map(Timestamp::as_millis));
    user::put(user, &mut row);
    row.execute()
}

/// Writes all of a row anew, with its payors.
pub(super) fn update(connection: &Connection, place: i64, before: &User, after: &User) -> Result<(), Error> {
    let mut row = Binding::of(connection.prepare_cached(&UPDATE)?);
    user::put(after, &mut row);
    row.bind(after.updated_at.as_millis());
    row.bind(place);
    row.execute()?;
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

/// Binds a row's values, one parameter after the other.
struct Binding<'c> {
    statement: CachedStatement<'c>,
    bound: usize,
    outcome: rusqlite::Result<()>,
}

impl<'c> Binding<'c> {
    fn of(statement: CachedStatement<'c>) -> Self {
        Self { statement, bound: 0, outcome: Ok(()) }
    }

    fn bind(&mut self, value: impl ToSql) {
        self.bound += 1;
        if self.outcome.is_ok() {
            self.outcome = Statement::raw_bind_parameter(&mut self.statement, self.bound, value);
        }
    }

    fn execute(mut self) -> Result<(), Error> {
        self.outcome?;
        self.statement.raw_execute()?;
        Ok(())
    }
}

impl<'a> Sink<'a> for Binding<'_> {
    fn text(&mut self, value: Option<&'a str>) {
        self.bind(value);
    }

    fn made(&mut self, value: Option<String>) {
        self.bind(value);
    }

    fn number(&mut self, value: Option<i64>) {
        self.bind(value);
    }

    fn medium(&mut self, value: i32) {
        self.bind(value);
    }

    fn small(&mut self, value: i16) {
        self.bind(value);
    }

    fn flag(&mut self, value: Option<bool>) {
        self.bind(value);
    }
}
