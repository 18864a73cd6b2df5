//! Lists in creation order while several processes write: whoever follows them to the end, or stays there, sees
//! everybody once.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{
    rows::number,
    waiting::{Session, directory, waited_for},
};
use crate::{
    binary::{Binary, PATIENCE},
    postgres::Cluster,
    process::tail,
    roster::{Answer, Client, Roster},
};

const OLDEST_FIRST: &str = "/api/v1/users?sort=createdAt_asc";

fn ids(list: &Value) -> Vec<String> {
    let users = list["data"].as_array().expect("a page");
    users.iter().map(|user| user["publicId"].as_str().expect("an id").to_owned()).collect()
}

fn next_of(answer: &Answer) -> Option<String> {
    let question = answer.header("link").strip_prefix("<")?.strip_suffix(">; rel=\"next\"")?;
    Some(format!("/api/v1/users{question}"))
}

async fn create(client: &Client<'_>, name: &str, role: &str) -> String {
    client.create(json!({"firstName": name, "lastName": "Doe", "role": role})).await
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_walk_in_creation_order_passes_nobody_who_is_held_up() {
    let (_cluster, url, roster) = directory();
    let second = Roster::beside(&url);
    let client = roster.admin().await;
    let other = client.at(&second);
    let zeroth = create(&client, "Zeroth", "PATIENT").await;
    // Patients are counted in this row, technicians in another.
    let session = Session::holding(&url, "select 1 from role_count for update");
    let walked = async {
        waited_for(&url, 1).await;
        // From then on whoever begins to write learns that Zeroth is there.
        let beat = || number(&url, "select max(beat) from writer");
        let begun = beat();
        while beat() < begun + 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let later = [create(&other, "Second", "TECHNICIAN").await, create(&other, "Third", "TECHNICIAN").await];
        let walk = async {
            let (mut all, mut address) = (Vec::new(), format!("{OLDEST_FIRST}&pageSize=2"));
            loop {
                let page = other.get(&address).await;
                assert_eq!(page.status, StatusCode::OK, "{page}");
                all.extend(ids(&page.body));
                match next_of(&page) {
                    Some(next) => address = next,
                    None => return all,
                }
            }
        };
        let released = async {
            // So long is a page that does not wait given to be wrong.
            tokio::time::sleep(Duration::from_millis(300)).await;
            session.commit();
        };
        (tokio::join!(walk, released).0, later)
    };
    let (first, (walked, [second, third])) = tokio::join!(create(&client, "First", "PATIENT"), walked);
    assert_eq!(walked, [zeroth, first, second, third]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn who_was_created_anywhere_is_the_last_of_the_list_at_once() {
    let (_cluster, url, roster) = directory();
    let second = Roster::beside(&url);
    let client = roster.admin().await;
    let [mut one, mut other] = [client.clone(), client.at(&second)];
    for nth in 1..=20 {
        let id = create(&one, "Jane", "PATIENT").await;
        for client in [&other, &one] {
            let list = client.get(&format!("{OLDEST_FIRST}&pageSize=100")).await;
            assert_eq!(list.body["pagination"]["totalCount"], nth, "{list}");
            assert_eq!(ids(&list.body).last(), Some(&id), "{list}");
        }
        std::mem::swap(&mut one, &mut other);
    }
}

/// Its clock is behind, and it has never written before.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_process_whose_clock_is_behind_writes_after_those_who_were_listed() {
    let (_cluster, url, roster) = directory();
    let client = roster.admin().await;
    let before = create(&client, "Jane", "PATIENT").await;
    let list = client.get(OLDEST_FIRST).await;
    assert_eq!(ids(&list.body), std::slice::from_ref(&before));
    roster.app().store().close().await;
    let second = Roster::beside(&url);
    second.set_clock(crate::roster::NOW - 3_600_000);
    let other = client.at(&second);
    let after = create(&other, "Jane", "PATIENT").await;
    let list = other.get(&format!("{OLDEST_FIRST}&cursor={before}")).await;
    assert_eq!(ids(&list.body), [after]);
}

/// A process that was killed cannot say that it writes no more: it is waited for, for some seconds.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_process_that_died_is_waited_for_and_then_not_any_more() {
    let (_cluster, url, roster) = directory();
    let client = roster.admin().await;
    Session::holding(&url, "insert into writer (number, floor, beat) values (7, 1, 1)").commit();
    let id = create(&client, "Jane", "PATIENT").await;
    let newest_first = client.get("/api/v1/users").await;
    assert_eq!(ids(&newest_first.body), std::slice::from_ref(&id), "a list of the newest first waits for nobody");
    let started = Instant::now();
    let mut list = client.get(OLDEST_FIRST).await;
    assert_eq!(list.status, StatusCode::SERVICE_UNAVAILABLE, "{list}");
    while list.status != StatusCode::OK {
        assert!(started.elapsed() < PATIENCE, "it is waited for for ever");
        list = client.get(OLDEST_FIRST).await;
    }
    println!("waited for {:?}", started.elapsed());
    assert_eq!(ids(&list.body), [id]);
    assert_eq!(number(&url, "select count(*) from writer where number = 7"), 0);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn whoever_ends_in_order_is_waited_for_by_nobody() {
    let cluster = Cluster::shared();
    let binary = Binary::on(&cluster.database());
    let (org, key) = binary.organization_with_admin();
    let writers = || number(binary.database_url(), "select count(*) from writer where number > 0");
    binary.print(["user", "create", "--org", &org, "--first-name", "Jane", "--last-name", "Doe"]);
    assert_eq!(writers(), 0);
    let server = binary.serve(&[]);
    assert_eq!(server.create(&key, "jane@example.com").0, 200);
    assert_eq!(writers(), 1);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert_eq!(writers(), 0);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn whoever_stays_at_the_end_of_the_list_sees_everybody_whom_six_create() {
    let cluster = Cluster::shared();
    tail::sees_everybody(&Binary::on(&cluster.database()));
}
