//! `GET /api/v1/users`: pages, filters, sorts.

mod model;

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use super::{issues, keys};
use crate::roster::{Answer, Client, Organization, Roster};

/// Asks for a list; of its answer, the first names on one line and the numbers of the pagination.
async fn list(client: &Client<'_>, query: &str) -> String {
    shown(&client.get(&format!("/api/v1/users?{query}")).await)
}

fn shown(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let names: Vec<&str> = answer.body["data"].as_array().expect("a list").iter().map(first_name).collect();
    let pagination = &answer.body["pagination"];
    let number = |name: &str| pagination[name].as_u64().expect("a whole number");
    format!(
        "{} | page {} by {}: {} on {}",
        names.join(" "),
        number("page"),
        number("pageSize"),
        number("totalCount"),
        number("totalPages")
    )
}

fn first_name(user: &Value) -> &str {
    user["firstName"].as_str().expect("a name")
}

/// What is wrong with a query.
async fn wrong(client: &Client<'_>, query: &str) -> String {
    issues(&client.get(&format!("/api/v1/users?{query}")).await)
}

/// An organization with users U1 to Un, U1 being the oldest.
async fn numbered<'a>(roster: &'a Roster, count: usize) -> Organization<'a> {
    let org = roster.organization("Example Organization").await;
    for n in 1..=count {
        org.user(&format!("U{n}"), "Doe", Role::Technician).await;
    }
    org
}

