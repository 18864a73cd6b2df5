//! The database goes away and comes back: nobody waits long, nobody is told what is not so, and nobody has to restart.

use std::{
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    load::Load,
    proxy::{Act, Proxy},
    rows::{assert_whole, number},
};
use crate::{
    binary::{Binary, PATIENCE, Server},
    postgres::Cluster,
    wire::{Wire, get, request},
};

const SETTINGS: [&str; 1] = ["fsync=off"];

/// A server that was asked for everything before, so that it knows what it can know.
fn warmed_up(binary: &Binary, server: &Server) -> (String, String) {
    let (_, key) = binary.organization_with_admin();
    let (status, created) = server.create(&key, "jane@example.com");
    assert_eq!(status, 200, "{created}");
    let id = created["user"]["publicId"].as_str().expect("an id").to_owned();
    for request in requests(&key, &id) {
        assert_eq!(server.wire().send(&request).answer().status, if request.starts_with("POST") { 400 } else { 200 });
    }
    (key, id)
}

/// Searches with these keys, none of which anybody waits for.
fn searching(server: &Server, keys: &[&str]) -> Vec<Wire<TcpStream>> {
    let send = |key: &&str| {
        let mut wire = server.wire();
        wire.send(get("/api/v1/users?search=jane", key));
        wire
    };
    keys.iter().map(send).collect()
}

/// One of each kind. The create's e-mail is taken.
fn requests(key: &str, id: &str) -> [String; 5] {
    let body = r#"{"firstName":"Jane","lastName":"Doe","email":"jane@example.com"}"#;
    [
        request("POST", "/api/v1/users", key, body),
        get("/api/v1/users", key),
        get("/api/v1/users?search=jane", key),
        get(&format!("/api/v1/users/{id}"), key),
        get("/api/v1/me", key),
    ]
}

