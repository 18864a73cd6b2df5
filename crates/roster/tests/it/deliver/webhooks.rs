//! Webhooks: who is told what, signed how, how often, and what a receiver can and cannot make us do.

use serde_json::{Value, json};

use super::House;
use crate::receiver::{Act, Received, Receiver, in_turn, status};

/// Whether a library that is not ours takes it for genuine.
fn is_genuine(secret: &str, received: &Received) -> bool {
    let webhook = standardwebhooks::Webhook::new(secret).expect("a secret");
    let mut headers = http::HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, received.header(name).parse().expect("a value"));
    }
    webhook.verify(&received.body, &headers).is_ok()
}

fn deliveries(house: &House, server: &crate::binary::Server, webhook: &str) -> Vec<Value> {
    let page = house.get(server, &format!("/api/v1/webhooks/{webhook}/deliveries"));
    page["data"].as_array().expect("deliveries").clone()
}

/// Waits until the newest delivery is in this state, and returns its attempts.
fn attempts(house: &House, server: &crate::binary::Server, webhook: &str, state: &str) -> Vec<Value> {
    let since = std::time::Instant::now();
    loop {
        let found = deliveries(house, server, webhook);
        if let Some(delivery) = found.first().filter(|delivery| delivery["state"] == state)
            && delivery["attempts"] != 0
        {
            let id = delivery["publicId"].as_str().expect("an id");
            let detail = house.get(server, &format!("/api/v1/webhooks/{webhook}/deliveries/{id}"));
            return detail["attempts"].as_array().expect("attempts").clone();
        }
        assert!(since.elapsed() < crate::binary::PATIENCE, "{found:#?}");
    }
}

#[test]
fn a_webhook_is_told_of_a_new_user_by_ids_only_and_signed() {
    let (house, receiver) = (House::new(), Receiver::willing());
    let server = house.serve(&[]);
    let (webhook, secret) = house.webhook(&server, &receiver.url("/hooks?a=b"));
    let user = house.user(&server, "canary@example.com");
    let received = receiver.wait_for(1);
    let told = &received[0];
    assert_eq!((told.method.as_str(), told.path.as_str()), ("POST", "/hooks?a=b"));
    assert_eq!(told.header("content-type"), "application/json");
    let body = told.json();
    assert_eq!(body["type"], "user.created");
    assert_eq!(body["data"], json!({ "publicId": user, "organizationPublicId": house.org }));
    assert_eq!(body.as_object().expect("an object").len(), 3, "and when: {body}");
    let everything = format!("{:?} {body}", told.headers);
    for personal in ["Jane", "Doe", "canary"] {
        assert!(!everything.contains(personal), "{everything}");
    }
    assert!(is_genuine(&secret, told), "{told:?}");
    assert!(!is_genuine("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", told));
    let mut altered = told.clone();
    altered.body[10] ^= 1;
    assert!(!is_genuine(&secret, &altered));

    let feed = house.get(&server, "/api/v1/events?pageSize=100");
    let event = feed["data"].as_array().expect("events").iter().find(|event| event["type"] == "user.created");
    assert_eq!(told.header("webhook-id"), event.expect("it is in the feed")["publicId"]);
    let attempts = attempts(&house, &server, &webhook, "delivered");
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["status"]), (&json!("delivered"), &json!(200)));
}

#[test]
fn what_failed_is_told_again_under_the_same_id() {
    let house = House::new();
    let receiver = Receiver::start(in_turn([status(503).into(), status(204).into()]));
    let server = house.serve(&[]);
    let (webhook, secret) = house.webhook(&server, &receiver.url("/"));
    house.user(&server, "a@example.com");
    let received = receiver.wait_for(2);
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    assert_eq!(received[0].body, received[1].body);
    assert!(received.iter().all(|told| is_genuine(&secret, told)));
    let attempts = attempts(&house, &server, &webhook, "delivered");
    let outcomes: Vec<_> = attempts.iter().map(|attempt| (&attempt["status"], &attempt["outcome"])).collect();
    assert_eq!(outcomes, [(&json!(503), &json!("not_sent")), (&json!(204), &json!("delivered"))]);
}

#[test]
fn nothing_inside_is_reached_unless_the_operator_allows_it() {
    let (house, receiver) = (House::new(), Receiver::willing());
    let allowed = house.serve_by(&["--webhook-inside", "127.0.0.1,::1"]);
    let port = receiver.address.port();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "[::1]"] {
        house.webhook(&allowed, &format!("http://{host}:{port}/"));
    }
    allowed.signal("TERM");
    allowed.wait();
    let before = receiver.connections();
    // Nobody allows it any more.
    let server = house.serve_by(&[]);
    let webhooks = house.get(&server, "/api/v1/webhooks");
    for webhook in webhooks["data"].as_array().expect("webhooks") {
        let (webhook, host) = (webhook["publicId"].as_str().expect("an id"), &webhook["url"]);
        house.ask(&server, "POST", &format!("/api/v1/webhooks/{webhook}/test"), &Value::Null);
        let attempts = attempts(&house, &server, webhook, "owed");
        let (outcome, note) = (&attempts[0]["outcome"], attempts[0]["note"].as_str().expect("why"));
        assert_eq!(outcome, "not_sent", "{host}");
        assert!(note.contains("may not be reached"), "{host}: {note}");
    }
    assert_eq!(receiver.connections(), before);
}

