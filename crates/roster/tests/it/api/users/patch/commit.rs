//! What a change leaves behind: an audit entry, an event, consent, a message that is owed; or nothing at all.

use hyper::StatusCode;
use roster_directory::{Role, audit::Roles};
use serde_json::json;

use super::{
    super::{audit, consents, deactivated, events, messages_to, of, patched},
    USERS,
};
use crate::roster::{Client, Roster};

/// The roles that an organization's events tell of, by event.
async fn roles(roster: &Roster, client: &Client<'_>) -> Vec<(&'static str, Roles)> {
    let events = roster.app().store().events(client.organization_id(), 0, 1_000).await.expect("events");
    let of_users = events.into_iter().filter(|event| event.target.starts_with("usr_"));
    of_users.map(|event| (event.action.as_str(), event.roles)).collect()
}

#[tokio::test]
async fn a_change_is_remembered_by_field_names_and_with_the_role_of_before() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "role": "CLINICIAN" })).await;
    let body = json!({
        "lastName": "Canarylast", "email": "canary@example.com", "role": "PATIENT", "firstName": "Jane",
        "metadata": { "canaryname": "canaryvalue" }, "externalId": "canaryid"
    });
    let answer = patched(&admin, &id, body).await;
    let entry = &audit(&roster, &admin).await[0];
    assert_eq!(entry.actor, admin.key_id().to_string());
    assert_eq!((entry.action.as_str(), entry.target.as_str()), ("user.updated", id.as_str()));
    assert_eq!(entry.fields, "lastName,role,email,externalId,metadata");
    assert_eq!(entry.request, answer.header("x-request-id"));
    assert_eq!(entry.at.to_string(), answer.body["updatedAt"].as_str().expect("a moment"));
    assert!(!format!("{entry:?}").contains("canary"), "{entry:?}");

    deactivated(&admin, &id).await;
    assert_eq!(audit(&roster, &admin).await[0].fields, "status");
    assert_eq!(admin.act(&format!("{}/restore", of(&id))).await.status, StatusCode::OK);
    deactivated(&admin, &id).await;
    assert_eq!(admin.delete(&of(&id)).await.status, StatusCode::NO_CONTENT);
    let entry = &audit(&roster, &admin).await[0];
    assert_eq!((entry.action.as_str(), entry.fields.as_str()), ("user.erased", ""));
    let of = |before, after| Roles { before, after };
    let (clinician, patient) = (Some(Role::Clinician), Some(Role::Patient));
    let expected = [
        ("user.created", of(None, clinician)),
        ("user.updated", of(clinician, patient)),
        ("user.deactivated", of(patient, patient)),
        ("user.restored", of(patient, patient)),
        ("user.deactivated", of(patient, patient)),
        ("user.erased", of(patient, None)),
    ];
    assert_eq!(roles(&roster, &admin).await, expected);
    let heard: Vec<_> = events(&admin).await.into_iter().filter(|(_, target)| *target == id).collect();
    assert_eq!(heard.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), expected.map(|(kind, _)| kind));
}

#[tokio::test]
async fn consent_is_recorded_when_it_changes_and_a_message_owed_when_it_is_given() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "phoneNumber": "+14155550123" })).await;
    let said = async |body| {
        roster.set_clock(roster.app().clock().steady().as_millis() + 1_000);
        patched(&admin, &id, body).await;
        (consents(&roster, &admin, &id).await, messages_to(&roster, &admin, &id).await)
    };
    assert_eq!(said(json!({ "shouldSendSMS": false, "city": "x" })).await, (vec![], vec![]));
    assert_eq!(said(json!({ "shouldSendSMS": true })).await, (vec![true], vec!["owed"]));
    assert_eq!(said(json!({ "shouldSendSMS": true, "city": "y" })).await, (vec![true], vec!["owed"]));
    assert_eq!(said(json!({ "phoneNumber": "+14155550199" })).await.0, [true], "it is the same consent");
    assert_eq!(said(json!({ "shouldSendSMS": false })).await.0, [true, false]);
    let before = messages_to(&roster, &admin, &id).await.len();
    assert_eq!(said(json!({ "shouldSendSMS": true, "phoneNumber": null })).await.0, [true, false, true]);
    assert_eq!(messages_to(&roster, &admin, &id).await.len(), before, "there is no number");
}

#[tokio::test]
async fn whoever_left_is_not_texted_whatever_they_agree_to() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "phoneNumber": "+14155550123" })).await;
    deactivated(&admin, &id).await;
    patched(&admin, &id, json!({ "shouldSendSMS": true })).await;
    assert_eq!((consents(&roster, &admin, &id).await, messages_to(&roster, &admin, &id).await.len()), (vec![true], 0));
}

