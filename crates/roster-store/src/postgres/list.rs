//! One page of an organization's users, with an exact count of all that the filter finds, in one statement.

use std::{fmt::Write, sync::Arc};

use deadpool_postgres::ClientWrapper;
use roster_directory::{OrganizationId, Query, RoleSet, UserId, query::Order, search::Term};
use tokio_postgres::types::{ToSql, Type};

use super::{lending::Trouble, rows};
use crate::{Error, Listed, Selection, rows::profile_columns};

/// A page, and whether somebody who goes on after its last user may miss any.
pub(super) struct Page {
    pub(super) selection: Selection,
    pub(super) is_full: bool,
    /// The place of its last user, where that is not below the horizon.
    pub(super) ends_beyond: Option<i64>,
}

/// The answer. With a place it is as if nobody were there yet from it on.
pub(super) async fn list(
    client: &ClientWrapper,
    organization: OrganizationId,
    query: &Query,
    below: Option<i64>,
) -> Result<Page, Trouble> {
    let roles: Vec<i16> = query.roles().iter().map(|role| role as i16).collect();
    let organization = organization.as_str();
    let size = i64::from(query.page.size);
    let offset = i64::try_from(query.offset()).unwrap_or(i64::MAX);
    let email = query.email.as_ref().map(|email| email.as_str());
    let needles: Vec<Needles> = query.search.iter().map(Needles::of).collect();

    let mut params: Vec<(&(dyn ToSql + Sync), Type)> =
        vec![(&organization, Type::TEXT), (&roles, Type::INT2_ARRAY), (&size, Type::INT8), (&offset, Type::INT8)];
    let mut filter = String::from("organization = $1 and role = any ($2)");
    let filters_beyond_role = email.is_some() || !needles.is_empty();
    if let Some(email) = &email {
        params.push((email, Type::TEXT));
        write!(filter, " and email_key = ${}", params.len()).expect(NEVER);
    }
    for needles in &needles {
        params.push((&needles.folded, Type::TEXT));
        write!(filter, " and (search like ${}", params.len()).expect(NEVER);
        if let Some(digits) = &needles.digits {
            params.push((digits, Type::TEXT));
            write!(filter, " or phone_digits like ${}", params.len()).expect(NEVER);
        }
        if let Some(id) = &needles.id {
            params.push((id, Type::TEXT));
            write!(filter, " or id = ${}", params.len()).expect(NEVER);
        }
        filter.push(')');
    }
    let mut not_yet = String::from("false");
    if let Some(below) = &below {
        params.push((below, Type::INT8));
        write!(filter, " and place < ${}", params.len()).expect(NEVER);
        not_yet = format!("place >= ${}", params.len());
    }
    let mut page_filter = filter.clone();
    let after = match query.after {
        Some(id) => Some((place_of_cursor(client, organization, id, query.visible).await?, id.to_string())),
        None => None,
    };
    if let Some((place, id)) = &after {
        params.push((place, Type::INT8));
        params.push((id, Type::TEXT));
        let comes_after = match query.order {
            Order::NewestFirst => "<",
            Order::OldestFirst => ">",
        };
        let last = params.len();
        write!(page_filter, " and (place, id) {comes_after} (${}, ${last})", last - 1).expect(NEVER);
    }
    // Counted where nothing but the role is asked for, else by reading.
    let counted = "select coalesce(sum(users), 0)::bigint from role_count where organization = $1 and role = any ($2)";
    let total = match (filters_beyond_role, below) {
        (false, None) => counted.to_owned(),
        (false, Some(_)) => format!(
            "select ({counted}) - (select count(*) from users where organization = $1 and role = any ($2) and {not_yet})"
        ),
        (true, _) => format!("select count(*) from users where {filter}"),
    };
    // Without writers, nobody begins below the floor of those who ended (see `horizon`).
    let horizon = match query.order {
        Order::NewestFirst => "null::bigint",
        Order::OldestFirst => {
            "coalesce((select min(floor) from writer where number > 0), (select floor from writer where number = 0))"
        }
    };
    let direction = match query.order {
        Order::NewestFirst => "desc",
        Order::OldestFirst => "asc",
    };
    // What is told of all comes with every row, and in a row of its own where the page is empty.
    let sql = format!(
        concat!(
            "with page as (select ",
            profile_columns!(),
            ", place from users where {page_filter} \
             order by place {direction}, id {direction} limit $3 offset $4), total as ({total}) \
             select page.*, total.*, {horizon} from total left join page on true \
             order by page.place {direction}, page.id {direction}"
        ),
        page_filter = page_filter,
        direction = direction,
        total = total,
        horizon = horizon,
    );
    let rows = if needles.is_empty() {
        let statement = client.prepare_cached(&sql).await?;
        client.query(&statement, &params.iter().map(|(value, _)| *value).collect::<Vec<_>>()).await?
    } else {
        // There are as many of these statements as there are kinds of terms and orders of them: kept prepared, they
        // would fill the server's memory. It also plans better for a pattern that it sees.
        client.query_typed(&sql, &params).await?
    };
    let total = rows.first().map_or(0, |row| row.get::<_, i64>(TOTAL));
    let on_the_page = rows.iter().filter(|row| row.get::<_, Option<&str>>(0).is_some());
    let last = on_the_page.clone().next_back();
    let ends_beyond = last.and_then(|row| {
        let place: i64 = row.get(PLACE);
        row.get::<_, Option<i64>>(HORIZON).filter(|horizon| place >= *horizon).map(|_| place)
    });
    let users: Vec<_> = on_the_page
        .map(|row| rows::profile(row).map(|profile| Arc::new(Listed::from(profile))))
        .collect::<Result<_, _>>()
        .map_err(Trouble::Refused)?;
    let is_full = users.len() == query.page.size as usize;
    Ok(Page { selection: Selection { users, total: total as u64 }, is_full, ends_beyond })
}

/// Where the user lies whom the page comes after. One who may not be seen is as unknown as one who never was.
async fn place_of_cursor(
    client: &ClientWrapper,
    organization: &str,
    id: UserId,
    seen: RoleSet,
) -> Result<i64, Trouble> {
    let sql = "select place from users where organization = $1 and id = $2 and role = any ($3)";
    let statement = client.prepare_cached(sql).await?;
    let seen: Vec<i16> = seen.iter().map(|role| role as i16).collect();
    let row = client.query_opt(&statement, &[&organization, &id.as_str(), &seen]).await?;
    Ok(row.ok_or(Trouble::Refused(Error::NoSuchCursor))?.get(0))
}

const NEVER: &str = "writing to a string does not fail";

/// The columns after [`rows::profile`]'s.
const PLACE: usize = 12;
const TOTAL: usize = 13;
const HORIZON: usize = 14;

/// What one term is looked for as: patterns of `like`, and an id.
struct Needles {
    folded: String,
    digits: Option<String>,
    id: Option<String>,
}

impl Needles {
    fn of(term: &Term) -> Self {
        let mut needles = term.needles().map(pattern);
        Self {
            folded: needles.next().unwrap_or_default(),
            digits: needles.next(),
            id: term.id().map(|id| id.to_string()),
        }
    }
}

/// The pattern that finds `needle` anywhere; `\`, `%` and `_` stand for themselves.
fn pattern(needle: &str) -> String {
    let mut pattern = String::with_capacity(needle.len() + 2);
    pattern.push('%');
    for c in needle.chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
