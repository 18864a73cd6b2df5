//! `POST /api/v1/users`

use insta::assert_snapshot;
use serde_json::json;

use crate::roster::Roster;

#[tokio::test]
async fn create_answers_with_the_documented_body() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.post("/api/v1/users", json!({ "firstName": "John", "lastName": "Doe" })).await;
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
        "publicId": "usr_1736937000_600000000",
        "role": "TECHNICIAN",
        "shouldSendSMS": false
      }
    }
    "#);
}
