//! The audit trail as it is read by filters.

use roster_directory::{OrganizationId, Timestamp, audit::Action};
use rusqlite::params;

use super::{Sqlite, place::OrganizationNumber, readers::Reader, rows};
use crate::{
    Error,
    trail::{EntryId, TrailEntry, TrailFilter},
};

impl Sqlite {
    pub(crate) async fn trail(
        &self,
        organization: OrganizationId,
        filter: TrailFilter,
        limit: u32,
    ) -> Result<Vec<TrailEntry>, Error> {
        let Some(number) = self.number(organization)? else { return Err(Error::NoOrganization) };
        // It may have to look at every entry there is.
        self.read_heavily(organization, move |reader| reader.at_one_moment(|| read(reader, number, &filter, limit)))
            .await
    }
}

fn read(
    reader: &Reader,
    number: OrganizationNumber,
    filter: &TrailFilter,
    limit: u32,
) -> Result<Vec<TrailEntry>, Error> {
    let all = number.places();
    let (mut first, mut last) = (*all.start(), *all.end());
    if let Some(from) = filter.from {
        first = first_at(reader, number, from)?;
    }
    if let Some(to) = filter.to {
        last = first_at(reader, number, to)? - 1;
    }
    if let Some(after) = filter.after {
        let place = number.place(after.place.clamp(0, all.end() - all.start()));
        match filter.oldest_first {
            true => first = first.max(place + 1),
            false => last = last.min(place - 1),
        }
    }
    let sql = match filter.oldest_first {
        true => {
            "select at, actor, action, target, fields, request, place, role_before, role_after from audit \
             where place between ?1 and ?2 and (?3 is null or actor = ?3) and (?4 is null or action = ?4) \
             and (?5 is null or target = ?5) order by place asc limit ?6"
        }
        false => {
            "select at, actor, action, target, fields, request, place, role_before, role_after from audit \
             where place between ?1 and ?2 and (?3 is null or actor = ?3) and (?4 is null or action = ?4) \
             and (?5 is null or target = ?5) order by place desc limit ?6"
        }
    };
    let action = filter.action.map(Action::as_str);
    reader.collect(sql, params![first, last, filter.actor, action, filter.target, limit], |row| {
        let id = EntryId { place: number.ordinal(row.get(6)?), lane: 0 };
        Ok(TrailEntry { id, entry: rows::remembered(row)?, roles: rows::roles(row, 7)? })
    })
}

/// The place of the first entry from this moment on. An organization's entries are in the order of their moments.
fn first_at(reader: &Reader, number: OrganizationNumber, moment: Timestamp) -> Result<i64, Error> {
    let sql = "select audits from organization where number = ?1";
    let entries: i64 = reader.prepare(sql)?.query_row([number], |row| row.get(0))?;
    let mut statement = reader.prepare("select at from audit where place = ?1")?;
    let (mut low, mut high) = (0, entries);
    while low < high {
        let middle = low + (high - low) / 2;
        let at: i64 = statement.query_row([number.place(middle)], |row| row.get(0))?;
        if at < moment.as_millis() {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(number.place(low))
}
