//! `GET /api/v1/users/{publicId}`

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::{
    NewUser, Role, UserId,
    credential::Day,
    user::{Demographics, Line},
};
use serde_json::json;

use super::{issues, keys};
use crate::roster::Roster;

const NOT_FOUND: &str = "404\n{\n  \"error\": \"Resource not found\"\n}";

fn of(id: &str) -> String {
    format!("/api/v1/users/{id}")
}

#[tokio::test]
async fn get_answers_the_bare_user_with_all_twelve_keys() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = json!({
        "firstName": "Jane", "lastName": "Smith", "email": "jane@example.com", "phoneNumber": "+14155550123",
        "recertificationDate": "2025-01-15T00:00:00Z", "role": "CLINICIAN"
    });
    let id = admin.create(body).await;
    let answer = admin.get(&of(&id)).await;
    assert_eq!(
        answer.text,
        format!(
            r#"{{"publicId":"{id}","firstName":"Jane","lastName":"Smith","sex":null,"caregiverId":null,"role":"CLINICIAN",{}}}"#,
            r#""birthDate":null,"addressLine1":null,"addressLine2":null,"city":null,"state":null,"postalCode":null"#
        )
    );
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn get_answers_the_demographics_that_are_known() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let caregiver = org.user("Ada", "Doe", Role::Caregiver).await;
    let line = |text: &str| Line::parse(text).ok();
    let name = |text: &str| text.parse().expect("a name");
    let new = NewUser {
        role: Role::Patient,
        demographics: Demographics {
            sex: line("F"),
            caregiver: UserId::parse(&caregiver),
            birth_date: Day::parse("2019-02-28").ok(),
            address_line1: line("1 Example Street"),
            address_line2: line("Apartment 2"),
            city: line("Springfield"),
            state: line("IL"),
            postal_code: line("62701"),
        },
        ..NewUser::named(name("Eve"), name("Doe"))
    };
    let id = roster.app().create_user(&org.operator, new, None).await.expect("a user").user.id.to_string();
    assert_snapshot!(admin.get(&of(&id)).await, @r#"
    200
    {
      "addressLine1": "1 Example Street",
      "addressLine2": "Apartment 2",
      "birthDate": "2019-02-28",
      "caregiverId": "usr_1736937000_005000000",
      "city": "Springfield",
      "firstName": "Eve",
      "lastName": "Doe",
      "postalCode": "62701",
      "publicId": "usr_1736937000_006000000",
      "role": "PATIENT",
      "sex": "F",
      "state": "IL"
    }
    "#);
}

#[tokio::test]
async fn a_malformed_id_is_400() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for id in [
        "1",
        "me",
        "usr_",
        "usr_1234567890_abc123de",
        "usr_1234567890_abc123deff",
        "usr_1234567890_ABC123DEF",
        "USR_1234567890_abc123def",
        "usr_123456789x_abc123def",
        "org_abc123def456",
        "usr_1234567890_abc123de%00",
        "usr_1234567890_abc123de%C3%A9",
        "usr_1234567890_abc123de%FF",
        "%20usr_1234567890_abc123def",
        "usr_1234567890_abc123def%20",
        "..%2F..%2Fetc%2Fpasswd",
        "usr_1234567890_abc123def%2F",
        "'%20or%201=1",
    ] {
        let said = issues(&admin.get(&of(id)).await);
        assert_eq!(said, "invalid_string publicId: Invalid publicId format", "{id}");
    }
}

#[tokio::test]
async fn an_unknown_id_and_that_of_another_organization_are_the_same_404() {
    let roster = Roster::new();
    let (here, there) = (roster.admin().await, roster.admin().await);
    let theirs = there.create(json!({ "firstName": "John", "lastName": "Doe" })).await;
    assert_eq!(there.get(&of(&theirs)).await.status, StatusCode::OK);

    let unknown = here.get(&of("usr_1234567890_abc123def")).await;
    let foreign = here.get(&of(&theirs)).await;
    assert_eq!(unknown.to_string(), NOT_FOUND);
    assert_eq!(foreign.to_string(), NOT_FOUND);
    let without_id = |mut headers: hyper::HeaderMap| {
        headers.remove("x-request-id");
        headers
    };
    assert_eq!(without_id(unknown.headers), without_id(foreign.headers));
    // Also while the other organization's answer is kept ready.
    assert_eq!(there.get(&of(&theirs)).await.status, StatusCode::OK);
    assert_eq!(here.get(&of(&theirs)).await.to_string(), NOT_FOUND);
}