#[tokio::test]
async fn a_list_has_the_documented_shape() {
    let roster = Roster::new();
    let org = numbered(&roster, 1).await;
    let answer = org.key(Role::Admin).await.get("/api/v1/users").await;
    assert_snapshot!(answer, @r#"
    200
    {
      "data": [
        {
          "addressLine1": null,
          "addressLine2": null,
          "birthDate": null,
          "caregiverId": null,
          "city": null,
          "firstName": "U1",
          "lastName": "Doe",
          "postalCode": null,
          "publicId": "usr_1736937000_003000000",
          "role": "TECHNICIAN",
          "sex": null,
          "state": null
        }
      ],
      "pagination": {
        "page": 1,
        "pageSize": 25,
        "totalCount": 1,
        "totalPages": 1
      }
    }
    "#);
    assert_eq!(keys(&answer.body["data"][0]).len(), 12);
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn an_empty_organization_has_an_empty_list() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    assert_snapshot!(admin.get("/api/v1/users").await, @r#"
    200
    {
      "data": [],
      "pagination": {
        "page": 1,
        "pageSize": 25,
        "totalCount": 0,
        "totalPages": 0
      }
    }
    "#);
}

#[tokio::test]
async fn a_page_has_25_users_unless_told_otherwise() {
    let roster = Roster::new();
    let admin = numbered(&roster, 26).await.key(Role::Admin).await;
    assert_snapshot!(list(&admin, "").await, @"U26 U25 U24 U23 U22 U21 U20 U19 U18 U17 U16 U15 U14 U13 U12 U11 U10 U9 U8 U7 U6 U5 U4 U3 U2 | page 1 by 25: 26 on 2");
    assert_snapshot!(list(&admin, "page=2").await, @"U1 | page 2 by 25: 26 on 2");
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip() {
    let roster = Roster::new();
    let admin = numbered(&roster, 7).await.key(Role::Admin).await;
    let mut said = Vec::new();
    for query in [
        "pageSize=3",
        "pageSize=3&page=2",
        "pageSize=3&page=3",
        "pageSize=3&page=4",
        "pageSize=3&page=9007199254740991",
        "pageSize=100&page=9007199254740991",
        "pageSize=7",
        "pageSize=8",
        "pageSize=1&page=7",
        "pageSize=100",
        "page=1e0&pageSize=%2B2",
        "page=%202%20&pageSize=2.0",
    ] {
        said.push(format!("{query} → {}", list(&admin, query).await));
    }
    assert_snapshot!(said.join("\n"), @"
    pageSize=3 → U7 U6 U5 | page 1 by 3: 7 on 3
    pageSize=3&page=2 → U4 U3 U2 | page 2 by 3: 7 on 3
    pageSize=3&page=3 → U1 | page 3 by 3: 7 on 3
    pageSize=3&page=4 →  | page 4 by 3: 7 on 3
    pageSize=3&page=9007199254740991 →  | page 9007199254740991 by 3: 7 on 3
    pageSize=100&page=9007199254740991 →  | page 9007199254740991 by 100: 7 on 1
    pageSize=7 → U7 U6 U5 U4 U3 U2 U1 | page 1 by 7: 7 on 1
    pageSize=8 → U7 U6 U5 U4 U3 U2 U1 | page 1 by 8: 7 on 1
    pageSize=1&page=7 → U1 | page 7 by 1: 7 on 7
    pageSize=100 → U7 U6 U5 U4 U3 U2 U1 | page 1 by 100: 7 on 1
    page=1e0&pageSize=%2B2 → U7 U6 | page 1 by 2: 7 on 4
    page=%202%20&pageSize=2.0 → U5 U4 | page 2 by 2: 7 on 4
    ");
}

#[tokio::test]
async fn a_page_that_is_none_is_refused_and_never_clamped() {
    let roster = Roster::new();
    let admin = numbered(&roster, 1).await.key(Role::Admin).await;
    let mut said = Vec::new();
    for value in ["101", "0", "-1", "abc", "1.5", "", "%20", "1,5", "0x", "1e3", "NaN", "null", "99999999999999999999"]
    {
        said.push(wrong(&admin, &format!("pageSize={value}")).await.replace("pageSize", &format!("pageSize={value}")));
    }
    for value in ["0", "-1", "abc", "1.5", "", "9007199254740992"] {
        said.push(wrong(&admin, &format!("page={value}")).await.replace("page:", &format!("page={value}:")));
    }
    assert_snapshot!(said.join("\n"), @"
    too_big pageSize=101: Number must be less than or equal to 100
    too_small pageSize=0: Number must be greater than or equal to 1
    too_small pageSize=-1: Number must be greater than or equal to 1
    invalid_type pageSize=abc: Expected number, received nan
    invalid_type pageSize=1.5: Expected integer, received float
    too_small pageSize=: Number must be greater than or equal to 1
    too_small pageSize=%20: Number must be greater than or equal to 1
    invalid_type pageSize=1,5: Expected number, received nan
    invalid_type pageSize=0x: Expected number, received nan
    too_big pageSize=1e3: Number must be less than or equal to 100
    invalid_type pageSize=NaN: Expected number, received nan
    invalid_type pageSize=null: Expected number, received nan
    too_big pageSize=99999999999999999999: Number must be less than or equal to 100
    too_small page=0: Number must be greater than or equal to 1
    too_small page=-1: Number must be greater than or equal to 1
    invalid_type page=abc: Expected number, received nan
    invalid_type page=1.5: Expected integer, received float
    too_small page=: Number must be greater than or equal to 1
    too_big page=9007199254740992: Number must be less than or equal to 9007199254740991
    ");
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_query_is_said_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let query = format!("sort=name_asc&role=boss&search={}&pageSize=1000&page=x", "x".repeat(201));
    assert_snapshot!(wrong(&admin, &query).await, @"
    invalid_type page: Expected number, received nan
    too_big pageSize: Number must be less than or equal to 100
    too_big search: String must contain at most 200 character(s)
    invalid_enum_value role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'HIPP_ADMIN' | 'HIPP_BILLING_MANAGER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN' | 'CLINICAL_SUPERADMIN', received 'boss'
    invalid_string sort: Invalid
    ");
}

#[tokio::test]
async fn of_a_parameter_given_twice_the_last_counts_and_unknown_ones_do_not() {
    let roster = Roster::new();
    let admin = numbered(&roster, 3).await.key(Role::Admin).await;
    assert_snapshot!(list(&admin, "pageSize=x&pageSize=1&Page=0&limit=7&&=&a").await, @"U3 | page 1 by 1: 3 on 3");
}

#[tokio::test]
async fn a_role_filter_shows_that_role() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    for role in Role::ALL {
        org.user(role.as_str(), "One", role).await;
        org.user(role.as_str(), "Two", role).await;
    }
    for role in Role::ALL {
        let expected = match role {
            Role::HippAdmin => " | page 1 by 25: 0 on 0".to_owned(),
            role => format!("{role} {role} | page 1 by 25: 2 on 1"),
        };
        assert_eq!(list(&admin, &format!("role={role}")).await, expected);
    }
    for bad in ["admin", "", "BOSS", "ADMIN%20", "ADMIN,PATIENT"] {
        let said = wrong(&admin, &format!("role={bad}")).await;
        assert!(said.starts_with("invalid_enum_value role: Invalid enum value. Expected 'ADMIN' | "), "{said}");
    }
}

#[tokio::test]
async fn hipp_admins_are_never_listed() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    org.user("Root", "Doe", Role::HippAdmin).await;
    org.user("Ann", "Doe", Role::Admin).await;
    for role in [Role::Admin, Role::HippAdmin] {
        let client = org.key(role).await;
        assert_eq!(list(&client, "").await, "Ann | page 1 by 25: 1 on 1");
        assert_eq!(list(&client, "search=doe").await, "Ann | page 1 by 25: 1 on 1");
        assert_eq!(list(&client, "role=HIPP_ADMIN").await, " | page 1 by 25: 0 on 0");
        assert_eq!(list(&client, "role=HIPP_ADMIN&search=root").await, " | page 1 by 25: 0 on 0");
    }
}

#[tokio::test]
async fn an_email_filter_is_exact_and_ignores_case() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let clinician = org.key(Role::Clinician).await;
    for (first, email, role) in [
        ("Ann", "Ann@Example.com", "ADMIN"),
        ("Bob", "bob@example.com", "PATIENT"),
        ("Tag", "bob+tag@example.com", "PATIENT"),
    ] {
        admin.create(json!({ "firstName": first, "lastName": "Doe", "email": email, "role": role })).await;
    }
    org.user("None", "Doe", Role::Patient).await;
    let one = |name: &str| format!("{name} | page 1 by 25: 1 on 1");
    let none = " | page 1 by 25: 0 on 0";
    for (client, query, expected) in [
        (&admin, "email=ann@example.com", one("Ann")),
        (&admin, "email=ANN%40EXAMPLE.COM", one("Ann")),
        (&admin, "email=bob%2Btag@example.com", one("Tag")),
        (&admin, "email=bob+tag@example.com", none.into()),
        (&admin, "email=bob", none.into()),
        (&admin, "email=bob@example.com%20", none.into()),
        (&admin, "email=%25", none.into()),
        (&admin, "email=_ob@example.com", none.into()),
        (&admin, "email=bob@example.com&role=PATIENT", one("Bob")),
        (&admin, "email=bob@example.com&role=ADMIN", none.into()),
        (&admin, "email=bob@example.com&search=bob+do", one("Bob")),
        (&admin, "email=bob@example.com&search=ann", none.into()),
        (&clinician, "email=bob@example.com", one("Bob")),
        (&clinician, "email=ann@example.com", none.into()),
    ] {
        assert_eq!(list(client, query).await, expected, "{query}");
    }
    assert_eq!(list(&admin, "email=bob@example.com&page=2").await, " | page 2 by 25: 1 on 1");
    assert_eq!(
        list(&admin, "email=&pageSize=1").await,
        "None | page 1 by 1: 4 on 4",
        "an empty filter filters nothing"
    );
}

#[tokio::test]
async fn every_sort_ends_in_creation_order() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    for (n, millis) in [0, 0, 1, 1, 5].into_iter().enumerate() {
        roster.set_clock(crate::roster::NOW + millis);
        org.user(&format!("U{n}"), "Doe", Role::Patient).await;
    }
    let newest = "U4 U3 U2 U1 U0 | page 1 by 25: 5 on 1";
    let oldest = "U0 U1 U2 U3 U4 | page 1 by 25: 5 on 1";
    for (sort, expected) in [
        ("", newest),
        ("sort=createdAt_desc", newest),
        ("sort=updatedAt_desc", newest),
        ("sort=createdAt_desc,updatedAt_asc", newest),
        ("sort=createdAt_asc", oldest),
        ("sort=updatedAt_asc", oldest),
        ("sort=updatedAt_asc,createdAt_desc", oldest),
        ("sort=createdAt_asc%2CcreatedAt_asc", oldest),
    ] {
        assert_eq!(list(&admin, sort).await, expected, "{sort}");
    }
    for bad in ["", "createdAt", "asc", "createdAt_up", "createdat_asc", "createdAt_asc,", ",createdAt_asc", "name_asc"]
    {
        assert_eq!(wrong(&admin, &format!("sort={bad}")).await, "invalid_string sort: Invalid", "{bad}");
    }
    assert_eq!(wrong(&admin, "sort=createdAt_asc,%20updatedAt_asc").await, "invalid_string sort: Invalid");
}

#[tokio::test]
async fn a_clock_that_runs_backwards_changes_no_order() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut moments = Vec::new();
    for (name, millis) in [("U0", 10_000), ("U1", 5_000), ("U2", 10_001), ("U3", 0)] {
        roster.set_clock(crate::roster::NOW + millis);
        let answer = admin.post("/api/v1/users", json!({ "firstName": name, "lastName": "Doe" })).await;
        moments.push(answer.body["user"]["createdAt"].as_str().expect("a moment").to_owned());
    }
    assert!(moments.is_sorted(), "createdAt and creation order agree: {moments:?}");
    assert_eq!(list(&admin, "").await, "U3 U2 U1 U0 | page 1 by 25: 4 on 1");
}

#[tokio::test]
async fn own_writes_are_listed_and_counted_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for n in 1..=30 {
        let email = format!("u{n}@example.com");
        let name = format!("U{n}");
        let id = admin.create(json!({ "firstName": name, "lastName": "Doe", "email": email, "role": "PATIENT" })).await;
        for query in ["pageSize=1", "pageSize=1&role=PATIENT", "pageSize=1&search=doe", "pageSize=1&search=d"] {
            assert_eq!(list(&admin, query).await, format!("{name} | page 1 by 1: {n} on {n}"), "{query}");
        }
        for query in [format!("email={email}"), format!("search={id}")] {
            assert_eq!(list(&admin, &query).await, format!("{name} | page 1 by 25: 1 on 1"), "{query}");
        }
    }
}

