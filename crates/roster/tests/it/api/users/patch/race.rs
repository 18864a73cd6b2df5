//! Many who change at once: nobody's change is lost, and what can be one's only is one's.

use std::collections::BTreeSet;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::{audit, deactivated, issues, listed, of, patched, whole};
use crate::{
    api::together,
    roster::{Answer, Client, Roster},
};

const RACERS: usize = 64;

async fn jane(client: &Client<'_>, with: Value) -> String {
    let mut body = json!({ "firstName": "Jane", "lastName": "Doe" });
    body.as_object_mut().expect("an object").extend(with.as_object().expect("an object").clone());
    client.create(body).await
}

fn won(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == StatusCode::OK).count()
}

#[tokio::test]
async fn changes_of_different_fields_at_once_all_hold_in_whichever_process() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let id = jane(&admin, json!({})).await;
    let fields = [
        "firstName",
        "lastName",
        "email",
        "phoneNumber",
        "npiNumber",
        "sex",
        "addressLine1",
        "addressLine2",
        "city",
        "state",
        "postalCode",
        "externalId",
    ];
    for round in 0..3 {
        let value = |field: &str| match field {
            "email" => format!("jane{round}@example.com"),
            _ => format!("{field} {round}"),
        };
        let racers = fields.iter().enumerate().map(|(nth, field)| {
            let client = if nth % 2 == 0 { admin.clone() } else { admin.at(&beside) };
            let (path, body) = (of(&id), json!({ *field: value(field) }));
            async move { client.patch(&path, body).await }
        });
        let answers = together::all(racers).await;
        assert_eq!(won(&answers), fields.len(), "{:?}", answers.iter().map(|a| a.status).collect::<Vec<_>>());
        for client in [&admin, &admin.at(&beside)] {
            let user = whole(client, &id).await;
            for field in fields {
                assert_eq!(user.body[field], value(field).as_str());
            }
        }
    }
    let entries = audit(&roster, &admin).await;
    let fields_of = entries.iter().filter(|entry| entry.action == "user.updated").map(|entry| entry.fields.as_str());
    assert_eq!(fields_of.count(), 3 * fields.len(), "each is remembered once");
}

/// As many clients as there are names in metadata would replace each other's: each adds its own by a version.
#[tokio::test]
async fn sixty_four_who_name_a_version_are_one_200_and_412s_until_all_have_won() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let id = jane(&admin, json!({})).await;
    let mut waiting: Vec<usize> = (0..RACERS).collect();
    for round in 0..4 {
        let tag = whole(&admin, &id).await.header("etag").to_owned();
        let racers = waiting.iter().map(|nth| {
            let client = if nth % 2 == 0 { admin.clone() } else { admin.at(&beside) };
            let (path, tag, body) = (of(&id), &tag, json!({ "city": format!("City {nth}") }));
            async move { client.ask("PATCH", &path, &[("if-match", tag)], Some(body)).await }
        });
        let answers = together::all(racers).await;
        assert_eq!(won(&answers), 1, "round {round}");
        for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
            assert_eq!(answer.to_string(), "412\n{\n  \"error\": \"Precondition failed\"\n}");
        }
        let winner = answers.iter().position(|answer| answer.status == StatusCode::OK).expect("one");
        let nth = waiting.remove(winner);
        assert_eq!(whole(&admin, &id).await.body["city"], format!("City {nth}"));
        assert_eq!(whole(&admin.at(&beside), &id).await.text, answers[winner].text);
    }
    let entries = audit(&roster, &admin).await;
    assert_eq!(entries.iter().filter(|entry| entry.action == "user.updated").count(), 4);
}

#[tokio::test]
async fn sixty_four_clients_who_change_one_field_are_all_answered_and_the_last_one_is_shown() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = jane(&admin, json!({})).await;
    let racers = (0..RACERS).map(|nth| {
        let (admin, path) = (&admin, of(&id));
        async move { admin.patch(&path, json!({ "city": format!("City {nth}") })).await }
    });
    let answers = together::all(racers).await;
    // One that loses again and again for a second and a half is told to try again, and nothing of it was written.
    let busy = answers.iter().filter(|answer| answer.status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert_eq!(won(&answers) + busy, RACERS);
    let tags: BTreeSet<_> =
        answers.iter().filter(|a| a.status == StatusCode::OK).map(|a| a.header("etag").to_owned()).collect();
    assert_eq!(tags.len(), won(&answers), "each made a version of its own");
    let last = whole(&admin, &id).await;
    let shown: Vec<_> = answers.iter().filter(|answer| answer.header("etag") == last.header("etag")).collect();
    assert_eq!((shown.len(), &shown[0].text), (1, &last.text));
    let entries = audit(&roster, &admin).await;
    assert_eq!(entries.iter().filter(|entry| entry.action == "user.updated").count(), won(&answers));
}

