//! The feed of events, while it is written to and read by many.

use std::{
    cell::Cell,
    collections::BTreeSet,
    future::{Future, poll_fn},
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use roster_directory::{EventId, Message, MessageId, OrganizationId, Role, outbox::Content};
use roster_store::{Error, outbox::Event};

use super::{at, store, webhook};
use crate::{
    api::together,
    roster::{NOW, Organization, Roster},
};

/// Lets the others go on.
async fn step_back() {
    let mut been_here = false;
    poll_fn(move |context| {
        if std::mem::replace(&mut been_here, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Reads the feed from its beginning, until it ends after the last writer has.
async fn follow(roster: &Roster, org: OrganizationId, limit: u32, writers: &AtomicUsize) -> Vec<Event> {
    let mut read: Vec<Event> = Vec::new();
    loop {
        let is_over = writers.load(Ordering::Relaxed) == 0;
        let after = read.last().map_or(0, |event| event.number);
        let events = store(roster).events(org, after, limit).await.expect("events");
        assert!(events.len() <= limit as usize);
        if is_over && events.is_empty() {
            return read;
        }
        read.extend(events);
        step_back().await;
    }
}

async fn write(roster: &Roster, org: &Organization<'_>, nth: usize) {
    for round in 0..8 {
        // Clocks do not go alike.
        roster.set_clock(NOW + [0, 5, -3, 40][(nth + round) % 4]);
        match round % 4 {
            3 => drop(org.payor(&format!("Payor {nth} {round}")).await),
            _ => drop(org.user("Jane", "Doe", Role::Patient).await),
        }
        step_back().await;
    }
}

#[tokio::test]
async fn whoever_follows_the_feed_misses_nothing_and_meets_nothing_twice() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    let (roster, org, writers) = (&roster, &org, &AtomicUsize::new(16));
    let (fast, slow) = (Cell::new(Vec::new()), Cell::new(Vec::new()));
    let mut all: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
    for nth in 0..16 {
        all.push(Box::pin(async move {
            write(roster, org, nth).await;
            writers.fetch_sub(1, Ordering::Relaxed);
        }));
    }
    all.push(Box::pin(async { fast.set(follow(roster, org.id(), 1_000, writers).await) }));
    all.push(Box::pin(async { slow.set(follow(roster, org.id(), 3, writers).await) }));
    together::all(all).await;

    let (fast, slow) = (fast.into_inner(), slow.into_inner());
    assert_eq!(fast, slow, "all readers read the same");
    let numbers: Vec<u64> = fast.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (1..=fast.len() as u64).collect::<Vec<_>>(), "nothing is missing, nothing comes twice");
    let told = |action: &str, target: &str, at| (action.to_owned(), target.to_owned(), at);
    let read: BTreeSet<_> = fast.iter().map(|event| told(event.action.as_str(), &event.target, event.at)).collect();
    let remembered = store(roster).audit(org.id(), 10_000).await.expect("audit entries");
    let there: BTreeSet<_> = remembered.iter().map(|entry| told(&entry.action, &entry.target, entry.at)).collect();
    assert_eq!(read, there);
    assert_eq!((fast.len(), remembered.len()), (1 + 16 * 8, 1 + 16 * 8));
    let role = |event: &Event| event.roles.after == event.target.starts_with("usr_").then_some(Role::Patient);
    assert!(fast.iter().all(role), "the role is told of users");
}

#[tokio::test]
async fn the_feed_goes_on_where_it_was_left() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    for name in ["Aetna", "Optum", "Medi-Cal", "Health Net"] {
        org.payor(name).await;
    }
    let numbers = async |after: u64, limit: u32| {
        let events = store(&roster).events(org.id(), after, limit).await.expect("events");
        events.iter().map(|event| event.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(0, 2).await, [1, 2]);
    assert_eq!(numbers(2, 2).await, [3, 4]);
    org.payor("Cigna").await;
    assert_eq!(numbers(4, 1).await, [5]);
    assert_eq!(numbers(4, 100).await, [5, 6]);
    assert_eq!(numbers(6, 100).await, [0; 0]);
    assert_eq!(numbers(u64::MAX, 100).await, [0; 0]);
    assert_eq!(numbers(i64::MAX as u64, 100).await, [0; 0]);
    let nowhere = OrganizationId::new(u128::MAX);
    assert!(matches!(store(&roster).events(nowhere, 0, 10).await, Err(Error::NoOrganization)));
    assert!(matches!(store(&roster).events(nowhere, u64::MAX, 10).await, Err(Error::NoOrganization)));
    assert!(matches!(store(&roster).webhooks(nowhere).await, Err(Error::NoOrganization)));
}

#[tokio::test]
async fn a_webhook_is_moved_on_by_one_and_owed_an_event_once() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    let made = webhook(&roster, &org).await;
    org.payor("Aetna").await;
    let heard_to = async || store(&roster).webhooks(org.id()).await.expect("webhooks").remove(0).heard_to;
    let from = heard_to().await;
    let busy = store(&roster).busy_webhooks(at(0)).await.expect("webhooks").remove(0);
    assert_eq!((busy.organization, busy.webhook.id, busy.is_behind, busy.owed), (org.id(), made.id, true, 0));
    let to = store(&roster).events(org.id(), from, 10).await.expect("events").last().expect("an event").number;
    let owe = async |nth: u128, heard: (u64, u64), count: u128| {
        let message = |of| Message {
            id: MessageId::new(at(0), 1_000_000 + 10 * nth + of),
            content: Content::Event(made.id, EventId::new(org.id(), to)),
            at: at(0),
        };
        store(&roster).owe(org.id(), made.id, heard, (0..count).map(message).collect(), None).await.expect("an answer")
    };
    let owed = together::all((0..5).map(|nth| owe(nth, (from, to), 2))).await;
    assert_eq!(owed.iter().filter(|owed| **owed).count(), 1, "{owed:?}");
    assert_eq!(heard_to().await, to);
    assert!(!owe(5, (from, to), 1).await, "it has moved");
    let busy = store(&roster).busy_webhooks(at(0)).await.expect("webhooks").remove(0);
    assert_eq!((busy.is_behind, busy.owed), (false, 2));
    assert!(owe(6, (to, to), 1).await, "once more, without moving");
    assert!(owe(7, (to, to + 1), 0).await, "what is none of its own");
    assert_eq!(heard_to().await, to + 1);
    roster.app().pause_webhook(&org.operator, made.id, None).await.expect("paused");
    assert!(store(&roster).busy_webhooks(at(0)).await.expect("webhooks").is_empty(), "it is told nothing");
}
