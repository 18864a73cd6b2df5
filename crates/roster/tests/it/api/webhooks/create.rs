//! `POST /api/v1/webhooks`

use axum::body::Body;
use hyper::{StatusCode, header::CONTENT_TYPE};
use insta::assert_snapshot;
use roster_directory::{Role, audit::Action};
use serde_json::{Value, json};

use super::{URL, WEBHOOKS, secret};
use crate::roster::{Client, Roster};

/// What a body is refused with: code, message and path of each issue.
async fn wrong(client: &Client<'_>, body: Value) -> Vec<(String, String, Value)> {
    let answer = client.post(WEBHOOKS, body.clone()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {answer}");
    assert_eq!(answer.body["error"], "Validation error");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let details = answer.body["details"].as_array().expect("details");
    details.iter().map(|one| (text(&one["code"]), text(&one["message"]), one["path"].clone())).collect()
}

fn one(code: &str, message: &str, path: Value) -> Vec<(String, String, Value)> {
    vec![(code.to_owned(), message.to_owned(), path)]
}

#[tokio::test]
async fn create_answers_with_the_webhook_and_its_secret() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = json!({
        "url": "HTTPS://Hooks.Example.com:443/a/../roster?x=1",
        "events": ["user.created", "payor.created", "user.created"],
        "description": "Payroll",
        "unknown": { "keys": ["are", "ignored"] }
    });
    let answer = admin.post(WEBHOOKS, body).await;
    assert_snapshot!(answer, @r#"
    200
    {
      "message": "Webhook created successfully",
      "webhook": {
        "createdAt": "2025-01-15T10:30:00.000Z",
        "description": "Payroll",
        "events": [
          "user.created",
          "payor.created"
        ],
        "publicId": "whk_600000000000",
        "secret": "whsec_BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "state": "active",
        "url": "https://hooks.example.com/roster?x=1"
      }
    }
    "#);
    let members = ["message", "webhook", "publicId", "url", "description", "events", "state", "createdAt", "secret"];
    let places: Vec<_> = members.iter().map(|name| answer.text.find(&format!("\"{name}\":"))).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{}", answer.text);
}

#[tokio::test]
async fn each_webhook_has_a_secret_of_its_own() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut secrets = std::collections::HashSet::new();
    for _ in 0..5 {
        assert!(secrets.insert(secret(&admin.post(WEBHOOKS, json!({ "url": URL })).await)));
    }
}

