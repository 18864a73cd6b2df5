//! SQLite's write-ahead log stays short, however reads overlap.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use crate::{
    binary::Binary,
    wire::{get, request},
};

/// What the server is told, and what it may come to: half as much again, and a commit.
const LIMIT: &str = "1";
const MOST: u64 = 2 << 20;

/// Enough that a search for them takes some milliseconds.
const USERS: usize = 3_000;

/// Each writes some ten pages.
const CREATES: usize = 400;

#[test]
fn the_log_is_bounded_while_searches_overlap() {
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let line = |nth| format!(r#"{{"firstName":"Wanda","lastName":"Wu","email":"wanda{nth}@example.com"}}"#);
    let file = binary.path().join("users");
    std::fs::write(&file, (0..USERS).map(|nth| line(nth) + "\n").collect::<String>()).expect("written");
    binary.print(["import", "--org", &org, file.to_str().expect("UTF-8")]);

    let mut server = binary.serve(&["--wal-limit", LIMIT, "--metrics-listen", "127.0.0.1:0"]);
    let metrics = server.metrics_address();
    let log = binary.path().join("roster.db-wal");
    let are_over = AtomicBool::new(false);
    let longest = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut wire = server.wire();
                while !are_over.load(Relaxed) {
                    let found = wire.send(get("/api/v1/users?search=w&pageSize=100&page=15", &key)).answer();
                    assert_eq!(found.status, 200);
                }
            });
        }
        let mut wire = server.wire();
        let seen = (USERS..USERS + CREATES).map(|nth| {
            let created = wire.send(request("POST", "/api/v1/users", &key, &line(nth))).answer();
            (created.status, log.metadata().map_or(0, |log| log.len()))
        });
        let seen: Vec<_> = seen.collect();
        are_over.store(true, Relaxed);
        assert!(seen.iter().all(|(status, _)| *status == 200));
        seen.iter().map(|(_, length)| *length).max().expect("some")
    });
    assert!(longest <= MOST, "{longest} bytes");

    let scraped = crate::process::metrics::scrape(metrics);
    let line = format!("\nroster_sqlite_wal_bytes {}\n", log.metadata().expect("a log").len());
    assert!(scraped.contains(&line), "{line} in {scraped}");
}
