//! Where the n-th user of some roles is, without walking past all who come before.
//!
//! How many users of each role a chunk has is counted once the chunk is full, behind the writer, as the search index is
//! made. Adding up a thousand of those counts takes as long as passing over as many users, and stands for eight million.

use roster_directory::Role;
use rusqlite::{Connection, params};

use super::{index::CHUNK, place::OrganizationNumber, readers::Reader};
use crate::Error;

/// How many users of each role a chunk has, in the order of [`Role::ALL`].
pub(super) type Counts = [i64; Role::ALL.len()];

/// The chunks, from the first, that are counted.
pub(super) fn counted(reader: &Reader, number: OrganizationNumber) -> Result<i64, Error> {
    let mut statement = reader.prepare("select counted from organization where number = ?1")?;
    Ok(statement.query_row([number], |row| row.get(0))?)
}

/// Counts a chunk.
pub(super) fn count(reader: &Reader, number: OrganizationNumber, chunk: i64) -> Result<Counts, Error> {
    let sql = "select count(*) from users where organization = ?1 and role = ?2 and place between ?3 and ?4";
    let mut statement = reader.prepare(sql)?;
    let start = number.place(chunk * CHUNK);
    let mut counts = Counts::default();
    for (role, count) in counts.iter_mut().enumerate() {
        *count = statement.query_row(params![number, role as i64, start, start + CHUNK - 1], |row| row.get(0))?;
    }
    Ok(counts)
}

/// Keeps the counts of a chunk, inside the writer's transaction; nothing if another process was faster.
pub(super) fn keep(
    connection: &Connection,
    number: OrganizationNumber,
    chunk: i64,
    counts: &Counts,
) -> Result<(), Error> {
    let sql = "update organization set counted = counted + 1 where number = ?1 and counted = ?2";
    if connection.prepare_cached(sql)?.execute(params![number, chunk])? == 0 {
        return Ok(());
    }
    let sql = "insert into role_chunk (organization, role, chunk, users) values (?1, ?2, ?3, ?4)";
    let mut statement = connection.prepare_cached(sql)?;
    for (role, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        statement.execute(params![number, role as i64, chunk, count])?;
    }
    Ok(())
}

/// A place, and how many users of these roles to pass over from there on to the one of this rank: the oldest has rank 0.
pub(super) fn locate(
    reader: &Reader,
    number: OrganizationNumber,
    roles: &[Role],
    rank: u64,
) -> Result<(i64, u64), Error> {
    let counted = counted(reader, number)?;
    let mut of_chunks = vec![0; counted as usize];
    let mut statement = reader.prepare("select chunk, users from role_chunk where organization = ?1 and role = ?2")?;
    for role in roles {
        let mut rows = statement.query(params![number, *role as u8])?;
        while let Some(row) = rows.next()? {
            if let Some(users) = of_chunks.get_mut(row.get::<_, i64>(0)? as usize) {
                *users += row.get::<_, i64>(1)? as u64;
            }
        }
    }
    let mut skip = rank;
    for (chunk, users) in (0..).zip(of_chunks) {
        match skip.checked_sub(users) {
            Some(rest) => skip = rest,
            None => return Ok((number.place(chunk * CHUNK), skip)),
        }
    }
    Ok((number.place(counted * CHUNK), skip))
}
