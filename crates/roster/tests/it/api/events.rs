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

/// Where an answer says that there is more.
fn more(answer: &Answer) -> Option<String> {
    let query = answer.header("link").strip_prefix("<?")?.strip_suffix(">; rel=\"next\"")?;
    Some(format!("{EVENTS}?{query}"))
}

/// The id of the last event of an answer.
fn last(answer: &Answer) -> String {
    let events = answer.body["data"].as_array().expect("events");
    events.last().expect("an event")["publicId"].as_str().expect("an id").to_owned()
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
      ]
    }
    "#);
}

#[tokio::test]
async fn an_event_is_in_the_documented_order_of_members() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.get("/api/v1/events?pageSize=1").await;
    assert_snapshot!(answer.text, @r#"{"data":[{"publicId":"evt_100000000000_000000000001","type":"organization.created","createdAt":"2025-01-15T10:30:00.000Z","data":{"publicId":"org_100000000000"}}]}"#);
    assert_snapshot!(answer.header("link"), @r#"<?pageSize=1&cursor=evt_100000000000_000000000001>; rel="next""#);
}

#[tokio::test]
async fn whoever_asks_after_the_last_event_seen_hears_of_what_is_new() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let seen = admin.get(EVENTS).await;
    let after = format!("{EVENTS}?cursor={}", last(&seen));
    for _ in 0..2 {
        let nothing = admin.get(&after).await;
        assert_eq!((told(&nothing), more(&nothing)), (vec![], None));
    }
    let user = jane(&admin).await;
    let new = admin.get(&after).await;
    assert_eq!((told(&new), more(&new)), (vec![("user.created".to_owned(), user)], None));
}

/// The names that the feed had before it had those of every other list.
#[tokio::test]
async fn a_reader_that_goes_on_by_another_name_is_told_so() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let answer = admin.get(&format!("{EVENTS}?after=evt_100000000000_000000000002&limit=1")).await;
    assert_eq!(told(&answer).len(), 2, "it is the beginning of the feed");
    assert_snapshot!(answer.header("roster-warning"), @r#"unknown-parameter;name="after", unknown-parameter;name="limit""#);
}

#[tokio::test]
async fn pages_of_any_size_are_the_same_feed() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    for _ in 0..8 {
        jane(&admin).await;
    }
    let whole = told(&admin.get("/api/v1/events?pageSize=100").await);
    assert_eq!(whole.len(), 10);
    for size in [1, 3, 5, 10, 100] {
        let mut read = Vec::new();
        let mut answer = admin.get(&format!("{EVENTS}?pageSize={size}")).await;
        loop {
            let piece = told(&answer);
            assert!((1..=size).contains(&piece.len()), "no page is empty");
            read.extend(piece);
            let Some(next) = more(&answer) else { break };
            assert!(next.ends_with(&format!("&cursor={}", last(&answer))), "{next}");
            answer = admin.get(&next).await;
        }
        assert_eq!(read, whole, "{size} at a time");
    }
    assert_eq!(told(&admin.get(EVENTS).await).len(), 10, "25 unless something else is asked for");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_all_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    assert_snapshot!(admin.get("/api/v1/events?cursor=evt_1&pageSize=101").await, @r#"
    400
    {
      "details": [
        {
          "code": "too_big",
          "message": "Number must be less than or equal to 100",
          "path": [
            "pageSize"
          ]
        },
        {
          "code": "invalid_string",
          "message": "Invalid cursor",
          "path": [
            "cursor"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
    for (query, wrong) in [
        ("pageSize=0", "pageSize"),
        ("pageSize=2.5", "pageSize"),
        ("pageSize=many", "pageSize"),
        ("cursor=", "cursor"),
        ("cursor=usr_1234567890_abc123def", "cursor"),
        ("cursor=evt_100000000000_00000000000", "cursor"),
        ("cursor=evt_100000000000_0000000000001", "cursor"),
        ("cursor=evt_1000000000O0_000000000001", "cursor"),
        ("cursor=evt_100000000000_000000000001&cursor=x", "cursor"),
    ] {
        let answer = admin.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!((answer.status, &answer.body["details"][0]["path"]), (StatusCode::BAD_REQUEST, &json!([wrong])));
    }
    assert_eq!(admin.get("/api/v1/events?pageSize=100&since=x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_cursor_that_is_no_event_of_the_organization_is_not_found() {
    let roster = Roster::new();
    let (one, two) = (roster.organization("Sunrise").await, roster.organization("Moonlight").await);
    let (one, two) = (one.key(Role::Admin).await, two.key(Role::Admin).await);
    let theirs = last(&one.get(EVENTS).await);
    let of_theirs = |number: &str| theirs.split_at(theirs.len() - 12).0.to_owned() + number;
    for (client, cursor) in [
        (&two, &theirs),
        (&one, &of_theirs("000000000000")),
        (&one, &of_theirs("000000000003")),
        (&one, &of_theirs("999999999999")),
    ] {
        let answer = client.get(&format!("{EVENTS}?cursor={cursor}")).await;
        assert_eq!(answer.to_string(), "404\n{\n  \"error\": \"Resource not found\"\n}", "{cursor}");
    }
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
    let mut answer = clinician.get("/api/v1/events?pageSize=1").await;
    let mut read = told(&answer);
    let mut asked = 1;
    while let Some(next) = more(&answer) {
        answer = clinician.get(&next).await;
        read.extend(told(&answer));
        asked += 1;
        assert!(asked < 20);
    }
    assert_eq!(read, [("user.created".to_owned(), patient)]);
    assert_eq!(asked, 6, "each of the six events takes its place in a page");

    for role in [Role::Admin, Role::HippAdmin] {
        let shown = told(&org.key(role).await.get("/api/v1/events?pageSize=100").await);
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
        let mut address = format!("{EVENTS}?pageSize=7");
        for _ in 0..100_000 {
            let ended = written.load(Ordering::SeqCst);
            let answer = admin.get(&address).await;
            let piece = told(&answer);
            if ended && more(&answer).is_none() {
                read.extend(piece);
                return read;
            }
            if !piece.is_empty() {
                address = format!("{EVENTS}?pageSize=7&cursor={}", last(&answer));
            }
            read.extend(piece);
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
