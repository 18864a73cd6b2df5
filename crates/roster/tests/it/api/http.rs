//! Paths, methods, media types, sizes and request ids.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use hyper::{
    StatusCode,
    body::{Frame, SizeHint},
};
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use crate::roster::{Answer, Client, Roster};

const USERS: &str = "/api/v1/users";

async fn ask(
    roster: &Roster,
    client: &Client<'_>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> Answer {
    let mut request = client.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    roster.send(request.body(body).expect("a request")).await
}

fn john() -> String {
    json!({ "firstName": "John", "lastName": "Doe" }).to_string()
}

/// John Doe in exactly so many bytes.
fn john_of(bytes: usize) -> String {
    let mut body = String::from(r#"{"firstName":"John","lastName":"Doe","padding":""#);
    body.push_str(&"x".repeat(bytes - body.len() - 2));
    body.push_str(r#""}"#);
    body
}

/// A body that does not say how long it is.
struct Streamed(Vec<Bytes>);

impl hyper::body::Body for Streamed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn streamed(body: &str) -> Body {
    Body::new(Streamed(body.as_bytes().chunks(1_000).rev().map(Bytes::copy_from_slice).collect()))
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for path in [
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/users/",
        "/api/v1/user",
        "/api/v2/users",
        "/v1/users",
        "//api/v1/users",
        "/api/v1/users/usr_1234567890_abc123def/payors",
        "/API/v1/users",
        "/api/v1/%75sers/x/y",
    ] {
        for client in [&admin, &roster.stranger()] {
            for method in ["GET", "POST", "DELETE"] {
                let answer = ask(&roster, client, method, path, &[], Body::empty()).await;
                assert_eq!(answer.to_string(), "404\n{\n  \"error\": \"Resource not found\"\n}", "{method} {path}");
                assert_eq!(answer.header("content-type"), "application/json");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_told_which_are_right() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut said = Vec::new();
    for (path, methods) in [
        (USERS, ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]),
        ("/api/v1/users/usr_1234567890_abc123def", ["POST", "PUT", "CONNECT", "TRACE", "OPTIONS"]),
        ("/api/v1/users/usr_1234567890_abc123def/restore", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"]),
        ("/api/v1/me", ["POST", "PUT", "PATCH", "DELETE", "BREW"]),
    ] {
        for method in methods {
            let answer = ask(&roster, &admin, method, path, &[], Body::empty()).await;
            assert_eq!(answer.to_string(), "405\n{\n  \"error\": \"Method not allowed\"\n}", "{method} {path}");
            let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
            allowed.sort_unstable();
            said.push(format!("{path}: {}", allowed.join(" ")));
        }
    }
    said.dedup();
    assert_snapshot!(said.join("\n"), @"
    /api/v1/users: GET HEAD POST
    /api/v1/users/usr_1234567890_abc123def: DELETE GET HEAD PATCH
    /api/v1/users/usr_1234567890_abc123def/restore: POST
    /api/v1/me: GET HEAD
    ");
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let id = admin.create(json!({ "firstName": "John", "lastName": "Doe" })).await;
    for (path, status) in [
        (USERS.to_owned(), 200),
        (format!("{USERS}/{id}"), 200),
        (format!("{USERS}/usr_1234567890_abc123def"), 404),
        (format!("{USERS}?pageSize=0"), 400),
    ] {
        let head = ask(&roster, &admin, "HEAD", &path, &[], Body::empty()).await;
        let get = admin.get(&path).await;
        assert_eq!((head.status.as_u16(), get.status.as_u16()), (status, status), "{path}");
        assert_eq!(head.body, Value::String(String::new()), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
    }
    assert_eq!(ask(&roster, &roster.stranger(), "HEAD", USERS, &[], Body::empty()).await.status, 401);
}

#[tokio::test]
async fn a_body_has_at_most_64_kib_announced_or_not() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let json = ("content-type", "application/json");
    let too_large = "413\n{\n  \"error\": \"Request body is over 64 KiB\"\n}";
    const LIMIT: usize = 64 * 1024;

    let fits = john_of(LIMIT);
    assert_eq!(admin.post_bytes(USERS, fits.clone()).await.status, StatusCode::OK);
    assert_eq!(ask(&roster, &admin, "POST", USERS, &[json], streamed(&fits)).await.status, StatusCode::OK);

    let over = john_of(LIMIT + 1);
    assert_eq!(admin.post_bytes(USERS, over.clone()).await.to_string(), too_large);
    assert_eq!(ask(&roster, &admin, "POST", USERS, &[json], streamed(&over)).await.to_string(), too_large);
    assert_eq!(
        ask(&roster, &admin, "POST", USERS, &[json], streamed(&john_of(LIMIT * 20))).await.to_string(),
        too_large
    );
    // Refused by what it says, before it is read.
    for length in ["65537", "18446744073709551615"] {
        let answer = ask(&roster, &admin, "POST", USERS, &[json, ("content-length", length)], streamed(&john())).await;
        assert_eq!(answer.to_string(), too_large, "{length}");
    }
    assert_eq!(admin.get(USERS).await.body["pagination"]["totalCount"], 2);
}

/// zod's words for `undefined`, which is what `Request.json()` leaves a handler with.
#[tokio::test]
async fn no_body_at_all_is_undefined_whatever_the_media_type() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let webhook = admin.webhook("https://hooks.example.com/roster").await;
    let required = json!([{ "code": "invalid_type", "message": "Required", "path": [] }]);
    for path in [USERS, "/api/v1/webhooks", &format!("/api/v1/webhooks/{webhook}/replay")] {
        for headers in [
            vec![],
            vec![("content-type", "application/json")],
            vec![("content-type", "text/plain")],
            vec![("content-type", "application/json"), ("content-encoding", "gzip")],
            vec![("content-length", "0")],
        ] {
            let answer = ask(&roster, &admin, "POST", path, &headers, Body::empty()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path} {headers:?}: {answer}");
            assert_eq!(answer.body["details"], required, "{path} {headers:?}");
        }
        let json = ("content-type", "application/json");
        let answer = ask(&roster, &admin, "POST", path, &[json], streamed("")).await;
        assert_eq!(answer.body["details"], required, "{path}: nothing, in pieces");
    }
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let wrong = "415\n{\n  \"error\": \"Content-Type must be application/json, without Content-Encoding\"\n}";
    assert_eq!(ask(&roster, &admin, "POST", USERS, &[], john().into()).await.to_string(), wrong);
    for media_type in [
        "",
        "text/plain",
        "text/json",
        "application/jsonx",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "json",
        "application/json, text/plain",
    ] {
        let answer = ask(&roster, &admin, "POST", USERS, &[("content-type", media_type)], john().into()).await;
        assert_eq!(answer.to_string(), wrong, "{media_type}");
    }
    for media_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        " application/json ;x",
    ] {
        let answer = ask(&roster, &admin, "POST", USERS, &[("content-type", media_type)], john().into()).await;
        assert_eq!(answer.status, StatusCode::OK, "{media_type}");
    }
    for (encoding, status) in
        [("gzip", 415), ("br", 415), ("identity", 200), ("Identity", 200), ("gzip, identity", 415)]
    {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let answer = ask(&roster, &admin, "POST", USERS, &headers, john().into()).await;
        assert_eq!(answer.status.as_u16(), status, "{encoding}");
    }
}

#[tokio::test]
async fn a_sane_request_id_is_taken_over_and_any_other_is_replaced() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for id in ["a", "0af7651916cd43dd8448eb211c80319c", "Root-1_67891233.abc", &"x".repeat(64)] {
        let answer = ask(&roster, &admin, "GET", USERS, &[("x-request-id", id)], Body::empty()).await;
        assert_eq!(answer.header("x-request-id"), id);
    }
    let mut made = std::collections::HashSet::new();
    for id in ["", " ", "a b", "a;b", "<script>", "a\"b", "a/b", &"x".repeat(65)] {
        let answer = ask(&roster, &admin, "GET", USERS, &[("x-request-id", id)], Body::empty()).await;
        let instead = answer.header("x-request-id").to_owned();
        assert_eq!(instead.len(), 16, "{id} → {instead}");
        assert!(instead.bytes().all(|b| b.is_ascii_hexdigit()), "{instead}");
        assert!(made.insert(instead), "each request has its own");
    }
}

#[tokio::test]
async fn every_answer_carries_a_request_id() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let (admin, nobody) = (org.key(Role::Admin).await, org.key(Role::Patient).await);
    let json = ("content-type", "application/json");
    for (client, method, path, headers, body, status) in [
        (&admin, "GET", USERS, vec![], String::new(), 200),
        (&admin, "POST", USERS, vec![json], john(), 200),
        (&admin, "POST", USERS, vec![json], String::new(), 400),
        (&roster.stranger(), "GET", USERS, vec![], String::new(), 401),
        (&nobody, "GET", USERS, vec![], String::new(), 403),
        (&admin, "GET", "/nowhere", vec![], String::new(), 404),
        (&admin, "PUT", USERS, vec![], String::new(), 405),
        (&admin, "POST", USERS, vec![json], john_of(70_000), 413),
        (&admin, "POST", USERS, vec![], john(), 415),
        (&roster.stranger(), "GET", "/healthz", vec![], String::new(), 200),
        (&roster.stranger(), "GET", "/readyz", vec![], String::new(), 200),
        (&roster.stranger(), "GET", "/openapi.json", vec![], String::new(), 200),
    ] {
        let answer = ask(&roster, client, method, path, &headers, body.into()).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1, "{method} {path} {status}");
        assert_ne!(answer.header("x-request-id"), "", "{method} {path} {status}");
    }
}

#[tokio::test]
async fn an_answer_is_json_that_nobody_keeps_or_guesses_at() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for answer in [
        admin.get(USERS).await,
        admin.get("/nowhere").await,
        roster.stranger().get(USERS).await,
        admin.post(USERS, json!({})).await,
        admin.post_bytes(USERS, john()).await,
    ] {
        let headers = ["content-type", "cache-control", "x-content-type-options", "referrer-policy"];
        let headers = headers.map(|name| answer.header(name));
        assert_eq!(headers, ["application/json", "no-store", "nosniff", "no-referrer"], "{answer}");
    }
}
