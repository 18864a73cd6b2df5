//! The outbox as whoever delivers asks the store for it: what is claimed, begun, settled and forgotten, on the engine the
//! suite runs on.

mod feed;
mod life;

use roster::app::NewWebhook;
use roster_directory::{
    MessageId, NewUser, Timestamp, Webhook,
    outbox::{Attempt, Outcome, Queue, State},
};
use roster_store::{
    Store,
    outbox::{Beginning, Begun, Claim, Claimed, Settlement, StoredMessage, Wanted},
};

use crate::{
    api::together,
    roster::{NOW, Organization, Roster},
};

/// How long a claim lasts here.
pub(crate) const CLAIM: i64 = 60_000;

const HOUR: i64 = 3_600_000;

pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

/// A claim of this token, made so many milliseconds after [`NOW`].
pub(crate) fn claim(token: i64, millis: i64) -> Claim {
    Claim { token, until: at(millis + CLAIM) }
}

pub(crate) fn store(roster: &Roster) -> &Store {
    roster.app().store()
}

/// Users who are to be texted.
pub(crate) async fn texted(roster: &Roster, org: &Organization<'_>, count: usize) {
    for _ in 0..count {
        let new = NewUser {
            phone: Some("+14155550100".parse().expect("a phone")),
            should_send_sms: true,
            ..NewUser::named("Jane".parse().expect("a name"), "Doe".parse().expect("a name"))
        };
        roster.app().create_user(&org.operator, new, None).await.expect("a user");
    }
}

pub(crate) async fn webhook(roster: &Roster, org: &Organization<'_>) -> Webhook {
    let new = NewWebhook {
        url: "https://hooks.example/in".parse().expect("a url"),
        description: "".parse().expect("a description"),
        events: Vec::new(),
    };
    roster
        .app()
        .create_webhook(&org.operator, new, &roster::deliver::address::Inside::default(), None)
        .await
        .expect("a webhook")
}

/// Claims text messages that are due so many milliseconds after [`NOW`].
pub(crate) async fn claim_sms(roster: &Roster, token: i64, millis: i64, limit: u32) -> Vec<Claimed> {
    let wanted = Wanted { queue: Queue::Sms, now: at(millis), limit };
    store(roster).claim(wanted, claim(token, millis)).await.expect("claimed")
}

pub(crate) fn attempt(outcome: Outcome) -> Attempt {
    Attempt { at: at(0), outcome, status: Some(201), millis: 12, note: "said so".to_owned() }
}

/// What is written down of a message that is over.
pub(crate) fn settled(state: State, outcome: Outcome) -> Settlement {
    Settlement {
        state,
        due_at: None,
        attempt: Some(attempt(outcome)),
        had_begun: false,
        asked: 0,
        reference: None,
        now: at(0),
    }
}

pub(crate) async fn stored(roster: &Roster, claimed: &Claimed) -> StoredMessage {
    let found = store(roster).message(claimed.organization, claimed.message.id).await.expect("an answer");
    found.expect("the message")
}

async fn begin(roster: &Roster, claimed: &Claimed, claim: Claim, beginning: Beginning) -> Begun {
    store(roster).begin(claimed.organization, claimed.message.id, claim, beginning).await.expect("an answer")
}

fn ids(claimed: &[Claimed]) -> Vec<MessageId> {
    let mut ids: Vec<MessageId> = claimed.iter().map(|claimed| claimed.message.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn no_two_who_claim_get_the_same_message() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 60).await;
    let mut all = Vec::new();
    for round in 0.. {
        assert!(round < 60, "it does not end");
        let claims = (1..=4).map(|nth| claim_sms(&roster, round * 4 + nth, 0, 7));
        let claimed: Vec<Claimed> = together::all(claims).await.into_iter().flatten().collect();
        if claimed.is_empty() {
            break;
        }
        all.extend(claimed);
    }
    assert!(all.iter().all(|claimed| (claimed.state, claimed.attempts, claimed.asked) == (State::Owed, 0, 0)));
    let claimed_once = ids(&all);
    assert_eq!(claimed_once.len(), 60);
    assert!(claimed_once.is_sorted_by(|a, b| a < b), "each once");
    assert_eq!(ids(&claim_sms(&roster, 1_000, CLAIM - 1, 100).await), [], "they are still somebody's");
    assert_eq!(ids(&claim_sms(&roster, 1_001, CLAIM, 100).await), claimed_once, "whoever had them has died");
}

#[tokio::test]
async fn what_is_due_first_is_claimed_first_and_what_is_not_due_is_not() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    for millis in [3_000, 4_000, 5_000] {
        roster.set_clock(NOW + millis);
        texted(&roster, &org, 1).await;
    }
    assert_eq!(claim_sms(&roster, 1, 2_999, 10).await.len(), 0);
    let claimed = claim_sms(&roster, 2, 4_000, 1).await;
    assert_eq!(claimed[0].message.at, at(3_000));
    let claimed = claim_sms(&roster, 3, 4_000, 10).await;
    assert_eq!((claimed.len(), claimed[0].message.at), (1, at(4_000)));
}

