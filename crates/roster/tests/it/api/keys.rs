//! `/api/v1/keys`: making, showing, rotating and revoking keys.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster::app::{Ends, NewKey};
use roster_directory::{Role, key::Access};
use serde_json::{Value, json};

use super::users::{audit, issues};
use crate::roster::{Answer, Client, NOW, Roster};

const KEYS: &str = "/api/v1/keys";
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// The id and the token of a key that was just made.
fn made(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let text = |name: &str| answer.body["key"][name].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
    (text("publicId"), text("token"))
}

fn holder<'a>(client: &Client<'a>, token: &str) -> Client<'a> {
    client.authorized_by(&format!("Bearer {token}"))
}

fn key(name: &str, role: Role) -> Value {
    json!({ "name": name, "role": role.as_str() })
}

#[tokio::test]
async fn a_key_is_made_shown_once_and_opens_the_organization() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.post(KEYS, key("HR system", Role::ClinicalAdmin)).await;
    let (id, token) = made(&answer);
    assert_snapshot!(answer.to_string().replace(&token, "TOKEN"), @r#"
    200
    {
      "key": {
        "access": "WRITE",
        "createdAt": "2025-01-15T10:30:00.000Z",
        "createdBy": "key_300000000000",
        "expiresAt": "2026-01-15T10:30:00.000Z",
        "lastUsedAt": null,
        "name": "HR system",
        "publicId": "key_600000000000",
        "replaces": null,
        "revokedAt": null,
        "role": "CLINICAL_ADMIN",
        "token": "TOKEN"
      },
      "message": "Key created successfully"
    }
    "#);
    assert!(token.starts_with(&format!("roster_{}_", &id[4..])), "{token}");
    let me = holder(&admin, &token).get("/api/v1/me").await;
    assert_eq!((me.status, me.body["key"]["name"].as_str()), (StatusCode::OK, Some("HR system")), "{me}");

    let got = admin.get(&format!("{KEYS}/{id}")).await;
    let mut shown = answer.body["key"].clone();
    shown.as_object_mut().expect("a key").remove("token");
    assert_eq!(got.body, shown);
    assert!(!got.text.contains(&token) && !admin.get(KEYS).await.text.contains(&token));
    let entries = audit(&roster, &admin).await;
    assert_eq!((entries[0].action.as_str(), &*entries[0].fields), ("key.created", "name,role,access,expiresAt"));
}

#[tokio::test]
async fn the_end_is_in_a_year_or_as_it_is_said_or_never() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for (given, end) in [
        (json!({}), json!("2026-01-15T10:30:00.000Z")),
        (json!({ "expiresAt": null }), Value::Null),
        (json!({ "expiresAt": "2025-01-15T12:30:00+02:00" }), json!("already")),
        (json!({ "expiresAt": "2025-01-15T12:30:00.001+02:00" }), json!("2025-01-15T10:30:00.001Z")),
    ] {
        let mut body = key(&format!("{given}"), Role::Patient);
        body.as_object_mut().expect("an object").extend(given.as_object().expect("an object").clone());
        let answer = admin.post(KEYS, body).await;
        if end == "already" {
            assert_eq!(issues(&answer), "custom expiresAt: Must be in the future");
        } else {
            assert_eq!(answer.body["key"]["expiresAt"], end, "{answer}");
        }
    }
}

#[tokio::test]
async fn everything_wrong_with_a_body_is_said_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let wrong = json!({ "name": " ", "role": "BOSS", "access": "write", "expiresAt": "tomorrow" });
    assert_snapshot!(issues(&admin.post(KEYS, wrong).await), @r"
    too_small name: String must contain at least 1 character(s)
    invalid_enum_value role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'HIPP_ADMIN' | 'HIPP_BILLING_MANAGER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN' | 'CLINICAL_SUPERADMIN', received 'BOSS'
    invalid_enum_value access: Invalid enum value. Expected 'WRITE' | 'READ', received 'write'
    invalid_string expiresAt: Invalid datetime
    ");
    assert_snapshot!(issues(&admin.post(KEYS, json!({ "expiresAt": 7 })).await), @r"
    invalid_type name: Required
    invalid_type role: Required
    invalid_type expiresAt: Expected string, received number
    ");
    let (id, _) = made(&admin.post(KEYS, key("A", Role::Patient)).await);
    for overlap in [json!("1 day"), json!(""), json!("-1h"), json!(24)] {
        let answer = admin.post(&format!("{KEYS}/{id}/rotate"), json!({ "overlap": overlap })).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer}");
    }
    for path in [format!("{KEYS}/usr_1"), format!("{KEYS}/KEY_000000000000")] {
        assert_eq!(issues(&admin.get(&path).await), "invalid_string publicId: Invalid publicId format");
    }
}

