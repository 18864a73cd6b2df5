//! All users of a list, whole, as they are at one moment.
//!
//! First their places, some tens of bytes each in memory, and then one user after the other, within one read transaction. It may stand in
//! the way of the log and be ended for that: then it is to be begun anew.

use roster_directory::{
    OrganizationId, Query, User,
    query::{Order, Page, SortKey},
};
use rusqlite::params;
use tokio::sync::mpsc;

use super::{Sqlite, list, place::OrganizationNumber, readers::Reader, search, turns::Turn, users};
use crate::{Error, bucket::Buckets, store::EXPORTED_AT_ONCE};

impl Sqlite {
    pub(crate) async fn export(
        &self,
        organization: OrganizationId,
        query: Query,
        to: mpsc::Sender<Vec<User>>,
    ) -> Result<(), Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.read_heavily(organization, move |reader| reader.at_one_moment(|| read(reader, number, query, &to))).await
    }
}

fn read(reader: &Reader, number: OrganizationNumber, query: Query, to: &mpsc::Sender<Vec<User>>) -> Result<(), Error> {
    for places in places(reader, number, query)?.chunks(EXPORTED_AT_ONCE) {
        let mut users = Vec::with_capacity(places.len());
        for place in places {
            users.extend(users::read_at(reader.connection(), *place)?);
        }
        // Nobody takes them any more.
        to.blocking_send(users).map_err(|_| Error::Busy)?;
    }
    Ok(())
}

/// Where those are whom the query finds, in its order.
fn places(reader: &Reader, number: OrganizationNumber, query: Query) -> Result<Vec<i64>, Error> {
    if let Some(email) = &query.email {
        let found = list::having_email(reader, number, email, &query)?;
        return Ok(found.into_iter().map(|(turn, _)| turn.place).collect());
    }
    if !query.search.is_empty() {
        let everybody = Page { number: 1, size: u32::MAX };
        return Ok(search::find(reader, number, &Query { page: everybody, after: None, ..query })?.places);
    }
    let sql = match query.key {
        SortKey::CreatedAt => "select 0, place from users where organization = ?1 and bucket = ?2",
        SortKey::UpdatedAt => {
            "select coalesce(updated_at, created_at), place from users where organization = ?1 and bucket = ?2"
        }
    };
    let mut turns = Vec::new();
    for bucket in Buckets::of(&query).iter() {
        let found = reader
            .collect(sql, params![number, bucket.number()], |row| Ok(Turn { at: row.get(0)?, place: row.get(1)? }))?;
        turns.extend(found);
    }
    turns.sort_unstable();
    if query.order == Order::NewestFirst {
        turns.reverse();
    }
    Ok(turns.into_iter().map(|turn| turn.place).collect())
}
