//! `/api/v1/audit`: who did what.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster::app::NewKey;
use roster_directory::{Role, key::Access};
use serde_json::{Value, json};

use super::users::issues;
use crate::roster::{Answer, Client, NOW, Roster};

const AUDIT: &str = "/api/v1/audit";

/// Whether a filter is to find an entry.
type Fits<'a> = Box<dyn Fn(&Value) -> bool + 'a>;

fn entries(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    answer.body["data"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
}

/// All entries that a query finds, by pages of so many.
async fn all(client: &Client<'_>, query: &str, size: u32) -> Vec<Value> {
    let mut found = Vec::new();
    let mut path = format!("{AUDIT}?pageSize={size}&{query}");
    loop {
        let answer = client.get(&path).await;
        found.extend(entries(&answer));
        let link = answer.header("link");
        let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
        path = format!("{AUDIT}{next}");
    }
    found
}

/// The entries without those that say that the trail was read.
fn done(entries: &[Value]) -> Vec<Value> {
    entries.iter().filter(|entry| entry["action"] != "audit.read").cloned().collect()
}

#[tokio::test]
async fn an_entry_says_who_did_what_to_whom_and_no_value() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "role": "TECHNICIAN" })).await;
    roster.set_clock(NOW + 1_000);
    admin.patch(&format!("/api/v1/users/{id}"), json!({ "lastName": "Lee", "role": "CLINICIAN" })).await;
    let answer = admin.get(&format!("{AUDIT}?target={id}")).await;
    assert!(!answer.text.contains("Lee") && !answer.text.contains("Jane"), "{answer}");
    let found = entries(&answer);
    assert_eq!(found.len(), 2);
    let mut newest = found[0].clone();
    assert!(newest["publicId"].take().as_str().is_some_and(|id| id.starts_with("aud_") && id.len() == 28));
    assert!(newest["requestId"].take().is_string());
    assert_eq!(
        newest,
        json!({
            "publicId": null, "createdAt": "2025-01-15T10:30:01.000Z",
            "actor": { "publicId": admin.key_id().to_string(), "name": "test" },
            "action": "user.updated", "target": id, "fields": ["lastName", "role"],
            "roleBefore": "TECHNICIAN", "roleAfter": "CLINICIAN", "requestId": null
        })
    );
    let of_the_host = all(&admin, "actor=cli", 25).await;
    assert!(of_the_host.iter().all(|entry| entry["actor"] == json!({ "publicId": "cli", "name": null })));
    assert_eq!(of_the_host.last().expect("one")["action"], "organization.created");
}

#[tokio::test]
async fn every_filter_finds_what_it_names_at_every_page_size() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let other = roster.organization("Elsewhere").await.key(Role::Admin).await;
    let mut users = Vec::new();
    for nth in 0..12 {
        roster.set_clock(NOW + nth * 1_000);
        users.push(admin.create(json!({ "firstName": "Jane", "lastName": format!("{nth}") })).await);
        other.create(json!({ "firstName": "Jane", "lastName": format!("{nth}") })).await;
        let someone = &users[users.len() / 2];
        admin.patch(&format!("/api/v1/users/{someone}"), json!({ "city": format!("{nth}") })).await;
    }
    let everything = done(&all(&admin, "", 100).await);
    assert!(everything.len() >= 26);
    let moment = |entry: &Value| entry["createdAt"].as_str().expect("a moment").to_owned();
    assert!(everything.iter().rev().map(moment).collect::<Vec<_>>().is_sorted());
    let (key, user) = (admin.key_id().to_string(), users[6].clone());
    let (from, to) = ("2025-01-15T10:30:03Z", "2025-01-15T10:30:07Z");
    let is_within = |entry: &Value| {
        moment(entry).as_str() >= "2025-01-15T10:30:03.000Z" && moment(entry).as_str() < "2025-01-15T10:30:07.000Z"
    };
    let cases: [(String, Fits<'_>); 6] = [
        (format!("actor={key}"), Box::new(|entry| entry["actor"]["publicId"] == key)),
        ("action=user.updated".to_owned(), Box::new(|entry| entry["action"] == "user.updated")),
        (format!("target={user}"), Box::new(|entry| entry["target"] == user)),
        (format!("from={from}&to={to}"), Box::new(is_within)),
        (
            format!("from={from}&to={to}&action=user.created&actor={key}"),
            Box::new(move |entry| is_within(entry) && entry["action"] == "user.created"),
        ),
        (format!("from={to}&to={from}"), Box::new(|_| false)),
    ];
    for (query, fits) in &cases {
        let expected: Vec<Value> = everything.iter().filter(|entry| fits(entry)).cloned().collect();
        for size in [1, 2, 7, 100] {
            assert_eq!(done(&all(&admin, query, size).await), expected, "{query}, {size}");
        }
    }
}

