//! `POST /api/v1/users`

use insta::assert_snapshot;
use serde_json::json;

use crate::roster::Roster;

#[tokio::test]
async fn create_answers_with_the_documented_body() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.post("/api/v1/users", json!({ "firstName": "John", "lastName": "Doe" })).await;
    assert_snapshot!(answer, @"");
}
