//! `Link: …; rel="next"`: the pages of a list, one after another.

use hyper::StatusCode;
use roster_directory::Role;
use serde_json::json;

use crate::roster::{Answer, Client, Roster};

/// Some of each role, in no order.
const ROLES: [Role; 7] = [
    Role::Patient,
    Role::HippAdmin,
    Role::Caregiver,
    Role::Patient,
    Role::Admin,
    Role::Technician,
    Role::HippBillingManager,
];

fn next_of(answer: &Answer) -> Option<String> {
    let link = answer.header("link");
    // Relative to the list, wherever a proxy has put it.
    let query = link.strip_prefix("<?")?.strip_suffix(">; rel=\"next\"")?;
    Some(format!("/api/v1/users?{query}"))
}

fn ids(answer: &Answer) -> Vec<String> {
    let users = answer.body["data"].as_array().expect("a page");
    users.iter().map(|user| user["publicId"].as_str().expect("an id").to_owned()).collect()
}

/// All ids that following the links gives; each page says its number and the same total.
async fn follow(client: &Client<'_>, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut address = format!("/api/v1/users?{query}");
    let mut total = None;
    for page in 1.. {
        let answer = client.get(&address).await;
        assert_eq!(answer.status, StatusCode::OK, "{address}: {answer}");
        assert_eq!(answer.body["pagination"]["page"], page, "{address}");
        let counted = answer.body["pagination"]["totalCount"].as_u64();
        assert_eq!(*total.get_or_insert(counted), counted, "{address}");
        all.extend(ids(&answer));
        match next_of(&answer) {
            Some(next) => address = next,
            None => break,
        }
    }
    assert_eq!(total.flatten(), Some(all.len() as u64), "{query}: the links lead to all");
    all
}

#[tokio::test]
async fn the_links_lead_through_the_same_list_as_the_page_numbers() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    for nth in 0..60 {
        org.user(&format!("Person{nth}"), if nth % 3 == 0 { "Brown" } else { "Green" }, ROLES[nth % 7]).await;
    }
    let admin = org.key(Role::Admin).await;
    let clinician = org.key(Role::Clinician).await;
    let payroll = org.key(Role::PayrollAdmin).await;
    for client in [&admin, &clinician, &payroll] {
        for query in [
            "pageSize=7",
            "pageSize=100",
            "pageSize=1&sort=createdAt_asc",
            "pageSize=5&role=PATIENT",
            "pageSize=4&search=brown",
            "pageSize=3&search=person1+green&sort=updatedAt_asc",
            "pageSize=2&role=TECHNICIAN&search=e",
        ] {
            let whole = client.get(&format!("/api/v1/users?{query}&pageSize=100")).await;
            assert_eq!(follow(client, query).await, ids(&whole), "{query}");
        }
    }
}

#[tokio::test]
async fn the_next_page_goes_on_where_the_last_one_ended_whoever_was_created_meanwhile() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let mut created = Vec::new();
    for nth in 0..6 {
        created.insert(0, org.user(&format!("Old{nth}"), "Doe", Role::Patient).await);
    }
    let first = admin.get("/api/v1/users?pageSize=3").await;
    for nth in 0..5 {
        org.user(&format!("New{nth}"), "Doe", Role::Patient).await;
    }
    let second = admin.get(&next_of(&first).expect("a next page")).await;
    assert_eq!([ids(&first), ids(&second)].concat(), created);
    assert_eq!(second.body["pagination"], json!({ "page": 2, "pageSize": 3, "totalCount": 11, "totalPages": 4 }));
    assert_eq!(next_of(&second), None, "whatever its number, it is the last");
    for more in ["", "&search=doe", "&role=PATIENT"] {
        let most = (1_u64 << 53) - 1;
        let answer = admin.get(&format!("/api/v1/users?pageSize=3&page={most}&cursor={}{more}", created[1])).await;
        assert_eq!(ids(&answer), created[2..5], "{answer}");
        let last = admin.get(&next_of(&answer).expect("one more")).await;
        assert_eq!((ids(&last), next_of(&last)), (created[5..].to_vec(), None), "{more}");
    }
}

#[tokio::test]
async fn the_link_keeps_the_question() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    for _ in 0..3 {
        org.user("Zoë & Co", "100%", Role::Patient).await;
    }
    let admin = org.key(Role::Admin).await;
    let answer = admin.get("/api/v1/users?search=zo%C3%AB+%26+100%25&pageSize=1&page=2&role=PATIENT&cursor=").await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "an empty cursor is none: {answer}");
    let answer = admin.get("/api/v1/users?search=zo%C3%AB+%26+100%25&pageSize=1&page=2&role=PATIENT").await;
    let id = &ids(&answer)[0];
    let next = format!("/api/v1/users?search=zo%C3%AB+%26+100%25&pageSize=1&role=PATIENT&page=3&cursor={id}");
    assert_eq!(next_of(&answer), Some(next));
}

#[tokio::test]
async fn a_cursor_of_nobody_or_of_another_organization_or_out_of_sight_is_refused() {
    let roster = Roster::new();
    let neighbor = roster.organization("Neighbor").await.user("Ann", "Doe", Role::Patient).await;
    let org = roster.organization("Example Organization").await;
    org.user("Bob", "Doe", Role::Patient).await;
    let hidden = org.user("Cyd", "Doe", Role::HippAdmin).await;
    let admin = org.key(Role::Admin).await;
    for more in ["", "&search=doe", "&role=PATIENT", "&search=o", "&email=bob@example.com"] {
        for cursor in ["usr_1234567890_abc123def", &neighbor, &hidden] {
            let answer = admin.get(&format!("/api/v1/users?cursor={cursor}{more}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{cursor}{more}: {answer}");
            assert_eq!(answer.body, json!({ "error": "Resource not found" }));
        }
        let answer = admin.get(&format!("/api/v1/users?cursor=1{more}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{more}: {answer}");
        let issue = json!([{ "code": "invalid_string", "message": "Invalid cursor", "path": ["cursor"] }]);
        assert_eq!(answer.body["details"], issue);
    }
}
