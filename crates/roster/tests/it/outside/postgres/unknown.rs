//! Changes whose outcome nobody hears of: they are never told as if nothing had been written.

use std::time::Instant;

use hyper::StatusCode;
use serde_json::json;

use super::{
    between::Between,
    failover::signal,
    proxy::{Act, Proxy},
    rows::{assert_whole, lines, number},
};
use crate::{
    binary::{Binary, PATIENCE, Server},
    postgres::{Cluster, psql},
    roster::{Answer, Client},
    wire::{WireAnswer as Heard, request},
};

const UNKNOWN: &str = r#"{"error":"The outcome is not known"}"#;

/// The id in the address that a 504 gives.
fn told(answer: &Answer, collection: &str) -> String {
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::GATEWAY_TIMEOUT, UNKNOWN), "{answer}");
    assert_eq!(answer.header("retry-after"), "");
    let id = answer.header("location").strip_prefix(collection).expect("an address");
    id.to_owned()
}

async fn create(client: &Client<'_>) -> Answer {
    client.post("/api/v1/users", json!({"firstName": "Jane", "lastName": "Doe"})).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_create_whose_answer_is_swallowed_is_unknown_and_there() {
    let between = Between::new();
    let client = between.roster.admin().await;
    between.proxy.decide(|request| if request.adds_users() { Act::Swallow } else { Act::Pass });
    let started = Instant::now();
    let id = told(&create(&client).await, "/api/v1/users/");
    println!("504 after {:?}", started.elapsed());
    between.proxy.pass();
    assert_eq!(client.get(&format!("/api/v1/users/{id}")).await.status, StatusCode::OK);
    assert_eq!(assert_whole(&between.database, false).len(), 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn each_of_a_batch_whose_answer_is_swallowed_hears_of_its_own_id() {
    let between = Between::new();
    let client = between.roster.admin().await;
    between.proxy.decide(|request| if request.adds_users() { Act::Swallow } else { Act::Pass });
    let answers = crate::api::together::all((0..8).map(|_| create(&client))).await;
    between.proxy.pass();
    let there = assert_whole(&between.database, false);
    let mut ids: Vec<String> = Vec::new();
    for answer in answers {
        match answer.status {
            // Both lanes were taken for as long as it could wait: it was never sent.
            StatusCode::SERVICE_UNAVAILABLE => assert_eq!(answer.header("retry-after"), "1"),
            _ => ids.push(told(&answer, "/api/v1/users/")),
        }
    }
    ids.sort_unstable();
    assert_eq!(ids, there.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_change_whose_commit_is_not_answered_is_unknown_and_there() {
    let between = Between::new();
    let client = between.roster.admin().await;
    let kept = client.webhook("https://example.com/kept").await;
    between.proxy.decide(|request| if request.sql.eq_ignore_ascii_case("commit") { Act::Swallow } else { Act::Pass });
    let answer = client.post("/api/v1/webhooks", json!({"url": "https://example.com/hook"})).await;
    let id = told(&answer, "/api/v1/webhooks/");
    assert_eq!(told(&client.act(&format!("/api/v1/webhooks/{kept}/pause")).await, "/api/v1/webhooks/"), kept);
    between
        .proxy
        .decide(|request| if request.runs && request.sql.contains("with moved") { Act::Swallow } else { Act::Pass });
    let test = client.act(&format!("/api/v1/webhooks/{kept}/test")).await;
    let delivery = told(&test, &format!("/api/v1/webhooks/{kept}/deliveries/"));
    between.proxy.pass();
    for path in [&id, &kept, &format!("{kept}/deliveries/{delivery}")] {
        let there = client.get(&format!("/api/v1/webhooks/{path}")).await;
        assert_eq!(there.status, StatusCode::OK, "{path}: {there}");
    }
}

/// The connection is lost with the answer, and nobody can be asked any more.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_create_that_cannot_be_looked_up_is_unknown() {
    let between = Between::new();
    let client = between.roster.admin().await;
    let mut first = true;
    between.proxy.decide(move |request| match request.adds_users() {
        true if std::mem::take(&mut first) => Act::CutAfter,
        true => Act::CutBefore,
        false => Act::Pass,
    });
    let id = told(&create(&client).await, "/api/v1/users/");
    between.proxy.pass();
    assert_eq!(client.get(&format!("/api/v1/users/{id}")).await.status, StatusCode::OK);
    assert_eq!(assert_whole(&between.database, false).len(), 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn what_was_never_sent_is_told_to_try_again() {
    let between = Between::new();
    let client = between.roster.admin().await;
    between.proxy.cut();
    // It is still to be prepared.
    let prepares = |sql: &str| sql.contains("insert into users") || sql.contains("insert into webhook");
    between.proxy.decide(move |request| if prepares(&request.sql) { Act::Stall } else { Act::Pass });
    for answer in
        [create(&client).await, client.post("/api/v1/webhooks", json!({"url": "https://example.com/hook"})).await]
    {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
        assert_eq!(answer.header("retry-after"), "1");
    }
    between.proxy.cut();
    between.proxy.pass();
    assert_eq!(number(&between.database, "select (select count(*) from users) + (select count(*) from webhook)"), 0);
}

/// The server has undone it, and says so: that is a 503 worth its word.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_create_that_was_cancelled_in_time_is_told_to_try_again() {
    let (_cluster, url, roster) = super::waiting::directory();
    let client = roster.admin().await;
    create(&client).await;
    let session = super::waiting::Session::holding(&url, "select 1 from role_count for update");
    let answer = create(&client).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    session.commit();
    assert_eq!(assert_whole(&url, false).len(), 1);
}

/// Has a server wait at each commit for a standby that never was.
fn haunted(cluster: &Cluster) {
    let url = format!("{}/postgres", cluster.url());
    psql(&url, "alter system set synchronous_standby_names = 'ghost'");
    psql(&url, "select pg_reload_conf()");
}

fn laid(cluster: &Cluster) {
    let url = format!("{}/postgres", cluster.url());
    psql(&url, "alter system reset synchronous_standby_names");
    psql(&url, "select pg_reload_conf()");
}

fn post(server: &Server, key: &str, path: &str, body: &str) -> Heard {
    server.wire().send(request("POST", path, key, body)).answer()
}

/// The first answer that is not a 200: what is created until the setting has reached the server is answered so.
fn first_that_is_held_up(server: &Server, key: &str) -> Heard {
    let body = r#"{"firstName":"Jane","lastName":"Doe"}"#;
    let mut answers = (0..1_000_000).map(|_| post(server, key, "/api/v1/users", body));
    answers.find(|answer| answer.status != 200).expect("commits wait")
}

fn address(answer: &Heard) -> String {
    assert_eq!(answer.to_string(), format!("504 {UNKNOWN}"));
    assert_eq!(answer.header("retry-after"), None);
    answer.header("location").expect("an address").to_owned()
}

/// The wait for a standby is cut short by the server's word "success": it is on this machine, and nowhere else.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn what_no_standby_has_acknowledged_is_unknown_and_there() {
    let cluster = Cluster::start(&["fsync=off"]);
    let binary = Binary::on(&cluster.database());
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    assert_eq!(server.create(&key, "jane@example.com").0, 200);
    haunted(&cluster);
    let user = address(&first_that_is_held_up(&server, &key));
    assert_eq!(server.request("GET", &user, &key, "").0, 200);
    let webhook =
        address(&post(&server, &key, "/api/v1/webhooks", r#"{"url":"https://example.com/hook","events":[]}"#));
    assert_eq!(server.request("GET", &webhook, &key, "").0, 200);
    // Whatever it is told further on: what was told 503 is not there.
    for nth in 0..3 {
        let email = format!("again{nth}@example.com");
        let (status, said) = server.create(&key, &email);
        let there = number(binary.database_url(), &format!("select count(*) from users where email = '{email}'"));
        assert!(status == 504 || (status, there) == (503, 0), "{status} {said}, and there are {there}");
    }
    laid(&cluster);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_create_at_whose_commit_the_server_stops_dead_is_unknown_and_may_be_there_later() {
    let cluster = Cluster::start(&["fsync=off"]);
    let binary = Binary::on(&cluster.database());
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    assert_eq!(server.create(&key, "jane@example.com").0, 200);
    haunted(&cluster);
    let user = std::thread::scope(|scope| {
        let held_up = scope.spawn(|| first_that_is_held_up(&server, &key));
        let committing = "select count(*) from pg_stat_activity where wait_event = 'SyncRep' \
                          and query like '%insert into users%'";
        let started = Instant::now();
        while number(binary.database_url(), committing) == 0 {
            assert!(started.elapsed() < PATIENCE, "no commit waits");
        }
        signal(&cluster, "STOP");
        address(&held_up.join().expect("an answer"))
    });
    signal(&cluster, "CONT");
    laid(&cluster);
    let started = Instant::now();
    while server.request("GET", &user, &key, "").0 != 200 {
        assert!(started.elapsed() < PATIENCE, "it is not there");
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_command_names_whose_outcome_is_not_known_and_an_import_each_line() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let (org, _) = Binary::on(&database).organization_with_admin();
    let proxy = Proxy::before(cluster.port());
    let binary = Binary::on(&proxy.url(&database));
    proxy.decide(|request| if request.adds_users() { Act::Swallow } else { Act::Pass });
    let user = r#"{"firstName":"Jane","lastName":"Doe"}"#;
    std::fs::write(binary.path().join("users.jsonl"), format!("{user}\n{user}\n")).expect("written");
    let complaint = binary.complaint(["import", "--org", &org, "users.jsonl"]);
    let ids = lines(&database, "select id from users order by place");
    assert_eq!(ids.len(), 2);
    for (nth, id) in (1..).zip(&ids) {
        let said = format!("line {nth}: the outcome is not known: look at {id} before you do it again");
        assert!(complaint.contains(&said), "{said}: {complaint}");
    }
    assert!(complaint.starts_with("1: "), "{complaint}");
    proxy.decide(|request| if request.sql.eq_ignore_ascii_case("commit") { Act::Swallow } else { Act::Pass });
    let complaint = binary.complaint(["payor", "create", "--org", &org, "Aetna"]);
    let payor = lines(&database, "select id from payor").remove(0);
    let said = format!("1: roster: the outcome is not known: look at {payor} before you do it again");
    assert!(complaint.starts_with(&said), "{complaint}");
}