#[tokio::test]
async fn what_was_not_there_is_found_once_it_is() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let first = admin.create(json!({ "firstName": "John", "lastName": "Doe" })).await;
    // Ids are counted here, the lowest digit first: one of these is the next user's.
    let (prefix, counted) = first.split_at(first.len() - 7);
    let next = |digit: u8| format!("{prefix}{}{}", char::from(digit), &counted[1..]);
    let ids: Vec<String> = (b'0'..=b'9').chain(b'a'..=b'z').map(next).filter(|id| *id != first).collect();
    for id in &ids {
        // With a request id of its own, so that none is counted.
        let request = admin.request("GET", &of(id)).header("x-request-id", "x").body(axum::body::Body::empty());
        assert_eq!(roster.send(request.expect("a request")).await.status, StatusCode::NOT_FOUND);
    }
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    assert!(ids.contains(&id), "{id} was asked for");
    assert_eq!(admin.get(&of(&id)).await.body["firstName"], "Jane");
}

#[tokio::test]
async fn a_percent_encoded_path_is_the_same_path() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "John", "lastName": "Doe" })).await;
    let encoded: String = id.bytes().map(|b| format!("%{b:02x}")).collect();
    for path in [id.replace('_', "%5F"), id.replace("usr", "%75sr"), encoded, format!("{id}?unknown=1")] {
        assert_eq!(admin.get(&of(&path)).await.body["publicId"], id.as_str(), "{path}");
    }
}

#[tokio::test]
async fn roles_that_may_read_nobody_are_refused_whatever_they_ask_for() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let id = org.user("John", "Doe", Role::Technician).await;
    for role in [Role::Technician, Role::Patient, Role::Caregiver] {
        let client = org.key(role).await;
        for id in [id.as_str(), "usr_1234567890_abc123def", "malformed"] {
            let answer = client.get(&of(id)).await;
            assert_eq!(answer.to_string(), "403\n{\n  \"error\": \"Access denied\"\n}", "{role} {id}");
        }
    }
}

#[tokio::test]
async fn a_ready_answer_is_the_same_answer_and_is_for_those_who_may_read_it() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (admin, payroll, clinician) =
        (org.key(Role::Admin).await, org.key(Role::PayrollAdmin).await, org.key(Role::Clinician).await);
    let patient = org.user("Eve", "Doe", Role::Patient).await;
    let manager = org.user("Ann", "Lee", Role::SchedulingManager).await;
    for _ in 0..3 {
        let first = admin.get(&of(&patient)).await;
        let second = clinician.get(&of(&patient)).await;
        assert_eq!(first.text, second.text, "the same bytes");
        assert_eq!(first.header("content-length"), second.header("content-length"));
        assert_eq!(payroll.get(&of(&patient)).await.to_string(), NOT_FOUND);

        assert_eq!(payroll.get(&of(&manager)).await.status, StatusCode::OK);
        assert_eq!(clinician.get(&of(&manager)).await.to_string(), NOT_FOUND);
    }
}

#[tokio::test]
async fn answers_are_right_also_when_none_is_kept_ready() {
    let roster = Roster::with(&["--answer-cache", "0"]);
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "John", "lastName": "Doe" })).await;
    for _ in 0..2 {
        let answer = admin.get(&of(&id)).await;
        assert_eq!(keys(&answer.body).len(), 12);
        assert_eq!(answer.body["publicId"], id.as_str());
    }
}

#[tokio::test]
async fn hipp_admins_are_found_by_nobody() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let id = org.user("Root", "Doe", Role::HippAdmin).await;
    for role in [Role::Admin, Role::HippAdmin, Role::ClinicalSuperadmin, Role::PayrollAdmin] {
        assert_eq!(org.key(role).await.get(&of(&id)).await.to_string(), NOT_FOUND, "{role}");
    }
}
