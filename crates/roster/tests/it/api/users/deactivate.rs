//! `POST /api/v1/users/{publicId}/deactivate`

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use super::{audit, deactivated, issues, listed, messages_to, of, patched, whole};
use crate::roster::{NOW, Roster};

fn deactivate(id: &str) -> String {
    format!("{}/deactivate", of(id))
}

#[tokio::test]
async fn a_user_leaves_and_is_answered_whole() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com" })).await;
    roster.set_clock(NOW + 60_000);
    let answer = admin.post(&deactivate(&id), json!({ "reason": " Moved away " })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    assert_snapshot!(answer.text, @r#"{"publicId":"usr_1736937000_006000000","firstName":"Jane","lastName":"Doe","email":"jane@example.com","role":"TECHNICIAN","status":"DEACTIVATED","phoneNumber":null,"npiNumber":null,"npiStatus":null,"shouldSendSMS":false,"recertificationDate":null,"providerPayors":[],"sex":null,"caregiverId":null,"birthDate":null,"addressLine1":null,"addressLine2":null,"city":null,"state":null,"postalCode":null,"externalId":null,"metadata":{},"createdAt":"2025-01-15T10:30:00.000Z","updatedAt":"2025-01-15T10:31:00.000Z","deactivatedAt":"2025-01-15T10:31:00.000Z","deactivationReason":"Moved away","organization":{"name":"Example Organization","publicId":"org_100000000000"}}"#);
    let shown = whole(&admin, &id).await;
    assert_eq!((&shown.text, shown.header("etag")), (&answer.text, answer.header("etag")));
    assert_eq!(admin.get(&of(&id)).await.body["firstName"], "Jane", "by id it is still there");
}

#[tokio::test]
async fn whoever_left_stays_as_they_are() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let first = admin.post(&deactivate(&id), json!({ "reason": "Moved away" })).await;
    let remembered = audit(&roster, &admin).await;
    roster.set_clock(NOW + 60_000);
    for body in [json!({}), json!({ "reason": "Another" })] {
        let again = admin.post(&deactivate(&id), body).await;
        assert_eq!((&again.text, again.header("etag")), (&first.text, first.header("etag")));
    }
    assert_eq!(audit(&roster, &admin).await, remembered);
}

#[tokio::test]
async fn a_reason_is_at_most_500_characters_and_may_be_left_out() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let fresh = async || admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    for (body, reason) in [
        (Some(json!({ "reason": "x".repeat(500) })), json!("x".repeat(500))),
        (Some(json!({ "reason": "" })), Value::Null),
        (Some(json!({})), Value::Null),
        (None, Value::Null),
    ] {
        let answer = admin.ask("POST", &deactivate(&fresh().await), &[], body).await;
        assert_eq!((answer.status, &answer.body["deactivationReason"]), (StatusCode::OK, &reason));
    }
    let id = fresh().await;
    for (body, said) in [
        (json!({ "reason": null }), "invalid_type reason: Expected string, received null"),
        (json!({ "reason": "x".repeat(501) }), "too_big reason: String must contain at most 500 character(s)"),
        (json!({ "reason": 7 }), "invalid_type reason: Expected string, received number"),
        (json!([]), "invalid_type : Expected object, received array"),
    ] {
        assert_eq!(issues(&admin.post(&deactivate(&id), body).await), said);
    }
    assert_eq!(whole(&admin, &id).await.body["status"], "ACTIVE");
    let answer = admin.post(&deactivate(&id), json!({ "raeson": "x" })).await;
    assert_eq!(answer.header("roster-warning"), "unknown-field;name=\"raeson\"");
}

