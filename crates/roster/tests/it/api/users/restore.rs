//! `POST /api/v1/users/{publicId}/restore`

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{audit, deactivated, issues, listed, of, whole};
use crate::{
    api::together,
    roster::{NOW, Roster},
};

fn restore(id: &str) -> String {
    format!("{}/restore", of(id))
}

#[tokio::test]
async fn a_user_comes_back_as_they_were() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let body = json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com", "externalId": "HR-1" });
    let id = admin.create(body).await;
    let before = whole(&admin, &id).await;
    admin.post(&format!("{}/deactivate", of(&id)), json!({ "reason": "Moved away" })).await;
    roster.set_clock(NOW + 60_000);
    let answer = admin.act(&restore(&id)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let mut expected = before.body.clone();
    expected["updatedAt"] = json!("2025-01-15T10:31:00.000Z");
    assert_eq!(answer.body, expected);
    for client in [&admin, &admin.at(&beside)] {
        let shown = whole(client, &id).await;
        assert_eq!((&shown.text, shown.header("etag")), (&answer.text, answer.header("etag")));
        assert_eq!(listed(client, "").await, (vec![id.clone()], 1));
        assert_eq!(listed(client, "status=DEACTIVATED").await, (vec![], 0));
        assert_eq!(listed(client, "email=jane@example.com").await, (vec![id.clone()], 1));
        let taken = json!({ "firstName": "John", "lastName": "Doe", "email": "JANE@example.com" });
        assert_eq!(issues(&client.post("/api/v1/users", taken).await), "custom email: Email is already in use");
    }
    let remembered = audit(&roster, &admin).await;
    assert_eq!((remembered[0].action.as_str(), remembered[0].fields.as_str()), ("user.restored", "status"));
    let again = admin.act(&restore(&id)).await;
    assert_eq!((&again.text, again.header("etag")), (&answer.text, answer.header("etag")), "they are back");
    assert_eq!(audit(&roster, &admin).await, remembered);
}

#[tokio::test]
async fn whose_email_was_taken_meanwhile_comes_back_with_another() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com" })).await;
    deactivated(&admin, &id).await;
    let john = admin.create(json!({ "firstName": "John", "lastName": "Doe", "email": "JANE@example.com" })).await;
    let remembered = audit(&roster, &admin).await;
    let taken = "custom email: Email is already in use";
    assert_eq!(issues(&admin.act(&restore(&id)).await), taken);
    assert_eq!(issues(&admin.post(&restore(&id), json!({ "email": "Jane@Example.com" })).await), taken);
    for (body, said) in [
        (json!({ "email": "jane" }), "invalid_string email: Valid email is required"),
        (json!({ "email": null }), "invalid_type email: Expected string, received null"),
    ] {
        assert_eq!(issues(&admin.post(&restore(&id), body).await), said);
    }
    assert_eq!(audit(&roster, &admin).await, remembered);
    let answer = admin.post(&restore(&id), json!({ "email": "jane.doe@example.com", "unknown": 1 })).await;
    assert_eq!((&answer.body["email"], &answer.body["status"]), (&json!("jane.doe@example.com"), &json!("ACTIVE")));
    assert_eq!(answer.header("roster-warning"), "unknown-field;name=\"unknown\"");
    assert_eq!(audit(&roster, &admin).await[0].fields, "email,status");
    assert_eq!(listed(&admin, "email=jane@example.com").await, (vec![john], 1));
    assert_eq!(listed(&admin, "email=jane.doe@example.com").await, (vec![id], 1));
}

#[tokio::test]
async fn whose_external_id_was_taken_meanwhile_is_told_so() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "externalId": "HR-1" })).await;
    deactivated(&admin, &id).await;
    admin.create(json!({ "firstName": "John", "lastName": "Doe", "externalId": "HR-1" })).await;
    assert_eq!(issues(&admin.act(&restore(&id)).await), "custom externalId: External id is already in use");
    assert_eq!(admin.patch(&of(&id), json!({ "externalId": "HR-2" })).await.status, StatusCode::OK);
    assert_eq!(admin.act(&restore(&id)).await.body["status"], "ACTIVE");
}

#[tokio::test]
async fn an_active_users_email_is_not_changed_by_the_way() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com" })).await;
    let said = issues(&admin.post(&restore(&id), json!({ "email": "other@example.com" })).await);
    assert_eq!(said, "custom email: The user is active: an e-mail is changed by PATCH");
    assert_eq!(admin.post(&restore(&id), json!({ "email": "jane@example.com" })).await.status, StatusCode::OK);
    assert_eq!(whole(&admin, &id).await.body["email"], "jane@example.com");
}

/// All of them had the e-mail once, one after another.
#[tokio::test]
async fn of_many_who_come_back_with_one_email_one_does() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let mut ids = Vec::new();
    for _ in 0..64 {
        let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com" })).await;
        deactivated(&admin, &id).await;
        ids.push(id);
    }
    let racers = ids.iter().enumerate().map(|(nth, id)| {
        let client = if nth % 2 == 0 { admin.clone() } else { admin.at(&beside) };
        async move { client.act(&restore(id)).await }
    });
    let answers = together::all(racers).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!((won.len(), lost.len()), (1, 63));
    for answer in lost {
        assert_eq!(issues(answer), "custom email: Email is already in use");
    }
    let id = won[0].body["publicId"].as_str().expect("an id").to_owned();
    assert_eq!(listed(&admin, "email=jane@example.com").await, (vec![id.clone()], 1));
    assert_eq!(listed(&admin, "").await, (vec![id], 1));
    assert_eq!(listed(&admin, "email=jane@example.com&status=ALL").await.1, 64);
    assert_eq!(won[0].body["deactivatedAt"], Value::Null);
}
