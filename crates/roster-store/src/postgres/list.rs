//! One page of an organization's users, with an exact count of all that the filter finds, in one statement.
//!
//! The planner is left one way only, because statistics are missing after an import and may mislead later. `bucket + 0`
//! and `place + 0` are no columns of an index. A limit behind `(select …)` is unknown to the planner: it plans for a tenth of the rows, so an
//! index in the order of the list is always cheaper than a sort.

use std::{fmt::Write, sync::Arc};

use roster_directory::{
    OrganizationId, Query, UserId,
    query::{Order, SortKey},
    search::Term,
    user::{Profile, Status},
};

use super::{
    connection::{Ask, Connection, Param},
    lending::Trouble,
    rows,
};
use crate::{
    Error, Listed, Selection,
    bucket::Buckets,
    records::user::{self, PROFILE_COLUMNS, USER_COLUMNS, profile_columns, user_columns},
};

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
    let (buckets, hidden) = (numbers(Buckets::of(query)), numbers(Buckets::of(query).others()));
    let organization = organization.as_str();
    let size = i64::from(query.page.size);
    let offset = i64::try_from(query.offset()).unwrap_or(i64::MAX);
    let email = query.email.as_ref().map(|email| email.as_str());
    let needles: Vec<Needles> = query.search.iter().map(Needles::of).collect();

    let shown = if query.whole { WHOLE } else { LISTED };
    let mut params: Vec<&dyn Param> = vec![&organization, &buckets, &size, &offset];
    let filters_beyond_bucket = email.is_some() || !needles.is_empty();
    let (users, mut filter) = wanted(query.status, &email, &needles, &mut params);
    // The part of the list that the page is in.
    let mut stretch = String::new();
    let mut not_yet = String::from("false");
    if let Some(below) = &below {
        params.push(below);
        write!(stretch, " and {TURN} < ${}", params.len()).expect(NEVER);
        not_yet = format!("place >= ${}", params.len());
    }
    let page_filter = filter.clone();
    filter.push_str(&stretch.replace(TURN, "place"));
    let after = match query.after {
        Some(id) => Some((turn_of_cursor(client, organization, id, query).await?, id.to_string())),
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
        write!(stretch, " and ({TURN}, id) {comes_after} (${}, ${last})", last - 1).expect(NEVER);
    }
    // Counted where nothing but the role is asked for, else by reading.
    let total = match (filters_beyond_bucket, below) {
        (false, None) => "select shown from counted".to_owned(),
        (false, Some(_)) => format!(
            "select shown - (select count(*) from (select bucket from users where organization = $1 and {not_yet} \
             order by place limit (select {UNLIMITED})) as unseen where bucket = any ($2)) from counted"
        ),
        (true, _) => format!("select count(*) from {users} where {filter}"),
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
    let by_place = stretch.replace(TURN, "place");
    let order = match email {
        None => format!("order by place {direction}, id {direction}"),
        // They are few: whoever looks for them in the order of the list reads all users.
        Some(_) => format!("order by place + 0 {direction}, id {direction}"),
    };
    let columns = format!("{}, place as turn", shown.columns);
    let page = match (query.key, filters_beyond_bucket) {
        (SortKey::UpdatedAt, _) => page_by_update(shown.columns, &users, &page_filter, &stretch, direction),
        (SortKey::CreatedAt, false) => {
            params.push(&hidden);
            page_by_bucket(&columns, &by_place, &order, params.len())
        }
        (SortKey::CreatedAt, true) => {
            format!("select {columns} from {users} where {page_filter}{by_place} {order} limit $3 offset $4")
        }
    };
    // What is told of all comes with every row, and in a row of its own where the page is empty.
    let sql = format!(
        "with counted as materialized ({COUNTED}), page as ({page}), total as ({total}) \
         select {}{}, page.turn, total.*, {horizon} from total left join page on true \
         order by page.turn {direction}, page.id {direction}",
        shown.columns, shown.beside
    );
    let rows = match needles.is_empty() {
        true => client.query(&sql, &params).await?,
        // There are as many of these statements as there are kinds of terms and orders of them: kept prepared, they
        // would fill the server's memory. It also plans better for a pattern that it sees.
        false => client.query_once(&sql, &params).await?,
    };
    let total = rows.first().map_or(0, |row| row.get::<_, i64>(shown.total));
    let on_the_page = rows.iter().filter(|row| row.get::<_, Option<&str>>(0).is_some());
    let last = on_the_page.clone().next_back();
    let ends_beyond = last.and_then(|row| {
        let turn: i64 = row.get(shown.turn);
        row.get::<_, Option<i64>>(shown.total + 1).filter(|horizon| turn >= *horizon).map(|_| turn)
    });
    let turns = match query.key {
        SortKey::CreatedAt => Vec::new(),
        SortKey::UpdatedAt => on_the_page.clone().map(|row| row.get(shown.turn)).collect(),
    };
    let (mut users, mut whole) = (Vec::with_capacity(rows.len()), Vec::new());
    for row in on_the_page {
        let profile = match query.whole {
            false => user::profile(row).map_err(Trouble::Refused)?,
            true => {
                let user = rows::user(row).map_err(Trouble::Refused)?;
                whole.push(user.clone());
                Profile::from(user)
            }
        };
        users.push(Arc::new(Listed::from(profile)));
    }
    let is_full = users.len() == query.page.size as usize;
    Ok(Page { selection: Selection { users, whole, turns, total: total as u64 }, is_full, ends_beyond })
}

