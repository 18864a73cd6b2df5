//! `/api/v1/organization`

use hyper::{StatusCode, header::CONTENT_TYPE};
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use crate::roster::{Client, Roster};

const PATH: &str = "/api/v1/organization";

/// What `Roster-Warning` says of a user with this phone number.
async fn warning(client: &Client<'_>, phone: &str) -> String {
    let body = json!({ "firstName": "Ann", "lastName": "Lee", "phoneNumber": phone });
    let answer = client.post("/api/v1/users", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    assert_eq!(answer.body["user"]["phoneNumber"], phone, "it is kept as it was given");
    answer.header("roster-warning").to_owned()
}

#[tokio::test]
async fn an_organization_is_in_the_united_states_until_somebody_says_otherwise() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    assert_snapshot!(admin.get(PATH).await, @r#"
    200
    {
      "country": "US",
      "createdAt": "2025-01-15T10:30:00.000Z",
      "name": "Example Organization",
      "publicId": "org_100000000000",
      "timeZone": "America/New_York"
    }
    "#);
}

#[tokio::test]
async fn a_patch_alters_what_it_names_and_answers_the_whole() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.patch(PATH, json!({ "country": "GB", "timeZone": "europe/london" })).await;
    assert_snapshot!(answer, @r#"
    200
    {
      "country": "GB",
      "createdAt": "2025-01-15T10:30:00.000Z",
      "name": "Example Organization",
      "publicId": "org_100000000000",
      "timeZone": "Europe/London"
    }
    "#);
    assert_eq!(admin.get(PATH).await.body, answer.body);
    let renamed = admin.patch(PATH, json!({ "name": "  Sunrise  " })).await;
    assert_eq!((&renamed.body["name"], &renamed.body["country"]), (&json!("Sunrise"), &json!("GB")));
    let user = admin.post("/api/v1/users", json!({ "firstName": "Ann", "lastName": "Lee" })).await;
    assert_eq!(user.body["user"]["organization"]["name"], "Sunrise");
}

#[tokio::test]
async fn everything_wrong_with_a_patch_is_told_and_nothing_of_it_is_done() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.patch(PATH, json!({ "name": " ", "country": "UK", "timeZone": "Mars/Olympus" })).await;
    assert_snapshot!(answer, @r#"
    400
    {
      "details": [
        {
          "code": "too_small",
          "message": "String must contain at least 1 character(s)",
          "path": [
            "name"
          ]
        },
        {
          "code": "invalid_string",
          "message": "Must be an ISO 3166-1 country code of two letters, such as US",
          "path": [
            "country"
          ]
        },
        {
          "code": "invalid_string",
          "message": "Must be an IANA time zone, such as America/New_York",
          "path": [
            "timeZone"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
    let answer = admin.patch(PATH, json!({ "name": "Other", "country": null, "timeZone": 1 })).await;
    let said: Vec<_> =
        answer.body["details"].as_array().expect("issues").iter().map(|issue| &issue["message"]).collect();
    assert_eq!(said, ["Expected string, received null", "Expected string, received number"]);
    assert_eq!(admin.get(PATH).await.body["name"], "Example Organization");
}

#[tokio::test]
async fn a_patch_is_a_json_object_under_either_media_type() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for (media_type, body, status) in [
        ("application/json", r#"{"country":"GB"}"#, 200),
        ("application/merge-patch+json; charset=utf-8", r#"{"country":"GB"}"#, 200),
        ("application/json-patch+json", "[]", 415),
        ("text/plain", "{}", 415),
        ("application/json", "", 400),
        ("application/merge-patch+json", "[]", 400),
        ("application/merge-patch+json", "null", 400),
    ] {
        let request = admin.request("PATCH", PATH).header(CONTENT_TYPE, media_type).body(body.into());
        let answer = roster.send(request.expect("a request")).await;
        assert_eq!(answer.status.as_u16(), status, "{media_type} {body}: {answer}");
    }
    // A create is no patch.
    let request = admin.request("POST", "/api/v1/users").header(CONTENT_TYPE, "application/merge-patch+json");
    assert_eq!(roster.send(request.body("{}".into()).expect("a request")).await.status.as_u16(), 415);
}

#[tokio::test]
async fn a_field_that_no_patch_has_is_named() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.patch(PATH, json!({ "publicId": "org_aaaaaaaaaaaa", "timezone": "Europe/London" })).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("roster-warning"), "unknown-field;name=\"publicId\", unknown-field;name=\"timezone\"");
    assert_eq!(answer.body["timeZone"], "America/New_York");
}

#[tokio::test]
async fn whoever_may_read_users_reads_it_and_admins_alter_it() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    for role in Role::ALL {
        let client = org.key(role).await;
        let reads = !matches!(role, Role::Technician | Role::Patient | Role::Caregiver);
        let alters = matches!(role, Role::Admin | Role::HippAdmin);
        let statuses = [
            client.get(PATH).await.status.as_u16(),
            client.patch(PATH, json!({ "name": role.as_str() })).await.status.as_u16(),
            client.patch(PATH, json!({})).await.status.as_u16(),
            // Refused before anything that was sent is looked at.
            client.patch(PATH, json!({ "name": 1 })).await.status.as_u16(),
        ];
        let altered = if alters { [200, 200, 400] } else { [403; 3] };
        let expected = [if reads { 200 } else { 403 }, altered[0], altered[1], altered[2]];
        assert_eq!(statuses, expected, "{role}");
    }
    assert_eq!(roster.stranger().patch(PATH, json!({})).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_key_knows_it_on_the_next_request_and_the_neighbor_is_left_alone() {
    let roster = Roster::new();
    let (org, neighbor) = (roster.organization("Sunrise").await, roster.organization("Moonlight").await);
    let (admin, clinician) = (org.key(Role::Admin).await, org.key(Role::Clinician).await);
    let other = neighbor.key(Role::Admin).await;
    for client in [&clinician, &other] {
        assert_eq!(client.get(PATH).await.body["country"], "US");
    }
    admin.patch(PATH, json!({ "country": "GB" })).await;
    assert_eq!(clinician.get(PATH).await.body["country"], "GB");
    assert_eq!(other.get(PATH).await.body["country"], "US");
    assert_eq!(warning(&other, "020 7946 0018").await, "phone-unreachable");
}

#[tokio::test]
async fn a_change_leaves_the_names_of_its_fields_and_what_changes_nothing_leaves_nothing() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let remembered = async || {
        let entries = roster.app().store().audit(org.id(), 100).await.expect("entries");
        let altered = entries.into_iter().filter(|entry| entry.action == "organization.updated");
        altered.map(|entry| (entry.actor, entry.target, entry.fields)).collect::<Vec<_>>()
    };
    for same in [
        json!({}),
        json!({ "country": "US" }),
        json!({ "name": "Example Organization", "timeZone": "america/new_york" }),
    ] {
        let answer = admin.patch(PATH, same).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
    }
    assert_eq!(remembered().await, []);
    admin.patch(PATH, json!({ "name": "Example Organization", "country": "DE", "timeZone": "Europe/Berlin" })).await;
    let entry = (admin.key_id().to_string(), org.id().to_string(), "country,timeZone".to_owned());
    assert_eq!(remembered().await, [entry]);
    let events = admin.get("/api/v1/events?pageSize=100").await;
    let last = events.body["data"].as_array().and_then(|events| events.last()).cloned().unwrap_or(Value::Null);
    assert_eq!(
        (&last["type"], &last["data"]["publicId"]),
        (&json!("organization.updated"), &json!(org.id().to_string()))
    );
}

#[tokio::test]
async fn phones_are_read_by_the_plan_of_the_country() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let unreachable = "phone-unreachable";
    for (phone, in_us, in_gb) in [
        ("020 7946 0018", unreachable, ""),
        ("(415) 555-0100", "", unreachable),
        ("+44 20 7946 0018", "", ""),
        ("+1 (415) 555-0100", "", ""),
        ("+1-608-271-9000-x11", "", ""),
        ("415.555.0100 ext. 12", "", unreachable),
        ("020 7946 0018 ext 5", unreachable, ""),
        ("+14155550100;ext=12", "", ""),
        ("+1234567890", unreachable, unreachable),
        ("ask the office", unreachable, unreachable),
    ] {
        admin.patch(PATH, json!({ "country": "US" })).await;
        assert_eq!(warning(&admin, phone).await, in_us, "{phone} in the United States");
        admin.patch(PATH, json!({ "country": "GB" })).await;
        assert_eq!(warning(&admin, phone).await, in_gb, "{phone} in Great Britain");
    }
}
