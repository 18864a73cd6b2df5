//! Many users at once, by id, e-mail, external id or NPI.

use std::{collections::HashSet, time::Duration};

use roster_directory::{
    OrganizationId, User, UserId,
    user::{Email, EmailKey, ExternalId},
};
use rusqlite::{OptionalExtension, params};

use super::{Sqlite, place::OrganizationNumber, readers::Reader, rows, users};
use crate::{Error, store::Sought};

/// How long it is waited for a moment in which the write-ahead log is not in the way.
const WAIT: Duration = Duration::from_secs(30);

impl Sqlite {
    pub(crate) fn users_sought(&self, organization: OrganizationId, sought: &Sought) -> Result<Vec<User>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            // An entry says where to look. What is there is read below, all of it at one moment.
            let waiting = match sought {
                Sought::Emails(emails) => reader.emails().places_of_each(reader.connection(), number, emails)?,
                Sought::Ids(_) | Sought::ExternalIds(_) => Vec::new(),
            };
            reader.at_one_moment(|| {
                let mut places: Vec<i64> = match sought {
                    Sought::Emails(_) => waiting.into_iter().flatten().collect(),
                    Sought::Ids(ids) => {
                        let sql = "select place from users where organization = ?1 and id = ?2";
                        places(reader, sql, number, ids.iter().map(UserId::as_str))?
                    }
                    Sought::ExternalIds(ids) => {
                        let sql = "select place from users \
                                   where organization = ?1 and external_id = ?2 and deactivated_at is null";
                        places(reader, sql, number, ids.iter().map(ExternalId::as_str))?
                    }
                };
                // Whoever had one of the e-mails and has another is found by both.
                places.sort_unstable();
                places.dedup();
                let wanted: HashSet<&str> = match sought {
                    Sought::Emails(emails) => emails.iter().map(EmailKey::as_str).collect(),
                    Sought::Ids(_) | Sought::ExternalIds(_) => HashSet::new(),
                };
                let has_one = |user: &User| {
                    let key = user.email.as_ref().filter(|_| user.deactivated.is_none()).map(Email::key);
                    key.is_some_and(|key| wanted.contains(key.as_str()))
                };
                let mut found = Vec::with_capacity(places.len());
                for place in places {
                    // Who is at a place that an e-mail had may have another one, or be of another organization by hash.
                    let user = if number.places().contains(&place) {
                        users::read_at(reader.connection(), place)?
                    } else {
                        None
                    };
                    found.extend(user.filter(|user| !matches!(sought, Sought::Emails(_)) || has_one(user)));
                }
                Ok(found)
            })
        })
    }

    pub(crate) async fn npis(&self, organization: OrganizationId) -> Result<Vec<(String, UserId)>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        let readers = self.readers.clone();
        let deadline = tokio::time::Instant::now() + WAIT;
        let read = tokio::task::spawn_blocking(move || {
            readers.with_heavy(deadline.into_std(), |reader| {
                let sql = "select npi, id from users \
                           where place between ?1 and ?2 and npi is not null and deactivated_at is null";
                let places = number.places();
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, rows::parsed(row, 1, UserId::parse)?));
                reader.collect(sql, params![places.start(), places.end()], row)
            })
        });
        read.await.map_err(|_| Error::Closed)?
    }
}

/// Where those are whom a statement finds by one of these texts each.
fn places<'t>(
    reader: &Reader,
    sql: &str,
    number: OrganizationNumber,
    texts: impl Iterator<Item = &'t str>,
) -> Result<Vec<i64>, Error> {
    let mut statement = reader.prepare(sql)?;
    let mut places = Vec::new();
    for text in texts {
        places.extend(statement.query_row(params![number, text], |row| row.get::<_, i64>(0)).optional()?);
    }
    Ok(places)
}