/// Where those are read whom a list finds, and by what; adds what that needs to the parameters, of which the first two are
/// the organization and the buckets.
pub(super) fn wanted<'a>(
    status: Option<Status>,
    email: &'a Option<&'a str>,
    needles: &'a [Needles],
    params: &mut Vec<&'a dyn Param>,
) -> (String, String) {
    // A search reads all users of these buckets anyhow. Anything else must not read all of a bucket.
    let mut filter = match needles.is_empty() {
        true => String::from("organization = $1 and bucket + 0 = any ($2::smallint[])"),
        false => String::from("organization = $1 and bucket = any ($2)"),
    };
    let mut users = String::from("users");
    if let Some(email) = email {
        params.push(email);
        users = with_email(status, params.len());
    }
    for needles in needles {
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
    (users, filter)
}

/// How many users of these buckets there are, and how many of others.
const COUNTED: &str = "select coalesce(sum(users) filter (where bucket = any ($2)), 0)::bigint as shown, \
                       coalesce(sum(users) filter (where bucket <> all ($2)), 0)::bigint as hidden \
                       from role_count where organization = $1";

/// The users of this status who have the e-mail of that parameter: those who are active by one index, the others by another.
fn with_email(status: Option<Status>, parameter: usize) -> String {
    let having = |key: &str| format!("select * from users where organization = $1 and {key} = ${parameter}");
    let (active, former) = (having("email_key"), having("former_email_key"));
    match status {
        Some(Status::Active) => format!("({active}) as users"),
        Some(Status::Deactivated) => format!("({former}) as users"),
        None => format!("({active} union all {former}) as users"),
    }
}

/// A page of all users of these buckets within a stretch of places.
///
/// Where few others lie among them, all users are walked in the order of the list. Elsewhere the index of each bucket is
/// read as far as the page may reach, and the page is put together from these: a rare one costs what it has. The count
/// says which of the two runs, and the other one ends at once. The others' buckets are the parameter `hidden`: `= any` would
/// be taken for few rows, which are soon sorted.
fn page_by_bucket(columns: &str, stretch: &str, order: &str, hidden: usize) -> String {
    let are_few_hidden = format!("(select hidden <= {FEW_HIDDEN} and hidden * {SHOWN_FOR_EACH} <= shown from counted)");
    format!(
        "(select {columns} from users where organization = $1 and bucket <> all (${hidden}){stretch} and {are_few_hidden} \
         {order} limit (select $3::bigint) offset (select $4::bigint)) \
         union all \
         (select shown.* from (select place, id from unnest($2::smallint[]) as of (bucket) cross join lateral \
             (select place, id from users where organization = $1 and bucket = of.bucket{stretch} \
              and not {are_few_hidden} {order} limit (select $3 + $4)) as first \
             {order} limit (select $3) offset (select $4)) as placed cross join lateral \
             (select {columns} from users where organization = $1 and id = placed.id limit 1) as shown)"
    )
}

/// Users that may be hidden from a list that passes over them as it meets them, and for each of whom so many are shown
/// (as on SQLite).
const FEW_HIDDEN: i64 = 1_024;
const SHOWN_FOR_EACH: i64 = 8;

/// A limit that ends nothing.
const UNLIMITED: i64 = i64::MAX;

/// A page of a list that is sorted by `updatedAt`: whoever never changed, in the order of places, and whoever did, in the
/// order of changes, put together.
fn page_by_update(columns: &str, users: &str, filter: &str, stretch: &str, direction: &str) -> String {
    let part = |turn: &str, whose: &str| {
        format!(
            "(select {columns}, {turn} as turn from {users} where {filter} and updated {whose}{} \
             order by {turn} {direction}, id {direction} limit (select $3::bigint + $4::bigint))",
            stretch.replace(TURN, turn)
        )
    };
    format!(
        "select * from ({} union all {}) as users order by turn {direction}, id {direction} limit $3 offset $4",
        part("place", "is null"),
        part("updated", "is not null")
    )
}

/// Stands for the column by which a list is sorted.
const TURN: &str = "{turn}";

/// Where the user stands whom the page comes after. One who may not be seen is as unknown as one who never was.
async fn turn_of_cursor(client: &Connection, organization: &str, id: UserId, query: &Query) -> Result<i64, Trouble> {
    let sql =
        "select place, updated from users where organization = $1 and id = $2 and bucket + 0 = any ($3::smallint[])";
    let seen = numbers(Buckets::of_roles(query.visible, None));
    let row = client.query_opt(sql, &[&organization, &id.as_str(), &seen]).await?;
    let row = row.ok_or(Trouble::Refused(Error::NoSuchCursor))?;
    Ok(match query.key {
        SortKey::CreatedAt => row.get(0),
        SortKey::UpdatedAt => query.after_turn.or(row.get(1)).unwrap_or_else(|| row.get(0)),
    })
}

pub(super) fn numbers(buckets: Buckets) -> Vec<i16> {
    buckets.iter().map(|bucket| i16::from(bucket.number())).collect()
}

const NEVER: &str = "writing to a string does not fail";

/// What is read of each user of the page, and where the rest stands.
struct Shown {
    columns: &'static str,
    /// What is looked up for those of the page only.
    beside: &'static str,
    /// Where it stands in the list.
    turn: usize,
    /// And after it the horizon.
    total: usize,
}

const LISTED: Shown = Shown {
    columns: concat!(profile_columns!(), ", place"),
    beside: "",
    turn: PROFILE_COLUMNS + 1,
    total: PROFILE_COLUMNS + 2,
};

/// As [`rows::user`] reads it.
const WHOLE: Shown = Shown {
    columns: concat!(user_columns!(), ", place, updated"),
    beside: ", array (select payor from user_payor a where a.organization = $1 and a.user_id = page.id)",
    turn: USER_COLUMNS + 3,
    total: USER_COLUMNS + 4,
};

/// What one term is looked for as: patterns of `like`, and an id.
pub(super) struct Needles {
    folded: String,
    digits: Option<String>,
    id: Option<String>,
}

impl Needles {
    pub(super) fn of(term: &Term) -> Self {
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