#[tokio::test]
async fn everything_wrong_with_a_body_is_said_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = json!({ "url": 7, "events": ["user.created", "user.eaten", 9], "description": null });
    let answer = admin.post(WEBHOOKS, body).await;
    assert_snapshot!(answer, @r#"
    400
    {
      "details": [
        {
          "code": "invalid_type",
          "message": "Expected string, received number",
          "path": [
            "url"
          ]
        },
        {
          "code": "invalid_enum_value",
          "message": "Invalid enum value. Expected 'organization.created' | 'organization.updated' | 'payor.created' | 'key.created' | 'key.revoked' | 'key.rotated' | 'user.created' | 'user.updated' | 'user.deactivated' | 'user.restored' | 'user.erased' | 'webhook.created' | 'webhook.paused' | 'webhook.resumed' | 'webhook.disabled' | 'webhook.deleted' | 'webhook.secret_rotated' | 'sms.setting_changed' | 'message.retried' | 'message.dropped', received 'user.eaten'",
          "path": [
            "events",
            "1"
          ]
        },
        {
          "code": "invalid_type",
          "message": "Expected 'organization.created' | 'organization.updated' | 'payor.created' | 'key.created' | 'key.revoked' | 'key.rotated' | 'user.created' | 'user.updated' | 'user.deactivated' | 'user.restored' | 'user.erased' | 'webhook.created' | 'webhook.paused' | 'webhook.resumed' | 'webhook.disabled' | 'webhook.deleted' | 'webhook.secret_rotated' | 'sms.setting_changed' | 'message.retried' | 'message.dropped', received number",
          "path": [
            "events",
            "2"
          ]
        },
        {
          "code": "invalid_type",
          "message": "Expected string, received null",
          "path": [
            "description"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
}

#[tokio::test]
async fn create_wants_a_url_that_can_be_told() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let url = |text: &str| json!({ "url": text });
    let at = || json!(["url"]);
    assert_eq!(wrong(&admin, json!({})).await, one("invalid_type", "Required", at()));
    assert_eq!(
        wrong(&admin, json!({ "url": null })).await,
        one("invalid_type", "Expected string, received null", at())
    );
    for text in ["", "hooks.example.com", "/roster", "https://", "https://hooks example.com/", "https://[::1"] {
        assert_eq!(wrong(&admin, url(text)).await, one("invalid_string", "Invalid url", at()), "{text}");
    }
    for text in ["ftp://hooks.example.com/", "file:///etc/passwd", "javascript:alert(1)", "data:,x"] {
        let message = "The url must begin with https://";
        assert_eq!(wrong(&admin, url(text)).await, one("invalid_string", message, at()), "{text}");
    }
    for text in ["https://user@hooks.example.com/", "https://:secret@hooks.example.com/"] {
        let message = "The url must not contain a user name or a password";
        assert_eq!(wrong(&admin, url(text)).await, one("invalid_string", message, at()), "{text}");
    }
    let message = "The url must not contain a fragment";
    assert_eq!(wrong(&admin, url("https://a.example/#top")).await, one("invalid_string", message, at()));

    let of = |length: usize| format!("https://hooks.example.com/{}", "a".repeat(length - 26));
    let message = "String must contain at most 2048 character(s)";
    assert_eq!(wrong(&admin, url(&of(2049))).await, one("too_big", message, at()));
    assert_eq!(admin.post(WEBHOOKS, url(&of(2048))).await.body["webhook"]["url"], of(2048));
}

const INSIDE: &str = "The url leads inside, where the operator of this server allows no webhook";
const PORT: &str = "The url must begin with https:// and name no port but 443";

#[tokio::test]
async fn what_can_never_be_reached_is_refused() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let refused = async |text: &str, message| {
        assert_eq!(wrong(&admin, json!({ "url": text })).await, one("custom", message, json!(["url"])), "{text}");
    };
    for text in [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://[fe80::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/",
        "https://0/",
        "http://2130706433/",
        "http://localhost:8080/",
        "https://LOCALHOST/",
        "https://localhost./",
        "https://hooks.localhost/",
    ] {
        refused(text, INSIDE).await;
    }
    for text in
        ["http://1.1.1.1/", "https://1.1.1.1:8443/", "http://hooks.example.com/", "https://hooks.example.com:22/"]
    {
        refused(text, PORT).await;
    }
    for text in ["https://1.1.1.1/", "https://localhost.example.com/", "https://notlocalhost/"] {
        admin.webhook(text).await;
    }
}

#[tokio::test]
async fn what_the_operator_lets_in_may_be_named() {
    let roster = Roster::with(&["--webhook-inside", "127.0.0.1,10.1.0.0/16"]);
    let admin = roster.admin().await;
    for text in ["http://127.0.0.1:8080/", "http://localhost:8080/", "http://10.1.2.3/", "http://hooks.example.com/"] {
        admin.webhook(text).await;
    }
    for (text, message) in [("https://10.2.0.1/", INSIDE), ("http://[::1]/", INSIDE), ("http://1.1.1.1/", PORT)] {
        assert_eq!(wrong(&admin, json!({ "url": text })).await, one("custom", message, json!(["url"])), "{text}");
    }
}

#[tokio::test]
async fn events_are_types_that_there_are_and_each_counts_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = |events: Value| json!({ "url": URL, "events": events });
    let types = Action::TOLD.map(Action::as_str);
    let all = admin.post(WEBHOOKS, body(json!(types))).await;
    assert_eq!(all.body["webhook"]["events"], json!(types));
    for none in [json!({ "url": URL }), body(json!([]))] {
        assert_eq!(admin.post(WEBHOOKS, none).await.body["webhook"]["events"], json!([]));
    }
    let at = |path: Value| path;
    let message = "Array must contain at most 20 element(s)";
    let too_many = body(json!(["user.created"; 21].to_vec()));
    assert_eq!(wrong(&admin, too_many).await, one("too_big", message, at(json!(["events"]))));
    let message = "Expected array, received string";
    assert_eq!(wrong(&admin, body(json!("user.created"))).await, one("invalid_type", message, json!(["events"])));
    let message = "Expected array, received null";
    assert_eq!(wrong(&admin, body(Value::Null)).await, one("invalid_type", message, json!(["events"])));
    for unknown in ["user.deleted", "USER.CREATED", "", "*"] {
        let issues = wrong(&admin, body(json!([unknown]))).await;
        assert_eq!((&*issues[0].0, &issues[0].2), ("invalid_enum_value", &json!(["events", "0"])), "{unknown}");
    }
}

#[tokio::test]
async fn a_description_is_short_text() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = |text: &str| json!({ "url": URL, "description": text });
    for text in ["", " kept as it is ", &"é".repeat(200)] {
        assert_eq!(admin.post(WEBHOOKS, body(text)).await.body["webhook"]["description"], text);
    }
    let at = json!(["description"]);
    let message = "String must contain at most 200 character(s)";
    assert_eq!(wrong(&admin, body(&"é".repeat(201))).await, one("too_big", message, at.clone()));
    let message = "Control characters are not allowed";
    assert_eq!(wrong(&admin, body("a\u{0}b")).await, one("custom", message, at));
}

