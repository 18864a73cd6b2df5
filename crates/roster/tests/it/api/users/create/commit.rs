//! What a create leaves behind: the user, an audit entry, and a message that is owed; or nothing at all.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use roster_store::{Remembered, outbox::Filter};
use serde_json::{Value, json};

use super::{USERS, john};
use crate::{
    api::together,
    roster::{Client, Roster},
};

async fn audit(roster: &Roster, client: &Client<'_>) -> Vec<Remembered> {
    roster.app().store().audit(client.organization_id(), 1_000).await.expect("a read")
}

/// The users to whom a message is owed, in the organization of the client.
async fn owed(roster: &Roster, client: &Client<'_>) -> Vec<String> {
    let filter = Filter { organization: Some(client.organization_id()), ..Filter::default() };
    let owed = roster.app().store().messages(filter, 1_000).await.expect("a read");
    owed.iter().map(|owed| owed.message.content.about().to_owned()).collect()
}

async fn count(client: &Client<'_>) -> Value {
    client.get(USERS).await.body["pagination"]["totalCount"].clone()
}

#[tokio::test]
async fn a_create_is_remembered_by_field_names_without_values() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let payor = org.payor("Example Health").await;
    let body = json!({
        "firstName": "Canaryfirst", "lastName": "Canarylast", "email": "canary@example.com", "role": "CLINICIAN",
        "phoneNumber": "+14155550123", "npiNumber": "1234567893", "shouldSendSMS": true,
        "recertificationDate": "2031-12-24T00:00:00Z", "providerPayors": [payor, "canarypayor"]
    });
    let answer = admin.post(USERS, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");

    let entry = &audit(&roster, &admin).await[0];
    assert_eq!(entry.actor, admin.key_id().to_string());
    assert_eq!(entry.target, answer.body["user"]["publicId"].as_str().expect("an id"));
    assert_eq!(entry.at.to_string(), answer.body["user"]["createdAt"].as_str().expect("a moment"));
    assert_eq!(entry.request, answer.header("x-request-id"), "the id that was answered");
    assert_eq!(entry.action, "user.created");
    assert_snapshot!(entry.fields, @"firstName,lastName,role,shouldSendSMS,email,phoneNumber,npiNumber,recertificationDate,providerPayors");
    let all = format!("{entry:?}").to_lowercase();
    for value in ["canary", "4155550123", "1234567893", "2031", "clinician", payor.as_str()] {
        assert!(!all.contains(value), "{value} in {all}");
    }
}

#[tokio::test]
async fn a_create_is_remembered_with_the_request_id_that_was_brought() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let brought = "0af7651916cd43dd8448eb211c80319c";
    let request = admin.request("POST", USERS).header("content-type", "application/json");
    let request = request.header("x-request-id", brought).body(john(json!({})).to_string().into());
    let answer = roster.send(request.expect("a request")).await;
    assert_eq!(answer.header("x-request-id"), brought);
    let entry = &audit(&roster, &admin).await[0];
    assert_eq!((entry.request.as_str(), entry.fields.as_str()), (brought, "firstName,lastName,role,shouldSendSMS"));
}

#[tokio::test]
async fn only_payors_that_were_assigned_are_remembered_as_set() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    admin.create(john(json!({ "providerPayors": ["abc123"] }))).await;
    assert_eq!(audit(&roster, &admin).await[0].fields, "firstName,lastName,role,shouldSendSMS");
}

#[tokio::test]
async fn a_message_is_owed_if_sms_was_asked_for_and_a_phone_is_there() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let with_sms = admin.create(john(json!({ "shouldSendSMS": true, "phoneNumber": "+14155550123" }))).await;
    let doubtful = admin.create(john(json!({ "shouldSendSMS": true, "phoneNumber": "+1234567890" }))).await;
    admin.create(john(json!({ "shouldSendSMS": true }))).await;
    admin.create(john(json!({ "shouldSendSMS": false, "phoneNumber": "+14155550123" }))).await;
    admin.create(john(json!({ "phoneNumber": "+14155550123" }))).await;
    let mut owed = owed(&roster, &admin).await;
    owed.sort();
    let mut expected = [with_sms, doubtful];
    expected.sort();
    assert_eq!(owed, expected);
}

#[tokio::test]
async fn a_message_is_owed_by_the_organization_it_happened_in() {
    let roster = Roster::new();
    let (here, there) = (roster.admin().await, roster.admin().await);
    let id = here.create(john(json!({ "shouldSendSMS": true, "phoneNumber": "+14155550123" }))).await;
    assert_eq!(owed(&roster, &here).await, [id]);
    assert_eq!(owed(&roster, &there).await, [""; 0]);
    let everyone = roster.app().store().messages(Filter::default(), 10).await.expect("a read");
    assert_eq!(everyone.len(), 1);
    let (organization, kind) = (everyone[0].organization, everyone[0].message.content.kind());
    assert_eq!((organization, kind.as_str()), (here.organization_id(), "sms.welcome"));
}

#[tokio::test]
async fn a_refused_create_leaves_nothing() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (admin, clinician, nobody) =
        (org.key(Role::Admin).await, org.key(Role::Clinician).await, org.key(Role::Patient).await);
    admin.create(john(json!({ "email": "taken@example.com" }))).await;
    let before = audit(&roster, &admin).await;

    for (client, email, role, last, status) in [
        (&admin, "TAKEN@example.com", "PATIENT", "Doe", 400),
        (&admin, "free@example.com", "PATIENT", " ", 400),
        (&clinician, "free@example.com", "ADMIN", "Doe", 403),
        (&nobody, "free@example.com", "PATIENT", "Doe", 403),
        (&roster.stranger(), "free@example.com", "PATIENT", "Doe", 401),
    ] {
        let body = json!({
            "firstName": "Jane", "lastName": last, "email": email, "role": role,
            "shouldSendSMS": true, "phoneNumber": "+14155550123"
        });
        assert_eq!(client.post(USERS, body).await.status.as_u16(), status);
    }
    assert_eq!(audit(&roster, &admin).await, before);
    assert_eq!(owed(&roster, &admin).await, [""; 0]);
    assert_eq!(count(&admin).await, 1);
    admin.create(john(json!({ "email": "free@example.com" }))).await;
}

#[tokio::test]
async fn every_create_leaves_one_entry_also_when_many_run_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let before = audit(&roster, &admin).await.len();
    let creates = (0..100).map(|n| {
        // Every other one asks for an e-mail that the one before it asked for.
        let email = format!("user{}@example.com", n / 2);
        let body = john(json!({ "email": email, "shouldSendSMS": true, "phoneNumber": "+14155550123" }));
        let admin = &admin;
        async move { admin.post(USERS, body).await }
    });
    let answers = together::all(creates).await;
    let created = answers.iter().filter(|answer| answer.status == StatusCode::OK);
    let mut created: Vec<_> =
        created.map(|answer| answer.body["user"]["publicId"].as_str().expect("an id").to_owned()).collect();
    created.sort();
    assert_eq!(created.len(), 50);

    let entries = audit(&roster, &admin).await;
    let mut remembered: Vec<_> = entries[..entries.len() - before].iter().map(|entry| entry.target.clone()).collect();
    remembered.sort();
    assert_eq!(remembered, created);
    let mut owed = owed(&roster, &admin).await;
    owed.sort();
    assert_eq!(owed, created);
    assert_eq!(count(&admin).await, 50);
}
