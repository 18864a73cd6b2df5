//! `PATCH /api/v1/users/{publicId}`

mod commit;
mod race;
mod roles;

use hyper::StatusCode;
use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{audit, deactivated, events, issues, keys, of, patched, whole};
use crate::roster::{Client, NOW, Organization, Roster};

const USERS: &str = "/api/v1/users";

/// Somebody of whom everything is known, and who her caregiver and payor are.
async fn known(org: &Organization<'_>, client: &Client<'_>) -> Value {
    let caregiver = org.user("Ada", "Doe", roster_directory::Role::Caregiver).await;
    let payor = org.payor("Example Health").await;
    let body = json!({
        "firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "role": "PATIENT",
        "phoneNumber": "+14155550123", "npiNumber": "1234567893", "shouldSendSMS": false,
        "recertificationDate": "2027-01-15T00:00:00.000Z", "providerPayors": [payor],
        "sex": "F", "caregiverId": caregiver, "birthDate": "2019-02-28", "addressLine1": "1 Example Street",
        "addressLine2": "Apartment 2", "city": "Springfield", "state": "IL", "postalCode": "62701",
        "externalId": "HR-1", "metadata": { "team": "north" }
    });
    let id = client.create(body).await;
    whole(client, &id).await.body
}

fn id_of(user: &Value) -> String {
    user["publicId"].as_str().expect("a publicId").to_owned()
}

/// A user without what every change alters.
fn without_moments(user: &Value) -> Value {
    let mut user = user.clone();
    user.as_object_mut().expect("an object").remove("updatedAt");
    user
}

#[tokio::test]
async fn every_field_is_set_shown_and_remembered_by_name() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(roster_directory::Role::Admin).await;
    let mut user = known(&org, &admin).await;
    let id = id_of(&user);
    let (other, payor) =
        (org.user("Bea", "Doe", roster_directory::Role::Caregiver).await, org.payor("Other Health").await);
    for (nth, (field, given, shown)) in (1..).zip([
        ("firstName", json!("  Janet "), json!("Janet")),
        ("lastName", json!("Smith-Lee"), json!("Smith-Lee")),
        ("email", json!("Janet@Example.com"), json!("Janet@Example.com")),
        ("role", json!("CLINICIAN"), json!("CLINICIAN")),
        ("phoneNumber", json!("+14155550199"), json!("+14155550199")),
        ("npiNumber", json!("2234567891"), json!("2234567891")),
        ("shouldSendSMS", json!(true), json!(true)),
        ("recertificationDate", json!("2028-01-15T23:30:00-05:00"), json!("2028-01-15T23:30:00.000-05:00")),
        ("providerPayors", json!([payor]), json!([payor])),
        ("sex", json!("X"), json!("X")),
        ("caregiverId", json!(other), json!(other)),
        ("birthDate", json!("2018-12-31"), json!("2018-12-31")),
        ("addressLine1", json!("2 Example Street"), json!("2 Example Street")),
        ("addressLine2", json!("Rear"), json!("Rear")),
        ("city", json!("Shelbyville"), json!("Shelbyville")),
        ("state", json!("OR"), json!("OR")),
        ("postalCode", json!("97001"), json!("97001")),
        ("externalId", json!("hr 2"), json!("hr 2")),
        ("metadata", json!({ "b": "2", "a": "" }), json!({ "a": "", "b": "2" })),
    ]) {
        roster.set_clock(NOW + nth * 1_000);
        let answer = patched(&admin, &id, json!({ field: given })).await;
        let mut expected = user.clone();
        expected[field] = shown;
        expected["updatedAt"] = answer.body["updatedAt"].clone();
        assert_ne!(answer.body["updatedAt"], user["updatedAt"], "{field}");
        if field == "recertificationDate" {
            // How an instant is written is another test's.
            expected[field] = answer.body[field].clone();
            assert_ne!(answer.body[field], user[field]);
        }
        assert_eq!(answer.body, expected, "{field}");
        let shown = whole(&admin, &id).await;
        assert_eq!((&shown.text, shown.header("etag")), (&answer.text, answer.header("etag")), "{field}");
        assert_eq!(admin.get(&of(&id)).await.body["city"], expected["city"]);
        let entry = &audit(&roster, &admin).await[0];
        assert_eq!(
            (entry.action.as_str(), entry.target.as_str(), entry.fields.as_str()),
            ("user.updated", &*id, field)
        );
        user = expected;
    }
}