#[tokio::test]
async fn a_key_never_makes_a_stronger_one_whatever_the_roles() {
    let roster = Roster::new();
    let org = roster.organization("Clinic").await;
    // Which roles' keys an ADMIN's and a HIPP_ADMIN's key may make, rotate and revoke; no other key may.
    let assignable = [
        "ADMIN",
        "BILLING_MANAGER",
        "SCHEDULING_MANAGER",
        "CLINICIAN",
        "TECHNICIAN",
        "PATIENT",
        "CAREGIVER",
        "CLINICAL_ADMIN",
        "PAYROLL_ADMIN",
    ];
    for by in Role::ALL {
        let client = org.key(by).await;
        for role in Role::ALL {
            let may = match by {
                Role::Admin => assignable.contains(&role.as_str()),
                Role::HippAdmin => assignable.contains(&role.as_str()) || role == Role::HippAdmin,
                _ => false,
            };
            let expected = if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
            let answer = client.post(KEYS, key(&format!("{by} {role}"), role)).await;
            assert_eq!(answer.status, expected, "{by} makes {role}: {answer}");
            let there = org.key(role).await;
            let path = format!("{KEYS}/{}", there.key_id());
            let answer = client.act(&format!("{path}/rotate")).await;
            assert_eq!(answer.status, expected, "{by} rotates {role}: {answer}");
            let answer = client.delete(&path).await;
            assert_eq!(answer.status, expected, "{by} revokes {role}: {answer}");
            let shown = if Role::MANAGERS.contains(&by) { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(client.get(&path).await.status, shown, "{by} looks at {role}");
        }
        let shown = if Role::MANAGERS.contains(&by) { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(client.get(KEYS).await.status, shown, "{by}");
    }
}

#[tokio::test]
async fn a_key_of_access_read_changes_nothing() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = json!({ "name": "Reporting", "role": "ADMIN", "access": "READ" });
    let (_, token) = made(&admin.post(KEYS, body).await);
    let reader = holder(&admin, &token);
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let me = reader.get("/api/v1/me").await;
    assert_eq!((&me.body["key"]["access"], &me.body["mayCreate"]), (&json!("READ"), &json!([])), "{me}");
    for path in ["/api/v1/users".to_owned(), format!("/api/v1/users/{id}"), "/api/v1/organization".to_owned()] {
        assert_eq!(reader.get(&path).await.status, StatusCode::OK, "{path}");
    }
    let user = format!("/api/v1/users/{id}");
    for (method, path, body) in [
        ("POST", "/api/v1/users", Some(json!({ "firstName": "A", "lastName": "B" }))),
        ("PATCH", &user, Some(json!({ "lastName": "Lee" }))),
        ("DELETE", &user, None),
        ("POST", &format!("{user}/deactivate"), None),
        ("POST", &format!("{user}/restore"), None),
        ("PATCH", "/api/v1/organization", Some(json!({ "name": "Mine" }))),
        ("POST", KEYS, Some(key("More", Role::Patient))),
        ("GET", KEYS, None),
        ("POST", "/api/v1/webhooks", Some(json!({ "url": "https://hooks.example.com/" }))),
    ] {
        let answer = reader.ask(method, path, &[], body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}: {answer}");
    }
}

#[tokio::test]
async fn rotation_keeps_both_until_the_overlap_is_over_on_all_processes() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let (old, old_token) = made(&admin.post(KEYS, key("HR system", Role::Clinician)).await);
    let answer = admin.post(&format!("{KEYS}/{old}/rotate"), json!({ "overlap": "30m" })).await;
    let (new, new_token) = made(&answer);
    assert_eq!(answer.body["key"]["replaces"], json!(old), "{answer}");
    assert_eq!(answer.body["key"]["name"], json!("HR system"));
    assert_eq!(admin.get(&format!("{KEYS}/{old}")).await.body["expiresAt"], json!("2025-01-15T11:00:00.000Z"));
    let works = async |token: &str| {
        let client = holder(&admin, token);
        let here = client.get("/api/v1/me").await.status;
        assert_eq!(client.at(&beside).get("/api/v1/me").await.status, here);
        here == StatusCode::OK
    };
    for roster in [&roster, &beside] {
        roster.set_clock(NOW + 30 * 60_000 - 1);
    }
    assert!(works(&old_token).await && works(&new_token).await);
    for roster in [&roster, &beside] {
        roster.set_clock(NOW + 30 * 60_000);
    }
    assert!(!works(&old_token).await && works(&new_token).await);
    // What is over cannot be rotated; what took over can be, and at once.
    assert_eq!(admin.act(&format!("{KEYS}/{old}/rotate")).await.status, StatusCode::NOT_FOUND);
    let (_, newest) = made(&admin.post(&format!("{KEYS}/{new}/rotate"), json!({ "overlap": "0s" })).await);
    assert!(!works(&new_token).await && works(&newest).await);
}

