//! One page of an organization's users, with an exact count of all that the filter finds, in one statement.

use std::{fmt::Write, sync::Arc};

use deadpool_postgres::ClientWrapper;
use roster_directory::{OrganizationId, Query, RoleSet, UserId, query::Order, search::Term};
use tokio_postgres::types::{ToSql, Type};

use super::{lending::Trouble, rows};
use crate::{Error, Listed, Selection, rows::profile_columns};

/// The answer.
pub(super) async fn list(
    client: &ClientWrapper,
    organization: OrganizationId,
    query: &Query,
) -> Result<Selection, Trouble> {
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
    let total = match filters_beyond_role {
        false => "select coalesce(sum(users), 0)::bigint from role_count where organization = $1 and role = any ($2)"
            .to_owned(),
        true => format!("select count(*) from users where {filter}"),
    };
    let direction = match query.order {
        Order::NewestFirst => "desc",
        Order::OldestFirst => "asc",
    };
    // The total comes with every row, and in a row of its own where the page is empty.
    let sql = format!(
        concat!(
            "with page as (select ",
            profile_columns!(),
            ", place from users where {page_filter} \
             order by place {direction}, id {direction} limit $3 offset $4), total as ({total}) \
             select page.*, total.* from total left join page on true order by page.place {direction}, page.id {direction}"
        ),
        page_filter = page_filter,
        direction = direction,
        total = total,
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
    let users = on_the_page
        .map(|row| rows::profile(row).map(|profile| Arc::new(Listed::from(profile))))
        .collect::<Result<_, _>>()
        .map_err(Trouble::Refused)?;
    Ok(Selection { users, total: total as u64 })
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

/// The column after [`rows::profile`]'s and the place.
const TOTAL: usize = 13;

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
