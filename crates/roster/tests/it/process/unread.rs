//! Answers that leave before the body was read: each reaches a client that sends all of its request first.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    binary::{Binary, PATIENCE, Server},
    wire::{Wire, get},
};

/// Much more than the sockets of both sides hold.
const MUCH: usize = 3 * 1024 * 1024;

fn head(method: &str, path: &str, key: &str, more: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\n{more}\r\n")
}

fn announced(method: &str, path: &str, key: &str, media: &str) -> Vec<u8> {
    let head = head(method, path, key, &format!("Content-Type: {media}\r\nContent-Length: {MUCH}\r\n"));
    [head.into_bytes(), vec![b' '; MUCH]].concat()
}

fn chunked(path: &str, key: &str) -> Vec<u8> {
    let head = head("POST", path, key, "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    format!("{head}{}0\r\n\r\n", chunk.repeat(MUCH / 0x10000)).into_bytes()
}

/// Sends everything before it reads anything, as Python's `http.client` and many libraries do.
fn told(server: &Server, bytes: &[u8]) -> String {
    let mut wire = server.wire();
    wire.try_send(bytes).expect("all of it was taken");
    let answer = wire.answer();
    assert_eq!(wire.rest(), "");
    answer.to_string()
}

#[test]
fn every_refusal_reaches_a_client_that_sends_first() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let json = "application/json";
    for (bytes, expected) in [
        (announced("POST", "/api/v1/users", &key, json), r#"413 close {"error":"Request body is over 64 KiB"}"#),
        (chunked("/api/v1/users", &key), r#"413 close {"error":"Request body is over 64 KiB"}"#),
        (announced("POST", "/api/v1/users", "wrong", json), r#"401 close {"error":"Invalid API key"}"#),
        (chunked("/api/v1/users", "wrong"), r#"401 close {"error":"Invalid API key"}"#),
        (announced("PUT", "/api/v1/users", &key, json), r#"405 close {"error":"Method not allowed"}"#),
        (announced("POST", "/nowhere", &key, json), r#"404 close {"error":"Resource not found"}"#),
        (
            announced("POST", "/api/v1/users", &key, "text/plain"),
            r#"415 close {"error":"Content-Type must be application/json, without Content-Encoding"}"#,
        ),
    ] {
        assert_eq!(told(&server, &bytes), expected);
    }
}

#[test]
fn too_many_requests_and_too_many_connections_are_told_too() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--rate-limit", "1", "--max-connections", "2", "--address-share", "100"]);
    while server.request("GET", "/api/v1/me", &key, "").0 != 429 {}
    let bytes = announced("POST", "/api/v1/users", &key, "application/json");
    let told_too_many = || told(&server, &bytes) == r#"429 close {"error":"Too many requests"}"#;
    assert!((0..5).any(|_| told_too_many()), "the second may just have begun");

    let mut held: Vec<_> = (0..2).map(|_| server.wire()).collect();
    let start = Instant::now();
    while held.iter_mut().any(|wire| wire.send(get("/api/v1/me", "")).answer().status == 503) {
        assert!(start.elapsed() < PATIENCE, "the places of before are free again");
        held = (0..2).map(|_| server.wire()).collect();
    }
    assert_eq!(told(&server, &bytes), r#"503 close {"error":"Service temporarily unavailable"}"#);
}

#[test]
fn a_head_that_is_too_big_is_told_so_although_more_follows() {
    let binary = Binary::new();
    let server = binary.serve(&[]);
    let endless = format!("GET /healthz HTTP/1.1\r\nHost: test\r\nX-Long: {}", "a".repeat(MUCH));
    assert_eq!(told(&server, endless.as_bytes()), "431 close");
}

#[test]
fn sixty_four_such_clients_are_told_at_once_and_others_are_served() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let bytes = announced("POST", "/api/v1/users", &key, "application/json");
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..64).map(|_| scope.spawn(|| told(&server, &bytes))).collect();
        while !clients.iter().all(|client| client.is_finished()) {
            assert_eq!(server.request("GET", "/api/v1/users", &key, "").0, 200, "others are served");
        }
        for client in clients {
            let answer = client.join().expect("a client that was answered");
            assert_eq!(answer, r#"413 close {"error":"Request body is over 64 KiB"}"#);
        }
    });
}

#[test]
fn a_small_body_that_nobody_read_does_not_end_the_connection() {
    let binary = Binary::new();
    let server = binary.serve(&[]);
    let mut wire = server.wire();
    for _ in 0..3 {
        let refused = crate::wire::request("POST", "/api/v1/users", "wrong", r#"{"firstName":"Jane"}"#);
        assert_eq!(wire.send(refused).answer().to_string(), r#"401 {"error":"Invalid API key"}"#);
    }
}

#[test]
fn whoever_asks_before_sending_is_not_asked_to_send() {
    let binary = Binary::new();
    let server = binary.serve(&[]);
    let more = "Content-Type: application/json\r\nContent-Length: 20\r\nExpect: 100-continue\r\n";
    let mut wire = server.wire();
    let answer = wire.send(head("POST", "/api/v1/users", "wrong", more)).answer();
    assert_eq!(answer.to_string(), r#"401 close {"error":"Invalid API key"}"#);
}

#[test]
fn a_client_that_drips_on_after_its_answer_is_cut_off() {
    let binary = Binary::new();
    let server = binary.serve(&["--read-timeout", "1"]);
    let mut stream = server.connect();
    let more = format!("Content-Type: application/json\r\nContent-Length: {MUCH}\r\n");
    stream.write_all(head("POST", "/api/v1/users", "wrong", &more).as_bytes()).expect("sent");
    until_cut_off(stream, b" ", Duration::from_millis(20));
}

#[test]
fn a_client_that_sends_on_and_on_after_its_answer_is_cut_off() {
    let binary = Binary::new();
    let server = binary.serve(&["--read-timeout", "3600"]);
    let mut stream = server.connect();
    let more = "Content-Type: application/json\r\nContent-Length: 1000000000000\r\n";
    stream.write_all(head("POST", "/api/v1/users", "wrong", more).as_bytes()).expect("sent");
    let sent = until_cut_off(stream, &[b' '; 64 * 1024], Duration::ZERO);
    assert!(sent >= 16 * 1024 * 1024, "only {sent} bytes were taken");
}

/// Sends until the other side does not listen any more: how many bytes that took.
fn until_cut_off(mut stream: TcpStream, piece: &[u8], pause: Duration) -> usize {
    let start = Instant::now();
    let mut sent = 0;
    while stream.write_all(piece).is_ok() {
        sent += piece.len();
        assert!(start.elapsed() < PATIENCE, "still listening after {sent} bytes");
        std::thread::sleep(pause);
    }
    sent
}

#[test]
fn a_body_that_was_read_leaves_the_connection_open() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let mut wire: Wire<TcpStream> = server.wire();
    for body in [r#"{"firstName":"Jane","lastName":"Doe"}"#, "{}", "not JSON"] {
        let answer = wire.send(crate::wire::request("POST", "/api/v1/users", &key, body)).answer();
        assert_eq!(answer.header("connection"), None, "{answer}");
    }
}
