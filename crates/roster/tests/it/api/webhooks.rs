//! `/api/v1/webhooks`: making, showing, pausing, rotating and ending them.

mod create;
mod deliveries;

use axum::body::Body;
use hyper::{StatusCode, header::CONTENT_TYPE};
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use crate::roster::{Answer, Client, Roster};

const WEBHOOKS: &str = "/api/v1/webhooks";
const URL: &str = "https://hooks.example.com/roster";

fn secret(answer: &Answer) -> String {
    let secret = answer.body["webhook"]["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_") && secret.len() == 38, "{secret}");
    secret.to_owned()
}

async fn state(client: &Client<'_>, id: &str) -> String {
    let answer = client.get(&format!("{WEBHOOKS}/{id}")).await;
    answer.body["state"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_webhook_is_shown_without_its_secret() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    assert_snapshot!(admin.get(WEBHOOKS).await, @r#"
    200
    {
      "data": []
    }
    "#);
    let made = admin.post(WEBHOOKS, json!({ "url": URL, "events": ["user.created"] })).await;
    let id = made.body["webhook"]["publicId"].as_str().expect("an id").to_owned();
    let got = admin.get(&format!("{WEBHOOKS}/{id}")).await;
    assert_snapshot!(got, @r#"
    200
    {
      "createdAt": "2025-01-15T10:30:00.000Z",
      "description": "",
      "events": [
        "user.created"
      ],
      "publicId": "whk_700000000000",
      "state": "active",
      "url": "https://hooks.example.com/roster"
    }
    "#);
    let second = admin.webhook("https://hooks.example.com/second").await;
    let listed = admin.get(WEBHOOKS).await;
    let ids: Vec<_> = listed.body["data"].as_array().expect("webhooks").iter().map(|one| &one["publicId"]).collect();
    assert_eq!(ids, [&json!(id), &json!(second)]);
    assert_eq!(listed.body["data"][0], got.body);

    let rotated = admin.act(&format!("{WEBHOOKS}/{id}/rotate")).await;
    let deliveries = format!("{WEBHOOKS}/{id}/deliveries");
    let test = admin.act(&format!("{WEBHOOKS}/{id}/test")).await;
    let delivery = format!("{deliveries}/{}", test.body["delivery"]["publicId"].as_str().expect("an id"));
    for path in [WEBHOOKS, &format!("{WEBHOOKS}/{id}"), &deliveries, &delivery, "/api/v1/events"] {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        for secret in [secret(&made), secret(&rotated)] {
            assert!(!answer.text.contains(&secret[6..]), "{path} shows a secret");
        }
        assert!(!answer.text.contains("whsec") && !answer.text.contains("ecret\""), "{path}: {answer}");
    }
}

#[tokio::test]
async fn pausing_and_resuming_can_be_done_twice_and_are_remembered_once() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let id = admin.webhook(URL).await;
    for (act, expected) in [("resume", "active"), ("pause", "paused"), ("pause", "paused"), ("resume", "active")] {
        let answer = admin.act(&format!("{WEBHOOKS}/{id}/{act}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        assert_eq!(answer.body["webhook"]["state"], expected, "{act}");
        assert_eq!(answer.body["message"], format!("Webhook {act}d successfully"));
        assert_eq!(answer.body["webhook"]["secret"], Value::Null);
        assert_eq!(state(&admin, &id).await, expected, "{act}");
    }
    let audit = roster.app().store().audit(org.id(), 10).await.expect("the audit trail");
    let of_it: Vec<_> = audit.iter().filter(|entry| entry.target == id).map(|entry| &*entry.action).collect();
    assert_eq!(of_it, ["webhook.resumed", "webhook.paused", "webhook.created"]);
}

#[tokio::test]
async fn what_a_receiver_ended_is_begun_again_by_resuming_it() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let id = admin.webhook(URL).await;
    let parsed = id.parse().expect("an id");
    roster.app().disable_webhook(org.id(), parsed).await.expect("disabled");
    assert_eq!(state(&admin, &id).await, "disabled");
    admin.act(&format!("{WEBHOOKS}/{id}/resume")).await;
    assert_eq!(state(&admin, &id).await, "active");
}

#[tokio::test]
async fn rotating_shows_a_new_secret_once_and_keeps_the_old_one_for_a_day() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let made = admin.post(WEBHOOKS, json!({ "url": URL })).await;
    let id = made.body["webhook"]["publicId"].as_str().expect("an id").to_owned();
    let rotated = admin.act(&format!("{WEBHOOKS}/{id}/rotate")).await;
    assert_eq!(rotated.body["message"], "Webhook secret rotated successfully");
    assert_ne!(secret(&rotated), secret(&made));
    assert_eq!(rotated.body["webhook"]["publicId"], id);

    let kept = roster.app().store().webhooks(org.id()).await.expect("webhooks");
    let (old, until) = kept[0].old_secrets[0].clone();
    assert_eq!((old.reveal(), kept[0].secret.reveal()), (secret(&made), secret(&rotated)));
    assert_eq!(until.as_millis(), crate::roster::NOW + 24 * 60 * 60 * 1_000);
}

#[tokio::test]
async fn every_secret_replaced_within_a_day_still_signs_and_there_are_ten_at_most() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let made = admin.post(WEBHOOKS, json!({ "url": URL })).await;
    let id = made.body["webhook"]["publicId"].as_str().expect("an id").to_owned();
    let mut secrets = vec![secret(&made)];
    for _ in 0..10 {
        secrets.push(secret(&admin.act(&format!("{WEBHOOKS}/{id}/rotate")).await));
    }
    let kept = roster.app().store().webhooks(org.id()).await.expect("webhooks").remove(0);
    let signing = |at| kept.signing(at).map(|secret| secret.reveal()).collect::<Vec<_>>();
    let now = roster.app().clock().steady();
    secrets.reverse();
    assert_eq!(signing(now), secrets);
    assert_eq!(signing(now.plus_millis(24 * 60 * 60 * 1_000 - 1)), secrets);
    assert_eq!(signing(now.plus_millis(24 * 60 * 60 * 1_000)), secrets[..1]);

    let refused = admin.post(&format!("{WEBHOOKS}/{id}/rotate"), json!({})).await;
    assert_eq!(refused.status, hyper::StatusCode::BAD_REQUEST, "{refused}");
    assert!(refused.text.contains("ten times within 24 hours"), "{refused}");
    let after = roster.app().store().webhooks(org.id()).await.expect("webhooks").remove(0);
    assert_eq!((after.secret, after.old_secrets), (kept.secret.clone(), kept.old_secrets.clone()));
}

#[tokio::test]
async fn a_deleted_webhook_is_gone_and_so_is_what_it_was_owed() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let id = admin.webhook(URL).await;
    let test = admin.act(&format!("{WEBHOOKS}/{id}/test")).await;
    let delivery: String = test.body["delivery"]["publicId"].as_str().expect("an id").to_owned();
    assert_snapshot!(admin.delete(&format!("{WEBHOOKS}/{id}")).await, @r#"
    200
    {
      "message": "Webhook deleted successfully"
    }
    "#);
    for path in ["", "/pause", "/resume", "/rotate", "/test", "/deliveries", "/replay"] {
        let path = format!("{WEBHOOKS}/{id}{path}");
        let answer = match &*path {
            path if path.ends_with("/replay") => {
                admin
                    .post(path, json!({ "event": admin.get("/api/v1/events").await.body["data"][0]["publicId"] }))
                    .await
            }
            path if path.ends_with("/deliveries") || path.ends_with(&id) => admin.get(path).await,
            path => admin.act(path).await,
        };
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(admin.delete(&format!("{WEBHOOKS}/{id}")).await.status, StatusCode::NOT_FOUND);
    let message = roster.app().store().message(org.id(), delivery.parse().expect("an id")).await.expect("a message");
    assert_eq!(message.expect("it is remembered").state, roster_directory::outbox::State::Dropped);
}

/// The acts that say nothing more take no body, or an object; what is sent must be JSON all the same.
#[tokio::test]
async fn an_act_needs_no_body_and_takes_only_a_json_object() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.webhook(URL).await;
    const JSON: Option<&str> = Some("application/json");
    for act in ["pause", "resume", "rotate", "test"] {
        for (media_type, body, status) in [
            (None, "", 200),
            (JSON, "", 200),
            (Some("application/x-www-form-urlencoded"), "", 200), // curl -d ''
            (JSON, "{}", 200),
            (JSON, r#"{"anything":null}"#, 200),
            (None, "{}", 415),
            (Some("text/plain"), "{}", 415),
            (JSON, "[]", 400),
            (JSON, "null", 400),
            (JSON, "{", 400),
            (JSON, &format!("{{}}{}", " ".repeat(64 * 1024)), 413),
        ] {
            let mut request = admin.request("POST", &format!("{WEBHOOKS}/{id}/{act}"));
            if let Some(media_type) = media_type {
                request = request.header(CONTENT_TYPE, media_type);
            }
            let answer = roster.send(request.body(Body::from(body.to_owned())).expect("a request")).await;
            assert_eq!(answer.status.as_u16(), status, "{act} {media_type:?} {:.20}: {answer}", body);
        }
    }
}

#[tokio::test]
async fn what_is_no_id_of_a_webhook_is_said_to_be_none() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    assert_snapshot!(admin.get("/api/v1/webhooks/whk_1").await, @r#"
    400
    {
      "details": [
        {
          "code": "invalid_string",
          "message": "Invalid publicId format",
          "path": [
            "publicId"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
    let unknown = admin.get("/api/v1/webhooks/whk_aaaaaaaaaaaa").await;
    assert_eq!(unknown.to_string(), "404\n{\n  \"error\": \"Resource not found\"\n}");
    for id in ["usr_1234567890_abc123def", "whk_AAAAAAAAAAAA", "whk_aaaaaaaaaaaaa", "%ff", "msg_1736937000_aaaaaaaaa"] {
        let path = format!("{WEBHOOKS}/{id}");
        let event = json!({ "event": "evt_aaaaaaaaaaaa_000000000001" });
        for answer in [
            admin.get(&path).await,
            admin.delete(&path).await,
            admin.act(&format!("{path}/pause")).await,
            admin.act(&format!("{path}/resume")).await,
            admin.act(&format!("{path}/rotate")).await,
            admin.act(&format!("{path}/test")).await,
            admin.post(&format!("{path}/replay"), event).await,
            admin.get(&format!("{path}/deliveries")).await,
            admin.get(&format!("{path}/deliveries/msg_1736937000_aaaaaaaaa")).await,
        ] {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {answer}");
            // What is no text at all leaves no part of the path to be read.
            assert_eq!(answer.body["details"][0]["path"], json!(["publicId"]), "{path}: {answer}");
        }
    }
}

#[tokio::test]
async fn every_act_under_one_idempotency_key_is_done_once_and_answered_as_it_was() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let made = async |client: &Client<'_>, path: &str, body: Option<Value>| {
        client.ask("POST", path, &[("idempotency-key", "one")], body).await
    };
    let new = Some(json!({ "url": URL }));
    let first = made(&admin, WEBHOOKS, new.clone()).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (StatusCode::OK, ""), "{first}");
    let id = first.body["webhook"]["publicId"].as_str().expect("an id").to_owned();
    let event = admin.get("/api/v1/events").await.body["data"][0]["publicId"].clone();
    let acts = [
        (WEBHOOKS.to_owned(), new, Some(first)),
        (format!("{WEBHOOKS}/{id}/pause"), None, None),
        (format!("{WEBHOOKS}/{id}/resume"), None, None),
        (format!("{WEBHOOKS}/{id}/rotate"), None, None),
        (format!("{WEBHOOKS}/{id}/test"), None, None),
        (format!("{WEBHOOKS}/{id}/replay"), Some(json!({ "event": event })), None),
    ];
    let deliveries = format!("{WEBHOOKS}/{id}/deliveries?pageSize=100");
    for (path, body, first) in acts {
        let first = match first {
            Some(first) => first,
            None => made(&admin, &path, body.clone()).await,
        };
        assert_eq!((first.status, first.header("idempotent-replayed")), (StatusCode::OK, ""), "{path}: {first}");
        let left = async || (admin.get("/api/v1/events?pageSize=100").await.text, admin.get(&deliveries).await.text);
        let before = left().await;
        for client in [&admin, &admin.at(&beside)] {
            let again = made(client, &path, body.clone()).await;
            assert_eq!(again.header("idempotent-replayed"), "true", "{path}: {again}");
            assert_eq!((again.status, &again.text), (first.status, &first.text), "{path}");
        }
        let other = made(&admin, &path, Some(json!({ "url": URL, "event": event, "other": 1 }))).await;
        assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {other}");
        assert_eq!(left().await, before, "{path}");
    }
    // Both kinds of acts again, under another key: done again.
    for act in ["rotate", "test"] {
        let again = admin.ask("POST", &format!("{WEBHOOKS}/{id}/{act}"), &[("idempotency-key", "two")], None).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (StatusCode::OK, ""), "{act}: {again}");
    }
    assert_eq!(admin.get(&deliveries).await.body["data"].as_array().map(Vec::len), Some(3));
}
