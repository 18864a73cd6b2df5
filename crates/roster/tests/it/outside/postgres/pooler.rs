//! PgBouncer in between, which gives each transaction the connection that is free.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use super::rows::{assert_whole, number};
use crate::{
    binary::{Binary, PATIENCE, Server},
    copy::copy,
    postgres::Cluster,
    receiver::Receiver,
    wire::request,
};

/// Users that are created, by so many clients at once, over connections that are too few.
const MANY: usize = 200;
const CLIENTS: usize = 8;
const CONNECTIONS: usize = 3;

/// A pooler before the cluster that all share. Killed when dropped.
struct Pooler {
    child: Child,
    port: u16,
    cluster: Arc<Cluster>,
    database: String,
}

/// The version on this machine: major and minor.
fn version() -> (u32, u32) {
    let output = Command::new("pgbouncer").arg("--version").output().expect("script/test installs it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = said.split([' ', '.', '\n']).filter_map(|word| word.parse().ok());
    (numbers.next().expect("a version"), numbers.next().expect("a version"))
}

/// Whether this version can take prepared statements along.
fn can_keep() -> bool {
    version() >= (1, 21)
}

impl Pooler {
    fn new(mode: &str, keeps: bool) -> Self {
        let cluster = Cluster::shared();
        let database = cluster.database();
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        cluster.write(&ini(port), &settings(port, cluster.port(), mode, keeps));
        let ini = cluster.data().join(ini(port));
        let mut command = cluster.command("pgbouncer");
        let child = command.arg(ini).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pgbouncer starts");
        let pooler = Self { child, port, cluster, database };
        let since = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "pgbouncer does not listen");
        }
        pooler
    }

    /// The database as it is reached through it.
    fn url(&self) -> String {
        self.database.replace(&format!(":{}/", self.cluster.port()), &format!(":{}/", self.port))
    }

    /// Goes on in another mode.
    fn turn_to(&self, mode: &str) {
        self.cluster.write(&ini(self.port), &settings(self.port, self.cluster.port(), mode, false));
        let sent = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill is everywhere").success());
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ini(port: u16) -> String {
    format!("pgbouncer-{port}.ini")
}

fn settings(port: u16, server: u16, mode: &str, keeps: bool) -> String {
    let kept = match (can_keep(), keeps) {
        (true, true) => "max_prepared_statements = 100",
        (true, false) => "max_prepared_statements = 0",
        (false, _) => "",
    };
    format!(
        "[databases]\n* = host=127.0.0.1 port={server} user=roster\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
         default_pool_size = {CONNECTIONS}\n{kept}\n"
    )
}

/// Creates users through the servers, one client beside the other, and returns the statuses.
fn create_many(servers: &[Server], key: &str, name: &str) -> Vec<u16> {
    let next = AtomicUsize::new(0);
    let create = |server: &Server| {
        let mut wire = server.wire();
        let mut statuses = Vec::new();
        loop {
            let nth = next.fetch_add(1, Ordering::Relaxed);
            if nth >= MANY {
                return statuses;
            }
            let body = format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"{name}{nth}@example.com"}}"#);
            statuses.push(wire.send(request("POST", "/api/v1/users", key, &body)).answer().status);
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> =
            servers.iter().cycle().take(CLIENTS).map(|server| scope.spawn(move || create(server))).collect();
        clients.into_iter().flat_map(|client| client.join().expect("answers")).collect()
    })
}