#[tokio::test]
async fn live_keys_have_names_of_their_own() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let elsewhere = roster.organization("Elsewhere").await.key(Role::Admin).await;
    let (first, _) = made(&admin.post(KEYS, key("HR system", Role::Patient)).await);
    let taken = "custom name: Name is already in use";
    assert_eq!(issues(&admin.post(KEYS, key("hr SYSTEM", Role::Patient)).await), taken);
    made(&elsewhere.post(KEYS, key("HR system", Role::Patient)).await);
    // Who took over has the name; that it is still lent out to the old one is in nobody's way.
    let (second, _) = made(&admin.act(&format!("{KEYS}/{first}/rotate")).await);
    made(&admin.act(&format!("{KEYS}/{second}/rotate")).await);
    assert_eq!(issues(&admin.post(KEYS, key("HR system", Role::Patient)).await), taken);
    for replaced in [&first, &second] {
        let answer = admin.act(&format!("{KEYS}/{replaced}/rotate")).await;
        assert_eq!(issues(&answer), "custom : Another key took over from it: rotate that one");
    }
    // What is over, or was revoked, has no name to keep.
    let body = json!({ "name": "Short", "role": "PATIENT", "expiresAt": "2025-01-15T10:31:00Z" });
    made(&admin.post(KEYS, body.clone()).await);
    assert_eq!(issues(&admin.post(KEYS, body).await), taken);
    roster.set_clock(NOW + 60_000);
    let (short, _) = made(&admin.post(KEYS, key("Short", Role::Patient)).await);
    admin.delete(&format!("{KEYS}/{short}")).await;
    made(&admin.post(KEYS, key("Short", Role::Patient)).await);
}

