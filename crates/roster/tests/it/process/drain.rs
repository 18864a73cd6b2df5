//! Told to stop: requests under way are answered, new connections are refused, and nobody can hold the process.

use std::{net::TcpStream, time::Instant};

use crate::{
    binary::{Binary, PATIENCE, Server},
    wire::{Wire, get, request},
};

#[test]
fn a_request_under_way_is_answered_and_then_the_server_ends() {
    for signal in ["TERM", "INT"] {
        let binary = Binary::new();
        let (_, key) = binary.organization_with_admin();
        let mut server = binary.serve(&PATIENT);
        let mut wire = under_way(&server, &key);
        server.signal(signal);
        server.logged("stopping");
        wait_until_refused(&server);
        let answer = wire.send(BODY).answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{answer}");
        assert_eq!(wire.rest(), "");
        let (code, log) = server.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("cut"), "{log}");

        let server = binary.serve(&[]);
        let id = answer.json()["user"]["publicId"].as_str().expect("an id").to_owned();
        assert_eq!(server.request("GET", &format!("/api/v1/users/{id}"), &key, "").0, 200);
    }
}

#[test]
fn all_requests_under_way_are_answered_when_there_are_many() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&PATIENT);
    let mut wires: Vec<_> = (0..64).map(|_| under_way(&server, &key)).collect();
    server.signal("TERM");
    for (nth, wire) in wires.iter_mut().enumerate() {
        let body = BODY.replace("jane@", &format!("j{nth:03}@"));
        let answer = wire.send(body).answer();
        assert_eq!(answer.status, 200, "{answer}");
    }
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn an_idle_connection_is_closed_at_once() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&PATIENT);
    let mut used = server.wire();
    assert_eq!(used.send(get("/api/v1/users", &key)).answer().status, 200);
    let mut silent = server.wire();
    server.signal("TERM");
    assert_eq!(used.rest(), "");
    assert_eq!(silent.rest(), "");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_stalled_client_cannot_hold_the_server_beyond_the_drain_timeout() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    for half_a_head in [true, false] {
        let server = binary.serve(&["--drain-timeout", "1", "--read-timeout", NEVER]);
        let mut wire = if half_a_head { server.wire() } else { under_way(&server, &key) };
        wire.send(if half_a_head { "GET /api/v1/users HTT" } else { &BODY[..20] });
        server.signal("TERM");
        let (code, log) = server.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(half_a_head || log.contains("their connections are cut"), "{log}");
        assert_eq!(wire.rest(), "");
    }
    let (_, list) = binary.serve(&[]).request("GET", "/api/v1/users", &key, "");
    assert_eq!(list["pagination"]["totalCount"], 0, "half a body creates nobody");
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    for second in ["TERM", "INT"] {
        let binary = Binary::new();
        let (_, key) = binary.organization_with_admin();
        let mut server = binary.serve(&PATIENT);
        let mut wire = under_way(&server, &key);
        server.signal("TERM");
        server.logged("stopping");
        server.signal(second);
        let (code, log) = server.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("told to stop twice"), "{log}");
        assert_eq!(wire.rest(), "");
    }
}

#[test]
fn a_signal_right_after_the_start_is_a_drain_too() {
    let binary = Binary::new();
    for _ in 0..10 {
        let server = binary.serve(&[]);
        server.signal("TERM");
        let (code, log) = server.wait();
        assert_eq!(code, Some(0), "{log}");
    }
}

/// Waits as long as it takes: a test that had to wait for these time limits would be out of patience first.
const PATIENT: [&str; 4] = ["--drain-timeout", NEVER, "--read-timeout", NEVER];
const NEVER: &str = "3600";

const BODY: &str = r#"{"firstName":"Jane","lastName":"Doe","email":"jane@example.com"}"#;

/// A create of which the server has read the head, and waits for [`BODY`]: it has said so.
fn under_way(server: &Server, key: &str) -> Wire<TcpStream> {
    let mut wire = server.wire();
    let head = request("POST", "/api/v1/users", key, BODY).replace(BODY, "");
    let head = head.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(wire.send(head).answer().status, 100);
    wire
}

/// The listener closes a moment after the server says that it stops.
fn wait_until_refused(server: &Server) {
    let start = Instant::now();
    while server.try_connect().is_ok() {
        assert!(start.elapsed() < PATIENCE, "new connections are refused");
        std::thread::yield_now();
    }
}
