//! kill -9 under load, again and again: what was answered is there, once and whole; what was not is there whole or not.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
};

use rusqlite::Connection;
use serde_json::Value;

use crate::{
    binary::{Binary, PATIENCE, Server},
    postgres,
    wire::{Wire, request},
};

const ROUNDS: usize = 10;
const CLIENTS: usize = 16;

/// What the clients were told, kept by the test and not by the server: publicId → e-mail.
type Journal = BTreeMap<String, String>;

#[test]
fn what_was_answered_survives_kill_9_once_and_whole() {
    let seed = seed();
    println!("SEED={seed}");
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let payor = binary.last_word(["payor", "create", "--org", &org, "Aetna"]);
    let journal = Mutex::new(Journal::new());
    let names = AtomicU64::new(0);
    let mut random = Random(seed);
    for _ in 0..ROUNDS {
        let kill_after = 20 + random.next() as usize % 300;
        let server = binary.serve(&[]);
        load_until_killed(&server, &key, &payor, &journal, &names, kill_after);
        drop(server);

        let server = binary.serve(&[]);
        let journal = journal.lock().expect("clients do not panic");
        assert_answered_users_are_there(&server, &key, &journal);
        let listed = list_all(&server, &key);
        assert!(journal.keys().all(|id| listed.contains(id)), "SEED={seed}: every answered user is listed");
        assert_whole(&Rows::of(&binary), &listed, &journal);
    }
    println!("{} users were answered", journal.lock().expect("clients do not panic").len());
}

/// Creates users from all clients at once, and kills the server when so many were answered.
fn load_until_killed(
    server: &Server,
    key: &str,
    payor: &str,
    journal: &Mutex<Journal>,
    names: &AtomicU64,
    kill_after: usize,
) {
    let answered = AtomicUsize::new(0);
    let (enough, killer) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            let (enough, answered) = (enough.clone(), &answered);
            scope.spawn(move || {
                let mut wire = server.wire();
                loop {
                    let email = format!("user{}@example.com", names.fetch_add(1, Ordering::Relaxed));
                    let body = format!(
                        r#"{{"firstName":"Jane","lastName":"Doe","email":"{email}","phoneNumber":"+14155550100",
                            "shouldSendSMS":true,"providerPayors":["{payor}"]}}"#
                    );
                    let Some(answer) = create(&mut wire, key, &body) else { return };
                    let id = answer["user"]["publicId"].as_str().expect("a created user").to_owned();
                    let known = journal.lock().expect("nobody panics").insert(id, email);
                    assert_eq!(known, None, "an id is given out once");
                    if answered.fetch_add(1, Ordering::Relaxed) + 1 == kill_after {
                        enough.send(()).expect("the killer waits");
                    }
                }
            });
        }
        killer.recv_timeout(PATIENCE).expect("the clients are answered");
        server.signal("KILL");
    });
}

/// The body of a 200; `None` if the server was killed before the whole answer came. A 503 says that nothing was written:
/// beside the whole suite it may be right.
fn create(wire: &mut Wire<std::net::TcpStream>, key: &str, body: &str) -> Option<Value> {
    loop {
        wire.try_send(request("POST", "/api/v1/users", key, body)).ok()?;
        let answer = wire.try_answer().expect("an answer or an end")?;
        if answer.status != 503 {
            assert_eq!(answer.status, 200, "{answer}");
            return Some(answer.json());
        }
    }
}

fn assert_answered_users_are_there(server: &Server, key: &str, journal: &Journal) {
    let mut wire = server.wire();
    for (nth, (id, email)) in journal.iter().enumerate() {
        let answer = wire.send(request("GET", &format!("/api/v1/users/{id}"), key, "")).answer();
        assert_eq!((answer.status, answer.json()["publicId"].as_str()), (200, Some(id.as_str())), "{email}");
        // Trying each would cost more than it tells.
        if nth % 10 == 0 {
            let body = format!(r#"{{"firstName":"Second","lastName":"Try","email":"{}"}}"#, email.to_uppercase());
            let answer = wire.send(request("POST", "/api/v1/users", key, &body)).answer();
            assert_eq!(answer.status, 400, "{email} exists: {answer}");
        }
    }
}

/// The ids on all pages of the list, after comparing their number with the count it gives.
fn list_all(server: &Server, key: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut wire = server.wire();
    for page in 1.. {
        let path = format!("/api/v1/users?pageSize=100&page={page}");
        let list = wire.send(request("GET", &path, key, "")).answer().json();
        let users = list["data"].as_array().expect("a list");
        for user in users {
            assert!(ids.insert(user["publicId"].as_str().expect("an id").to_owned()), "listed once");
        }
        if users.is_empty() {
            assert_eq!(list["pagination"]["totalCount"], ids.len(), "the count and the list agree");
            break;
        }
    }
    ids
}

/// The database itself, of whichever engine.
enum Rows {
    Sqlite(Connection),
    Postgres(String),
}

impl Rows {
    fn of(binary: &Binary) -> Self {
        match postgres::cluster() {
            Some(_) => Rows::Postgres(binary.database_url().to_owned()),
            None => Rows::Sqlite(Connection::open(binary.database()).expect("the file")),
        }
    }

    /// The first column of a query that both engines take.
    fn strings(&self, sql: &str) -> Vec<String> {
        match self {
            Rows::Postgres(url) => postgres::psql(url, sql).lines().map(str::to_owned).collect(),
            Rows::Sqlite(file) => {
                let mut statement = file.prepare(&format!("select cast(x as text) from ({sql})")).expect("a query");
                let rows = statement.query_map([], |row| row.get(0)).expect("rows");
                rows.collect::<Result<_, _>>().expect("strings")
            }
        }
    }

    fn number(&self, sql: &str) -> i64 {
        self.strings(sql).first().and_then(|number| number.parse().ok()).expect("a number")
    }
}

/// Looks into the database itself: no user without its audit entry, message and payor, nor any of these without a user.
fn assert_whole(rows: &Rows, listed: &BTreeSet<String>, journal: &Journal) {
    let strings = |sql: &str| rows.strings(sql);
    let users: HashSet<String> = strings("select id as x from users").into_iter().collect();
    assert_eq!(users, listed.iter().cloned().collect());
    assert!(users.len() >= journal.len());
    let once = |all: Vec<String>, what: &str| {
        assert_eq!(all.len(), users.len(), "{what}: one for each user");
        assert_eq!(all.into_iter().collect::<HashSet<_>>(), users, "{what}: one for each user");
    };
    once(strings("select target as x from audit where action = 'user.created'"), "audit entries");
    once(strings("select about as x from outbox"), "messages");
    assert_eq!(rows.number("select count(distinct email_key) as x from users"), users.len() as i64);
    assert_eq!(rows.number("select sum(users) as x from role_count"), users.len() as i64);
    match rows {
        Rows::Postgres(_) => once(strings("select user_id as x from user_payor"), "payors"),
        Rows::Sqlite(file) => {
            let payors = "select u.id as x from user_payor p left join users u on u.place = p.place";
            once(strings(payors), "payors");
            let counted = "select users as x from organization";
            assert_eq!(rows.number(counted), users.len() as i64, "no ordinal is skipped");
            let entries = rows.number("select count(*) as x from audit");
            assert_eq!(rows.number("select audits as x from organization"), entries);
            let sound: String = file.query_row("pragma integrity_check", [], |row| row.get(0)).expect("an answer");
            assert_eq!(sound, "ok");
        }
    }
}

/// From the environment variable `SEED`, or a new one.
fn seed() -> u64 {
    match std::env::var("SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), "seed"),
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
