//! What was answered to requests that may be sent again (`Idempotency-Key`), for a day.

use roster_directory::{
    Timestamp, UserId,
    repeat::{Answer, Answered, KEPT, Repeat},
};
use rusqlite::{Connection, OptionalExtension, params};

use super::{place::OrganizationNumber, readers::Reader};
use crate::Error;

/// The answer to this request, if it counts at this moment.
pub(super) fn find(
    reader: &Reader,
    number: OrganizationNumber,
    repeat: &Repeat,
    now: Timestamp,
) -> Result<Option<Answered>, Error> {
    let sql = "select request, status, headers, body from repeat \
               where organization = ?1 and by_key = ?2 and route = ?3 and key = ?4 and at > ?5";
    let params = params![number, repeat.by.as_str(), repeat.route, repeat.key.as_str(), counts_since(now)];
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Answered { request: row.get(0)?, status: row.get(1)?, headers: row.get(2)?, body: row.get(3)? })
    };
    Ok(reader.prepare(sql)?.query_row(params, row).optional()?)
}

/// Whether there is one, inside the writer's transaction.
pub(super) fn is_there(
    connection: &Connection,
    number: OrganizationNumber,
    answer: &Answer,
    at: Timestamp,
) -> Result<bool, Error> {
    let sql = "select 1 from repeat where organization = ?1 and by_key = ?2 and route = ?3 and key = ?4 and at > ?5";
    let repeat = &answer.repeat;
    let params = params![number, repeat.by.as_str(), repeat.route, repeat.key.as_str(), counts_since(at)];
    Ok(connection.prepare_cached(sql)?.exists(params)?)
}

/// Keeps an answer, inside the writer's transaction. One that does not count any more goes.
pub(super) fn keep(
    connection: &Connection,
    number: OrganizationNumber,
    answer: &Answer,
    at: Timestamp,
) -> Result<(), Error> {
    let sql = "insert or replace into repeat (organization, by_key, route, key, request, status, headers, body, \
               user_id, at) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let repeat = &answer.repeat;
    connection.prepare_cached(sql)?.execute(params![
        number,
        repeat.by.as_str(),
        repeat.route,
        repeat.key.as_str(),
        repeat.body,
        answer.status,
        answer.headers,
        (answer.write)(at),
        answer.about.as_ref().map(|id| id.as_str()),
        at.as_millis()
    ])?;
    Ok(())
}

/// Removes those that speak of a user who is erased, inside the writer's transaction.
pub(super) fn erase_of(connection: &Connection, user: UserId) -> Result<(), Error> {
    connection.prepare_cached("delete from repeat where user_id = ?1")?.execute([user.as_str()])?;
    Ok(())
}

/// Removes some of those that do not count any more, inside the writer's transaction.
pub(super) fn forget_old(connection: &Connection, now: Timestamp, most: u32) -> Result<(), Error> {
    let sql = "delete from repeat where (organization, by_key, route, key) in \
               (select organization, by_key, route, key from repeat where at <= ?1 limit ?2)";
    connection.prepare_cached(sql)?.execute(params![counts_since(now), most])?;
    Ok(())
}

fn counts_since(now: Timestamp) -> i64 {
    now.plus_millis(-KEPT).as_millis()
}
