//! Many messages, several processes, and a gateway that fails often: none is lost, and none is sent twice.

use std::collections::HashSet;

use serde_json::json;

use super::{House, phone};
use crate::{
    binary::{PATIENCE, Server},
    gateway::{Fault, Gateway},
    receiver::Receiver,
};

/// Every fifth request fails, in one way or another; which one is settled by the number, so that a run repeats.
fn one_in_five(to: &str, posted: u32) -> Fault {
    let chance = to.bytes().fold(posted.wrapping_mul(97), |chance, byte| chance.wrapping_mul(31) + u32::from(byte));
    match chance % 30 {
        0 => Fault::LostAfterTaking,
        1 => Fault::LostWithoutTaking,
        2 => Fault::ErrorAfterTaking,
        3 => Fault::ErrorWithoutTaking,
        4 => Fault::InvalidNumber,
        5 => Fault::TooMany(1),
        _ => Fault::None,
    }
}

/// Creates users to be texted, from several clients.
fn create(house: &House, server: &Server, range: std::ops::Range<u32>) {
    let next = std::sync::atomic::AtomicU32::new(range.start);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut wire = server.wire();
                loop {
                    let nth = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if nth >= range.end {
                        return;
                    }
                    let body = json!({
                        "firstName": "Jane", "lastName": "Doe", "email": format!("u{nth}@example.com"),
                        "phoneNumber": phone(nth), "shouldSendSMS": true
                    });
                    wire.send(crate::wire::request("POST", "/api/v1/users", &house.key, &body.to_string()));
                    assert_eq!(wire.answer().status, 200);
                }
            });
        }
    });
}

/// Waits until nothing is owed or being sent.
fn wait_until_drained(house: &House) {
    let since = std::time::Instant::now();
    // Asked for one after the other, a message that goes from one state into the other would be in neither.
    let is_under_way = |message: &Vec<String>| ["owed", "sending"].contains(&message[5].as_str());
    while house.outbox("all").iter().any(is_under_way) {
        assert!(since.elapsed() < 5 * PATIENCE, "{} are owed", house.outbox("owed").len());
    }
}

/// What became of each message, against what the gateway knows.
fn assert_none_lost_and_none_twice(house: &House, gateway: &Gateway, count: u32) {
    let all = house.outbox("all");
    let of_state = |state: &str| all.iter().filter(|message| message[5] == state).count();
    let (accepted, failed, unknown) = (of_state("accepted"), of_state("failed"), of_state("unknown"));
    let states: Vec<&str> = all.iter().map(|message| message[5].as_str()).collect();
    assert_eq!(accepted + failed + unknown, count as usize, "{states:?}");
    assert!(unknown < all.len() / 3, "{unknown} of {}", all.len());
    let taken = gateway.all_taken();
    assert!(taken.values().all(|times| *times == 1), "some were sent twice");
    assert!((accepted..=accepted + unknown).contains(&taken.len()), "{} taken, {accepted} accepted", taken.len());
}

#[test]
fn two_processes_drain_ten_thousand_messages() {
    const COUNT: u32 = 10_000;
    let (house, gateway) = (House::new(), Gateway::with(one_in_five));
    let without = house.serve_by(&[]);
    create(&house, &without, 0..COUNT);
    drop(without);
    let flags = ["--sms-hourly", "1000000"];
    let both = [house.serve_with(&gateway, &flags), house.serve_with(&gateway, &flags)];
    wait_until_drained(&house);
    assert_none_lost_and_none_twice(&house, &gateway, COUNT);
    drop(both);
}

#[test]
fn killed_again_and_again_while_it_drains_nothing_is_lost_and_nothing_sent_twice() {
    const COUNT: u32 = 1_000;
    let (house, gateway) = (House::new(), Gateway::with(one_in_five));
    let without = house.serve_by(&[]);
    create(&house, &without, 0..COUNT);
    drop(without);
    for round in 1..=6 {
        let server = house.serve_with(&gateway, &["--sms-hourly", "1000000"]);
        // Killed at another moment each time: after so many more requests.
        let so_far = gateway.receiver.received().len();
        gateway.receiver.wait_for(so_far + 13 * round);
        server.signal("KILL");
        server.wait();
    }
    let server = house.serve_with(&gateway, &["--sms-hourly", "1000000"]);
    wait_until_drained(&house);
    assert_none_lost_and_none_twice(&house, &gateway, COUNT);
    drop(server);
}

#[test]
fn killed_again_and_again_a_webhook_hears_of_every_event() {
    const USERS: usize = 400;
    let (house, receiver) = (House::new(), Receiver::willing());
    let server = house.serve(&[]);
    house.webhook(&server, &receiver.url("/"));
    drop(server);
    let mut created = Vec::new();
    for round in 0..4 {
        let server = house.serve(&[]);
        for nth in 0..USERS / 4 {
            created.push(house.user(&server, &format!("u{round}-{nth}@example.com")));
        }
        server.signal("KILL");
        server.wait();
    }
    let server = house.serve(&[]);
    let heard = |told: &[crate::receiver::Received]| {
        told.iter()
            .map(|told| told.json()["data"]["publicId"].as_str().expect("an id").to_owned())
            .collect::<HashSet<_>>()
    };
    receiver.wait_until(|told| {
        let heard = heard(told);
        created.iter().all(|user| heard.contains(user))
    });
    drop(server);
}
