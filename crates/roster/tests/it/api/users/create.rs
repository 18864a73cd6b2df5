//! `POST /api/v1/users`

mod commit;
mod fields;
mod payors;
mod text;

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use super::issues;
use crate::roster::{Client, NOW, Roster};

const USERS: &str = "/api/v1/users";

/// John Doe, with these members more, or other than his.
fn john(with: Value) -> Value {
    let mut body = json!({ "firstName": "John", "lastName": "Doe" });
    let members = body.as_object_mut().expect("an object");
    members.extend(with.as_object().expect("an object").clone());
    body
}

/// What is wrong with John Doe if these members are his.
async fn wrong(client: &Client<'_>, with: Value) -> String {
    issues(&client.post(USERS, john(with)).await)
}

#[tokio::test]
async fn create_answers_with_the_documented_body() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin
        .post(
            USERS,
            json!({
                "firstName": "John",
                "lastName": "Doe",
                "email": "john.doe@example.com",
                "role": "TECHNICIAN",
                "phoneNumber": "+1234567890",
                "npiNumber": "1234567890",
                "shouldSendSMS": false,
                "recertificationDate": "2025-01-15T00:00:00Z",
                "providerPayors": ["abc123"]
            }),
        )
        .await;
    assert_snapshot!(answer, @r#"
    200
    {
      "message": "User created successfully",
      "user": {
        "createdAt": "2025-01-15T10:30:00.000Z",
        "email": "john.doe@example.com",
        "firstName": "John",
        "lastName": "Doe",
        "npiNumber": "1234567890",
        "organization": {
          "name": "Example Organization",
          "publicId": "org_100000000000"
        },
        "phoneNumber": "+1234567890",
        "publicId": "usr_1736937000_006000000",
        "role": "TECHNICIAN",
        "shouldSendSMS": false
      }
    }
    "#);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    // Its members stand in the order of the document.
    assert_snapshot!(answer.text, @r#"{"message":"User created successfully","user":{"publicId":"usr_1736937000_006000000","firstName":"John","lastName":"Doe","email":"john.doe@example.com","role":"TECHNICIAN","phoneNumber":"+1234567890","npiNumber":"1234567890","shouldSendSMS":false,"createdAt":"2025-01-15T10:30:00.000Z","organization":{"name":"Example Organization","publicId":"org_100000000000"}}}"#);
}

#[tokio::test]
async fn create_answers_null_for_what_was_not_given() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.post(USERS, json!({ "firstName": "John", "lastName": "Doe" })).await;
    assert_snapshot!(answer, @r#"
    200
    {
      "message": "User created successfully",
      "user": {
        "createdAt": "2025-01-15T10:30:00.000Z",
        "email": null,
        "firstName": "John",
        "lastName": "Doe",
        "npiNumber": null,
        "organization": {
          "name": "Example Organization",
          "publicId": "org_100000000000"
        },
        "phoneNumber": null,
        "publicId": "usr_1736937000_006000000",
        "role": "TECHNICIAN",
        "shouldSendSMS": false
      }
    }
    "#);
    assert_eq!(answer.header("roster-warning"), "");
}

#[tokio::test]
async fn create_passes_over_what_it_does_not_know() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = john(json!({
        "publicId": "usr_1234567890_abc123def",
        "createdAt": 1,
        "organization": { "publicId": "org_abc123def456" },
        "__proto__": { "role": "ADMIN" },
        "FirstName": null,
        "": [[[]]]
    }));
    let answer = admin.post(USERS, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let user = &answer.body["user"];
    assert_ne!(user["publicId"], "usr_1234567890_abc123def");
    assert_eq!(user["role"], "TECHNICIAN");
    assert_eq!(user["organization"]["publicId"], admin.organization_id().as_str());
}

#[tokio::test]
async fn create_says_everything_that_is_wrong_in_the_order_of_the_schema() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin
        .post(
            USERS,
            json!({
                "providerPayors": [1, "abc123", null, ["x"], { "id": "x" }],
                "recertificationDate": "tomorrow",
                "shouldSendSMS": "yes",
                "npiNumber": 1234567890,
                "phoneNumber": { "mobile": "+14155550123" },
                "role": "BOSS",
                "email": format!("{}@", "a".repeat(254)),
                "firstName": " \u{3000}\t"
            }),
        )
        .await;
    assert_snapshot!(issues(&answer), @"
    too_small firstName: String must contain at least 1 character(s)
    invalid_type lastName: Required
    invalid_string email: Valid email is required
    too_big email: String must contain at most 254 character(s)
    invalid_enum_value role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN', received 'BOSS'
    invalid_type phoneNumber: Expected string, received object
    invalid_type npiNumber: Expected string, received number
    invalid_type shouldSendSMS: Expected boolean, received string
    invalid_string recertificationDate: Invalid datetime
    invalid_type providerPayors.0: Expected string, received number
    invalid_type providerPayors.2: Expected string, received null
    invalid_type providerPayors.3: Expected string, received array
    invalid_type providerPayors.4: Expected string, received object
    ");
}

#[tokio::test]
async fn create_names_each_documented_key_of_an_issue() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.post(USERS, john(json!({ "email": "john.doe" }))).await;
    assert_snapshot!(answer, @r#"
    400
    {
      "details": [
        {
          "code": "invalid_string",
          "message": "Valid email is required",
          "path": [
            "email"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
}

#[tokio::test]
async fn create_refuses_null_for_every_field() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin
        .post_bytes(
            USERS,
            r#"{ "firstName": null, "lastName": null, "email": null, "role": null, "phoneNumber": null,
                 "npiNumber": null, "shouldSendSMS": null, "recertificationDate": null, "providerPayors": null }"#,
        )
        .await;
    assert_snapshot!(issues(&answer), @"
    invalid_type firstName: Expected string, received null
    invalid_type lastName: Expected string, received null
    invalid_type email: Expected string, received null
    invalid_type role: Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN', received null
    invalid_type phoneNumber: Expected string, received null
    invalid_type npiNumber: Expected string, received null
    invalid_type shouldSendSMS: Expected boolean, received null
    invalid_type recertificationDate: Expected string, received null
    invalid_type providerPayors: Expected array, received null
    ");
}

#[tokio::test]
async fn create_takes_an_object_and_nothing_else() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut said = Vec::new();
    for body in ["[]", r#"["John","Doe"]"#, r#"[{"firstName":"John","lastName":"Doe"}]"#, "null", "true", "7", "1.5e3"]
    {
        said.push(format!("{body} → {}", issues(&admin.post_bytes(USERS, body).await)));
    }
    said.push(format!("\"John\" → {}", issues(&admin.post_bytes(USERS, "\"John\"").await)));
    assert_snapshot!(said.join("\n"), @r#"
    [] → invalid_type : Expected object, received array
    ["John","Doe"] → invalid_type : Expected object, received array
    [{"firstName":"John","lastName":"Doe"}] → invalid_type : Expected object, received array
    null → invalid_type : Expected object, received null
    true → invalid_type : Expected object, received boolean
    7 → invalid_type : Expected object, received number
    1.5e3 → invalid_type : Expected object, received number
    "John" → invalid_type : Expected object, received string
    "#);
}

#[tokio::test]
async fn create_cannot_give_the_roles_that_only_the_command_line_gives() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for role in ["HIPP_ADMIN", "HIPP_BILLING_MANAGER", "CLINICAL_SUPERADMIN", "admin", "", "TECHNICIAN "] {
        let said = wrong(&admin, json!({ "role": role })).await;
        let options = "'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | \
                       'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN'";
        assert_eq!(said, format!("invalid_enum_value role: Invalid enum value. Expected {options}, received '{role}'"));
    }
}

#[tokio::test]
async fn created_at_is_the_moment_in_utc_to_the_millisecond() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for (millis, text, id) in [
        (NOW, "2025-01-15T10:30:00.000Z", "usr_1736937000_"),
        (NOW + 1, "2025-01-15T10:30:00.001Z", "usr_1736937000_"),
        (NOW + 86_399_999, "2025-01-16T10:29:59.999Z", "usr_1737023399_"),
    ] {
        roster.set_clock(millis);
        let answer = admin.post(USERS, john(json!({}))).await;
        assert_eq!(answer.body["user"]["createdAt"], text);
        let public_id = answer.body["user"]["publicId"].as_str().expect("an id");
        let random = public_id.strip_prefix(id).expect("the second it was made in");
        assert_eq!(random.len(), 9);
        assert!(random.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{public_id}");
    }
}

#[tokio::test]
async fn create_refuses_in_the_order_that_was_decided() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let nobody = org.key(Role::Technician).await;
    let some = org.key(Role::ClinicalAdmin).await;
    some.create(john(json!({ "email": "taken@example.com", "role": "PATIENT" }))).await;

    let bad = |role: &str| json!({ "firstName": 1, "email": "taken@example.com", "role": role }).to_string();
    let taken = |role: &str| john(json!({ "email": "taken@example.com", "role": role })).to_string();
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    let huge = "x".repeat(64 * 1024 + 1);

    let mut said = Vec::new();
    for (who, client, media_type, body) in [
        ("no key, no JSON", roster.stranger(), form, huge.clone()),
        ("no key", roster.stranger(), json, taken("PATIENT")),
        ("a role that creates nobody, no JSON", nobody.clone(), form, huge.clone()),
        ("a role that creates nobody", nobody.clone(), json, bad("PATIENT")),
        ("a form that is too large", some.clone(), form, huge.clone()),
        ("too large", some.clone(), json, huge),
        ("no JSON", some.clone(), json, "{".to_owned()),
        ("bad, and of a role this key may not create", some.clone(), json, bad("ADMIN")),
        ("taken, and of a role this key may not create", some.clone(), json, taken("ADMIN")),
        ("taken", some.clone(), json, taken("PATIENT")),
    ] {
        let request = client.request("POST", USERS).header("content-type", media_type).body(body.into());
        let answer = roster.send(request.expect("a request")).await;
        let what = match answer.body["details"][0]["message"].as_str() {
            Some(message) => message.to_owned(),
            None => answer.body["error"].as_str().unwrap_or_default().to_owned(),
        };
        said.push(format!("{who}: {} {what}", answer.status.as_u16()));
    }
    assert_snapshot!(said.join("\n"), @"
    no key, no JSON: 401 API key required
    no key: 401 API key required
    a role that creates nobody, no JSON: 403 Access denied
    a role that creates nobody: 403 Access denied
    a form that is too large: 415 Content-Type must be application/json, without Content-Encoding
    too large: 413 Request body is over 64 KiB
    no JSON: 400 Request body is not valid JSON
    bad, and of a role this key may not create: 400 Expected string, received number
    taken, and of a role this key may not create: 403 Access denied
    taken: 400 Email is already in use
    ");
}