/// Sends one of each kind at once: they are told to try again, soon. Says how long the slowest waited.
fn assert_told_to_try_again(server: &Server, key: &str, id: &str) -> Duration {
    let waits = std::thread::scope(|scope| {
        let asking = requests(key, id).map(|request| {
            scope.spawn(move || {
                let stream = TcpStream::connect(server.address).expect("the server accepts");
                // Two seconds are promised; the machine may be busy.
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
                let started = Instant::now();
                let answer = Wire::over(stream).send(&request).answer();
                assert_eq!(answer.to_string(), r#"503 {"error":"Service temporarily unavailable"}"#, "{request}");
                assert_eq!(answer.header("retry-after"), Some("1"));
                started.elapsed()
            })
        });
        asking.map(|asked| asked.join().expect("an answer"))
    });
    waits.into_iter().max().expect("some requests")
}

/// Asks until it is answered, and says how long that took.
fn wait_until_served(server: &Server, key: &str) -> Duration {
    let started = Instant::now();
    let mut wire = server.wire();
    while wire.send(get("/api/v1/users", key)).answer().status != 200 {
        assert!(started.elapsed() < PATIENCE, "it does not come back");
    }
    started.elapsed()
}

fn assert_alive_and_not_ready(server: &Server) {
    assert_eq!(server.request("GET", "/healthz", "", "").0, 200);
    assert_eq!(server.request("GET", "/readyz", "", "").0, 503);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn while_the_database_is_away_requests_are_told_to_try_again() {
    for mode in ["fast", "immediate"] {
        let cluster = Cluster::start(&SETTINGS);
        let binary = Binary::on(&cluster.database());
        let server = binary.serve(&[]);
        let (key, id) = warmed_up(&binary, &server);
        cluster.stop(mode);
        for _ in 0..3 {
            println!("stopped ({mode}): 503 after {:?}", assert_told_to_try_again(&server, &key, &id));
        }
        assert_alive_and_not_ready(&server);
        cluster.go(&SETTINGS);
        println!("started: served after {:?}", wait_until_served(&server, &key));
        assert_eq!(server.request("GET", "/readyz", "", "").0, 200);
        for request in requests(&key, &id) {
            let status = if request.starts_with("POST") { 400 } else { 200 };
            assert_eq!(server.wire().send(&request).answer().status, status, "{request}");
        }
        assert_eq!(server.create(&key, "john@example.com").0, 200);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn while_the_database_is_silent_requests_are_told_to_try_again() {
    let cluster = Cluster::shared();
    let proxy = Proxy::before(cluster.port());
    let binary = Binary::on(&proxy.url(&cluster.database()));
    let server = binary.serve(&[]);
    let (key, id) = warmed_up(&binary, &server);
    proxy.silence();
    for _ in 0..3 {
        println!("silent: 503 after {:?}", assert_told_to_try_again(&server, &key, &id));
    }
    assert_alive_and_not_ready(&server);
    // The connections from before stay as silent as those to a machine that is gone.
    proxy.serve_new();
    println!("speaking: served after {:?}", wait_until_served(&server, &key));
    assert_eq!(server.request("GET", "/readyz", "", "").0, 200);
    assert_eq!(server.create(&key, "john@example.com").0, 200);
}

/// To a machine that is gone, all connections are, and only the first that is tried need take its time.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn of_connections_that_fell_silent_together_one_is_waited_for() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let proxy = Proxy::before(cluster.port());
    let binary = Binary::on(&proxy.url(&database));
    let server = binary.serve(&[]);
    let (key, _) = warmed_up(&binary, &server);
    // One organization has half of the connections for searches, at most.
    let (_, other) = binary.organization_with_admin();
    let name = database.rsplit('/').next().expect("a name");
    let sql = format!("select count(*) from pg_stat_activity where application_name = 'roster' and datname = '{name}'");
    let started = Instant::now();
    while number(&database, &sql) < 8 {
        assert!(started.elapsed() < PATIENCE, "one connection serves them all");
        std::thread::scope(|scope| {
            for key in [&key, &other].repeat(16) {
                scope.spawn(|| server.request("GET", "/api/v1/users?search=jane", key, ""));
            }
        });
    }
    proxy.silence();
    proxy.serve_new();
    let mut wire = server.wire();
    let refused = (0..).find(|_| wire.send(get("/api/v1/users", &key)).answer().status == 200).expect("it comes back");
    assert!(refused < 4, "{refused} requests were told to try again");
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn creates_that_an_outage_cuts_off_are_made_whole_or_not_at_all() {
    for mode in ["fast", "immediate"] {
        let cluster = Cluster::start(&SETTINGS);
        let binary = Binary::on(&cluster.database());
        let server = binary.serve(&[]);
        let load = Load::new(&binary);
        std::thread::scope(|scope| {
            let _started = load.start(scope, 16, &server);
            for _ in 0..3 {
                load.wait_for(100);
                cluster.stop(mode);
                cluster.go(&SETTINGS);
            }
            load.wait_for(100);
        });
        let there = assert_whole(binary.database_url(), true);
        let answered = load.answered();
        let lost: Vec<_> = answered.keys().filter(|id| !there.contains(*id)).collect();
        assert!(lost.is_empty(), "{lost:?}");
        println!(
            "{mode}: {} creates were answered, {} told to try again, {} of these are there",
            answered.len(),
            load.refused(),
            there.len() - answered.len()
        );
    }
}

/// A connection on which somebody gave up is given to nobody else.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_query_that_its_client_gave_up_on_keeps_nobody_waiting() {
    let cluster = Cluster::shared();
    let proxy = Proxy::before(cluster.port());
    let database = cluster.database();
    let binary = Binary::on(&format!("{}&pool_size=4", proxy.url(&database)));
    let server = binary.serve(&[]);
    let (key, _) = warmed_up(&binary, &server);
    for _ in 0..8 {
        let (stalled, stalls) = std::sync::mpsc::channel();
        proxy.decide(move |request| {
            if request.sql.contains(" like ") {
                stalled.send(()).expect("the test waits");
                Act::Stall
            } else {
                Act::Pass
            }
        });
        let mut impatient = server.wire();
        impatient.send(get("/api/v1/users?search=jane", &key));
        stalls.recv_timeout(PATIENCE).expect("the search reaches the database");
        drop(impatient);
    }
    proxy.pass();
    for nth in 0..16 {
        assert_eq!(server.create(&key, &format!("user{nth}@example.com")).0, 200, "{nth}");
        assert_eq!(server.request("GET", "/api/v1/users?search=jane", &key, "").0, 200, "{nth}");
    }
}

/// Searches read a lot, and are given half of the connections.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn searches_that_hang_leave_connections_to_everybody_else() {
    let cluster = Cluster::shared();
    let proxy = Proxy::before(cluster.port());
    let binary = Binary::on(&format!("{}&pool_size=4", proxy.url(&cluster.database())));
    let server = binary.serve(&[]);
    let (key, id) = warmed_up(&binary, &server);
    let (_, other) = binary.organization_with_admin();
    let (stalled, stalls) = std::sync::mpsc::channel();
    proxy.decide(move |request| {
        if request.sql.contains(" like ") {
            let _ = stalled.send(()); // one of each organization
            Act::Stall
        } else {
            Act::Pass
        }
    });
    let searches = searching(&server, &[&*key, &*other].repeat(4));
    for _ in 0..2 {
        stalls.recv_timeout(PATIENCE).expect("the search reaches the database");
    }
    for nth in 0..16 {
        assert_eq!(server.create(&key, &format!("user{nth}@example.com")).0, 200, "{nth}");
        assert_eq!(server.request("GET", &format!("/api/v1/users/{id}"), &key, "").0, 200, "{nth}");
    }
    drop(searches);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn searches_of_one_organization_leave_places_to_another() {
    let cluster = Cluster::shared();
    let proxy = Proxy::before(cluster.port());
    let binary = Binary::on(&format!("{}&pool_size=8", proxy.url(&cluster.database())));
    let server = binary.serve(&[]);
    let (greedy, _) = warmed_up(&binary, &server);
    let (other, _) = warmed_up(&binary, &server);
    let (stalled, stalls) = std::sync::mpsc::channel();
    let stalling = Arc::new(AtomicBool::new(true));
    let stalls_now = stalling.clone();
    proxy.decide(move |request| {
        if request.sql.contains(" like ") && stalls_now.load(Ordering::Relaxed) {
            let _ = stalled.send(());
            Act::Stall
        } else {
            Act::Pass
        }
    });
    let searches = searching(&server, &[&*greedy; 16]);
    for _ in 0..2 {
        stalls.recv_timeout(PATIENCE).expect("the search reaches the database");
    }
    // Time for those that must not come so far: these requests went the same way after them.
    for nth in 0..16 {
        assert_eq!(server.create(&other, &format!("user{nth}@example.com")).0, 200, "{nth}");
    }
    stalling.store(false, Ordering::Relaxed);
    assert_eq!(server.request("GET", "/api/v1/users?search=jane", &other, "").0, 200);
    assert!(stalls.try_recv().is_err(), "one organization held more than half of the places");
    drop(searches);
}
