//! `/api/v1/webhooks/{publicId}/deliveries`, `/test` and `/replay`

use hyper::StatusCode;
use insta::assert_snapshot;
use roster_directory::{
    Role, Timestamp,
    outbox::{Attempt, Outcome, Queue, State},
};
use roster_store::outbox::{Claim, Settlement, Wanted};
use serde_json::{Value, json};

use super::{URL, WEBHOOKS};
use crate::roster::{Answer, Client, NOW, Roster};

async fn test(client: &Client<'_>, webhook: &str) -> String {
    owed(client.act(&format!("{WEBHOOKS}/{webhook}/test")).await)
}

async fn replay(client: &Client<'_>, webhook: &str, event: &Value) -> Answer {
    client.post(&format!("{WEBHOOKS}/{webhook}/replay"), json!({ "event": event })).await
}

/// The id of the delivery that an answer says is owed now.
fn owed(answer: Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer}");
    answer.body["delivery"]["publicId"].as_str().expect("an id").to_owned()
}

fn ids(answer: &Answer) -> Vec<String> {
    let deliveries = answer.body["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
    deliveries.iter().map(|one| one["publicId"].as_str().expect("an id").to_owned()).collect()
}

/// Deals with the next message that is owed to a webhook, as whoever delivers does.
async fn settle(roster: &Roster, webhook: &str, state: State, due_at: Option<i64>, attempt: Attempt) {
    let (store, now) = (roster.app().store(), roster.app().clock().steady());
    let queue = Queue::Webhook(webhook.parse().expect("an id"));
    let claim = Claim { token: 7, until: now.plus_millis(60_000) };
    let claimed = store.claim(Wanted { queue, now, limit: 1 }, claim).await.expect("a claim");
    let settlement = Settlement {
        state,
        due_at: due_at.map(Timestamp::from_millis),
        attempt: Some(attempt),
        had_begun: false,
        asked: 0,
        reference: None,
        now,
    };
    let claimed = claimed.first().expect("something is due");
    assert!(store.settle(claimed, claim, settlement).await.expect("settled"));
}

fn attempt(at: i64, outcome: Outcome, status: Option<u16>, note: &str) -> Attempt {
    Attempt { at: Timestamp::from_millis(at), outcome, status, millis: 12, note: note.to_owned() }
}

#[tokio::test]
async fn a_test_is_owed_and_listed_until_it_is_delivered() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let webhook = admin.webhook(URL).await;
    let listed = format!("{WEBHOOKS}/{webhook}/deliveries");
    assert_eq!(admin.get(&listed).await.body, json!({ "data": [] }));
    let answer = admin.act(&format!("{WEBHOOKS}/{webhook}/test")).await;
    assert_snapshot!(answer, @r#"
    200
    {
      "delivery": {
        "publicId": "msg_1736937000_00a000000"
      },
      "message": "Test queued successfully"
    }
    "#);
    assert_snapshot!(admin.get(&listed).await, @r#"
    200
    {
      "data": [
        {
          "attempts": 0,
          "createdAt": "2025-01-15T10:30:00.000Z",
          "event": null,
          "kind": "webhook.test",
          "nextAttemptAt": "2025-01-15T10:30:00.000Z",
          "publicId": "msg_1736937000_00a000000",
          "state": "owed"
        }
      ]
    }
    "#);

    let later = NOW + 5_000;
    let failed = attempt(NOW, Outcome::NotSent, Some(503), "answered 503");
    settle(&roster, &webhook, State::Owed, Some(later), failed).await;
    roster.set_clock(later);
    settle(&roster, &webhook, State::Delivered, None, attempt(later, Outcome::Delivered, Some(204), "answered 204"))
        .await;
    let id = owed(answer);
    assert_snapshot!(admin.get(&format!("{listed}/{id}")).await, @r#"
    200
    {
      "attempts": [
        {
          "at": "2025-01-15T10:30:00.000Z",
          "milliseconds": 12,
          "note": "answered 503",
          "outcome": "not_sent",
          "status": 503
        },
        {
          "at": "2025-01-15T10:30:05.000Z",
          "milliseconds": 12,
          "note": "answered 204",
          "outcome": "delivered",
          "status": 204
        }
      ],
      "createdAt": "2025-01-15T10:30:00.000Z",
      "event": null,
      "kind": "webhook.test",
      "nextAttemptAt": null,
      "publicId": "msg_1736937000_00a000000",
      "state": "delivered"
    }
    "#);
    let summary = &admin.get(&listed).await.body["data"][0];
    assert_eq!((&summary["attempts"], &summary["state"]), (&json!(2), &json!("delivered")));
    assert_eq!(summary["nextAttemptAt"], Value::Null);
}

#[tokio::test]
async fn an_attempt_that_was_not_answered_has_no_status() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let webhook = admin.webhook(URL).await;
    let id = test(&admin, &webhook).await;
    let path = format!("{WEBHOOKS}/{webhook}/deliveries/{id}");
    let cases = [(Outcome::NotSent, "not_sent"), (Outcome::Unknown, "unknown"), (Outcome::Refused, "refused")];
    for (nth, (outcome, said)) in cases.into_iter().enumerate() {
        let now = NOW + 1_000 * nth as i64;
        roster.set_clock(now);
        settle(&roster, &webhook, State::Owed, Some(now + 1_000), attempt(now, outcome, None, "no answer")).await;
        let answer = admin.get(&path).await;
        assert_eq!(answer.body["attempts"][nth]["outcome"], said);
        assert_eq!(answer.body["attempts"][nth]["status"], Value::Null);
        let due = Timestamp::from_millis(now + 1_000).to_string();
        assert_eq!(answer.body["nextAttemptAt"], due, "{answer}");
    }
}

#[tokio::test]
async fn an_event_is_replayed_as_often_as_somebody_asks() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let webhook = admin.webhook(URL).await;
    admin.create(json!({ "firstName": "Jane", "lastName": "Doe" })).await;
    let event = admin.get("/api/v1/events").await.body["data"][0]["publicId"].clone();
    let (first, second) = (owed(replay(&admin, &webhook, &event).await), owed(replay(&admin, &webhook, &event).await));
    assert_ne!(first, second);
    let listed = admin.get(&format!("{WEBHOOKS}/{webhook}/deliveries")).await;
    assert_eq!(ids(&listed), [second, first]);
    for delivery in listed.body["data"].as_array().expect("deliveries") {
        assert_eq!((&delivery["event"], &delivery["kind"]), (&event, &json!("webhook.event")));
    }
    assert_eq!(replay(&admin, &webhook, &event).await.body["message"], "Replay queued successfully");
}

#[tokio::test]
async fn only_an_event_that_webhooks_hear_of_is_replayed() {
    let roster = Roster::new();
    let (ours, theirs) = (roster.organization("Sunrise").await, roster.organization("Moonlight").await);
    let admin = ours.key(Role::Admin).await;
    let webhook = admin.webhook(URL).await;
    let neighbor = theirs.key(Role::Admin).await;
    let foreign = neighbor.get("/api/v1/events").await.body["data"][0]["publicId"].clone();
    let feed = admin.get("/api/v1/events").await.body;
    let last = feed["data"].as_array().and_then(|events| events.last()).expect("an event");
    let last = last["publicId"].as_str().expect("an id").to_owned();
    let (feed, number) = last.rsplit_once('_').expect("a number");
    let number: u64 = number.parse().expect("a number");
    // The next event is that of somebody whom no key may read.
    ours.user("Ann", "Lee", Role::HippAdmin).await;
    for unknown in [json!(format!("{feed}_{:012}", number + 1)), json!(format!("{feed}_{:012}", number + 2))] {
        assert_eq!(replay(&admin, &webhook, &unknown).await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    for unknown in [json!(format!("{feed}_000000000000")), foreign] {
        assert_eq!(replay(&admin, &webhook, &unknown).await.status, StatusCode::NOT_FOUND, "{unknown}");
    }
    owed(replay(&admin, &webhook, &json!(last)).await);

    assert_snapshot!(replay(&admin, &webhook, &json!("evt_1")).await, @r#"
    400
    {
      "details": [
        {
          "code": "invalid_string",
          "message": "Invalid event format",
          "path": [
            "event"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
    for (body, message) in [(json!({}), "Required"), (json!({ "event": 7 }), "Expected string, received number")] {
        let answer = admin.post(&format!("{WEBHOOKS}/{webhook}/replay"), body).await;
        assert_eq!((answer.status, &answer.body["details"][0]["message"]), (StatusCode::BAD_REQUEST, &json!(message)));
    }
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_page_by_page_and_by_state() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let (webhook, other) = (admin.webhook(URL).await, admin.webhook(URL).await);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(test(&admin, &webhook).await);
        test(&admin, &other).await;
    }
    let listed = format!("{WEBHOOKS}/{webhook}/deliveries");
    let newest_first: Vec<_> = made.iter().rev().cloned().collect();
    assert_eq!(ids(&admin.get(&listed).await), newest_first);
    let mut read = Vec::new();
    let mut path = format!("{listed}?pageSize=2&state=owed");
    loop {
        let page = admin.get(&path).await;
        read.extend(ids(&page));
        let Some(next) = page.header("link").strip_prefix("<?") else { break };
        assert_eq!(ids(&page).len(), 2);
        assert_eq!(next, format!("pageSize=2&state=owed&cursor={}>; rel=\"next\"", read.last().expect("some")));
        path = format!("{listed}?{}", next.trim_end_matches(">; rel=\"next\""));
    }
    assert_eq!(read, newest_first);

    settle(&roster, &webhook, State::Failed, None, attempt(NOW, Outcome::Refused, Some(410), "answered 410")).await;
    let failed = admin.get(&format!("{listed}?state=failed")).await;
    assert_eq!(ids(&failed), [&*made[0]]);
    assert_eq!(ids(&admin.get(&format!("{listed}?state=owed&pageSize=100")).await), newest_first[..4]);
    assert_eq!(ids(&admin.get(&format!("{listed}?state=delivered")).await), [""; 0]);
    let of_text_messages = admin.get(&format!("{listed}?state=accepted")).await;
    assert_eq!(of_text_messages.status.as_u16(), 400, "no webhook's message is ever that");
    let exactly = admin.get(&format!("{listed}?pageSize=5")).await;
    assert_eq!((ids(&exactly).len(), exactly.header("link")), (5, ""));
}

#[tokio::test]
async fn what_cannot_be_asked_of_deliveries_is_refused_all_at_once() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let webhook = admin.webhook(URL).await;
    let listed = format!("{WEBHOOKS}/{webhook}/deliveries");
    assert_snapshot!(admin.get(&format!("{listed}?cursor=x&pageSize=101&state=lost")).await, @r#"
    400
    {
      "details": [
        {
          "code": "invalid_enum_value",
          "message": "Invalid enum value. Expected 'owed' | 'sending' | 'delivered' | 'failed' | 'unknown' | 'dropped', received 'lost'",
          "path": [
            "state"
          ]
        },
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
    let unknown = admin.get(&format!("{listed}?cursor=msg_1736937000_aaaaaaaaa")).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_snapshot!(admin.get("/api/v1/webhooks/whk_1/deliveries/msg_1").await, @r#"
    400
    {
      "details": [
        {
          "code": "invalid_string",
          "message": "Invalid publicId format",
          "path": [
            "publicId"
          ]
        },
        {
          "code": "invalid_string",
          "message": "Invalid deliveryId format",
          "path": [
            "deliveryId"
          ]
        }
      ],
      "error": "Validation error"
    }
    "#);
}

#[tokio::test]
async fn a_neighbors_webhook_delivery_and_event_are_not_found() {
    let roster = Roster::new();
    let (ours, theirs) = (roster.organization("Sunrise").await, roster.organization("Moonlight").await);
    let (admin, neighbor) = (ours.key(Role::Admin).await, theirs.key(Role::Admin).await);
    let (webhook, own) = (admin.webhook(URL).await, neighbor.webhook(URL).await);
    let (delivery, other) = (test(&admin, &webhook).await, test(&neighbor, &own).await);
    let event = admin.get("/api/v1/events").await.body["data"][0]["publicId"].clone();
    for answer in [
        neighbor.get(&format!("{WEBHOOKS}/{webhook}")).await,
        neighbor.delete(&format!("{WEBHOOKS}/{webhook}")).await,
        neighbor.act(&format!("{WEBHOOKS}/{webhook}/pause")).await,
        neighbor.act(&format!("{WEBHOOKS}/{webhook}/resume")).await,
        neighbor.act(&format!("{WEBHOOKS}/{webhook}/rotate")).await,
        neighbor.act(&format!("{WEBHOOKS}/{webhook}/test")).await,
        replay(&neighbor, &webhook, &event).await,
        replay(&neighbor, &own, &event).await,
        neighbor.get(&format!("{WEBHOOKS}/{webhook}/deliveries")).await,
        neighbor.get(&format!("{WEBHOOKS}/{webhook}/deliveries/{delivery}")).await,
        neighbor.get(&format!("{WEBHOOKS}/{own}/deliveries/{delivery}")).await,
        neighbor.get(&format!("{WEBHOOKS}/{webhook}/deliveries/{other}")).await,
        neighbor.get(&format!("{WEBHOOKS}/{own}/deliveries?cursor={delivery}")).await,
        neighbor.get(&format!("/api/v1/events?cursor={}", event.as_str().expect("an id"))).await,
    ] {
        assert_eq!(answer.to_string(), "404\n{\n  \"error\": \"Resource not found\"\n}");
    }
    assert_eq!(ids(&admin.get(&format!("{WEBHOOKS}/{webhook}/deliveries")).await), [delivery]);
    assert_eq!(admin.get(&format!("{WEBHOOKS}/{webhook}")).await.body["state"], "active");
    assert_eq!(neighbor.get(WEBHOOKS).await.body["data"].as_array().expect("webhooks").len(), 1);
}

#[tokio::test]
async fn a_delivery_is_found_with_its_own_webhook_only() {
    let roster = Roster::new();
    let admin = roster.admin().await;
    let (webhook, other) = (admin.webhook(URL).await, admin.webhook(URL).await);
    let delivery = test(&admin, &webhook).await;
    assert_eq!(admin.get(&format!("{WEBHOOKS}/{webhook}/deliveries/{delivery}")).await.status, StatusCode::OK);
    let answer = admin.get(&format!("{WEBHOOKS}/{other}/deliveries/{delivery}")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