#[tokio::test]
async fn a_message_begins_once_and_is_settled_by_whoever_has_it() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 1).await;
    let claimed = claim_sms(&roster, 7, 0, 1).await.remove(0);
    let beginning = Beginning { at: at(0), hourly: 10 };
    assert_eq!(begin(&roster, &claimed, claim(8, 0), beginning).await, Begun::Lost, "it is not theirs");
    let tries = (0..4).map(|_| begin(&roster, &claimed, claim(7, 0), beginning));
    let begun = together::all(tries).await;
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::Yes).count(), 1, "{begun:?}");
    assert_eq!(begun.iter().filter(|begun| **begun == Begun::Lost).count(), 3, "{begun:?}");
    let message = stored(&roster, &claimed).await;
    assert_eq!((message.state, message.attempts), (State::Sending, 1));

    // Its process has died.
    let again = claim_sms(&roster, 9, CLAIM, 1).await.remove(0);
    assert_eq!((again.message.id, again.state, again.attempts), (claimed.message.id, State::Sending, 1));
    assert_eq!(begin(&roster, &again, claim(9, CLAIM), beginning).await, Begun::Lost, "it has begun");
    let delivered = Settlement { had_begun: true, ..settled(State::Delivered, Outcome::Delivered) };
    let settle = async |claimed: &Claimed, by: Claim, settlement: &Settlement| {
        store(&roster).settle(claimed, by, settlement.clone()).await.expect("an answer")
    };
    assert!(!settle(&claimed, claim(7, 0), &delivered).await, "the dead come too late");
    let message = stored(&roster, &claimed).await;
    assert_eq!((message.state, message.reference), (State::Sending, None));
    let unknown = Settlement {
        had_begun: true,
        asked: 2,
        reference: Some("SM1".to_owned()),
        ..settled(State::Unknown, Outcome::Unknown)
    };
    assert!(settle(&again, claim(9, CLAIM), &unknown).await);
    assert!(!settle(&again, claim(9, CLAIM), &unknown).await, "once");
    let message = stored(&roster, &claimed).await;
    assert_eq!((message.state, message.attempts, message.reference.as_deref()), (State::Unknown, 1, Some("SM1")));
    let attempts = store(&roster).attempts(claimed.organization, claimed.message.id).await.expect("attempts");
    assert_eq!(attempts, [attempt(Outcome::Unknown)], "the one that had begun");
    assert_eq!(claim_sms(&roster, 10, 300 * DAY, 10).await.len(), 0, "a person has to look");
}

#[tokio::test]
async fn what_is_owed_still_waits_for_its_time_and_counts_its_attempts() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 1).await;
    for nth in 0..3 {
        let claimed = claim_sms(&roster, nth + 1, nth * HOUR, 1).await.remove(0);
        assert_eq!((claimed.state, i64::from(claimed.attempts), claimed.asked), (State::Owed, nth, nth as u32));
        let later = Settlement {
            due_at: Some(at((nth + 1) * HOUR)),
            asked: nth as u32 + 1,
            ..settled(State::Owed, Outcome::NotSent)
        };
        assert!(store(&roster).settle(&claimed, claim(nth + 1, nth * HOUR), later).await.expect("an answer"));
        assert_eq!(claim_sms(&roster, 100, (nth + 1) * HOUR - 1, 1).await.len(), 0, "it is not due");
        let attempts = store(&roster).attempts(claimed.organization, claimed.message.id).await.expect("attempts");
        assert_eq!(attempts.len() as i64, nth + 1);
    }
}

#[tokio::test]
async fn an_organization_begins_no_more_than_its_hour_allows() {
    let roster = Roster::new();
    let (org, other) = (roster.organization("Example").await, roster.organization("Other").await);
    texted(&roster, &org, 6).await;
    texted(&roster, &other, 1).await;
    let claimed = claim_sms(&roster, 1, 0, 10).await;
    let (ours, theirs): (Vec<_>, Vec<_>) = claimed.iter().partition(|claimed| claimed.organization == org.id());
    let beginning = Beginning { at: at(0), hourly: 4 };
    let none = Beginning { hourly: 0, ..beginning };
    assert_eq!(begin(&roster, ours[0], claim(1, 0), none).await, Begun::HourUsedUp);
    let begun = together::all(ours.iter().map(|claimed| begin(&roster, claimed, claim(1, 0), beginning))).await;
    let used_up: Vec<_> =
        ours.iter().zip(&begun).filter(|(_, begun)| **begun == Begun::HourUsedUp).map(|(claimed, _)| claimed).collect();
    assert_eq!((begun.iter().filter(|begun| **begun == Begun::Yes).count(), used_up.len()), (4, 2), "{begun:?}");
    for claimed in used_up {
        let message = stored(&roster, claimed).await;
        assert_eq!((message.state, message.attempts), (State::Owed, 0), "nothing of it was done");
        let attempts = store(&roster).attempts(claimed.organization, claimed.message.id).await.expect("attempts");
        assert_eq!(attempts, []);
        let next = Beginning { at: at(HOUR), ..beginning };
        assert_eq!(begin(&roster, claimed, claim(1, 0), next).await, Begun::Yes, "the next hour has its own");
    }
    assert_eq!(begin(&roster, theirs[0], claim(1, 0), beginning).await, Begun::Yes, "and so has everybody");
}
