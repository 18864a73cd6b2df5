//! One page of an organization's users, with an exact count of all that the filter finds, in one statement.
//!
//! The planner is left one way only, because statistics are missing after an import and may mislead later. `role + 0` is
//! no column of an index. A limit behind `(select …)` is unknown to the planner: it plans for a tenth of the rows, so an
//! index in the order of the list is always cheaper than a sort.

use std::{fmt::Write, sync::Arc};

use roster_directory::{OrganizationId, Query, RoleSet, UserId, query::Order, search::Term};

use super::{
    connection::{Ask, Connection, Param},
    lending::Trouble,
    rows,
};
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
    client: &Connection,
    organization: OrganizationId,
    query: &Query,
    below: Option<i64>,
) -> Result<Page, Trouble> {
    let numbers = |roles: RoleSet| roles.iter().map(|role| role as i16).collect::<Vec<_>>();
    let (roles, hidden) = (numbers(query.roles()), numbers(RoleSet::ALL.without(query.roles())));
    let organization = organization.as_str();
    let size = i64::from(query.page.size);
    let offset = i64::try_from(query.offset()).unwrap_or(i64::MAX);
    let email = query.email.as_ref().map(|email| email.as_str());
    let needles: Vec<Needles> = query.search.iter().map(Needles::of).collect();

    let mut params: Vec<&dyn Param> = vec![&organization, &roles, &size, &offset];
    let filters_beyond_role = email.is_some() || !needles.is_empty();
    // A search reads all users of these roles anyhow. Anything else must not read all of a role.
    let mut filter = match needles.is_empty() {
        true => String::from("organization = $1 and role + 0 = any ($2::smallint[])"),
        false => String::from("organization = $1 and role = any ($2)"),
    };
    if let Some(email) = &email {
        params.push(email);
        write!(filter, " and email_key = ${}", params.len()).expect(NEVER);
    }
    for needles in &needles {
        params.push(&needles.folded);
        write!(filter, " and (search like ${}", params.len()).expect(NEVER);
        if let Some(digits) = &needles.digits {
            params.push(digits);
            write!(filter, " or phone_digits like ${}", params.len()).expect(NEVER);
        }
        if let Some(id) = &needles.id {
            params.push(id);
            write!(filter, " or id = ${}", params.len()).expect(NEVER);
        }
        filter.push(')');
    }
    // The part of the list that the page is in.
    let mut stretch = String::new();
    let mut not_yet = String::from("false");
    if let Some(below) = &below {
        params.push(below);
        write!(stretch, " and place < ${}", params.len()).expect(NEVER);
        not_yet = format!("place >= ${}", params.len());
    }
    let page_filter = filter.clone();
    filter.push_str(&stretch);
    let after = match query.after {
        Some(id) => Some((place_of_cursor(client, organization, id, query.visible).await?, id.to_string())),
        None => None,
    };
    if let Some((place, id)) = &after {
        params.push(place);
        params.push(id);
        let comes_after = match query.order {
            Order::NewestFirst => "<",
            Order::OldestFirst => ">",
        };
        let last = params.len();
        write!(stretch, " and (place, id) {comes_after} (${}, ${last})", last - 1).expect(NEVER);
    }
    // Counted where nothing but the role is asked for, else by reading.
    let total = match (filters_beyond_role, below) {
        (false, None) => "select shown from counted".to_owned(),
        (false, Some(_)) => format!(
            "select shown - (select count(*) from (select role from users where organization = $1 and {not_yet} \
             order by place limit (select {UNLIMITED})) as unseen where role = any ($2)) from counted"
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
    let order = format!("order by place {direction}, id {direction}");
    let page = match filters_beyond_role {
        false => {
            params.push(&hidden);
            page_by_role(&stretch, &order, params.len())
        }
        true => format!(
            concat!(
                "select ",
                profile_columns!(),
                ", place from users where {page_filter}{stretch} {order} limit $3 offset $4"
            ),
            page_filter = page_filter,
            stretch = stretch,
            order = order,
        ),
    };
    // What is told of all comes with every row, and in a row of its own where the page is empty.
    let sql = format!(
        "with counted as materialized ({COUNTED}), page as ({page}), total as ({total}) \
         select page.*, total.*, {horizon} from total left join page on true \
         order by page.place {direction}, page.id {direction}"
    );
    let rows = match needles.is_empty() {
        true => client.query(&sql, &params).await?,
        // There are as many of these statements as there are kinds of terms and orders of them: kept prepared, they
        // would fill the server's memory. It also plans better for a pattern that it sees.
        false => client.query_once(&sql, &params).await?,
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

/// How many users of these roles there are, and how many of others.
const COUNTED: &str = "select coalesce(sum(users) filter (where role = any ($2)), 0)::bigint as shown, \
                       coalesce(sum(users) filter (where role <> all ($2)), 0)::bigint as hidden \
                       from role_count where organization = $1";

/// A page of all users of these roles within a stretch of places.
///
/// Where few others lie among them, all users are walked in the order of the list. Elsewhere the index of each role is
/// read as far as the page may reach, and the page is put together from these: a rare role costs what it has. The count
/// says which of the two runs, and the other one ends at once. The others' roles are the parameter `hidden`: `= any` would
/// be taken for few rows, which are soon sorted.
fn page_by_role(stretch: &str, order: &str, hidden: usize) -> String {
    let are_few_hidden = format!("(select hidden <= {FEW_HIDDEN} and hidden * {SHOWN_FOR_EACH} <= shown from counted)");
    format!(
        concat!(
            "(select ",
            profile_columns!(),
            ", place from users where organization = $1 and role <> all (${hidden}){stretch} and {are_few_hidden} \
             {order} limit (select $3::bigint) offset (select $4::bigint)) \
             union all \
             (select shown.* from (select place, id from unnest($2::smallint[]) as of (role) cross join lateral \
                 (select place, id from users where organization = $1 and role = of.role{stretch} \
                  and not {are_few_hidden} {order} limit (select $3 + $4)) as first \
                 {order} limit (select $3) offset (select $4)) as placed cross join lateral \
                 (select ",
            profile_columns!(),
            ", place from users where organization = $1 and id = placed.id limit 1) as shown)"
        ),
        stretch = stretch,
        order = order,
        hidden = hidden,
        are_few_hidden = are_few_hidden,
    )
}

/// Users that may be hidden from a list that passes over them as it meets them, and for each of whom so many are shown
/// (as on SQLite).
const FEW_HIDDEN: i64 = 1_024;
const SHOWN_FOR_EACH: i64 = 8;

/// A limit that ends nothing.
const UNLIMITED: i64 = i64::MAX;

/// Where the user lies whom the page comes after. One who may not be seen is as unknown as one who never was.
async fn place_of_cursor(client: &Connection, organization: &str, id: UserId, seen: RoleSet) -> Result<i64, Trouble> {
    let sql = "select place from users where organization = $1 and id = $2 and role + 0 = any ($3::smallint[])";
    let seen: Vec<i16> = seen.iter().map(|role| role as i16).collect();
    let row = client.query_opt(sql, &[&organization, &id.as_str(), &seen]).await?;
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
