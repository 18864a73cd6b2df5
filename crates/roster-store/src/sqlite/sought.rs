//! Many users at once, by id, e-mail, external id or NPI.

use std::time::Duration;

use roster_directory::{OrganizationId, User, UserId, user::EmailKey};
use rusqlite::{OptionalExtension, params};

use super::{Sqlite, place::OrganizationNumber, readers::Reader, rows, users};
use crate::{Error, store::Sought};

/// How long it is waited for a moment in which the write-ahead log is not in the way.
const WAIT: Duration = Duration::from_secs(30);

impl Sqlite {
    pub(crate) fn users_sought(&self, organization: OrganizationId, sought: &Sought) -> Result<Vec<User>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        self.readers.with(|reader| {
            let ids = match sought {
                Sought::Ids(ids) => ids.clone(),
                Sought::Emails(emails) => {
                    let mut ids = Vec::with_capacity(emails.len());
                    for email in emails {
                        ids.extend(with_email(reader, number, email)?);
                    }
                    ids
                }
                Sought::ExternalIds(external_ids) => {
                    let sql = "select id from users \
                               where organization = ?1 and external_id = ?2 and deactivated_at is null";
                    let mut ids = Vec::with_capacity(external_ids.len());
                    for id in external_ids {
                        ids.extend(reader.collect(sql, params![number, id.as_str()], id_of)?);
                    }
                    ids
                }
            };
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let user = reader.at_one_moment(|| users::read(reader.connection(), number, id))?;
                // Who changed in between is not who was looked for any more.
                found.extend(user.filter(|user| is_still(user, sought)));
            }
            Ok(found)
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

fn with_email(reader: &Reader, number: OrganizationNumber, email: &EmailKey) -> Result<Option<UserId>, Error> {
    for place in reader.emails().places_of(reader.connection(), number, email)? {
        let sql =
            "select id from users where place = ?1 and organization = ?2 and email_key = ?3 and deactivated_at is null";
        let found = reader.prepare(sql)?.query_row(params![place, number, email.as_str()], id_of).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn id_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<UserId> {
    rows::parsed(row, 0, UserId::parse)
}

fn is_still(user: &User, sought: &Sought) -> bool {
    match sought {
        Sought::Ids(_) => true,
        Sought::Emails(emails) => {
            user.deactivated.is_none() && user.email.as_ref().is_some_and(|email| emails.contains(&email.key()))
        }
        Sought::ExternalIds(ids) => {
            user.deactivated.is_none() && user.external_id.as_ref().is_some_and(|id| ids.contains(id))
        }
    }
}