/// Two processes behind the pooler do all there is: users, lists, searches, webhooks, a copy.
fn assert_all_works(pooler: &Pooler, url: &str) {
    let (binary, receiver) = (Binary::on(url), Receiver::willing());
    let (org, key) = binary.organization_with_admin();
    let inside = ["--webhook-inside", "127.0.0.1"];
    binary.print(["webhook", "create", "--org", &org, &receiver.url("/hook"), inside[0], inside[1]]);
    let servers = [binary.serve(&inside), binary.serve(&inside)];
    assert_eq!(create_many(&servers, &key, "jane"), [200; MANY]);
    assert_eq!(assert_whole(&pooler.database, false).len(), MANY);
    thread::scope(|scope| {
        for nth in 0..CLIENTS {
            let (servers, key) = (&servers, &key);
            scope.spawn(move || {
                let ask = |path: &str| {
                    let (status, answer) = servers[nth % 2].request("GET", &format!("/api/v1{path}"), key, "");
                    assert_eq!(status, 200, "{path}: {answer}");
                    answer
                };
                let found = ask(&format!("/users?search=jane{nth}@"));
                assert_eq!(found["pagination"]["totalCount"], 1, "{found}");
                let id = found["data"][0]["publicId"].as_str().expect("an id").to_owned();
                assert_eq!(ask(&format!("/users/{id}"))["firstName"], "Jane");
                assert_eq!(ask(&format!("/users?email=jane{nth}@example.com"))["data"][0]["publicId"], id.as_str());
                for sort in ["createdAt_asc", "createdAt_desc"] {
                    assert_eq!(ask(&format!("/users?sort={sort}&page=2"))["pagination"]["totalCount"], MANY);
                    ask(&format!("/users?sort={sort}&cursor={id}"));
                }
                ask("/events?pageSize=100");
                ask("/webhooks");
            });
        }
    });
    receiver.wait_until(|told| {
        let about = |event: &&crate::receiver::Received| event.text().contains("user.created");
        told.iter().filter(about).count() >= MANY
    });
    copy(&binary, url, "sqlite:copied.db");
    assert!(binary.print(["--database", "sqlite:copied.db", "org", "list"]).contains(&org));
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer: script/test runs it"]
fn behind_a_pooler_that_keeps_no_statements_everything_works_without_them() {
    let pooler = Pooler::new("transaction", false);
    assert_all_works(&pooler, &format!("{}?prepared_statements=false", pooler.url()));
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer: script/test runs it"]
fn behind_a_pooler_that_keeps_statements_everything_works_as_it_is() {
    // An older one keeps them only where it gives a client the same connection all the time.
    let pooler = Pooler::new(if can_keep() { "transaction" } else { "session" }, true);
    match can_keep() {
        true => assert_all_works(&pooler, &pooler.url()),
        false => drop(Binary::on(&format!("{}?pool_size=2", pooler.url())).organization_with_admin()),
    }
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer: script/test runs it"]
fn a_pooler_that_keeps_no_statements_is_recognized_at_start() {
    let pooler = Pooler::new("transaction", false);
    let binary = Binary::on(&pooler.url());
    // The second start meets what the first has left there.
    for _ in 0..2 {
        let complaint = binary.complaint(["org", "list"]);
        let expected = format!(
            "1: roster: cannot use the database {}: a pooler between Roster and PostgreSQL does not keep prepared \
             statements: add prepared_statements=false to the URL of the database, or let it keep them \
             (max_prepared_statements of PgBouncer 1.21 or later)",
            pooler.url()
        );
        assert_eq!(complaint, expected);
    }
    binary.print(["--database", &format!("{}?prepared_statements=false", pooler.url()), "org", "list"]);
}

#[test]
#[ignore = "needs PostgreSQL and PgBouncer: script/test runs it"]
fn a_pooler_that_ceases_to_keep_statements_is_named_in_the_log_and_busy_is_not_said() {
    let pooler = Pooler::new("session", false);
    let binary = Binary::on(&format!("{}?pool_size=2", pooler.url()));
    let (_, key) = binary.organization_with_admin();
    let servers = [binary.serve(&[])];
    pooler.turn_to("transaction");
    let since = Instant::now();
    for round in 0.. {
        let mut statuses = create_many(&servers, &key, &format!("round{round}-"));
        statuses.sort_unstable();
        statuses.dedup();
        assert!(statuses.iter().all(|status| [200, 500].contains(status)), "{statuses:?}");
        if statuses.contains(&500) {
            break;
        }
        assert!(since.elapsed() < PATIENCE, "it keeps them");
    }
    let [server] = servers;
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(log.contains("does not keep prepared statements: add prepared_statements=false"), "{log}");
    assert_eq!(number(&pooler.database, "select count(*) from users where email is null"), 0);
}
