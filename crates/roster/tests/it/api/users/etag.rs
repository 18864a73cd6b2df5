//! `ETag`, `If-Match` and `If-None-Match`: one tag for each version and view.

use hyper::StatusCode;
use serde_json::json;

use super::{deactivated, of, patched, whole};
use crate::roster::{NOW, Roster};

#[tokio::test]
async fn each_version_and_view_has_a_tag_of_its_own() {
    let roster = Roster::new();
    let beside = roster.again();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let mut seen = std::collections::BTreeSet::new();
    let mut tags = async || {
        let (read, whole_view) = (admin.get(&of(&id)).await, whole(&admin, &id).await);
        let tags = [read.header("etag").to_owned(), whole_view.header("etag").to_owned()];
        for tag in &tags {
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag} is strong");
            assert!(seen.insert(tag.clone()), "{tag} is another's");
        }
        for _ in 0..2 {
            let there = admin.at(&beside);
            assert_eq!(there.get(&of(&id)).await.header("etag"), tags[0]);
            assert_eq!(whole(&there, &id).await.header("etag"), tags[1]);
        }
        tags
    };
    tags().await;
    for (nth, city) in (1..).zip(["a", "b", "a"]) {
        roster.set_clock(NOW + nth);
        let changed = patched(&admin, &id, json!({ "city": city })).await;
        assert_eq!(tags().await[1], changed.header("etag"));
    }
    let left = deactivated(&admin, &id).await;
    assert_eq!(tags().await[1], left.header("etag"));
    let back = admin.act(&format!("{}/restore", of(&id))).await;
    assert_eq!(tags().await[1], back.header("etag"));
    // The whole view shows the organization's name.
    let before = whole(&admin, &id).await;
    assert_eq!(admin.patch("/api/v1/organization", json!({ "name": "Another Name" })).await.status, StatusCode::OK);
    let after = whole(&admin, &id).await;
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(after.body["organization"]["name"], "Another Name");
}

#[tokio::test]
async fn if_match_takes_any_tag_of_the_version_and_nothing_else() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let old = [admin.get(&of(&id)).await.header("etag").to_owned(), whole(&admin, &id).await.header("etag").to_owned()];
    patched(&admin, &id, json!({ "city": "0" })).await;
    let mut nth = 0;
    for form in ["READ", "WHOLE", "*", "\"x\", READ", "WHOLE,READ", "OLD , WHOLE"] {
        nth += 1;
        let (read, whole_view) = (admin.get(&of(&id)).await, whole(&admin, &id).await);
        let header = form
            .replace("READ", read.header("etag"))
            .replace("WHOLE", whole_view.header("etag"))
            .replace("OLD", &old[0]);
        let body = json!({ "city": nth.to_string() });
        let answer = admin.ask("PATCH", &of(&id), &[("if-match", &header)], Some(body)).await;
        assert_eq!((answer.status, &answer.body["city"]), (StatusCode::OK, &json!(nth.to_string())), "{header}");
    }
    let current = admin.get(&of(&id)).await.header("etag").to_owned();
    for header in [
        old[0].clone(),
        old[1].clone(),
        format!("W/{current}"),
        current.trim_matches('"').into(),
        "".into(),
        "\"\"".into(),
    ] {
        for (method, path, body) in [
            ("PATCH", of(&id), Some(json!({ "city": "x" }))),
            // Also what would change nothing was meant for another version.
            ("PATCH", of(&id), Some(json!({}))),
            ("POST", format!("{}/deactivate", of(&id)), None),
            ("POST", format!("{}/restore", of(&id)), None),
            ("DELETE", of(&id), None),
        ] {
            let answer = admin.ask(method, &path, &[("if-match", &header)], body).await;
            assert_eq!(
                answer.to_string(),
                "412\n{\n  \"error\": \"Precondition failed\"\n}",
                "{method} {path} {header}"
            );
        }
    }
    assert_eq!(whole(&admin, &id).await.body["city"], nth.to_string());
    // Two lines are one list (RFC 9110 §5.3).
    let answer = admin
        .ask("PATCH", &of(&id), &[("if-match", &old[0]), ("if-match", &current)], Some(json!({ "city": "y" })))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    for (method, path) in [("POST", format!("{}/deactivate", of(&id))), ("POST", format!("{}/restore", of(&id)))] {
        let current = whole(&admin, &id).await.header("etag").to_owned();
        assert_eq!(admin.ask(method, &path, &[("if-match", &current)], None).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn whoever_has_it_already_is_told_304() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    for path in [of(&id), format!("{}?view=full", of(&id))] {
        for _ in 0..2 {
            let tag = admin.get(&path).await.header("etag").to_owned();
            for header in [tag.clone(), format!("W/{tag}"), "*".into(), format!("\"x\", {tag}")] {
                let answer = admin.ask("GET", &path, &[("if-none-match", &header)], None).await;
                assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NOT_MODIFIED, ""), "{header}");
                assert_eq!(answer.header("etag"), tag, "RFC 9110 §15.4.5");
            }
            for header in ["\"x\"", "", "x"] {
                let answer = admin.ask("GET", &path, &[("if-none-match", header)], None).await;
                assert_eq!((answer.status, &answer.body["firstName"]), (StatusCode::OK, &json!("Jane")), "{header}");
            }
            let body = json!({ "city": format!("{tag} and on") });
            patched(&admin, &id, body).await;
            let answer = admin.ask("GET", &path, &[("if-none-match", &tag)], None).await;
            assert_eq!(answer.status, StatusCode::OK, "it is another version");
        }
    }
    // The tag of one view is not that of the other.
    let read = admin.get(&of(&id)).await.header("etag").to_owned();
    let answer = admin.ask("GET", &format!("{}?view=full", of(&id)), &[("if-none-match", &read)], None).await;
    assert_eq!(answer.status, StatusCode::OK);
    // Whom nobody may see nobody has.
    let answer = admin.ask("GET", &of("usr_1234567890_abc123def"), &[("if-none-match", "*")], None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