#[tokio::test]
async fn lists_show_who_is_active_unless_they_are_asked_and_count_exactly() {
    let roster = Roster::new();
    let beside = roster.again();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let mut ids = Vec::new();
    for nth in 0..9 {
        let role = if nth % 3 == 0 { "PATIENT" } else { "CLINICIAN" };
        ids.push(admin.create(json!({ "firstName": "Jane", "lastName": format!("Doe{nth}"), "role": role })).await);
    }
    for nth in [0, 4, 8] {
        deactivated(&admin, &ids[nth]).await;
    }
    let of_status = |keep: &dyn Fn(usize) -> bool| {
        let ids: Vec<_> = ids.iter().enumerate().filter(|(nth, _)| keep(*nth)).map(|(_, id)| id.clone()).collect();
        let total = ids.len() as u64;
        (ids, total)
    };
    let left = |nth: usize| nth.is_multiple_of(4);
    for client in [&admin, &admin.at(&beside)] {
        for more in ["", "&search=jane", "&view=full", "&search=doe&view=full"] {
            let listed = async |query: &str| listed(client, &format!("sort=createdAt_asc{query}{more}")).await;
            assert_eq!(listed("").await, of_status(&|nth| !left(nth)));
            assert_eq!(listed("&status=ACTIVE").await, of_status(&|nth| !left(nth)));
            assert_eq!(listed("&status=DEACTIVATED").await, of_status(&left));
            assert_eq!(listed("&status=ALL").await, of_status(&|_| true));
            assert_eq!(listed("&role=PATIENT").await, of_status(&|nth| nth % 3 == 0 && !left(nth)));
            assert_eq!(listed("&role=PATIENT&status=DEACTIVATED").await, of_status(&|nth| nth % 3 == 0 && left(nth)));
            assert_eq!(listed("&role=PATIENT&status=ALL").await, of_status(&|nth| nth % 3 == 0));
        }
    }
    let said = issues(&admin.get("/api/v1/users?status=GONE").await);
    assert_snapshot!(said, @"invalid_enum_value status: Invalid enum value. Expected 'ACTIVE' | 'DEACTIVATED' | 'ALL', received 'GONE'");
}

#[tokio::test]
async fn a_page_of_a_list_goes_on_after_somebody_who_left() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await);
    }
    deactivated(&admin, &ids[2]).await;
    for query in ["", "&search=jane"] {
        let (after, total) = listed(&admin, &format!("sort=createdAt_asc&cursor={}{query}", ids[2])).await;
        assert_eq!((after, total), (ids[3..].to_vec(), 5));
        let (after, total) = listed(&admin, &format!("cursor={}{query}", ids[2])).await;
        assert_eq!((after, total), (vec![ids[1].clone(), ids[0].clone()], 5));
    }
}

#[tokio::test]
async fn the_email_and_the_external_id_are_free_at_once() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    for client in [&admin, &admin.at(&beside), &admin] {
        let body = json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com", "externalId": "HR-1" });
        let id = client.create(body.clone()).await;
        let said = issues(&client.post("/api/v1/users", body).await);
        assert_eq!(said, "custom email: Email is already in use", "what is taken is said first of the e-mail");
        assert_eq!(listed(&admin, "email=jane@example.com").await, (vec![id.clone()], 1));
        deactivated(&admin, &id).await;
        assert_eq!(listed(&admin, "email=jane@example.com").await, (vec![], 0));
        let shown = whole(client, &id).await;
        assert_eq!((&shown.body["email"], &shown.body["externalId"]), (&json!("jane@example.com"), &json!("HR-1")));
    }
    assert_eq!(listed(&admin, "email=jane@example.com&status=DEACTIVATED").await.1, 3);
    assert_eq!(listed(&admin, "email=jane@example.com&status=ALL&pageSize=2&page=2").await.1, 3);
}

#[tokio::test]
async fn what_is_owed_to_somebody_who_leaves_is_dropped() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = json!({ "firstName": "Jane", "lastName": "Doe", "phoneNumber": "+14155550123", "shouldSendSMS": true });
    let (leaves, stays) = (admin.create(body.clone()).await, admin.create(body).await);
    deactivated(&admin, &leaves).await;
    assert_eq!(messages_to(&roster, &admin, &leaves).await, ["dropped"]);
    assert_eq!(messages_to(&roster, &admin, &stays).await, ["owed"]);
    // Coming back is no new consent.
    assert_eq!(admin.act(&format!("{}/restore", of(&leaves))).await.status, StatusCode::OK);
    assert_eq!(messages_to(&roster, &admin, &leaves).await, ["dropped"]);
    patched(&admin, &leaves, json!({ "shouldSendSMS": false })).await;
    roster.set_clock(NOW + 1_000);
    patched(&admin, &leaves, json!({ "shouldSendSMS": true })).await;
    assert_eq!(messages_to(&roster, &admin, &leaves).await, ["dropped", "owed"]);
}