#[tokio::test]
async fn a_refused_change_leaves_nothing() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (admin, clinician, nobody) =
        (org.key(Role::Admin).await, org.key(Role::Clinician).await, org.key(Role::Patient).await);
    admin.create(json!({ "firstName": "John", "lastName": "Doe", "email": "taken@example.com" })).await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "phoneNumber": "+14155550123" })).await;
    let (before, heard) = (audit(&roster, &admin).await, events(&admin).await);
    let path = of(&id);
    for (client, header, body, status) in [
        (&admin, "", json!({ "email": "TAKEN@example.com", "shouldSendSMS": true }), 400),
        (&admin, "", json!({ "lastName": " ", "shouldSendSMS": true }), 400),
        (&admin, "\"7\"", json!({ "lastName": "Lee", "shouldSendSMS": true }), 412),
        (&clinician, "", json!({ "role": "PATIENT", "shouldSendSMS": true }), 403),
        (&nobody, "", json!({ "lastName": "Lee" }), 403),
        (&roster.stranger(), "", json!({ "lastName": "Lee" }), 401),
    ] {
        let headers = [("if-match", header)];
        let headers = if header.is_empty() { &[][..] } else { &headers };
        let answer = client.ask("PATCH", &path, headers, Some(body.clone())).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {answer}");
    }
    assert_eq!(audit(&roster, &admin).await, before);
    assert_eq!(events(&admin).await, heard);
    assert_eq!(messages_to(&roster, &admin, &id).await.len(), 0);
    assert_eq!(admin.get(USERS).await.body["pagination"]["totalCount"], 2);
}

/// Their roles are what nobody may read; what becomes of them is told to nobody, also once they are gone.
#[tokio::test]
async fn nobody_hears_of_a_hipp_admin() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (admin, hipp) = (org.key(Role::Admin).await, org.key(Role::HippAdmin).await);
    let webhook = admin.webhook("https://hooks.example.com/roster").await;
    let id = org.user("Root", "Doe", Role::HippAdmin).await;
    let user = roster_directory::UserId::parse(&id).expect("an id");
    let (app, any) = (roster.app(), roster::app::Meant::Any);
    let patch = |role| roster_directory::user::Patch { role, ..Default::default() };
    let first_name = "Ruth".parse().ok();
    let renamed = roster_directory::user::Patch { first_name, ..Default::default() };
    app.update_user(&org.operator, user, &any, &renamed).await.expect("changed");
    // Who becomes one, and who is one no more, is told of by those who could see it: by the other role.
    app.update_user(&org.operator, user, &any, &patch(Some(Role::Admin))).await.expect("changed");
    app.update_user(&org.operator, user, &any, &patch(Some(Role::HippAdmin))).await.expect("changed");
    app.deactivate_user(&org.operator, user, &any, None, None).await.expect("deactivated");
    app.restore_user(&org.operator, user, &any, None, None).await.expect("restored");
    app.deactivate_user(&org.operator, user, &any, None, None).await.expect("deactivated");
    app.erase_user(&org.operator, user, &any).await.expect("erased");
    for client in [&admin, &hipp] {
        let heard: Vec<_> = events(client).await.into_iter().filter(|(_, target)| *target == id).collect();
        assert!(heard.len() <= 2 && heard.iter().all(|(kind, _)| kind == "user.updated"), "{heard:?}");
    }
    let deliveries = admin.get(&format!("/api/v1/webhooks/{webhook}/deliveries")).await;
    assert_eq!(deliveries.body["data"], json!([]), "nothing is owed before it is told");
}

#[tokio::test]
async fn what_a_webhook_and_the_feed_hear_comes_in_the_order_of_commits() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let id = org.user("Jane", "Doe", Role::Patient).await;
    for round in 0..3 {
        patched(&admin, &id, json!({ "city": format!("City {round}") })).await;
        patched(&admin, &id, json!({ "city": format!("City {round}") })).await;
        deactivated(&admin, &id).await;
        deactivated(&admin, &id).await;
        for _ in 0..2 {
            assert_eq!(admin.act(&format!("{}/restore", of(&id))).await.status, StatusCode::OK);
        }
    }
    deactivated(&admin, &id).await;
    assert_eq!(admin.delete(&of(&id)).await.status, StatusCode::NO_CONTENT);
    let heard: Vec<_> = events(&admin).await.into_iter().filter(|(_, target)| *target == id).collect();
    let mut expected = vec!["user.created"];
    for _ in 0..3 {
        expected.extend(["user.updated", "user.deactivated", "user.restored"]);
    }
    expected.extend(["user.deactivated", "user.erased"]);
    assert_eq!(heard.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), expected);
}
