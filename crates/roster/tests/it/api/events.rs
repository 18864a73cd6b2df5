//! `GET /api/v1/events`

use std::sync::atomic::{AtomicBool, Ordering};

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::Role;
use serde_json::{Value, json};

use super::together::all;
use crate::roster::{Answer, Client, Roster};

const EVENTS: &str = "/api/v1/events";

/// Type and target of each event of an answer.
fn told(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let events = answer.body["data"].as_array().expect("events");
    events.iter().map(|event| (text(&event["type"]), text(&event["data"]["publicId"]))).collect()
}

/// Where an answer says to go on.
fn next(answer: &Answer, limit: u32) -> String {
    format!("{EVENTS}?limit={limit}&after={}", answer.body["cursor"].as_str().expect("a cursor"))
}

async fn jane(client: &Client<'_>) -> String {
    client.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await
}

#[tokio::test]
async fn the_feed_says_what_happened_to_what_and_nothing_more() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    jane(&admin).await;
    assert_snapshot!(admin.get(EVENTS).await, @r#"
    200
    {
      "cursor": "evt_100000000000_000000000003",
      "data": [
        {
          "createdAt": "2025-01-15T10:30:00.000Z",
          "data": {
            "publicId": "org_100000000000"
          },
          "publicId": "evt_100000000000_000000000001",
          "type": "organization.created"
        },
        {
          "createdAt": "2025-01-15T10:30:00.000Z",
          "data": {
            "publicId": "key_300000000000"
          },
          "publicId": "evt_100000000000_000000000002",
          "type": "key.created"
        },
        {
          "createdAt": "2025-01-15T10:30:00.000Z",
          "data": {
            "publicId": "usr_1736937000_006000000"
          },
          "publicId": "evt_100000000000_000000000003",
          "type": "user.created"
        }
      ],
      "hasMore": false
    }
    "#);
}

#[tokio::test]
async fn an_event_is_in_the_documented_order_of_members() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    assert_snapshot!(admin.get("/api/v1/events?limit=1").await.text, @r#"{"data":[{"publicId":"evt_100000000000_000000000001","type":"organization.created","createdAt":"2025-01-15T10:30:00.000Z","data":{"publicId":"org_100000000000"}}],"cursor":"evt_100000000000_000000000001","hasMore":true}"#);
}

#[tokio::test]
async fn a_cursor_leads_on_and_stays_where_nothing_is_new() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let seen = admin.get(EVENTS).await;
    let nothing = admin.get(&next(&seen, 25)).await;
    assert_eq!((told(&nothing), &nothing.body["hasMore"]), (vec![], &json!(false)));
    assert_eq!(nothing.body["cursor"], seen.body["cursor"]);
    let user = jane(&admin).await;
    let new = admin.get(&next(&nothing, 25)).await;
    assert_eq!(told(&new), [("user.created".to_owned(), user)]);
    assert_ne!(new.body["cursor"], seen.body["cursor"]);
}