#[tokio::test]
async fn filters_combine() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    for n in 0..12 {
        let role = if n % 2 == 0 { Role::Patient } else { Role::Technician };
        org.user(&format!("U{n}"), if n % 3 == 0 { "Smith" } else { "Doe" }, role).await;
    }
    let said = list(&admin, "role=PATIENT&search=DOE&sort=createdAt_asc&page=2&pageSize=3").await;
    assert_snapshot!(said, @"U10 | page 2 by 3: 4 on 2");
}

#[tokio::test]
async fn roles_that_may_read_nobody_are_refused_before_their_query_is_looked_at() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    for role in [Role::Technician, Role::Patient, Role::Caregiver] {
        let client = org.key(role).await;
        for query in ["", "pageSize=x"] {
            let answer = client.get(&format!("/api/v1/users?{query}")).await;
            assert_eq!(answer.to_string(), "403\n{\n  \"error\": \"Access denied\"\n}", "{role}");
        }
    }
}

#[tokio::test]
async fn an_email_filter_has_no_control_characters() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for query in ["email=%00", "email=a%0a@example.com"] {
        let answer = admin.get(&format!("/api/v1/users?{query}")).await;
        assert_eq!(answer.status, 400, "{answer}");
        assert_eq!(answer.body["details"][0]["path"], json!(["email"]), "{answer}");
    }
}
