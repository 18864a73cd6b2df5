//! Keys at the door: who is let in, and what the others are told.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::json;

use crate::roster::{Answer, NOW, Roster};

const NO_KEY: &str = "401 API key required | Bearer realm=\"roster\"";
const BAD_KEY: &str = "401 Invalid API key | Bearer realm=\"roster\", error=\"invalid_token\"";

/// Status, error and challenge on one line.
fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.body.as_object().map(|body| body.len()), Some(1), "{answer}");
    let error = answer.body["error"].as_str().expect("an error");
    format!("{} {error} | {}", answer.status.as_u16(), answer.header("www-authenticate"))
}

#[tokio::test]
async fn without_a_key_nobody_is_let_in() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let token = admin.authorization().strip_prefix("Bearer ").expect("a token").to_owned();
    assert_eq!(refusal(&roster.stranger().get("/api/v1/users").await), NO_KEY);
    for header in [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Basic Zm9vOmJhcg==",
        &format!("Token {token}"),
        &token,
        &format!("Bearer:{token}"),
    ] {
        let client = admin.authorized_by(header);
        for path in ["/api/v1/users", "/api/v1/users/usr_1234567890_abc123def", "/api/v1/users/x", "/api/v1/me"] {
            assert_eq!(refusal(&client.get(path).await), NO_KEY, "{path}");
        }
        assert_eq!(refusal(&client.post("/api/v1/users", json!({})).await), NO_KEY);
    }
}

#[tokio::test]
async fn the_name_of_the_scheme_may_have_any_case() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let token = admin.authorization().strip_prefix("Bearer ").expect("a token").to_owned();
    for header in [format!("bearer {token}"), format!("BEARER {token}"), format!("bEaReR   {token}  ")] {
        assert_eq!(admin.authorized_by(&header).get("/api/v1/users").await.status, StatusCode::OK, "{header}");
    }
}

#[tokio::test]
async fn what_is_not_a_key_is_refused() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let token = admin.authorization().strip_prefix("Bearer ").expect("a token").to_owned();
    for bad in [
        "x".to_owned(),
        "eyJhbGciOiJIUzI1NiJ9.e30.x".to_owned(),
        format!("{token}x"),
        format!("{token} {token}"),
        format!("{token},{token}"),
        token[1..].to_owned(),
        token[..token.len() - 1].to_owned(),
        token.to_uppercase(),
        "x".repeat(10_000),
    ] {
        let answer = admin.authorized_by(&format!("Bearer {bad}")).get("/api/v1/users").await;
        assert_eq!(refusal(&answer), BAD_KEY, "{bad}");
    }
    let request = hyper::Request::get("/api/v1/users").header("authorization", &b"Bearer \xff\xfe"[..]);
    let answer = roster.send(request.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(refusal(&answer), BAD_KEY);
}

#[tokio::test]
async fn every_single_mistyped_character_is_noticed() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let token = admin.authorization().strip_prefix("Bearer ").expect("a token").to_owned();
    assert!(token.is_ascii());
    for place in 0..token.len() {
        let typed = if token.as_bytes()[place] == b'a' { "b" } else { "a" };
        let mut mistyped = token.clone();
        mistyped.replace_range(place..=place, typed);
        let answer = admin.authorized_by(&format!("Bearer {mistyped}")).get("/api/v1/users").await;
        assert_eq!(refusal(&answer), BAD_KEY, "at {place}");
    }
    assert_eq!(admin.get("/api/v1/users").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_that_was_never_given_out_is_refused() {
    let (roster, another) = (Roster::new(), Roster::new());
    let theirs = another.organization("A").await;
    theirs.key(Role::Admin).await;
    let theirs = theirs.key(Role::Admin).await;
    let ours = roster.admin().await;
    // Whole, with a right checksum, and unknown here.
    let answer = ours.authorized_by(theirs.authorization()).get("/api/v1/users").await;
    assert_eq!(refusal(&answer), BAD_KEY);
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_request() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (revoked, other) = (org.key(Role::Admin).await, org.key(Role::Admin).await);
    let id = revoked.create(json!({ "firstName": "John", "lastName": "Doe" })).await;
    let paths = ["/api/v1/users".to_owned(), format!("/api/v1/users/{id}"), "/api/v1/me".to_owned()];
    for path in &paths {
        assert_eq!(revoked.get(path).await.status, StatusCode::OK);
    }
    roster.app().revoke_key(&org.operator, revoked.key_id()).await.expect("a key");
    for path in &paths {
        assert_eq!(refusal(&revoked.get(path).await), BAD_KEY);
        assert_eq!(other.get(path).await.status, StatusCode::OK);
    }
    let body = json!({ "firstName": "John", "lastName": "Doe" });
    assert_eq!(refusal(&revoked.post("/api/v1/users", body).await), BAD_KEY);
}

#[tokio::test]
async fn a_key_ends_at_its_moment() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let client = org.key_for(Role::Admin, Some(60_000)).await;
    for (millis, works) in [(0, true), (59_999, true), (60_000, false), (10_000_000, false)] {
        roster.set_clock(NOW + millis);
        let answer = client.get("/api/v1/users").await;
        match works {
            true => assert_eq!(answer.status, StatusCode::OK, "after {millis} ms"),
            false => assert_eq!(refusal(&answer), BAD_KEY, "after {millis} ms"),
        }
    }
}

#[tokio::test]
async fn a_rotated_key_works_for_its_grace_and_its_heir_works_on() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let old = org.key(Role::Admin).await;
    let (_, token) = roster.app().rotate_key(&org.operator, old.key_id(), 1_000, None).await.expect("a key");
    let heir = old.authorized_by(&format!("Bearer {}", token.reveal()));
    assert_eq!(old.get("/api/v1/users").await.status, StatusCode::OK);
    roster.set_clock(NOW + 1_000);
    assert_eq!(refusal(&old.get("/api/v1/users").await), BAD_KEY);
    assert_eq!(heir.get("/api/v1/users").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_opens_its_own_organization() {
    let roster = Roster::new();
    let (here, there) = (roster.organization("Here").await, roster.organization("There").await);
    there.user("John", "Doe", Role::Patient).await;
    let client = here.key(Role::Admin).await;
    assert_eq!(client.get("/api/v1/users").await.body["pagination"]["totalCount"], 0);
    assert_eq!(client.get("/api/v1/me").await.body["organization"]["name"], "Here");
}

#[tokio::test]
async fn too_many_requests_of_a_key_are_told_when_to_come_again() {
    let roster = Roster::with(&["--rate-limit", "1"]);
    let org = roster.organization("Example Organization").await;
    let (eager, other) = (org.key(Role::Admin).await, org.key(Role::Admin).await);
    let mut refused = None;
    for _ in 0..100 {
        let answer = eager.get("/api/v1/users").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, StatusCode::OK);
    }
    let refused = refused.expect("a hundred requests take less than a hundred seconds");
    assert_snapshot!(refused, @r#"
    429
    {
      "error": "Too many requests"
    }
    "#);
    let seconds: u64 = refused.header("retry-after").parse().expect("whole seconds");
    assert!((1..=2).contains(&seconds), "{seconds}");
    assert_eq!(other.get("/api/v1/users").await.status, StatusCode::OK, "each key has its own limit");
}
