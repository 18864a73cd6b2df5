//! Clients that take their time: each is cut off, and others are served meanwhile.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{
    binary::{Binary, PATIENCE, Server},
    wire::{Wire, get, request},
};

#[test]
fn a_client_that_says_nothing_is_cut_off() {
    let (_binary, server, key) = impatient();
    let mut silent = server.wire();
    assert_served(&server, &key);
    assert_eq!(silent.rest(), "");
    assert_served(&server, &key);
}

#[test]
fn a_client_that_stops_in_the_request_line_is_cut_off() {
    let (_binary, server, key) = impatient();
    let mut slow = server.wire();
    slow.send("GET /api/v1/us");
    assert_served(&server, &key);
    assert_eq!(slow.rest(), "");
    assert_served(&server, &key);
}

#[test]
fn a_client_that_drips_its_headers_is_cut_off() {
    let (_binary, server, key) = impatient();
    let mut slow = server.connect();
    slow.write_all(b"GET /api/v1/users HTTP/1.1\r\nHost: test\r\n").expect("sent");
    let received = drip(slow, "X-A: b\r\n");
    assert_eq!(received, "");
    assert_served(&server, &key);
}

#[test]
fn a_client_that_drips_its_body_is_told_408_and_cut_off() {
    let (_binary, server, key) = impatient();
    let mut slow = server.connect();
    let head = request("POST", "/api/v1/users", &key, "").replace("Content-Length: 0", "Content-Length: 60000");
    slow.write_all(head.as_bytes()).expect("sent");
    let received = drip(slow, "{");
    assert!(received.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{received}");
    assert!(received.ends_with(r#"{"error":"Request body did not arrive in time"}"#), "{received}");
    assert_served(&server, &key);
}

#[test]
fn a_connection_that_idles_after_an_answer_is_closed() {
    let (_binary, server, key) = impatient();
    let mut idle = server.wire();
    assert_eq!(idle.send(get("/api/v1/users", &key)).answer().status, 200);
    assert_eq!(idle.rest(), "");
    assert_served(&server, &key);
}

#[test]
fn a_client_that_never_reads_its_answers_is_cut_off() {
    let (_binary, server, key) = impatient();
    for nth in 0..100 {
        let name = "n".repeat(100);
        let body = format!(r#"{{"firstName":"{name}","lastName":"{name}","email":"reader{nth}@example.com"}}"#);
        assert_eq!(server.request("POST", "/api/v1/users", &key, &body).0, 200);
    }
    let mut deaf = server.connect();
    // Answers of some 40 KiB each, until neither side's buffers hold more and the server waits for the client to read.
    deaf.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let page = get("/api/v1/users?pageSize=100", &key).repeat(100);
    let start = Instant::now();
    let cut_off = loop {
        match deaf.write(page.as_bytes()) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(error) => break error,
        }
        assert!(start.elapsed() < PATIENCE, "a client that reads nothing is cut off");
    };
    assert!(
        matches!(cut_off.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe),
        "{cut_off}"
    );
    assert_served(&server, &key);
}

/// A server with one second's patience.
fn impatient() -> (Binary, Server, String) {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--read-timeout", "1", "--keep-alive", "1"]);
    (binary, server, key)
}

fn assert_served(server: &Server, key: &str) {
    assert_eq!(server.request("GET", "/api/v1/users", key, "").0, 200, "others are served");
}

/// Sends a piece again and again, each well within the time limit, until the server closes; returns what it said.
fn drip(mut stream: TcpStream, piece: &str) -> String {
    stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    let mut received = Vec::new();
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "a client that drips is cut off");
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                // The server may have closed; then the next read says so.
                drop(stream.write_all(piece.as_bytes()));
            }
            Err(_) => break,
        }
    }
    String::from_utf8(received).expect("UTF-8")
}

#[test]
fn slow_clients_by_the_hundred_do_not_keep_others_waiting() {
    let (_binary, server, key) = impatient();
    let mut slow: Vec<Wire<TcpStream>> = (0..200).map(|_| server.wire()).collect();
    for (nth, wire) in slow.iter_mut().enumerate() {
        wire.send(&get("/api/v1/users", &key)[..nth % 60]);
    }
    assert_served(&server, &key);
    for wire in &mut slow {
        assert_eq!(wire.rest(), "");
    }
    assert_served(&server, &key);
}
