//! `GET /api/v1/me`

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;

use crate::roster::Roster;

#[tokio::test]
async fn me_says_who_the_key_is_and_what_it_may_do() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let clinician = org.key_for(Role::Clinician, Some(90_000)).await;
    let answer = clinician.get("/api/v1/me").await;
    assert_snapshot!(answer, @r#"
    200
    {
      "key": {
        "access": "WRITE",
        "createdAt": "2025-01-15T10:30:00.000Z",
        "expiresAt": "2025-01-15T10:31:30.000Z",
        "name": "test",
        "publicId": "key_300000000000",
        "role": "CLINICIAN"
      },
      "mayCreate": [
        "PATIENT",
        "CAREGIVER"
      ],
      "mayRead": [
        "CLINICIAN",
        "TECHNICIAN",
        "PATIENT",
        "CAREGIVER"
      ],
      "organization": {
        "name": "Example Organization",
        "publicId": "org_100000000000"
      }
    }
    "#);
    let token = clinician.authorization().strip_prefix("Bearer ").expect("a token");
    assert!(!answer.to_string().contains(token), "the key is never shown");
}

#[tokio::test]
async fn me_answers_every_role_also_those_that_may_do_nothing() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    for role in Role::ALL {
        let answer = org.key(role).await.get("/api/v1/me").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body["key"]["role"], role.as_str());
        assert_eq!(answer.body["key"]["expiresAt"], serde_json::Value::Null);
        let may_nothing = matches!(role, Role::Technician | Role::Patient | Role::Caregiver);
        assert_eq!(answer.body["mayRead"].as_array().expect("a list").is_empty(), may_nothing, "{role}");
    }
}

#[tokio::test]
async fn me_needs_a_key() {
    let roster = Roster::new();
    assert_eq!(roster.stranger().get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
}
