//! `Idempotency-Key`: a POST that is sent again is answered as it was, and done once.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use super::{audit, deactivated, issues, listed, of};
use crate::{
    api::together,
    roster::{Answer, Client, NOW, Roster},
};

const USERS: &str = "/api/v1/users";
const DAY: i64 = 24 * 60 * 60 * 1_000;

async fn post(client: &Client<'_>, path: &str, key: &str, body: Value) -> Answer {
    client.ask("POST", path, &[("idempotency-key", key)], Some(body)).await
}

fn jane() -> Value {
    json!({ "firstName": "Jane", "lastName": "Doe" })
}

/// Asserts that the second answer is the first one, told again.
fn assert_replayed(second: &Answer, first: &Answer) {
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(second.header("idempotent-replayed"), "true", "{second}");
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    for name in ["roster-warning", "etag", "content-type", "cache-control", "x-content-type-options"] {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
}

fn assert_another(answer: &Answer) {
    assert_eq!(answer.to_string(), "422\n{\n  \"error\": \"Idempotency-Key was used for another request\"\n}");
}

#[tokio::test]
async fn a_create_that_is_sent_again_is_answered_as_it_was_also_by_another_process() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let body = json!({
        "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com", "npiNumber": "1234567890",
        "phoneNumber": "+1234567890", "providerPayors": ["abc123"], "emial": "x", "shouldSendSMS": true
    });
    let first = post(&admin, USERS, "one", body.clone()).await;
    assert_eq!(first.status, StatusCode::OK, "{first}");
    assert_snapshot!(first.header("roster-warning"), @r#"unknown-payor;index=0;id="abc123", npi-check-digit, phone-unreachable, unknown-field;name="emial""#);
    let remembered = audit(&roster, &admin).await;
    roster.set_clock(NOW + 3_600_000);
    for client in [&admin, &admin.at(&beside), &admin] {
        assert_replayed(&post(client, USERS, "one", body.clone()).await, &first);
    }
    assert_eq!(audit(&roster, &admin).await, remembered);
    assert_eq!(listed(&admin, "").await.1, 1);

    // What is answered is what was, whatever became of the user since.
    let id = first.body["user"]["publicId"].as_str().expect("an id").to_owned();
    assert_eq!(admin.patch(&of(&id), json!({ "lastName": "Lee" })).await.status, StatusCode::OK);
    assert_replayed(&post(&admin, USERS, "one", body.clone()).await, &first);
    deactivated(&admin, &id).await;
    assert_replayed(&post(&admin, USERS, "one", body).await, &first);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_422() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let first = post(&admin, USERS, "one", jane()).await;
    let mut other = jane();
    other["lastName"] = json!("Lee");
    assert_another(&post(&admin, USERS, "one", other).await);
    // The bytes count, not what they mean; nor does it matter whether they would be refused.
    let spaced =
        admin.request("POST", USERS).header("content-type", "application/json").header("idempotency-key", "one");
    let spaced = spaced.body(r#"{ "firstName": "Jane", "lastName": "Doe" }"#.into()).expect("a request");
    assert_another(&roster.send(spaced).await);
    assert_another(&post(&admin, USERS, "one", json!({})).await);
    assert_replayed(&post(&admin, USERS, "one", jane()).await, &first);
    assert_eq!(listed(&admin, "").await.1, 1);
}

#[tokio::test]
async fn another_organization_another_api_key_and_another_route_are_other_requests() {
    let roster = Roster::new();
    let (here, there) = (roster.organization("Here").await, roster.organization("There").await);
    let (admin, other, theirs) =
        (here.key(Role::Admin).await, here.key(Role::Admin).await, there.key(Role::Admin).await);
    let mut ids = Vec::new();
    for client in [&admin, &other, &theirs] {
        let answer = post(client, USERS, "one", jane()).await;
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (StatusCode::OK, ""));
        ids.push(answer.body["user"]["publicId"].as_str().expect("an id").to_owned());
    }
    assert_eq!((listed(&admin, "").await.1, listed(&theirs, "").await.1), (2, 1));
    let mut firsts = Vec::new();
    for id in &ids[..2] {
        for act in ["deactivate", "restore"] {
            let path = format!("{}/{act}", of(id));
            let first = post(&admin, &path, "one", json!({})).await;
            assert_eq!((first.status, first.header("idempotent-replayed")), (StatusCode::OK, ""), "{path}");
            firsts.push((path, first));
        }
    }
    // All are kept side by side; and deactivating again does not happen, as it did already.
    for (path, first) in &firsts {
        assert_replayed(&post(&admin, path, "one", json!({})).await, first);
    }
    assert_eq!(listed(&admin, "").await.1, 2);
}

#[tokio::test]
async fn a_deactivation_that_is_sent_again_does_not_undo_a_restoration() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(jane()).await;
    let (deactivate, restore) = (format!("{}/deactivate", of(&id)), format!("{}/restore", of(&id)));
    let body = || json!({ "reason": "Moved away", "x": 1 });
    let first = post(&admin, &deactivate, "one", body()).await;
    assert_eq!(first.body["status"], "DEACTIVATED");
    assert_eq!(admin.act(&restore).await.body["status"], "ACTIVE");
    roster.set_clock(NOW + 60_000);
    assert_replayed(&post(&admin, &deactivate, "one", body()).await, &first);
    assert_another(&post(&admin, &deactivate, "one", json!({})).await);
    assert_eq!(listed(&admin, "").await.1, 1, "the user is back all the same");
    // Without a body and with none at all is the same body.
    let first = admin.ask("POST", &deactivate, &[("idempotency-key", "two")], None).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_replayed(&admin.ask("POST", &deactivate, &[("idempotency-key", "two")], None).await, &first);
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(jane()).await;
    let long = "k".repeat(256);
    for path in [USERS.to_owned(), format!("{}/deactivate", of(&id)), format!("{}/restore", of(&id))] {
        for key in ["", "a b", "a\tb", "\u{e9}", &long] {
            let request = admin.request("POST", &path).header("content-type", "application/json");
            let key = hyper::header::HeaderValue::from_bytes(key.as_bytes()).expect("a header");
            let request = request.header("idempotency-key", key).body(jane().to_string().into());
            let said = issues(&roster.send(request.expect("a request")).await);
            assert_eq!(said, "custom Idempotency-Key: Must be 1 to 255 visible ASCII characters");
        }
        let twice = [("idempotency-key", "one"), ("idempotency-key", "two")];
        assert_eq!(issues(&admin.ask("POST", &path, &twice, Some(jane())).await).lines().count(), 1);
    }
    assert_eq!(listed(&admin, "").await.1, 1);
    for key in ["!", "~", &"k".repeat(255), "\"8e03978e-40d5-43dd-bc93-6894a57f9324\""] {
        let first = post(&admin, USERS, key, jane()).await;
        assert_eq!(first.status, StatusCode::OK, "{key}");
        assert_replayed(&post(&admin, USERS, key, jane()).await, &first);
    }
    assert_eq!(listed(&admin, "").await.1, 5);
}