#[test]
fn a_redirect_is_a_failure_and_is_not_followed() {
    let (house, target) = (House::new(), Receiver::willing());
    let location = target.url("/elsewhere");
    let receiver = Receiver::answering(status(307).header("Location", location));
    let server = house.serve(&[]);
    let (webhook, _) = house.webhook(&server, &receiver.url("/"));
    house.user(&server, "a@example.com");
    let attempts = attempts(&house, &server, &webhook, "owed");
    assert_eq!(attempts[0]["status"], 307);
    assert_eq!(target.connections(), 0);
}

#[test]
fn a_receiver_that_is_gone_for_good_is_told_nothing_more() {
    let house = House::new();
    let receiver = Receiver::answering(status(410));
    let server = house.serve(&[]);
    let (webhook, _) = house.webhook(&server, &receiver.url("/"));
    house.user(&server, "a@example.com");
    let attempts = attempts(&house, &server, &webhook, "failed");
    assert_eq!(attempts[0]["outcome"], "refused");
    assert_eq!(house.get(&server, &format!("/api/v1/webhooks/{webhook}"))["state"], "disabled");
    house.user(&server, "b@example.com");
    let feed = house.get(&server, "/api/v1/events?pageSize=100");
    let types: Vec<_> = feed["data"].as_array().expect("events").iter().map(|event| &event["type"]).collect();
    assert!(types.contains(&&json!("webhook.disabled")), "{types:?}");
    assert_eq!(receiver.received().len(), 1);
}

#[test]
fn a_paused_webhook_is_told_afterwards_and_a_deleted_one_never() {
    let (house, receiver) = (House::new(), Receiver::willing());
    let server = house.serve(&[]);
    let (webhook, _) = house.webhook(&server, &receiver.url("/"));
    let path = format!("/api/v1/webhooks/{webhook}");
    house.ask(&server, "POST", &format!("{path}/pause"), &Value::Null);
    let users: Vec<_> = (0..3).map(|nth| house.user(&server, &format!("p{nth}@example.com"))).collect();
    let other = Receiver::willing();
    house.webhook(&server, &other.url("/"));
    house.user(&server, "seen@example.com");
    other.wait_for(1); // by now the paused one would have been told, too
    assert_eq!(receiver.received().len(), 0);

    house.ask(&server, "POST", &format!("{path}/resume"), &Value::Null);
    let told = receiver.wait_until(|told| {
        let of_users = told.iter().filter(|told| told.json()["type"] == "user.created").count();
        of_users == 4
    });
    let ids: Vec<_> = told.iter().map(|told| told.json()["data"]["publicId"].clone()).collect();
    assert!(users.iter().all(|user| ids.contains(&json!(user))), "{ids:?}");

    let so_far = receiver.received().len();
    house.ask(&server, "DELETE", &path, &Value::Null);
    assert_eq!(server.request("GET", &path, &house.key, "").0, 404);
    house.user(&server, "late@example.com");
    other.wait_until(|told| told.iter().filter(|told| told.json()["type"] == "user.created").count() == 2);
    let after: Vec<_> = receiver.received()[so_far..].iter().map(|told| told.json()["type"].clone()).collect();
    assert!(!after.contains(&json!("user.created")), "{after:?}");
}

#[test]
fn a_secret_signs_for_a_day_after_it_was_replaced_however_many_follow() {
    let (house, receiver) = (House::new(), Receiver::willing());
    let server = house.serve(&[]);
    let (webhook, old) = house.webhook(&server, &receiver.url("/"));
    let rotate = || {
        let rotated = house.ask(&server, "POST", &format!("/api/v1/webhooks/{webhook}/rotate"), &Value::Null);
        rotated["webhook"]["secret"].as_str().expect("a secret").to_owned()
    };
    let (second, third) = (rotate(), rotate());
    assert!(old != second && second != third && old != third);
    let user = house.user(&server, "a@example.com");
    let told = receiver.wait_until(|told| told.iter().any(|told| told.json()["data"]["publicId"] == user.as_str()));
    let last = told.last().expect("something");
    for secret in [&old, &second, &third] {
        assert!(is_genuine(secret, last), "{last:?}");
    }
}

#[test]
fn a_receiver_that_never_answers_does_not_hold_up_the_others() {
    let house = House::new();
    let silent = Receiver::start(|_| Act::Silence);
    let quick = Receiver::willing();
    let server = house.serve(&[]);
    house.webhook(&server, &silent.url("/"));
    house.webhook(&server, &quick.url("/"));
    for nth in 0..60 {
        house.user(&server, &format!("u{nth}@example.com"));
    }
    let of_users = |told: &[Received]| told.iter().filter(|told| told.json()["type"] == "user.created").count();
    quick.wait_until(|told| of_users(told) == 60);
    assert!(silent.connections() <= 8, "{} at once", silent.connections());
}

#[test]
fn a_replayed_event_is_the_same_message_once_more() {
    let (house, receiver) = (House::new(), Receiver::willing());
    let server = house.serve(&[]);
    let (webhook, secret) = house.webhook(&server, &receiver.url("/"));
    house.user(&server, "a@example.com");
    let first = receiver.wait_for(1).remove(0);
    let event = json!({ "event": first.header("webhook-id") });
    house.ask(&server, "POST", &format!("/api/v1/webhooks/{webhook}/replay"), &event);
    let again = receiver.wait_for(2).remove(1);
    assert_eq!((again.header("webhook-id"), &again.body), (first.header("webhook-id"), &first.body));
    assert!(is_genuine(&secret, &again));
}
