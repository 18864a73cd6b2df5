//! Several Roster processes over one database: what one does, all know on the next request.

use std::sync::{Arc, Barrier};

use super::rows::{assert_whole, lines, number};
use crate::{
    binary::{Binary, Server},
    postgres::Cluster,
    wire::{get, request},
};

/// Two processes, and a command line beside them.
struct Two {
    servers: [Server; 2],
    binary: Binary,
    org: String,
    key: String,
    _cluster: Arc<Cluster>,
}

impl Two {
    fn new() -> Self {
        let cluster = Cluster::shared();
        let binary = Binary::on(&cluster.database());
        let (org, key) = binary.organization_with_admin();
        Self { servers: [binary.serve(&[]), binary.serve(&[])], binary, org, key, _cluster: cluster }
    }

    fn database(&self) -> &str {
        self.binary.database_url()
    }
}

fn total(server: &Server, key: &str) -> u64 {
    let (status, list) = server.request("GET", "/api/v1/users", key, "");
    assert_eq!(status, 200, "{list}");
    list["pagination"]["totalCount"].as_u64().expect("a count")
}

const MIGRATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../roster-store/migrations/postgres");

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn eight_processes_that_start_at_once_on_an_empty_database_all_come_up() {
    let cluster = Cluster::shared();
    for _ in 0..3 {
        let binary = Binary::on(&cluster.database());
        let servers: Vec<Server> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..8).map(|_| scope.spawn(|| binary.serve(&[]))).collect();
            starting.into_iter().map(|server| server.join().expect("it comes up")).collect()
        });
        let (_, key) = binary.organization_with_admin();
        for (nth, server) in servers.iter().enumerate() {
            assert_eq!(server.request("GET", "/readyz", "", "").0, 200);
            assert_eq!(server.create(&key, &format!("user{nth}@example.com")).0, 200);
        }
        assert_eq!(total(&servers[0], &key), 8);
        let ran = number(binary.database_url(), "select count(*) from schema_migration where number > 0");
        assert_eq!(ran as usize, std::fs::read_dir(MIGRATIONS).expect("the migrations").count());
        assert_eq!(number(binary.database_url(), "select count(*) from epoch"), 1);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_key_that_is_revoked_anywhere_is_refused_everywhere() {
    let two = Two::new();
    for _ in 0..5 {
        let key = two.binary.last_word(["key", "create", "--org", &two.org, "--role", "ADMIN", "--name", "revoked"]);
        let id = two.binary.print(["key", "list", "--org", &two.org]);
        let newest =
            id.lines().filter(|line| line.contains("live")).map(|line| line.split('\t').next().expect("an id"));
        let id = newest.into_iter().find(|id| key.contains(id.trim_start_matches("key_"))).expect("the key is listed");
        for server in &two.servers {
            assert_eq!(server.request("GET", "/api/v1/me", &key, "").0, 200);
        }
        two.binary.print(["key", "revoke", "--org", &two.org, id]);
        for server in &two.servers {
            assert_eq!(server.request("GET", "/api/v1/me", &key, "").0, 401, "on the next request");
        }
    }
}

