//! Two processes over one database, and a reader who stays at the end of the list in creation order.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::Value;

use crate::{
    binary::{Binary, PATIENCE},
    wire::{get, request},
};

#[test]
fn whoever_stays_at_the_end_of_the_list_sees_everybody_whom_two_processes_create() {
    sees_everybody(&Binary::new());
}

fn ids(list: &Value) -> Vec<String> {
    let users = list["data"].as_array().expect("a page");
    users.iter().map(|user| user["publicId"].as_str().expect("an id").to_owned()).collect()
}

/// Six create users at two processes, and the reader goes on from the last one it saw: it sees each of them once.
pub(crate) fn sees_everybody(binary: &Binary) {
    const WRITERS: usize = 6;
    const EACH: usize = 150;
    let (_, key) = binary.organization_with_admin();
    let servers = [binary.serve(&[]), binary.serve(&[])];
    let (created, ended) = (Mutex::new(BTreeSet::new()), AtomicUsize::new(0));
    let seen = std::thread::scope(|scope| {
        for nth in 0..WRITERS {
            let (key, created, ended, server) = (&key, &created, &ended, &servers[nth % 2]);
            scope.spawn(move || {
                let mut wire = server.wire();
                for _ in 0..EACH {
                    let body = r#"{"firstName":"Jane","lastName":"Doe"}"#;
                    let answer = wire.send(request("POST", "/api/v1/users", key, body)).answer();
                    assert_eq!(answer.status, 200, "{answer}");
                    let id = answer.json()["user"]["publicId"].as_str().expect("an id").to_owned();
                    created.lock().expect("nobody panics").insert(id);
                }
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        let (mut wire, mut seen) = (servers[0].wire(), Vec::<String>::new());
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < PATIENCE, "it never ends");
            let all_ended = ended.load(Ordering::SeqCst) == WRITERS;
            let cursor = seen.last().map(|id| format!("&cursor={id}")).unwrap_or_default();
            let page = wire.send(get(&format!("/api/v1/users?sort=createdAt_asc&pageSize=100{cursor}"), &key)).answer();
            assert_eq!(page.status, 200, "{page}");
            let more = ids(&page.json());
            if more.is_empty() && all_ended {
                return seen;
            }
            seen.extend(more);
        }
    });
    let created = created.into_inner().expect("nobody panics");
    let once: BTreeSet<String> = seen.iter().cloned().collect();
    let missed = created.difference(&once).count();
    assert_eq!((missed, seen.len()), (0, WRITERS * EACH), "missed, and seen");
}