#[tokio::test]
async fn null_clears_what_may_be_unknown() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(roster_directory::Role::Admin).await;
    let mut user = known(&org, &admin).await;
    let id = id_of(&user);
    for field in [
        "email",
        "phoneNumber",
        "npiNumber",
        "recertificationDate",
        "sex",
        "caregiverId",
        "birthDate",
        "addressLine1",
        "addressLine2",
        "city",
        "state",
        "postalCode",
        "externalId",
        "metadata",
        "providerPayors",
    ] {
        let answer = patched(&admin, &id, json!({ field: null })).await;
        user[field] = match field {
            "metadata" => json!({}),
            "providerPayors" => json!([]),
            _ => Value::Null,
        };
        if field == "npiNumber" {
            user["npiStatus"] = Value::Null;
        }
        assert_eq!(without_moments(&answer.body), without_moments(&user), "{field}");
        assert_eq!(whole(&admin, &id).await.text, answer.text, "{field}");
        assert_eq!(audit(&roster, &admin).await[0].fields, field);
    }
    for field in ["phoneNumber", "npiNumber", "sex", "city", "externalId"] {
        patched(&admin, &id, json!({ field: "something" })).await;
        let answer = patched(&admin, &id, json!({ field: "  " })).await;
        assert_eq!(answer.body[field], Value::Null, "a blank {field} is none at all");
    }
}

#[tokio::test]
async fn what_everybody_has_cannot_be_cleared() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let body = json!({ "firstName": null, "lastName": null, "role": null, "shouldSendSMS": null });
    assert_snapshot!(issues(&admin.patch(&of(&id), body).await), @"
    invalid_type firstName: Expected string, received null
    invalid_type lastName: Expected string, received null
    invalid_type role: Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN', received null
    invalid_type shouldSendSMS: Expected boolean, received null
    ");
}

/// What no create takes, no change takes, and it is said in the same words.
#[tokio::test]
async fn what_create_refuses_is_refused_in_the_same_words_and_all_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    admin
        .create(json!({ "firstName": "John", "lastName": "Doe", "email": "taken@example.com", "externalId": "1" }))
        .await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let (before, remembered) = (whole(&admin, &id).await, audit(&roster, &admin).await);
    let everything = json!({
        "firstName": "  ", "lastName": 7, "email": "jane", "role": "KING", "phoneNumber": "9".repeat(65),
        "npiNumber": [], "shouldSendSMS": "yes", "recertificationDate": "2027-02-30T00:00:00Z",
        "providerPayors": "abc123", "sex": "x".repeat(300), "caregiverId": "me", "birthDate": "2019-02-29",
        "addressLine1": 1, "addressLine2": {}, "city": "a\u{0}b", "state": true, "postalCode": "9".repeat(300),
        "externalId": "x".repeat(256), "metadata": { "": "x", "ok": 1 }
    });
    let mut bodies = vec![everything.clone()];
    for (name, value) in everything.as_object().expect("an object") {
        bodies.push(json!({ name: value }));
    }
    bodies.extend([
        json!({ "role": "HIPP_ADMIN" }),
        json!({ "role": "CLINICAL_SUPERADMIN" }),
        json!({ "lastName": "x".repeat(101) }),
        json!({ "email": "" }),
        json!({ "email": "TAKEN@example.com" }),
        json!({ "externalId": "1" }),
        json!({ "caregiverId": "usr_1234567890_abc123def" }),
        json!({ "metadata": [] }),
        json!({ "metadata": (0..33).map(|n| (n.to_string(), "x")).collect::<std::collections::BTreeMap<_, _>>() }),
        json!({ "metadata": { "x".repeat(65): "y", "y": "x".repeat(501) } }),
        json!({ "providerPayors": vec!["x"; 101] }),
        json!({ "providerPayors": [1] }),
    ]);
    let mut said = String::new();
    for body in bodies {
        let mut created = json!({ "firstName": "Ann", "lastName": "Lee" });
        created.as_object_mut().expect("an object").extend(body.as_object().expect("an object").clone());
        let refused = issues(&admin.post(USERS, created).await);
        assert_eq!(issues(&admin.patch(&of(&id), body.clone()).await), refused, "{body}");
        if said.is_empty() {
            said = refused;
        }
    }
    assert_eq!(said.lines().count(), 20, "all at once: {said}");
    assert_eq!(whole(&admin, &id).await.text, before.text);
    assert_eq!(audit(&roster, &admin).await, remembered);
}