#[tokio::test]
async fn what_was_refused_is_not_kept() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (admin, clinician) = (org.key(Role::Admin).await, org.key(Role::Clinician).await);
    let id = admin.create(json!({ "firstName": "John", "lastName": "Doe", "email": "jane@example.com" })).await;
    let body = json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com" });
    for _ in 0..2 {
        assert_eq!(issues(&post(&admin, USERS, "one", json!({})).await).lines().count(), 2);
        assert_eq!(issues(&post(&admin, USERS, "one", body.clone()).await), "custom email: Email is already in use");
        assert_eq!(post(&clinician, USERS, "one", jane()).await.status, StatusCode::FORBIDDEN);
        assert_eq!(post(&roster.stranger(), USERS, "one", jane()).await.status, StatusCode::UNAUTHORIZED);
        let nobody = format!("{}/deactivate", of("usr_1234567890_abc123def"));
        assert_eq!(post(&admin, &nobody, "one", json!({})).await.status, StatusCode::NOT_FOUND);
    }
    deactivated(&admin, &id).await;
    let first = post(&admin, USERS, "one", body.clone()).await;
    assert_eq!(first.status, StatusCode::OK, "{first}");
    assert_replayed(&post(&admin, USERS, "one", body).await, &first);
    // Who has not the right any more is told so, and nothing of what was answered.
    assert_eq!(
        clinician.ask("POST", USERS, &[("idempotency-key", "one")], Some(jane())).await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn of_many_at_once_in_two_processes_one_creates_and_all_are_answered_alike() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    for round in 0..3 {
        let key = format!("round-{round}");
        let body = json!({ "firstName": "Jane", "lastName": "Doe", "email": format!("jane{round}@example.com") });
        let racers = (0..16).map(|nth| {
            let client = if nth % 2 == 0 { admin.clone() } else { admin.at(&beside) };
            let (key, body) = (&key, body.clone());
            async move { post(&client, USERS, key, body).await }
        });
        let answers = together::all(racers).await;
        let first: Vec<_> = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).collect();
        assert_eq!(first.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        assert_eq!(first[0].status, StatusCode::OK);
        for answer in answers.iter().filter(|answer| !answer.header("idempotent-replayed").is_empty()) {
            assert_replayed(answer, first[0]);
        }
        assert_eq!(listed(&admin, "").await.1, round + 1);
    }
    // The same without an e-mail that would stop them.
    let racers = (0..16).map(|_| post(&admin, USERS, "plain", jane()));
    let answers = together::all(racers).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK && answer.text == answers[0].text));
    assert_eq!(listed(&admin, "").await.1, 4);
}

