//! `/api/v1/users`

use hyper::StatusCode;
use roster_directory::UserId;
use roster_store::{Remembered, outbox::Filter};
use serde_json::Value;

use crate::roster::{Answer, Client, Roster};

mod create;
mod cursor;
mod deactivate;
mod erase;
mod etag;
mod export;
mod get;
mod list;
mod patch;
mod repeat;
mod restore;
mod search;
mod whole;

/// What an answer says is wrong, a line each: `code path: message`. Asserts that it is the documented 400.
pub(super) fn issues(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer}");
    assert_eq!(keys(&answer.body), ["details", "error"], "{answer}");
    assert_eq!(answer.body["error"], "Validation error");
    let details = answer.body["details"].as_array().expect("a list");
    let line = |detail: &Value| {
        assert_eq!(keys(detail), ["code", "message", "path"], "{answer}");
        let path = detail["path"].as_array().expect("a list").iter();
        let path: Vec<&str> = path.map(|step| step.as_str().expect("paths are strings")).collect();
        let text = |name: &str| detail[name].as_str().expect("a string").to_owned();
        format!("{} {}: {}", text("code"), path.join("."), text("message"))
    };
    details.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The names of an object's members, sorted.
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn of(id: &str) -> String {
    format!("/api/v1/users/{id}")
}

/// The whole user.
async fn whole(client: &Client<'_>, id: &str) -> Answer {
    let answer = client.get(&format!("/api/v1/users/{id}?view=full")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    answer
}

/// A user who was changed.
async fn patched(client: &Client<'_>, id: &str, body: Value) -> Answer {
    let answer = client.patch(&of(id), body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    answer
}

/// A user who left.
async fn deactivated(client: &Client<'_>, id: &str) -> Answer {
    let answer = client.act(&format!("{}/deactivate", of(id))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    answer
}

/// What is remembered of the client's organization, the newest first.
pub(super) async fn audit(roster: &Roster, client: &Client<'_>) -> Vec<Remembered> {
    roster.app().store().audit(client.organization_id(), 10_000).await.expect("a read")
}

/// What is owed to this user, or was: its state, the oldest first.
async fn messages_to(roster: &Roster, client: &Client<'_>, id: &str) -> Vec<&'static str> {
    let filter = Filter { organization: Some(client.organization_id()), ..Filter::default() };
    let mut messages = roster.app().store().messages(filter, 1_000).await.expect("a read");
    messages.retain(|stored| stored.message.content.about() == id);
    messages.sort_by_key(|stored| stored.message.at);
    messages.iter().map(|stored| stored.state.as_str()).collect()
}

/// What this user said about being texted, the oldest first.
async fn consents(roster: &Roster, client: &Client<'_>, id: &str) -> Vec<bool> {
    let id = UserId::parse(id).expect("an id");
    let consents = roster.app().store().consents(client.organization_id(), id).await.expect("a read");
    consents.iter().map(|consent| consent.given).collect()
}

/// Type and target of each event that a client may hear of.
async fn events(client: &Client<'_>) -> Vec<(String, String)> {
    let (mut heard, mut address) = (Vec::new(), "/api/v1/events?pageSize=100".to_owned());
    loop {
        let answer = client.get(&address).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let events = answer.body["data"].as_array().expect("events").iter();
        heard.extend(events.map(|event| (text(&event["type"]), text(&event["data"]["publicId"]))));
        let next = answer.header("link").strip_prefix("<?").and_then(|link| link.strip_suffix(">; rel=\"next\""));
        match next {
            Some(query) => address = format!("/api/v1/events?{query}"),
            None => return heard,
        }
    }
}

/// The ids of a list, in its order, and the total that it says.
async fn listed(client: &Client<'_>, query: &str) -> (Vec<String>, u64) {
    let answer = client.get(&format!("/api/v1/users?pageSize=100&{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let ids = answer.body["data"].as_array().expect("a list").iter();
    let ids = ids.map(|user| user["publicId"].as_str().expect("an id").to_owned()).collect();
    (ids, answer.body["pagination"]["totalCount"].as_u64().expect("a number"))
}
