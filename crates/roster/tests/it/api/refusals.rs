//! How large a refusal is: never larger than a page, whatever was sent.

use hyper::StatusCode;
use serde_json::json;

use crate::roster::{Answer, Client, Roster};

const USERS: &str = "/api/v1/users";
const WEBHOOKS: &str = "/api/v1/webhooks";

/// The most bytes of a body that is refused for what it says.
const SMALL: usize = 32 * 1024;

/// A body of at most 64 KiB that ends in as many of these elements as there is room for.
fn full_of(beginning: &str, element: &str) -> String {
    let room = 64 * 1024 - beginning.len() - 2;
    let elements = vec![element; (room + 1) / (element.len() + 1)].join(",");
    format!("{beginning}{elements}]}}")
}

/// Asserts that it is a 400, and a small one; how many issues it tells.
fn small(answer: &Answer) -> usize {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text.len());
    assert!(answer.text.len() < SMALL, "{} bytes", answer.text.len());
    answer.body["details"].as_array().expect("details").len()
}

async fn post(client: &Client<'_>, path: &str, body: String) -> Answer {
    assert!(body.len() <= 64 * 1024);
    client.post_bytes(path, body).await
}

#[tokio::test]
async fn an_array_that_is_too_long_is_not_looked_into() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for element in ["1", "\"\"", "[]", "{}", "null", "1e999", "[[1],[2]]"] {
        let answer = post(&admin, WEBHOOKS, full_of(r#"{"url":1,"events":["#, element)).await;
        assert_eq!(small(&answer), 2);
        let too_long = json!({
            "code": "too_big", "message": "Array must contain at most 20 element(s)", "path": ["events"]
        });
        assert_eq!(answer.body["details"][1], too_long, "{element}");

        let answer = post(&admin, USERS, full_of(r#"{"firstName":1,"providerPayors":["#, element)).await;
        assert_eq!(small(&answer), 3);
        let too_long = json!({
            "code": "too_big", "message": "Array must contain at most 100 element(s)", "path": ["providerPayors"]
        });
        assert_eq!(answer.body["details"][2], too_long, "{element}");
        assert_eq!(answer.header("roster-warning"), "");
    }
}

#[tokio::test]
async fn a_hundred_issues_are_told_and_the_others_counted() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = |names: &str| format!(r#"{{{names}"providerPayors":[{}]}}"#, vec!["0"; 100].join(","));
    let answer = post(&admin, USERS, body(r#""firstName":"A","lastName":"B","#)).await;
    assert_eq!((small(&answer), answer.header("roster-warning")), (100, ""));
    let answer = post(&admin, USERS, body(r#""role":1,"emial":2,"#)).await;
    assert_eq!(small(&answer), 100);
    assert_eq!(answer.header("roster-warning"), "more-issues;count=3, unknown-field;name=\"emial\"");
    assert_eq!(answer.body["details"][99]["path"], json!(["providerPayors", "96"]), "the first in order are told");
}

/// The largest there are: each of these repeats what was sent, and none repeats all of it.
#[tokio::test]
async fn what_was_sent_is_repeated_only_as_far_as_anybody_wants_to_read_it() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let long = |text: &str| text.repeat((64 * 1024 - 100) / text.len());
    for text in ["x", "\u{1}", "\u{fffd}", "\u{1f44d}", "\""] {
        let role = json!({ "firstName": "A", "lastName": "B", "role": text.repeat(10_000) }).to_string();
        assert_eq!(small(&post(&admin, USERS, role).await), 1);
        let event = text.repeat(600);
        let events = json!({ "url": "https://hooks.example.com/", "events": vec![event; 16] }).to_string();
        assert_eq!(small(&post(&admin, WEBHOOKS, events).await), 16, "{text:?}");
    }
    let answer = admin.get(&format!("{USERS}?role={}", long("x").split_at(8_000).0)).await;
    assert_eq!(small(&answer), 1);

    let role = |text: &str| json!({ "firstName": "A", "lastName": "B", "role": text }).to_string();
    let received = async |text: &str| {
        let answer = admin.post_bytes(USERS, role(text)).await;
        let message = answer.body["details"][0]["message"].as_str().expect("text").to_owned();
        message.rsplit_once("received ").expect("what was received").1.to_owned()
    };
    let hundred = "é".repeat(100);
    assert_eq!(received(&hundred).await, format!("'{hundred}'"), "as zod says it");
    assert_eq!(received(&format!("{hundred}é")).await, format!("'{hundred}…'"));
}