#[tokio::test]
async fn after_a_day_it_is_a_new_request() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let first = post(&admin, USERS, "one", jane()).await;
    roster.set_clock(NOW + DAY - 1);
    assert_replayed(&post(&admin, USERS, "one", jane()).await, &first);
    roster.set_clock(NOW + DAY);
    let second = post(&admin, USERS, "one", jane()).await;
    assert_eq!((second.status, second.header("idempotent-replayed")), (StatusCode::OK, ""));
    assert_ne!(second.body["user"]["publicId"], first.body["user"]["publicId"]);
    assert_replayed(&post(&admin, USERS, "one", jane()).await, &second);
    // As new also where it is another.
    roster.set_clock(NOW + 2 * DAY);
    let third = post(&admin, USERS, "one", json!({ "firstName": "John", "lastName": "Doe" })).await;
    assert_eq!((third.status, &third.body["user"]["firstName"]), (StatusCode::OK, &json!("John")));
}

#[tokio::test]
async fn what_was_answered_about_somebody_goes_with_them() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let first = post(&admin, USERS, "one", jane()).await;
    let id = first.body["user"]["publicId"].as_str().expect("an id").to_owned();
    let deactivate = format!("{}/deactivate", of(&id));
    assert_eq!(post(&admin, &deactivate, "one", json!({})).await.status, StatusCode::OK);
    assert_eq!(admin.delete(&of(&id)).await.status, StatusCode::NO_CONTENT);
    for client in [&admin, &admin.at(&beside)] {
        assert_eq!(post(client, &deactivate, "one", json!({})).await.status, StatusCode::NOT_FOUND);
    }
    // Nobody remembers that it was done: it is done again, for somebody else.
    let again = post(&admin, USERS, "one", jane()).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (StatusCode::OK, ""));
    assert_ne!(again.body["user"]["publicId"], id.as_str());
}

/// The clock stands still here, so that whether an answer is still there shows.
#[tokio::test]
async fn old_answers_are_removed_behind_the_writer() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut firsts = Vec::new();
    for nth in 0..5 {
        firsts.push(post(&admin, USERS, &format!("key-{nth}"), jane()).await);
    }
    let forget = async |after: i64| {
        let now = roster_directory::Timestamp::from_millis(NOW + after);
        roster.app().store().forget(now, 100).await.expect("forgotten");
    };
    forget(DAY - 1).await;
    for (nth, first) in firsts.iter().enumerate() {
        assert_replayed(&post(&admin, USERS, &format!("key-{nth}"), jane()).await, first);
    }
    forget(DAY).await;
    for nth in 0..5 {
        let answer = post(&admin, USERS, &format!("key-{nth}"), jane()).await;
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (StatusCode::OK, ""));
    }
    assert_eq!(listed(&admin, "").await.1, 10);
}