#[tokio::test]
async fn a_patch_is_json_or_a_merge_patch_and_an_object() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let send = async |media_type: &str, body: &'static str| {
        let request = admin.request("PATCH", &of(&id)).header("content-type", media_type).body(body.into());
        roster.send(request.expect("a request")).await
    };
    for (nth, media_type) in (0..).zip([
        "application/json",
        "application/merge-patch+json",
        "application/json; charset=utf-8",
        "Application/Merge-Patch+JSON",
    ]) {
        let body = ["{\"city\":\"0\"}", "{\"city\":\"1\"}", "{\"city\":\"2\"}", "{\"city\":\"3\"}"][nth];
        let answer = send(media_type, body).await;
        assert_eq!((answer.status, &answer.body["city"]), (StatusCode::OK, &json!(nth.to_string())), "{media_type}");
    }
    for media_type in ["text/plain", "application/json-patch+json", "application/x-www-form-urlencoded"] {
        let answer = send(media_type, "{}").await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media_type}");
    }
    let refused = async |body: &'static str| issues(&send("application/json", body).await);
    assert_eq!(refused("[]").await, "invalid_type : Expected object, received array");
    assert_eq!(refused("null").await, "invalid_type : Expected object, received null");
    assert_eq!(issues(&admin.ask("PATCH", &of(&id), &[], None).await), "invalid_type : Required");
    // Of a key that stands twice the last counts, as in JavaScript.
    let answer = send("application/json", r#"{"city":"a","city":"b"}"#).await;
    assert_eq!(answer.body["city"], "b");
}

#[tokio::test]
async fn what_is_doubtful_or_unknown_is_taken_and_warned_of() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let body = json!({
        "emial": "jane@example.com", "npiNumber": "1234567890", "phoneNumber": "+1234567890",
        "providerPayors": ["abc123"], "publicId": "x", "status": "DEACTIVATED", "createdAt": null
    });
    let answer = patched(&admin, &id, body).await;
    assert_snapshot!(answer.header("roster-warning"), @r#"unknown-payor;index=0;id="abc123", npi-check-digit, phone-unreachable, unknown-field;name="createdAt", unknown-field;name="emial", unknown-field;name="publicId", unknown-field;name="status""#);
    assert_eq!((&answer.body["status"], &answer.body["npiStatus"]), (&json!("ACTIVE"), &json!("INVALID")));
    // What was doubtful before is not said again where it is not given.
    assert_eq!(patched(&admin, &id, json!({ "city": "Springfield" })).await.header("roster-warning"), "");
    let refused = admin.patch(&of(&id), json!({ "emial": 1, "email": 1 })).await;
    assert_eq!(refused.header("roster-warning"), "unknown-field;name=\"emial\"");
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(roster_directory::Role::Admin).await;
    let user = known(&org, &admin).await;
    let id = id_of(&user);
    patched(&admin, &id, json!({ "city": "Riverbend" })).await;
    let (before, remembered, heard) = (whole(&admin, &id).await, audit(&roster, &admin).await, events(&admin).await);
    roster.set_clock(NOW + 3_600_000);
    let same = |field: &str| json!({ field: before.body[field] });
    let mut bodies = vec![json!({}), json!({ "unknown": 1 }), json!({ "firstName": " Jane " })];
    bodies.extend(
        keys(&before.body)
            .into_iter()
            .filter(|field| !["npiStatus", "status", "createdAt", "updatedAt", "organization"].contains(field))
            .map(same),
    );
    for body in bodies {
        let answer = patched(&admin, &id, body.clone()).await;
        assert_eq!((&answer.text, answer.header("etag")), (&before.text, before.header("etag")), "{body}");
    }
    assert_eq!(whole(&admin, &id).await.text, before.text);
    assert_eq!(audit(&roster, &admin).await, remembered);
    assert_eq!(events(&admin).await, heard);
}

