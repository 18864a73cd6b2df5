//! Told to stop: what was sent is answered, clients are told to go elsewhere, and nobody can hold the process.

use std::{
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

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
        server.logged("closing");
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
fn an_idle_connection_is_closed_after_the_delay() {
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

#[test]
fn for_the_delay_everything_is_served_and_told_to_go_elsewhere() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let mut server = binary.serve(&["--drain-delay", NEVER]);
    let mut open = server.wire();
    assert_eq!(open.send(get("/readyz", "")).answer().to_string(), r#"200 {"status":"ready"}"#);
    server.signal("TERM");
    server.logged("stopping");
    assert_eq!(open.send(get("/readyz", "")).answer().to_string(), r#"503 close {"status":"stopping"}"#);
    assert_eq!(open.rest(), "");
    let mut new = server.wire();
    let answer = new.send(request("POST", "/api/v1/users", &key, BODY)).answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{answer}");
    assert_eq!(new.rest(), "");
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn what_has_arrived_before_the_connections_close_is_answered() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--drain-delay", "0"]);
    let mut wires: Vec<_> = (0..64).map(|_| server.wire()).collect();
    for wire in &mut wires {
        assert_eq!(wire.send(get("/healthz", "")).answer().status, 200);
    }
    // Stopped, it sees the signal and the requests in one moment.
    server.signal("STOP");
    for wire in &mut wires {
        wire.send(get("/api/v1/users", &key));
    }
    server.signal("TERM");
    server.signal("CONT");
    let answered = wires.iter_mut().filter_map(|wire| wire.try_answer().expect("an answer or an end")).count();
    assert_eq!(answered, 64);
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn whoever_was_connected_before_the_listener_closes_may_still_ask() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let mut server = binary.serve(&["--drain-delay", "0"]);
    // Stopped, it sees the connections and the signal in one moment.
    server.signal("STOP");
    let mut wires: Vec<_> = (0..8).map(|_| server.wire()).collect();
    server.signal("TERM");
    server.signal("CONT");
    server.logged("closing");
    for wire in &mut wires {
        let answer = wire.send(get("/api/v1/users", &key)).answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")), "{answer}");
    }
    assert_eq!(server.wait().0, Some(0));
}

/// A few stops; a hundred with `ROSTER_TEST_LONG=1`.
#[test]
fn a_stop_under_load_loses_nothing_that_was_sent() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let stops = if std::env::var_os("ROSTER_TEST_LONG").is_some() { 100 } else { 2 };
    for _ in 0..stops {
        let server = binary.serve(&[]);
        let mut kept: Vec<_> = (0..64).map(|_| server.wire()).collect();
        for wire in &mut kept {
            assert_eq!(wire.send(get("/healthz", "")).answer().status, 200);
        }
        let answered = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let busy: Vec<_> = (0..32).map(|_| scope.spawn(|| ask_until_refused(&server, &key, &answered))).collect();
            while answered.load(Ordering::Relaxed) < 200 {
                std::thread::yield_now();
            }
            server.signal("TERM");
            for wire in &mut kept {
                wire.try_send(request("POST", "/api/v1/users", &key, NOBODY)).expect("sent");
            }
            for wire in &mut kept {
                // The first may be answered before the signal is seen, and their connections stay.
                assert_eq!(wire.answer().status, 200);
            }
            for client in busy {
                client.join().expect("a client that lost nothing");
            }
        });
        let (code, log) = server.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains("are cut"), "{log}");
    }
}

/// Asks as HTTP clients do: on one connection until an answer says that it ends, and then on another. A connection that
/// is refused has lost nothing.
fn ask_until_refused(server: &Server, key: &str, answered: &AtomicUsize) {
    while let Ok(stream) = server.try_connect() {
        let mut wire = Wire::over(stream);
        loop {
            wire.try_send(request("POST", "/api/v1/users", key, NOBODY)).expect("sent");
            let answer = wire.try_answer().expect("no time-out").expect("an answer");
            assert_eq!(answer.status, 200, "{answer}");
            answered.fetch_add(1, Ordering::Relaxed);
            if answer.header("connection") == Some("close") {
                break;
            }
        }
    }
}

const NOBODY: &str = r#"{"firstName":"Jane","lastName":"Doe"}"#;

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
