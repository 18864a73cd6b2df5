//! Where the n-th user of some buckets is, without walking past all who come before.
//!
//! How many users of each bucket a chunk has is counted once the chunk is full, behind the writer, as the search index is
//! made. Adding up a thousand of those counts takes as long as passing over as many users, and stands for eight million.

use rusqlite::{Connection, params};

use super::{index::CHUNK, place::OrganizationNumber, readers::Reader};
use crate::{
    Error,
    bucket::{Bucket, Buckets},
};

/// The chunks, from the first, that are counted.
pub(super) fn counted(reader: &Reader, number: OrganizationNumber) -> Result<i64, Error> {
    let mut statement = reader.prepare("select counted from organization where number = ?1")?;
    Ok(statement.query_row([number], |row| row.get(0))?)
}

/// Whether the chunk of this place is counted, inside the writer's transaction.
pub(super) fn is_counted(connection: &Connection, number: OrganizationNumber, place: i64) -> Result<bool, Error> {
    let sql = "select counted from organization where number = ?1";
    let counted: i64 = connection.prepare_cached(sql)?.query_row([number], |row| row.get(0))?;
    Ok(number.ordinal(place) / CHUNK < counted)
}

/// Counts a chunk, inside the writer's transaction, in which nobody changes; nothing if another process was faster.
pub(super) fn count(connection: &Connection, number: OrganizationNumber, chunk: i64) -> Result<(), Error> {
    let sql = "update organization set counted = counted + 1 where number = ?1 and counted = ?2";
    if connection.prepare_cached(sql)?.execute(params![number, chunk])? == 0 {
        return Ok(());
    }
    let sql = "select count(*) from users where organization = ?1 and bucket = ?2 and place between ?3 and ?4";
    let mut count = connection.prepare_cached(sql)?;
    let sql = "insert into role_chunk (organization, bucket, chunk, users) values (?1, ?2, ?3, ?4)";
    let mut keep = connection.prepare_cached(sql)?;
    let start = number.place(chunk * CHUNK);
    for bucket in Buckets::ALL.iter().map(Bucket::number) {
        let users: i64 = count.query_row(params![number, bucket, start, start + CHUNK - 1], |row| row.get(0))?;
        if users > 0 {
            keep.execute(params![number, bucket, chunk, users])?;
        }
    }
    Ok(())
}

/// A user joins a bucket, or leaves it, in a chunk that is counted.
pub(super) fn add(
    connection: &Connection,
    number: OrganizationNumber,
    place: i64,
    bucket: Bucket,
    users: i64,
) -> Result<(), Error> {
    let sql = "insert into role_chunk (organization, bucket, chunk, users) values (?1, ?2, ?3, ?4) \
               on conflict do update set users = users + excluded.users";
    let chunk = number.ordinal(place) / CHUNK;
    connection.prepare_cached(sql)?.execute(params![number, bucket.number(), chunk, users])?;
    Ok(())
}

/// A place where a chunk begins, and how many users of these buckets to pass over from there on to the one of this rank: the oldest has rank 0.
pub(super) fn locate(
    reader: &Reader,
    number: OrganizationNumber,
    buckets: &[Bucket],
    rank: u64,
) -> Result<(i64, u64), Error> {
    let counted = counted(reader, number)?;
    let mut of_chunks = vec![0; counted as usize];
    let mut statement =
        reader.prepare("select chunk, users from role_chunk where organization = ?1 and bucket = ?2")?;
    for bucket in buckets {
        let mut rows = statement.query(params![number, bucket.number()])?;
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
