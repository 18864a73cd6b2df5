//! The audit trail as it is read by filters.

use roster_directory::{OrganizationId, audit::Action};

use super::{HEAVY_DEADLINE, Postgres, QUERY_DEADLINE, connection::Param, place, rows};
use crate::{
    Error,
    trail::{EntryId, TrailEntry, TrailFilter},
};

impl Postgres {
    pub(crate) async fn trail(
        &self,
        organization: OrganizationId,
        filter: TrailFilter,
        limit: u32,
    ) -> Result<Vec<TrailEntry>, Error> {
        // It may have to look at every entry there is.
        let place = tokio::time::timeout(QUERY_DEADLINE, self.heavy.place(organization)).await;
        let _place = place.map_err(|_| Error::Busy)?;
        let sql = match filter.oldest_first {
            true => {
                "select place, actor, action, target, fields, request, lane, role_before, role_after from audit \
                 where organization = $1 and place >= $2 and place < $3 and (place, lane) > ($4, $5) \
                 and ($6::text is null or actor = $6) and ($7::text is null or action = $7) \
                 and ($8::text is null or target = $8) order by place asc, lane asc limit (select $9::bigint)"
            }
            false => {
                "select place, actor, action, target, fields, request, lane, role_before, role_after from audit \
                 where organization = $1 and place >= $2 and place < $3 and (place, lane) < ($4, $5) \
                 and ($6::text is null or actor = $6) and ($7::text is null or action = $7) \
                 and ($8::text is null or target = $8) order by place desc, lane desc limit (select $9::bigint)"
            }
        };
        let first = filter.from.map_or(0, |from| place::first_of(from.as_millis()));
        let end = filter.to.map_or(i64::MAX, |to| place::first_of(to.as_millis()));
        let beyond =
            if filter.oldest_first { EntryId { place: -1, lane: 0 } } else { EntryId { place: i64::MAX, lane: 0 } };
        let EntryId { place, lane } = filter.after.unwrap_or(beyond);
        let action = filter.action.map(Action::as_str);
        let (organization_id, limit) = (organization.as_str(), i64::from(limit));
        let params: [&dyn Param; 9] =
            [&organization_id, &first, &end, &place, &lane, &filter.actor, &action, &filter.target, &limit];
        let entries = self.query_within(HEAVY_DEADLINE, sql, &params, |row| {
            let id = EntryId { place: row.get(0), lane: row.get(6) };
            Ok(TrailEntry { id, entry: rows::remembered(row), roles: rows::roles(row, 7)? })
        });
        let entries = entries.await?;
        if entries.is_empty() {
            self.must_exist(organization).await?;
        }
        Ok(entries)
    }
}
