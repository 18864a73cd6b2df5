//! What time it is, where the clock is set and goes wrong.

use std::time::Instant;

use hyper::StatusCode;
use roster::app::{Ends, Error, NewKey};
use roster_directory::{Role, Timestamp};
use roster_store::Repaired;
use serde_json::{Value, json};

use crate::{
    binary::PATIENCE,
    roster::{Client, NOW, Roster},
};

const HOUR: i64 = 60 * 60 * 1_000;
const DAY: i64 = 24 * HOUR;
/// 2100-01-01T00:00:00Z
const FAR: i64 = 4_102_444_800_000;
/// 9999-12-31T23:59:59.999Z
const NEVER: i64 = 253_402_300_799_999;

fn john() -> Value {
    json!({ "firstName": "John", "lastName": "Doe" })
}

async fn status(client: &Client<'_>) -> StatusCode {
    client.get("/api/v1/users").await.status
}

#[tokio::test]
async fn a_key_that_was_over_stays_over_when_the_clock_goes_back() {
    let roster = Roster::new();
    let client = roster.organization("Example Organization").await.key_for(Role::Admin, Some(HOUR)).await;
    assert_eq!(status(&client).await, StatusCode::OK);
    roster.set_clock(NOW + 2 * HOUR);
    assert_eq!(status(&client).await, StatusCode::UNAUTHORIZED);
    roster.step_clock(NOW);
    assert_eq!(status(&client).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_key_that_was_over_stays_over_after_a_start_with_an_earlier_clock() {
    let roster = Roster::new();
    let key = roster.organization("Example Organization").await.key_for(Role::Admin, Some(HOUR)).await;
    let key = key.authorization().to_owned();
    let roster = roster.restarted_at(NOW + 1_000).await;
    assert_eq!(status(&roster.stranger().authorized_by(&key)).await, StatusCode::OK);
    roster.set_clock(NOW + 2 * HOUR);
    // What the server does once a minute. Nobody wrote anything meanwhile.
    roster.app().keep_time().await.expect("a database");
    let roster = roster.restarted_at(NOW + 1_000).await;
    assert_eq!(status(&roster.stranger().authorized_by(&key)).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_moment_of_a_change_is_kept_with_it() {
    for adds_a_user in [true, false] {
        let roster = Roster::new();
        let here = roster.organization("Example Organization").await;
        let key = here.key_for(Role::Admin, Some(HOUR)).await.authorization().to_owned();
        roster.set_clock(NOW + 2 * HOUR);
        match adds_a_user {
            true => drop(here.user("John", "Doe", Role::Patient).await),
            false => drop(here.payor("Blue Harbor").await),
        }
        let roster = roster.restarted_at(NOW).await;
        let client = roster.stranger().authorized_by(&key);
        assert_eq!(status(&client).await, StatusCode::UNAUTHORIZED, "adds a user: {adds_a_user}");
    }
}

#[tokio::test]
async fn a_key_made_after_the_clock_went_back_lives_as_long_as_it_should() {
    let roster = Roster::new();
    let here = roster.organization("Example Organization").await;
    roster.set_clock(NOW + 2 * HOUR);
    assert_eq!(status(&here.key(Role::Admin).await).await, StatusCode::OK);
    roster.step_clock(NOW);
    let client = here.key_for(Role::Admin, Some(HOUR)).await;
    assert_eq!(status(&client).await, StatusCode::OK);
    roster.step_clock(NOW + 3 * HOUR);
    assert_eq!(status(&client).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_clock_that_was_set_by_more_than_a_day_writes_nothing_until_it_is_right_again() {
    let roster = Roster::new();
    let here = roster.organization("Example Organization").await;
    let client = here.key_for(Role::Admin, Some(90 * DAY)).await;
    for wrong in [NEVER, FAR, NOW + DAY + 1, NOW - DAY - 1, 0] {
        roster.step_clock(wrong);
        for path in ["/api/v1/users", "/api/v1/webhooks"] {
            let body = if path == "/api/v1/users" { john() } else { json!({ "url": "https://example.com" }) };
            let answer = client.post(path, body).await;
            assert_eq!(
                (answer.status, answer.header("retry-after")),
                (StatusCode::SERVICE_UNAVAILABLE, "1"),
                "{wrong}"
            );
        }
        // Keys are judged as if nobody had set it.
        assert_eq!(status(&client).await, StatusCode::OK, "{wrong}");
        let ready = roster.stranger().get("/readyz").await;
        let why = json!({ "status": "the clock was set by more than a day" });
        assert_eq!((ready.status, ready.body), (StatusCode::SERVICE_UNAVAILABLE, why), "{wrong}");

        roster.step_clock(NOW + 1_000);
        assert_eq!(roster.stranger().get("/readyz").await.status, StatusCode::OK);
        let answer = client.post("/api/v1/users", john()).await;
        assert_eq!(answer.body["user"]["createdAt"], "2025-01-15T10:30:01.000Z", "after {wrong}: {answer}");
    }
}

#[tokio::test]
async fn a_machine_that_slept_and_a_clock_that_is_put_right_by_an_hour_are_no_faults() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    roster.step_clock(NOW + HOUR);
    admin.create(john()).await;
    roster.set_clock(NOW + HOUR + 30 * DAY);
    let answer = admin.post("/api/v1/users", john()).await;
    assert_eq!(answer.body["user"]["createdAt"], "2025-02-14T11:30:00.000Z", "{answer}");
}

/// First names and moments, the oldest first, page by page.
async fn walk(client: &Client<'_>) -> Vec<(String, String)> {
    let mut users = Vec::new();
    let mut path = "/api/v1/users?sort=createdAt_asc&pageSize=1&view=full".to_owned();
    loop {
        let page = client.get(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{page}");
        for user in page.body["data"].as_array().expect("an array") {
            let id = user["publicId"].as_str().expect("an id");
            users.push((user["firstName"].as_str().expect("a name").to_owned(), id.to_owned()));
        }
        let link = page.header("link").to_owned();
        let Some(query) = link.strip_prefix('<').and_then(|rest| rest.split('>').next()) else { return users };
        path = format!("/api/v1/users{query}");
    }
}

#[tokio::test]
async fn what_was_recorded_in_the_future_is_named_and_brought_back() {
    let roster = Roster::new();
    let here = roster.organization("Example Organization").await;
    let other = roster.organization("Another").await;
    let id = here.id();
    let admin = here.key(Role::Admin).await;
    let header = admin.authorization().to_owned();
    let create = async |client: &Client<'_>, name: &str| {
        let answer = client.post("/api/v1/users", json!({ "firstName": name, "lastName": "Doe" })).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer}");
        answer.body["user"]["createdAt"].as_str().expect("a moment").to_owned()
    };
    other.user("Bea", "Sam", Role::Patient).await;
    create(&admin, "U0").await;
    roster.set_clock(NOW + 1_000);
    create(&admin, "U1").await;
    assert!(roster.app().ahead().await.expect("a database").is_empty());

    // A process that started with a wrong clock.
    let roster = roster.restarted_at(FAR).await;
    let admin = roster.stranger().authorized_by(&header);
    for name in ["U2", "U3", "U4"] {
        assert!(create(&admin, name).await.starts_with("2100-"));
        roster.set_clock(FAR + 5);
    }
    let operator = roster.app().operator_of(id).await.expect("an organization");
    let new = || {
        let name = "made then".parse().expect("a name");
        NewKey { ends: Ends::After(HOUR), ..NewKey::lasting(Role::Admin, name) }
    };
    let (_, then) = roster.app().create_key(&operator, new(), None).await.expect("a key");

    let roster = roster.restarted_at(NOW + HOUR).await;
    let ahead = roster.app().ahead().await.expect("a database");
    assert_eq!(ahead.iter().map(|ahead| ahead.organization).collect::<Vec<_>>(), [id]);
    assert!(ahead[0].latest.to_string().starts_with("2100-"));
    let operator = roster.app().operator_of(id).await.expect("an organization");
    let refused = roster.app().create_key(&operator, new(), None).await;
    assert!(refused.is_err(), "it would be over, or last for ever");

    let (_, repaired) = brought_back(&roster).await;
    let told: Vec<_> = repaired.iter().map(|one| (one.organization, one.to.to_string(), one.users)).collect();
    assert_eq!(told, [(id, "2025-01-15T10:30:01.000Z".to_owned(), 3)]);
    assert_eq!(repaired[0].entries, 4, "three users and a key");

    let roster = roster.restarted_at(NOW + HOUR).await;
    assert!(roster.app().ahead().await.expect("a database").is_empty());
    let admin = roster.stranger().authorized_by(&header);
    // On PostgreSQL it is the millisecond after all that was brought back.
    let next = create(&admin, "U5").await;
    assert!(next.starts_with("2025-01-15T11:30:00.00"), "{next}");
    let users = walk(&admin).await;
    assert_eq!(users.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["U0", "U1", "U2", "U3", "U4", "U5"]);
    let events = admin.get("/api/v1/events?pageSize=100").await;
    let moments: Vec<_> = events.body["data"].as_array().expect("an array").iter().collect();
    let moments: Vec<_> = moments.iter().map(|event| event["createdAt"].as_str().expect("a moment")).collect();
    assert!(moments.is_sorted() && !moments.iter().any(|at| at.starts_with("2100-")), "{moments:?}");
    // The key that was made in the future lives as long as it was to live.
    let then = roster.stranger().authorized_by(&format!("Bearer {}", then.reveal()));
    assert_eq!(status(&then).await, StatusCode::OK);
    roster.set_clock(NOW + 3 * HOUR);
    assert_eq!(status(&then).await, StatusCode::UNAUTHORIZED);
    let again = brought_back(&roster).await.1;
    assert!(again.is_empty(), "{again:?}");
}

/// The times brought back. On PostgreSQL that is refused as long as a process, as this one, says that it adds users.
async fn brought_back(roster: &Roster) -> (Timestamp, Vec<Repaired>) {
    let started = Instant::now();
    loop {
        match roster.app().repair_times().await {
            Err(Error::Internal(roster_store::Error::Unusable(_))) if started.elapsed() < PATIENCE => {}
            done => return done.expect("a database"),
        }
    }
}