#[tokio::test]
async fn who_manages_may_read_it_also_with_a_key_that_only_reads() {
    let roster = Roster::new();
    let org = roster.organization("Clinic").await;
    for role in Role::ALL {
        for access in Access::ALL {
            let name = format!("{role} {}", access.as_str()).parse().expect("a name");
            let client = org.key_like(NewKey { access, ..NewKey::lasting(role, name) }).await;
            let may = matches!(role, Role::Admin | Role::HippAdmin);
            let expected = if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
            // Who may not learns nothing of what is wrong with the question.
            assert_eq!(client.get(AUDIT).await.status, expected, "{role} {}", access.as_str());
            let wrong = client.get(&format!("{AUDIT}?pageSize=0")).await.status;
            assert_eq!(wrong, if may { StatusCode::BAD_REQUEST } else { StatusCode::FORBIDDEN });
        }
    }
}

#[tokio::test]
async fn reading_the_trail_is_in_the_trail_and_in_no_feed() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let webhook = admin.webhook("https://hooks.example.com/all").await;
    admin.get(&format!("{AUDIT}?actor=cli&pageSize=1")).await;
    let read = &entries(&admin.get(AUDIT).await)[1];
    assert_eq!((&read["action"], &read["fields"]), (&json!("audit.read"), &json!(["actor"])), "{read}");
    assert_eq!(read["actor"]["publicId"], json!(admin.key_id().to_string()));
    let feed = admin.get("/api/v1/events?pageSize=100").await;
    assert!(!feed.text.contains("audit.read"), "{feed}");
    let refused =
        admin.post("/api/v1/webhooks", json!({ "url": "https://a.example.com/", "events": ["audit.read"] })).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused}");
    // Nor can such an event be asked for by its id.
    let newest = feed.body["data"].as_array().expect("events").last().expect("an event");
    let (prefix, last) = newest["publicId"].as_str().expect("an id").rsplit_once('_').expect("a number");
    let hidden = format!("{prefix}_{:012}", last.parse::<u64>().expect("a number") + 1);
    let answer = admin.post(&format!("/api/v1/webhooks/{webhook}/replay"), json!({ "event": hidden })).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer}");
}

#[tokio::test]
async fn everything_wrong_with_a_question_is_said_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let wrong = "actor=somebody&action=user.deleted&target=../x&from=yesterday&to=2025-01-15&pageSize=0&cursor=aud_1";
    let said = issues(&admin.get(&format!("{AUDIT}?{wrong}")).await);
    let paths: Vec<&str> = said.lines().map(|line| line.split([' ', ':']).nth(1).expect("a path")).collect();
    assert_eq!(paths, ["actor", "action", "target", "from", "to", "pageSize", "cursor"], "{said}");
    let answer = admin.get(&format!("{AUDIT}?actors=cli")).await;
    assert_snapshot!(answer.header("roster-warning"), @r#"unknown-parameter;name="actors""#);
}
