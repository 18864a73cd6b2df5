//! Real conflicts: many clients at once at two processes, on a database whose transactions are serializable.

use hyper::StatusCode;
use roster_directory::Role;
use serde_json::json;

use super::{
    between::Between,
    rows::{assert_whole, number},
};
use crate::{api::together, roster::Client};

const CLIENTS: usize = 64;

fn serializable() -> Between {
    Between::with("default_transaction_isolation = serializable")
}

fn print_conflicts(between: &Between) {
    let [conflicts, deadlocks] = ["40001", "40P01"].map(|code| between.proxy.errors(code));
    println!("{conflicts} serialization failures, {deadlocks} deadlocks");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn of_64_creates_for_one_email_one_wins_and_the_others_hear_that_it_is_taken() {
    let between = serializable();
    let second = between.second();
    let client = between.roster.admin().await;
    let clients = [&client, &client.at(&second)];
    for round in 0..8 {
        let post = |nth: usize| {
            let email = format!("jane{round}@example.com");
            let body = json!({"firstName": "Client", "lastName": format!("Number {nth}"), "email": email});
            clients[nth % 2].post("/api/v1/users", body)
        };
        let answers = together::all((0..CLIENTS).map(post)).await;
        let statuses = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((statuses(StatusCode::OK), statuses(StatusCode::BAD_REQUEST)), (1, CLIENTS - 1), "round {round}");
        assert_eq!(assert_whole(&between.database, false).len(), round + 1);
    }
    print_conflicts(&between);
}

/// Whoever takes them in another order than somebody else would wait in a circle, until the server breaks it.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn creates_for_the_same_emails_in_opposite_orders_do_not_deadlock() {
    let between = Between::new();
    let second = between.second();
    let client = between.roster.admin().await;
    let clients = [&client, &client.at(&second)];
    for round in 0..8 {
        let post = |nth: usize| {
            let half = CLIENTS / 2;
            let name = if nth < half { nth } else { CLIENTS - 1 - nth };
            let email = format!("user{round}.{name}@example.com");
            clients[nth / half].post("/api/v1/users", json!({"firstName": "Jane", "lastName": "Doe", "email": email}))
        };
        let answers = together::all((0..CLIENTS).map(post)).await;
        let taken = answers.iter().filter(|answer| answer.status == StatusCode::BAD_REQUEST).count();
        assert_eq!(taken, CLIENTS / 2, "round {round}");
    }
    assert_eq!(assert_whole(&between.database, false).len(), 8 * CLIENTS / 2);
    assert_eq!(between.proxy.errors("40P01"), 0, "deadlocks");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn creates_in_one_organization_are_all_made_and_all_counted() {
    let between = serializable();
    let second = between.second();
    let client = between.roster.admin().await;
    let clients = [&client, &client.at(&second)];
    for round in 0..8 {
        let create = |nth: usize| {
            let email = format!("user{round}.{nth}@example.com");
            clients[nth % 2].create(json!({"firstName": "Jane", "lastName": "Doe", "email": email}))
        };
        together::all((0..CLIENTS).map(create)).await;
    }
    let list = client.get("/api/v1/users").await;
    assert_eq!(list.body["pagination"]["totalCount"], 8 * CLIENTS);
    assert_eq!(assert_whole(&between.database, false).len(), 8 * CLIENTS);
    print_conflicts(&between);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn keys_that_are_revoked_at_once_are_all_refused() {
    let between = serializable();
    let org = between.roster.organization("Example Organization").await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = org.key(Role::Admin).await;
        assert_eq!(client.get("/api/v1/me").await.status, StatusCode::OK);
        clients.push(client);
    }
    let second = between.second();
    let apps = [between.roster.app(), second.app()];
    let revoke = |(nth, client): (usize, &Client<'_>)| apps[nth % 2].revoke_key(&org.operator, client.key_id());
    let revoked = together::all(clients.iter().enumerate().map(revoke)).await;
    for (client, revoked) in clients.iter().zip(revoked) {
        revoked.expect("revoked");
        assert_eq!(client.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    }
    let entries = number(&between.database, "select count(distinct target) from audit where action = 'key.revoked'");
    assert_eq!(entries, CLIENTS as i64);
    assert!(between.proxy.errors("40001") > 0, "all of them change the epoch");
    print_conflicts(&between);
}