/// Half of them create somebody, the others change somebody, in two processes.
async fn race_for(roster: &Roster, admin: &Client<'_>, field: &str, value: &str, taken: &str) {
    let beside = roster.again();
    let mut ids = Vec::new();
    for _ in 0..RACERS / 2 {
        ids.push(jane(admin, json!({})).await);
    }
    let racers = (0..RACERS).map(|nth| {
        let client = if nth % 4 < 2 { admin.clone() } else { admin.at(&beside) };
        let path = if nth % 2 == 0 { "/api/v1/users".to_owned() } else { of(&ids[nth / 2]) };
        async move {
            match nth % 2 {
                0 => client.post(&path, json!({ "firstName": "Jane", "lastName": "Doe", field: value })).await,
                _ => client.patch(&path, json!({ field: value })).await,
            }
        }
    });
    let answers = together::all(racers).await;
    assert_eq!(won(&answers), 1, "{field}");
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        assert_eq!(issues(answer), taken);
    }
    let winner = answers.iter().find(|answer| answer.status == StatusCode::OK).expect("one");
    let id = winner.body["user"]["publicId"].as_str().or(winner.body["publicId"].as_str()).expect("an id");
    for client in [admin, &admin.at(&beside)] {
        assert_eq!(whole(client, id).await.body[field], value);
    }
    if field == "email" {
        assert_eq!(listed(admin, &format!("email={value}")).await, (vec![id.to_owned()], 1));
    }
    // It is free again for the next who race.
    deactivated(admin, id).await;
}

#[tokio::test]
async fn of_many_who_race_for_an_email_that_became_free_one_gets_it() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let taken = "custom email: Email is already in use";
    let id = jane(&admin, json!({ "email": "One@example.com" })).await;
    assert_eq!(
        issues(
            &admin
                .post("/api/v1/users", json!({ "firstName": "J", "lastName": "D", "email": "one@example.com" }))
                .await
        ),
        taken
    );
    // By a change, by a deactivation, and by the deactivation of whoever won; the last time by an erasure.
    patched(&admin, &id, json!({ "email": "two@example.com" })).await;
    race_for(&roster, &admin, "email", "one@example.com", taken).await;
    race_for(&roster, &admin, "email", "one@example.com", taken).await;
    patched(&admin, &id, json!({ "email": null })).await;
    race_for(&roster, &admin, "email", "two@example.com", taken).await;
    let id = jane(&admin, json!({ "email": "three@example.com" })).await;
    deactivated(&admin, &id).await;
    assert_eq!(admin.delete(&of(&id)).await.status, StatusCode::NO_CONTENT);
    race_for(&roster, &admin, "email", "three@example.com", taken).await;
}

#[tokio::test]
async fn of_many_who_race_for_an_external_id_that_became_free_one_gets_it() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let taken = "custom externalId: External id is already in use";
    let id = jane(&admin, json!({ "externalId": "HR-1" })).await;
    assert_eq!(
        issues(&admin.post("/api/v1/users", json!({ "firstName": "J", "lastName": "D", "externalId": "HR-1" })).await),
        taken
    );
    // Case counts: it is another system's name.
    jane(&admin, json!({ "externalId": "hr-1" })).await;
    patched(&admin, &id, json!({ "externalId": "HR-2" })).await;
    race_for(&roster, &admin, "externalId", "HR-1", taken).await;
    deactivated(&admin, &id).await;
    race_for(&roster, &admin, "externalId", "HR-2", taken).await;
}

#[tokio::test]
async fn an_email_goes_from_one_to_the_other_and_back() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let one = jane(&admin, json!({ "email": "jane@example.com" })).await;
    let two = jane(&admin, json!({})).await;
    for round in 0..6 {
        let client = if round % 2 == 0 { admin.at(&beside) } else { admin.clone() };
        let (from, to) = if round % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let body = || json!({ "email": "JANE@example.com" });
        assert_eq!(issues(&client.patch(&of(to), body()).await), "custom email: Email is already in use");
        // One's own may be written otherwise.
        patched(&client, from, body()).await;
        patched(&client, from, json!({ "email": null })).await;
        patched(&client, to, body()).await;
        for client in [&admin, &admin.at(&beside)] {
            assert_eq!(listed(client, "email=jane@EXAMPLE.com").await, (vec![to.clone()], 1));
            assert_eq!(whole(client, from).await.body["email"], Value::Null);
        }
    }
}