#[tokio::test]
async fn of_whom_nothing_may_be_known_nothing_can_be_changed() {
    let roster = Roster::new();
    let (here, there) = (roster.organization("Here").await, roster.organization("There").await);
    let (admin, clinician) =
        (here.key(roster_directory::Role::Admin).await, here.key(roster_directory::Role::Clinician).await);
    let manager = here.user("Ann", "Lee", roster_directory::Role::SchedulingManager).await;
    let root = here.user("Root", "Lee", roster_directory::Role::HippAdmin).await;
    let theirs = there.user("Ann", "Lee", roster_directory::Role::Patient).await;
    let not_found = "404\n{\n  \"error\": \"Resource not found\"\n}";
    let body = || json!({ "city": "Springfield" });
    for (client, id) in [(&admin, &theirs), (&admin, &root), (&clinician, &manager)] {
        for (method, path) in
            [("PATCH", of(id)), ("POST", format!("{}/deactivate", of(id))), ("POST", format!("{}/restore", of(id)))]
        {
            let body = if method == "PATCH" { body() } else { json!({}) };
            assert_eq!(client.ask(method, &path, &[], Some(body)).await.to_string(), not_found, "{method} {path}");
        }
    }
    assert_eq!(admin.delete(&of(&theirs)).await.to_string(), not_found);
    assert_eq!(admin.delete(&of(&root)).await.to_string(), not_found);
    let malformed = "invalid_string publicId: Invalid publicId format";
    assert_eq!(issues(&admin.patch(&of("usr_1"), body()).await), malformed);
    assert_eq!(issues(&admin.act(&format!("{}/deactivate", of("usr_1"))).await), malformed);
    assert_eq!(issues(&admin.act(&format!("{}/restore", of("usr_1"))).await), malformed);
    assert_eq!(issues(&admin.delete(&of("usr_1")).await), malformed);
    assert_eq!(roster.stranger().patch(&of(&manager), body()).await.status, StatusCode::UNAUTHORIZED);
    let technician = here.key(roster_directory::Role::Technician).await;
    assert_eq!(technician.patch(&of("usr_1"), json!(7)).await.status, StatusCode::FORBIDDEN, "before all else");
}

#[tokio::test]
async fn a_user_who_left_can_be_changed_and_stays_away() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe", "email": "jane@example.com" })).await;
    deactivated(&admin, &id).await;
    let john = admin.create(json!({ "firstName": "John", "lastName": "Doe", "email": "jane@example.com" })).await;
    let answer = patched(&admin, &id, json!({ "lastName": "Lee", "email": "JANE@example.com" })).await;
    assert_eq!((&answer.body["status"], &answer.body["lastName"]), (&json!("DEACTIVATED"), &json!("Lee")));
    assert_eq!(super::listed(&admin, "email=jane@example.com").await, (vec![john.clone()], 1));
    let (mut ids, total) = super::listed(&admin, "email=jane@example.com&status=ALL").await;
    ids.sort();
    assert_eq!((ids, total), (vec![id, john], 2));
}

#[tokio::test]
async fn a_caregiver_is_a_user_whom_the_key_may_see() {
    let roster = Roster::new();
    let (here, there) = (roster.organization("Here").await, roster.organization("There").await);
    let clinician = here.key(roster_directory::Role::Clinician).await;
    let patient = here.user("Eve", "Doe", roster_directory::Role::Patient).await;
    for nobody in [
        "usr_1234567890_abc123def".to_owned(),
        there.user("Ada", "Doe", roster_directory::Role::Caregiver).await,
        here.user("Ada", "Doe", roster_directory::Role::Admin).await,
    ] {
        let said = issues(&clinician.patch(&of(&patient), json!({ "caregiverId": nobody })).await);
        assert_eq!(said, "custom caregiverId: The organization has no such user");
    }
    let caregiver = here.user("Ada", "Doe", roster_directory::Role::Caregiver).await;
    let answer = patched(&clinician, &patient, json!({ "caregiverId": caregiver })).await;
    assert_eq!(answer.body["caregiverId"], caregiver.as_str());
    assert_eq!(clinician.get(&of(&patient)).await.body["caregiverId"], caregiver.as_str());
}