#[tokio::test]
async fn pages_of_any_size_are_the_same_feed() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for _ in 0..8 {
        jane(&admin).await;
    }
    let whole = told(&admin.get("/api/v1/events?limit=100").await);
    assert_eq!(whole.len(), 10);
    for limit in [1, 3, 10, 100] {
        let mut read = Vec::new();
        let mut answer = admin.get(&format!("{EVENTS}?limit={limit}")).await;
        loop {
            let piece = told(&answer);
            assert!(piece.len() <= limit as usize);
            read.extend(piece);
            if answer.body["hasMore"] == false {
                break;
            }
            answer = admin.get(&next(&answer, limit)).await;
        }
        assert_eq!(read, whole, "{limit} at a time");
    }
    assert_eq!(told(&admin.get(EVENTS).await).len(), 10, "25 unless something else is asked for");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_all_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    assert_snapshot!(admin.get("/api/v1/events?after=evt_1&limit=101").await, @r#"
    400
    {
      "details": [
        {
          "code": "invalid_string",
          "message": "Invalid after format",
          "path": [
            "after"
          ]
        },
        {
          "code": "too_big",
          "message": "Number must be less than or equal to 100",
          "path": [
            "limit"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
    for (query, wrong) in [
        ("limit=0", "limit"),
        ("limit=2.5", "limit"),
        ("limit=many", "limit"),
        ("after=", "after"),
        ("after=usr_1234567890_abc123def", "after"),
        ("after=evt_100000000000_00000000000", "after"),
        ("after=evt_100000000000_0000000000001", "after"),
        ("after=evt_1000000000O0_000000000001", "after"),
        ("after=evt_100000000000_000000000001&after=x", "after"),
    ] {
        let answer = admin.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!((answer.status, &answer.body["details"][0]["path"]), (StatusCode::BAD_REQUEST, &json!([wrong])));
    }
    assert_eq!(admin.get("/api/v1/events?limit=100&since=x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_cursor_of_another_organization_is_not_found_and_one_beyond_the_end_has_nothing_after_it() {
    let roster = Roster::new();
    let (one, two) = (roster.organization("Sunrise").await, roster.organization("Moonlight").await);
    let (one, two) = (one.key(Role::Admin).await, two.key(Role::Admin).await);
    let theirs = one.get(EVENTS).await.body["cursor"].as_str().expect("a cursor").to_owned();
    let answer = two.get(&format!("{EVENTS}?after={theirs}")).await;
    assert_snapshot!(answer, @r#"
    404
    {
      "error": "Resource not found"
    }
    "#);

    let beyond = theirs.split_at(theirs.len() - 12).0.to_owned() + "999999999999";
    let answer = one.get(&format!("{EVENTS}?after={beyond}")).await;
    assert_eq!((told(&answer), answer.body["cursor"].as_str()), (vec![], Some(&*beyond)));
}

#[tokio::test]
async fn nobody_hears_of_users_it_may_not_read() {
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let clinician = org.key(Role::Clinician).await;
    let hidden = [
        org.user("Ann", "Lee", Role::HippAdmin).await,
        org.user("Ben", "Lee", Role::Admin).await,
        org.user("Cleo", "Lee", Role::HippBillingManager).await,
    ];
    let patient = org.user("Dan", "Lee", Role::Patient).await;
    let answer = clinician.get(EVENTS).await;
    assert_eq!(told(&answer), [("user.created".to_owned(), patient.clone())], "neither keys nor organizations, either");

    // What is not shown is passed over: a poller comes to what is.
    let mut answer = clinician.get("/api/v1/events?limit=1").await;
    let mut read = told(&answer);
    let mut asked = 1;
    while answer.body["hasMore"] == true {
        answer = clinician.get(&next(&answer, 1)).await;
        read.extend(told(&answer));
        asked += 1;
        assert!(asked < 20);
    }
    assert_eq!(read, [("user.created".to_owned(), patient)]);
    assert_eq!(asked, 7, "each of the six events takes its place in a page");

    for role in [Role::Admin, Role::HippAdmin] {
        let shown = told(&org.key(role).await.get("/api/v1/events?limit=100").await);
        let shows = |id: &String| shown.iter().any(|(_, target)| target == id);
        assert!(!shows(&hidden[0]), "{role} is not shown a HIPP_ADMIN");
        assert!(shows(&hidden[1]) && shows(&hidden[2]), "{role}");
    }
}

#[tokio::test]
async fn a_feed_that_is_read_while_sixteen_write_is_the_audit_trail() {
    const WRITERS: usize = 16;
    const EACH: usize = 15;
    let roster = Roster::new();
    let org = roster.organization("Example Organization").await;
    let admin = org.key(Role::Admin).await;
    let written = AtomicBool::new(false);
    let writers = async {
        let each = |_| async {
            for _ in 0..EACH {
                jane(&admin).await;
            }
        };
        all((0..WRITERS).map(each)).await;
        written.store(true, Ordering::SeqCst);
    };
    let reader = async {
        let mut read = Vec::new();
        let mut address = format!("{EVENTS}?limit=7");
        for _ in 0..100_000 {
            let ended = written.load(Ordering::SeqCst);
            let answer = admin.get(&address).await;
            read.extend(told(&answer));
            if ended && answer.body["hasMore"] == false {
                return read;
            }
            address = next(&answer, 7);
            tokio::task::yield_now().await;
        }
        panic!("the feed does not end: {} events", read.len());
    };
    let (mut read, ()) = tokio::join!(reader, writers);
    let audit = roster.app().store().audit(org.id(), 1_000).await.expect("the audit trail");
    let mut remembered: Vec<_> = audit.into_iter().rev().map(|entry| (entry.action, entry.target)).collect();
    assert_eq!(remembered.len(), 2 + WRITERS * EACH);
    if crate::postgres::cluster().is_some() {
        // There the feed has the order in which the entries became known, and the trail that of their moments.
        read.sort_unstable();
        remembered.sort_unstable();
    }
    assert_eq!(read, remembered);
}
