//! An SQLite file that another program holds: everybody is answered in time, and a refusal is one.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::binary::{Binary, PATIENCE};

/// Two seconds are promised. Starting a thread and a connection takes its time too on a busy machine.
const IN_TIME: Duration = Duration::from_secs(4);

/// Holds the write lock until it is dropped.
fn hold(binary: &Binary) -> Connection {
    let other = Connection::open(binary.database()).expect("the file");
    other.busy_timeout(PATIENCE).expect("a time limit");
    other.execute_batch("begin exclusive").expect("the lock");
    other
}

#[test]
fn whoever_creates_while_another_program_holds_the_file_is_refused_in_time_and_nothing_is_written() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    assert_eq!(server.create(&key, "before@example.com").0, 200);

    let other = hold(&binary);
    std::thread::scope(|scope| {
        for round in 0..2 {
            for nth in 0..16 {
                let (server, key) = (&server, &key);
                scope.spawn(move || {
                    let asked = Instant::now();
                    let (status, answer) = server.create(key, &format!("user{round}.{nth}@example.com"));
                    assert_eq!((status, &answer["error"]), (503, &"Service temporarily unavailable".into()));
                    assert!(asked.elapsed() < IN_TIME, "{:?}", asked.elapsed());
                });
            }
            // The second round waits behind the first.
            std::thread::sleep(Duration::from_millis(500));
        }
    });
    let (status, ready) = server.request("GET", "/readyz", "", "");
    assert_eq!((status, &ready["status"]), (503, &"another program holds the database".into()));
    let (_, list) = server.request("GET", "/api/v1/users", &key, "");
    assert_eq!(list["pagination"]["totalCount"], 1, "whoever reads is not held up");
    other.execute_batch("commit").expect("let go");

    let (status, answer) = server.create(&key, "user0.0@example.com");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(server.request("GET", "/readyz", "", "").0, 200);
    let (_, list) = server.request("GET", "/api/v1/users", &key, "");
    assert_eq!(list["pagination"]["totalCount"], 2, "what was refused is never written");
}

#[test]
fn a_create_waits_for_a_lock_that_is_soon_given_back() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let other = hold(&binary);
    std::thread::scope(|scope| {
        let created = scope.spawn(|| server.create(&key, "jane@example.com"));
        std::thread::sleep(Duration::from_millis(300));
        other.execute_batch("commit").expect("let go");
        assert_eq!(created.join().expect("an answer").0, 200);
    });
}

#[test]
fn a_server_stops_although_another_program_holds_the_file() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let _other = hold(&binary);
    let mut wire = server.wire();
    wire.send(crate::wire::request("POST", "/api/v1/users", &key, r#"{"firstName":"Jane","lastName":"Doe"}"#));
    drop(wire);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_command_says_that_another_program_holds_the_file() {
    let binary = Binary::new();
    let (org, _) = binary.organization_with_admin();
    let _other = hold(&binary);
    let complaint = "1: roster: cannot use the database sqlite:DIR/roster.db: another program holds the database";
    assert_eq!(binary.complaint(["org", "list"]), complaint);
    assert_eq!(binary.complaint(["import", "--org", &org]), complaint);
}