#[tokio::test]
async fn a_body_is_a_json_object_of_at_most_64_kib() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for (body, status) in [("", 400), ("{", 400), ("[]", 400), ("null", 400), (&" ".repeat(64 * 1024 + 1), 413)] {
        assert_eq!(admin.post_bytes(WEBHOOKS, body.to_owned()).await.status.as_u16(), status, "{body:.9}");
    }
    let plain = admin.request("POST", WEBHOOKS).header(CONTENT_TYPE, "text/plain");
    let answer = roster.send(plain.body(Body::from(json!({ "url": URL }).to_string())).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let twice = r#"{"url":"nowhere","url":"https://hooks.example.com/last"}"#;
    let answer = admin.post_bytes(WEBHOOKS, twice).await;
    assert_eq!(answer.body["webhook"]["url"], "https://hooks.example.com/last");
}

#[tokio::test]
async fn whoever_may_not_is_refused_before_the_body_is_looked_at() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let clinician = org.key(Role::Clinician).await;
    let answer = clinician.post_bytes(WEBHOOKS, "no JSON").await;
    assert_eq!(answer.to_string(), "403\n{\n  \"error\": \"Access denied\"\n}");
    let stranger = roster.stranger().post_bytes(WEBHOOKS, "no JSON").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(clinician.get("/api/v1/webhooks/whk_1").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_organization_has_twenty_webhooks_and_its_neighbor_twenty_more() {
    let roster = Roster::new();
    let (one, two) = (roster.organization("Sunrise").await, roster.organization("Moonlight").await);
    let (one, two) = (one.key(Role::Admin).await, two.key(Role::Admin).await);
    let mut last = String::new();
    for _ in 0..20 {
        last = one.webhook(URL).await;
    }
    assert_snapshot!(one.post(WEBHOOKS, json!({ "url": URL })).await, @r#"
    400
    {
      "details": [
        {
          "code": "custom",
          "message": "An organization may have 20 webhooks",
          "path": []
        }
      ],
      "error": "Validation error"
    }
    "#);
    two.webhook(URL).await;
    assert_eq!(one.delete(&format!("{WEBHOOKS}/{last}")).await.status, StatusCode::OK);
    one.webhook(URL).await;
    assert_eq!(one.get(WEBHOOKS).await.body["data"].as_array().expect("webhooks").len(), 20);
}
