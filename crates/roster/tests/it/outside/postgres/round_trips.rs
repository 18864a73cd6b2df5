//! What an act costs in round trips to the database, counted on the wire.
//!
//! Each statement is prepared once on each connection, which is another round trip: that is left out here.

use hyper::StatusCode;
use serde_json::json;

use super::{between::Between, proxy::Request};
use crate::{api::together, roster::Client};

/// The first words of what ran, in order.
fn ran(requests: &[Request]) -> Vec<String> {
    let words = |request: &Request| request.sql.split_whitespace().take(4).collect::<Vec<_>>().join(" ");
    // What a process says of itself ten times a second is nobody's act.
    let acts = requests.iter().filter(|request| request.runs && !request.sql.contains("from writer order"));
    acts.filter(|request| !request.sql.contains("writer set")).map(words).collect()
}

const EPOCH: &str = "select e.number, g.lane, g.number,";
const ADD_USERS: &str = "with input as (select";

async fn create(client: &Client<'_>, nth: usize) -> String {
    let email = format!("jane{nth}@example.com");
    client.create(json!({"firstName": "Jane", "lastName": "Doe", "email": email})).await
}

/// Somebody whose key is known.
async fn known(between: &Between) -> Client<'_> {
    let client = between.roster.admin().await;
    create(&client, 1_000).await;
    between.proxy.requests();
    client
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_create_is_one_statement_and_whoever_is_alone_asks_for_the_epoch() {
    let between = Between::new();
    let client = known(&between).await;
    create(&client, 0).await;
    assert_eq!(ran(&between.proxy.requests()), [EPOCH, ADD_USERS], "2 round trips for a lone create");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_get_is_one_statement_and_none_when_it_was_answered_before() {
    let between = Between::new();
    let client = known(&between).await;
    let id = create(&client, 0).await;
    between.proxy.requests();
    let path = format!("/api/v1/users/{id}");
    assert_eq!(client.get(&path).await.status, StatusCode::OK);
    let select = "select id, first_name, last_name,";
    assert_eq!(ran(&between.proxy.requests()), [EPOCH, select], "2 round trips for the first get");
    assert_eq!(client.get(&path).await.status, StatusCode::OK);
    assert_eq!(ran(&between.proxy.requests()), [EPOCH], "1 round trip for those that follow");
    assert_eq!(client.get("/api/v1/users").await.status, StatusCode::OK);
    assert_eq!(
        ran(&between.proxy.requests()),
        [EPOCH, "with counted as materialized"],
        "2 round trips for a page and its total"
    );
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_patch_reads_the_user_and_is_one_statement() {
    let between = Between::new();
    let client = known(&between).await;
    let id = create(&client, 0).await;
    let path = format!("/api/v1/users/{id}");
    between.proxy.requests();
    for body in [json!({"firstName": "Ann"}), json!({"email": "ann@example.com", "shouldSendSMS": true})] {
        assert_eq!(client.patch(&path, body).await.status, StatusCode::OK);
        let select = "select id, first_name, last_name,";
        assert_eq!(
            ran(&between.proxy.requests()),
            [EPOCH, select, "with input as (select"],
            "the epoch, and 2 round trips"
        );
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn creates_that_come_together_share_epochs_and_statements() {
    let between = Between::new();
    let client = known(&between).await;
    together::all((0..64).map(|nth| create(&client, nth))).await;
    let ran = ran(&between.proxy.requests());
    let [epochs, statements] = [EPOCH, ADD_USERS].map(|words| ran.iter().filter(|ran| *ran == words).count());
    println!("64 creates at once: {epochs} round trips for the epoch, {statements} for the users");
    assert_eq!(epochs + statements, ran.len(), "and nothing else: {ran:?}");
    assert!(epochs < 32 && statements < 32, "{epochs} for the epoch, {statements} for the users");
}