/// A failover to a standby that had not received the latest changes takes the epoch back to an earlier one; what was
/// known under the lost one must not be believed again when it is counted up to once more.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_revoked_key_is_refused_also_where_the_database_went_back_before() {
    let two = Two::new();
    let key_of =
        |name: &str| two.binary.last_word(["key", "create", "--org", &two.org, "--role", "ADMIN", "--name", name]);
    let revoke = |name: &str| {
        let id = lines(two.database(), &format!("select id from api_key where name = '{name}'")).remove(0);
        two.binary.print(["key", "revoke", "--org", &two.org, &id]);
    };
    let (first, second) = (key_of("first"), key_of("second"));
    let before = number(two.database(), "select number from epoch");
    revoke("first");
    for server in &two.servers {
        assert_eq!(server.request("GET", "/api/v1/me", &first, "").0, 401);
        assert_eq!(server.request("GET", "/api/v1/me", &second, "").0, 200);
    }
    // The standby takes over.
    lines(two.database(), &format!("update epoch set number = {before}"));
    lines(two.database(), "update api_key set revoked_at = null where name = 'first'");
    revoke("second");
    for server in &two.servers {
        assert_eq!(server.request("GET", "/api/v1/me", &second, "").0, 401);
        assert_eq!(server.request("GET", "/api/v1/me", &first, "").0, 200);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_user_created_by_one_process_is_read_by_the_other_at_once() {
    let two = Two::new();
    let [mut one, mut other] = two.servers.each_ref().map(Server::wire);
    for nth in 1..=50 {
        let body = format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"user{nth}@example.com"}}"#);
        let created = one.send(request("POST", "/api/v1/users", &two.key, &body)).answer();
        assert_eq!(created.status, 200, "{created}");
        let id = created.json()["user"]["publicId"].as_str().expect("an id").to_owned();
        let user = other.send(get(&format!("/api/v1/users/{id}"), &two.key)).answer();
        assert_eq!((user.status, user.json()["publicId"].as_str()), (200, Some(id.as_str())), "{user}");
        let list = other.send(get("/api/v1/users?pageSize=1", &two.key)).answer().json();
        assert_eq!(list["pagination"]["totalCount"], nth);
        assert_eq!(list["data"][0]["publicId"], id, "the newest comes first");
        let again = other.send(request("POST", "/api/v1/users", &two.key, &body)).answer();
        assert_eq!(again.status, 400, "{again}");
        std::mem::swap(&mut one, &mut other);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn of_64_clients_of_two_processes_racing_for_one_email_exactly_one_gets_it() {
    const CLIENTS: usize = 64;
    let two = Two::new();
    let name = two.database().rsplit('/').next().expect("a name");
    for isolation in ["read committed", "serializable"] {
        lines(two.database(), &format!("alter database {name} set default_transaction_isolation = '{isolation}'"));
        let servers = [two.binary.serve(&[]), two.binary.serve(&[])];
        for round in 0..4 {
            let start = Barrier::new(CLIENTS);
            let post = |nth: usize| {
                let mut wire = servers[nth % 2].wire();
                let email = format!("jane{round}@{}.example.com", isolation.replace(' ', "-"));
                let body = format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"{email}"}}"#);
                start.wait();
                wire.send(request("POST", "/api/v1/users", &two.key, &body)).answer().status
            };
            let statuses: Vec<u16> = std::thread::scope(|scope| {
                let post = &post;
                let clients: Vec<_> = (0..CLIENTS).map(|nth| scope.spawn(move || post(nth))).collect();
                clients.into_iter().map(|client| client.join().expect("an answer")).collect()
            });
            let count = |status| statuses.iter().filter(|found| **found == status).count();
            assert_eq!((count(200), count(400)), (1, CLIENTS - 1), "{isolation}, round {round}");
        }
    }
    assert_eq!(assert_whole(two.database(), false).len(), 8);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn totals_are_exact_while_two_processes_create_in_one_organization() {
    const EACH: usize = 20;
    let two = Two::new();
    std::thread::scope(|scope| {
        for nth in 0..16 {
            let two = &two;
            scope.spawn(move || {
                let mut wire = two.servers[nth % 2].wire();
                for count in 0..EACH {
                    let body =
                        format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"user{nth}.{count}@example.com"}}"#);
                    let answer = wire.send(request("POST", "/api/v1/users", &two.key, &body)).answer();
                    assert_eq!(answer.status, 200, "{answer}");
                }
            });
        }
    });
    for server in &two.servers {
        assert_eq!(total(server, &two.key), 16 * EACH as u64);
    }
    assert_eq!(assert_whole(two.database(), false).len(), 16 * EACH);
}

/// Each process, and each command, is one more that counts: the rows it counts in must not become ever more.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn processes_that_come_and_go_leave_few_counters() {
    let two = Two::new();
    for nth in 0..40 {
        let last = format!("Doe {nth}");
        two.binary.print(["user", "create", "--org", &two.org, "--first-name", "Jane", "--last-name", &last]);
    }
    assert_eq!(assert_whole(two.database(), false).len(), 40);
    assert_eq!(total(&two.servers[0], &two.key), 40);
    let counters = number(two.database(), "select count(distinct lane) from role_count where lane < 128");
    let all = number(two.database(), "select count(distinct lane) from role_count");
    assert_eq!(counters, all, "there are 128 at most");
}