#[tokio::test]
async fn the_last_key_that_manages_is_not_revoked_by_a_key() {
    let roster = Roster::new();
    let org = roster.organization("Clinic").await;
    let admin = org.key(Role::Admin).await;
    let own = format!("{KEYS}/{}", admin.key_id());
    // None of these manages the organization.
    org.key(Role::ClinicalSuperadmin).await;
    let name = "Reads".parse().expect("a name");
    org.key_like(NewKey { access: Access::Read, ..NewKey::lasting(Role::Admin, name) }).await;
    let name = "Ends".parse().expect("a name");
    org.key_like(NewKey { ends: Ends::After(60_000), ..NewKey::lasting(Role::Admin, name) }).await;
    roster.set_clock(NOW + 60_000);
    assert_snapshot!(admin.delete(&own).await, @r#"
    409
    {
      "error": "It is the last key that manages the organization: make another one first"
    }
    "#);
    assert_eq!(admin.get("/api/v1/me").await.status, StatusCode::OK);

    // Nor does one that another took over from, and that ends tomorrow.
    let (_, token) = made(&admin.act(&format!("{own}/rotate")).await);
    let rotated = holder(&admin, &token);
    let newer = rotated.get("/api/v1/me").await.body["key"]["publicId"].as_str().expect("an id").to_owned();
    assert_eq!(admin.delete(&format!("{KEYS}/{newer}")).await.status, StatusCode::CONFLICT);

    let other = org.key(Role::HippAdmin).await;
    assert_eq!(other.delete(&format!("{KEYS}/{newer}")).await.status, StatusCode::OK);
    assert_snapshot!(admin.delete(&own).await, @r#"
    200
    {
      "message": "Key revoked successfully"
    }
    "#);
    assert_eq!(admin.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(other.delete(&format!("{KEYS}/{}", other.key_id())).await.status, StatusCode::CONFLICT);
    // The command line may.
    roster.app().revoke_key(&org.operator, other.key_id()).await.expect("revoked");
    assert_eq!(other.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn of_two_who_revoke_each_other_at_once_one_is_left() {
    let roster = Roster::new();
    let beside = roster.again();
    let org = roster.organization("Clinic").await;
    for _ in 0..10 {
        let (one, two) = (org.key(Role::Admin).await, org.key(Role::Admin).await);
        let path = |client: &Client<'_>| format!("{KEYS}/{}", client.key_id());
        let (of_one, of_two) = (path(&one), path(&two));
        let there = two.at(&beside);
        tokio::join!(one.delete(&of_two), there.delete(&of_one));
        let live = [one.get("/api/v1/me").await.status, two.get("/api/v1/me").await.status];
        assert!(live.contains(&StatusCode::OK), "{live:?}");
        for client in [&one, &two] {
            roster.app().revoke_key(&org.operator, client.key_id()).await.expect("revoked");
        }
    }
}

#[tokio::test]
async fn when_a_key_was_used_last_is_true_to_a_minute_and_alters_nothing_else() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let (id, token) = made(&admin.post(KEYS, key("HR system", Role::Clinician)).await);
    let used = async || admin.get(&format!("{KEYS}/{id}")).await.body["lastUsedAt"].clone();
    assert_eq!(used().await, Value::Null);
    holder(&admin, &token).get("/api/v1/me").await;
    let epoch = roster.app().store().epoch().await.expect("an epoch");
    roster.app().write_uses().await.expect("written");
    assert_eq!(used().await, json!("2025-01-15T10:30:00.000Z"));
    assert_eq!(roster.app().store().epoch().await.expect("an epoch"), epoch, "no key is looked up anew");
    // A wrong secret is no use of it, and of two processes the later one counts.
    beside.set_clock(NOW + 90_000);
    roster.set_clock(NOW + 60_000);
    holder(&admin, &token).at(&beside).get("/api/v1/me").await;
    holder(&admin, &token).get("/api/v1/me").await;
    beside.app().write_uses().await.expect("written");
    roster.app().write_uses().await.expect("written");
    assert_eq!(used().await, json!("2025-01-15T10:31:30.000Z"));
}

#[tokio::test]
async fn me_says_when_a_key_ends_within_fourteen_days() {
    let roster = Roster::new();
    let org = roster.organization("Clinic").await;
    let key = org.key_for(Role::Technician, Some(20 * DAY)).await;
    for (at, warning) in [
        (NOW, ""),
        (NOW + 6 * DAY, ""),
        (NOW + 6 * DAY + 1, "key-ends-soon;days=13"),
        (NOW + 20 * DAY - 1, "key-ends-soon;days=0"),
    ] {
        roster.set_clock(at);
        assert_eq!(key.get("/api/v1/me").await.header("roster-warning"), warning, "{at}");
    }
}

#[tokio::test]
async fn keys_are_listed_piece_by_piece_and_a_neighbors_are_not_found() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let neighbor = roster.organization("Elsewhere").await.key(Role::Admin).await;
    for nth in 0..5 {
        made(&admin.post(KEYS, key(&format!("Key {nth}"), Role::Patient)).await);
    }
    let mut seen = Vec::new();
    let mut path = format!("{KEYS}?pageSize=2");
    loop {
        let answer = admin.get(&path).await;
        let data = answer.body["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
        seen.extend(data.iter().map(|key| key["publicId"].as_str().expect("an id").to_owned()));
        let link = answer.header("link");
        let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else { break };
        path = format!("{KEYS}{next}");
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted());
    let own = neighbor.key_id().to_string();
    for answer in [
        admin.get(&format!("{KEYS}/{own}")).await,
        admin.delete(&format!("{KEYS}/{own}")).await,
        admin.act(&format!("{KEYS}/{own}/rotate")).await,
        admin.get(&format!("{KEYS}?cursor={own}")).await,
    ] {
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{answer}");
    }
}

#[tokio::test]
async fn a_request_that_is_sent_again_makes_no_second_key_and_shows_no_token() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let again = [("idempotency-key", "one")];
    let first = admin.ask("POST", KEYS, &again, Some(key("HR system", Role::Patient))).await;
    let (id, token) = made(&first);
    let second = admin.ask("POST", KEYS, &again, Some(key("HR system", Role::Patient))).await;
    assert_eq!(second.header("idempotent-replayed"), "true", "{second}");
    assert_eq!((&second.body["key"]["publicId"], &second.body["key"]["token"]), (&json!(id), &Value::Null));
    let path = format!("{KEYS}/{id}/rotate");
    let (new, new_token) = made(&admin.ask("POST", &path, &again, None).await);
    let second = admin.ask("POST", &path, &again, None).await;
    assert_eq!((&second.body["key"]["publicId"], &second.body["key"]["token"]), (&json!(new), &Value::Null));
    assert_eq!(admin.get(KEYS).await.body["data"].as_array().map(Vec::len), Some(3));
    assert!(token != new_token);
}
