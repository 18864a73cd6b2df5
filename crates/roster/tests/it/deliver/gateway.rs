//! The gateway that tests have, as Roster's client sees it: the other tests trust it.

use std::{sync::Arc, time::Duration};

use insta::assert_snapshot;
use roster::deliver::{
    client::{Client, Limits},
    gateway::{Gateway as Ours, Known, Said, Sender, Sent},
};
use roster_directory::Timestamp;

use crate::gateway::{ACCOUNT, Fault, Gateway, INVALID, NO_MOBILE, OPTED_OUT, TOKEN};

const SOMEBODY: &str = "+14155550123";

fn ours(gateway: &Gateway, token: &str) -> Ours {
    let limits = Limits { exchange: Duration::from_secs(30), ..Limits::default() };
    let client = Client::trusted(limits).expect("a client");
    let url = gateway.url().parse().expect("a URL");
    Ours::new(client, &url, ACCOUNT, token, Sender::parse("+14155550100")).expect("a gateway")
}

fn told(said: &Said) -> String {
    format!("{:?}, {:?}: {}", said.sent, said.status, said.note)
}

#[tokio::test]
async fn a_text_message_is_taken_once_and_known_afterwards() {
    let gateway = Gateway::faithful();
    let ours = ours(&gateway, TOKEN);
    let before = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    assert_eq!(ours.knows(SOMEBODY, "Hello & welcome", before).await, Known::No);
    let said = ours.send(SOMEBODY, "Hello & welcome").await;
    assert_snapshot!(told(&said), @r#"Taken(Some("SM00000000000000000000000000000001")), Some(201): the gateway took it"#);
    let sid = gateway.taken()[0].sid.clone();
    assert_eq!(ours.knows(SOMEBODY, "Hello & welcome", before).await, Known::Yes(Some(sid)));
    assert_eq!(ours.knows(SOMEBODY, "Another text", before).await, Known::No);
    assert_eq!(ours.knows("+14155550124", "Hello & welcome", before).await, Known::No);
    assert_eq!(gateway.taken()[0].body, "Hello & welcome");
    assert_eq!(gateway.times_taken(), [(SOMEBODY.to_owned(), 1)].into());
    assert_eq!(gateway.times_posted(), [(SOMEBODY.to_owned(), 1)].into());
}

#[tokio::test]
async fn what_the_gateway_refuses_is_told_apart() {
    let gateway = Gateway::faithful();
    let ours_here = ours(&gateway, TOKEN);
    for number in [INVALID, OPTED_OUT, NO_MOBILE, "12"] {
        let said = ours_here.send(number, "Hello").await;
        let refused = if number == OPTED_OUT { Sent::OptedOut } else { Sent::Refused };
        assert_eq!((said.sent, said.status), (refused, Some(400)), "{number}");
    }
    let stranger = ours(&gateway, "another token");
    let said = stranger.send(SOMEBODY, "Hello").await;
    assert_eq!((said.sent, said.status), (Sent::NotSent(None), Some(401)));
    assert_eq!(stranger.knows(SOMEBODY, "Hello", Timestamp::from_millis(0)).await, Known::NotTold);
    assert!(gateway.taken().is_empty());
}

#[tokio::test]
async fn every_fault_is_of_the_class_it_should_be() {
    for (fault, sent, taken) in [
        (Fault::LostBefore, Sent::Unknown, 0),
        (Fault::LostAfter, Sent::Unknown, 1),
        (Fault::FailsBefore, Sent::Unknown, 0),
        (Fault::FailsAfter, Sent::Unknown, 1),
        (Fault::TooMany(7), Sent::NotSent(Some(Duration::from_secs(7))), 0),
    ] {
        let gateway = Gateway::start(move |_, nth| if nth == 0 { fault } else { Fault::Nothing });
        let ours = ours(&gateway, TOKEN);
        assert_eq!(ours.send(SOMEBODY, "Hello").await.sent, sent, "{fault:?}");
        assert_eq!(gateway.taken().len(), taken, "{fault:?}");
        assert_eq!(gateway.times_posted()[SOMEBODY], 1, "{fault:?}: nothing is sent twice by itself");
        assert_eq!(ours.knows(SOMEBODY, "Hello", Timestamp::from_millis(0)).await != Known::No, taken == 1);
    }
}

#[tokio::test]
async fn a_faulty_gateway_fails_as_often_as_it_should_and_alike_each_time() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let gateway = Gateway::faulty(7, 20);
        let ours = ours(&gateway, TOKEN);
        let mut failed = Vec::new();
        for nth in 0..200 {
            let number = format!("+1415555{nth:04}");
            let sent = ours.send(&number, "Hello").await.sent;
            if !matches!(sent, Sent::Taken(_)) {
                failed.push((number, format!("{sent:?}")));
            }
        }
        runs.push(failed);
    }
    assert_eq!(runs[0], runs[1]);
    assert!((20..=60).contains(&runs[0].len()), "{} of 200", runs[0].len());
}

#[tokio::test]
async fn a_silent_gateway_has_taken_it() {
    let gateway = Arc::new(Gateway::start(|_, _| Fault::SilentAfter));
    let ours = ours(&gateway, TOKEN);
    let releasing = gateway.clone();
    let released = tokio::task::spawn_blocking(move || {
        releasing.receiver.wait_for(1);
        releasing.receiver.release();
    });
    assert_eq!(ours.send(SOMEBODY, "Hello").await.sent, Sent::Unknown);
    released.await.expect("it was asked");
    assert_eq!(gateway.taken().len(), 1);
}
