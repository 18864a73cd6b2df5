//! `providerPayors`: those that exist are assigned, the others skipped and named.

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::{Role, UserId};
use serde_json::{Value, json};

use super::{USERS, john, wrong};
use crate::roster::{Answer, Client, Roster};

/// Creates somebody with these payors; the answer, and the ids of the payors that were assigned.
async fn create_with(roster: &Roster, client: &Client<'_>, payors: Value) -> (Answer, Vec<String>) {
    let answer = client.post(USERS, john(json!({ "providerPayors": payors }))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let id = UserId::parse(answer.body["user"]["publicId"].as_str().expect("an id")).expect("an id");
    let payors = roster.app().store().payors_of(client.organization_id(), id).await.expect("a read");
    (answer, payors.iter().map(|payor| payor.id.to_string()).collect())
}

#[tokio::test]
async fn payors_that_exist_are_assigned() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let (one, two) = (org.payor("Example Health").await, org.payor("Sample Care").await);
    let (answer, mut assigned) = create_with(&roster, &admin, json!([two, one])).await;
    assigned.sort();
    let mut both = [one.clone(), two];
    both.sort();
    assert_eq!(assigned, both);
    assert_eq!(answer.header("roster-warning"), "");
    let (answer, assigned) = create_with(&roster, &admin, json!([])).await;
    assert_eq!((assigned.len(), answer.header("roster-warning")), (0, ""));
    let (answer, assigned) = create_with(&roster, &admin, json!([one, one, one])).await;
    assert_eq!(assigned, [one], "a payor that is named again is assigned once");
    assert_eq!(answer.header("roster-warning"), "");
}

#[tokio::test]
async fn payors_that_do_not_exist_are_skipped_and_named() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let known = org.payor("Example Health").await;
    let given = json!([
        "abc123",
        known,
        "pay_000000000000",
        "",
        "an \"id\"; x=1",
        "\r\nSet-Cookie: a=b",
        "a\0b",
        "é",
        known.to_uppercase()
    ]);
    let (answer, assigned) = create_with(&roster, &admin, given).await;
    assert_eq!(assigned, [known]);
    assert_snapshot!(answer.header("roster-warning").replace(", ", "\n"), @r#"
    unknown-payor;index=0;id="abc123"
    unknown-payor;index=2;id="pay_000000000000"
    unknown-payor;index=3;id=""
    unknown-payor;index=4
    unknown-payor;index=5
    unknown-payor;index=6
    unknown-payor;index=7
    unknown-payor;index=8;id="PAY_500000000000"
    "#);
}

#[tokio::test]
async fn a_payor_of_another_organization_is_one_that_does_not_exist() {
    let roster = Roster::new();
    let here = roster.organization("Here").await;
    let there = roster.organization("There").await;
    let theirs = there.payor("Example Health").await;
    let admin = here.key(Role::Admin).await;
    let (answer, assigned) = create_with(&roster, &admin, json!([theirs])).await;
    assert_eq!(assigned.len(), 0);
    assert_eq!(answer.header("roster-warning"), format!("unknown-payor;index=0;id=\"{theirs}\""));
}

#[tokio::test]
async fn many_unknown_payors_are_counted_rather_than_named() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let unknown: Vec<String> = (0..100).map(|n| format!("{n:0>64}")).collect();
    let (answer, _) = create_with(&roster, &admin, json!(unknown)).await;
    let warning = answer.header("roster-warning");
    assert_eq!(warning.matches("unknown-payor;index=").count(), 20);
    assert!(warning.ends_with(", more-unknown-payors;count=80"), "{warning}");
    assert!(warning.len() < 4_096, "a header that every client takes: {}", warning.len());
}

#[tokio::test]
async fn payors_are_at_most_a_hundred_strings() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut said = Vec::new();
    for payors in
        [json!("abc123"), json!({ "0": "abc123" }), json!([null]), json!([["abc123"]]), json!(["a", 1, "b", true])]
    {
        said.push(wrong(&admin, json!({ "providerPayors": payors })).await);
    }
    let mut many = vec![json!("x"); 101];
    many[100] = json!(7);
    said.push(wrong(&admin, json!({ "providerPayors": many })).await);
    assert_snapshot!(said.join("\n"), @"
    invalid_type providerPayors: Expected array, received string
    invalid_type providerPayors: Expected array, received object
    invalid_type providerPayors.0: Expected string, received null
    invalid_type providerPayors.0: Expected string, received array
    invalid_type providerPayors.1: Expected string, received number
    invalid_type providerPayors.3: Expected string, received boolean
    too_big providerPayors: Array must contain at most 100 element(s)
    ");
}

#[tokio::test]
async fn every_warning_stands_in_one_header() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let body = john(json!({ "providerPayors": ["abc123"], "npiNumber": "1234567890", "phoneNumber": "+1234567890" }));
    let answer = admin.post(USERS, body).await;
    assert_eq!(answer.headers.get_all("roster-warning").iter().count(), 1);
    assert_snapshot!(answer.header("roster-warning"), @r#"unknown-payor;index=0;id="abc123", npi-check-digit, phone-unreachable"#);
}
