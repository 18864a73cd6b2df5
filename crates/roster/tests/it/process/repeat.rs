//! `Idempotency-Key` across a death: what was committed and not answered is answered when it is asked again, and done once.

use std::time::Instant;

use serde_json::Value;

use crate::{
    binary::{Binary, PATIENCE, Server},
    wire::request,
};

fn keyed(request: String, key: &str) -> String {
    request.replacen("\r\n", &format!("\r\nIdempotency-Key: {key}\r\n"), 1)
}

fn list(server: &Server, key: &str) -> Value {
    let (status, list) = server.request("GET", "/api/v1/users?pageSize=100", key, "");
    assert_eq!(status, 200);
    list
}

/// Waits until another server shows so many users: it is on disk.
fn until_there_are(server: &Server, key: &str, count: u64) {
    let start = Instant::now();
    while list(server, key)["pagination"]["totalCount"] != count {
        assert!(start.elapsed() < PATIENCE, "it is never committed");
        std::thread::yield_now();
    }
}

#[test]
fn what_was_committed_and_never_answered_is_answered_once_it_is_asked_again() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let beside = binary.serve(&[]);
    for round in 0..5u64 {
        let body = format!(r#"{{"firstName":"Jane","lastName":"Doe{round}","npiNumber":"1234567890"}}"#);
        let create = || keyed(request("POST", "/api/v1/users", &key, &body), &format!("round-{round}"));
        let server = binary.serve(&[]);
        let mut wire = server.wire();
        wire.send(create());
        until_there_are(&beside, &key, round + 1);
        server.signal("KILL");
        drop(wire);
        drop(server);

        let server = binary.serve(&[]);
        for server in [&server, &beside, &server] {
            let answer = server.wire().send(create()).answer();
            assert_eq!((answer.status, answer.header("idempotent-replayed")), (200, Some("true")), "{answer}");
            assert_eq!(answer.header("roster-warning"), Some("npi-check-digit"));
            let list = list(server, &key);
            assert_eq!(list["pagination"]["totalCount"], round + 1);
            assert_eq!(list["data"][0]["publicId"], answer.json()["user"]["publicId"]);
        }
        let other = body.replace("Jane", "John");
        let answer = server
            .wire()
            .send(keyed(request("POST", "/api/v1/users", &key, &other), &format!("round-{round}")))
            .answer();
        assert_eq!(answer.status, 422, "{answer}");
    }
}
