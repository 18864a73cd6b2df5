//! Faults at every request of a delivery: a message is claimed, begun and settled once, an event owed once, and told once.

use roster_directory::{
    EventId, Message, MessageId,
    outbox::{Content, Outcome, State},
};
use roster_store::outbox::{Beginning, Begun, Settlement};

use super::{Between, FAULTS, another_name, number};
use crate::outbox::{at, attempt, claim, claim_sms, settled, store, stored, texted, webhook};

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_message_is_claimed_begun_and_settled_once_whatever_fault_that_meets() {
    let between = Between::new();
    let roster = &between.roster;
    let org = roster.organization("Example Organization").await;
    let (mut token, mut begun_in_all) = (0, 0);
    for fault in FAULTS {
        for nth in 1.. {
            texted(roster, &org, 1).await;
            token += 1;
            begun_in_all += 1;
            let by = claim(token, 0);
            let was_met = between.arm(nth, fault);
            let claimed = claim_sms(roster, token, 0, 10).await;
            assert_eq!(claimed.len(), 1, "{fault:?} at {nth}");
            let (organization, id) = (org.id(), claimed[0].message.id);
            let beginning = Beginning { at: at(0), hourly: 1_000 };
            let begun = store(roster).begin(organization, id, by, beginning).await.expect("an answer");
            assert_eq!(begun, Begun::Yes, "{fault:?} at {nth}");
            let settlement = Settlement { had_begun: true, ..settled(State::Delivered, Outcome::Delivered) };
            let is_settled = store(roster).settle(&claimed[0], by, settlement).await.expect("an answer");
            let was_met = was_met();
            assert!(is_settled, "{fault:?} at {nth}");
            let message = stored(roster, &claimed[0]).await;
            assert_eq!((message.state, message.attempts), (State::Delivered, 1), "{fault:?} at {nth}");
            let attempts = store(roster).attempts(organization, id).await.expect("attempts");
            assert_eq!(attempts, [attempt(Outcome::Delivered)], "{fault:?} at {nth}");
            assert_eq!(
                number(&between.database, "select sum(begun) from sms_hour"),
                begun_in_all,
                "{fault:?} at {nth}"
            );
            if !was_met {
                assert!(nth > 15, "a claim, two transactions, and each statement of them prepared: {nth}");
                break;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn an_attempt_that_had_not_begun_is_written_down_once_whatever_fault_that_meets() {
    let between = Between::new();
    let roster = &between.roster;
    let org = roster.organization("Example Organization").await;
    texted(roster, &org, 1).await;
    let mut attempts = 0;
    for fault in FAULTS {
        for nth in 1.. {
            let claimed = claim_sms(roster, 1, 0, 10).await.remove(0);
            let was_met = between.arm(nth, fault);
            let settlement = Settlement { due_at: Some(at(0)), ..settled(State::Owed, Outcome::NotSent) };
            let is_settled = store(roster).settle(&claimed, claim(1, 0), settlement).await.expect("an answer");
            let was_met = was_met();
            assert!(is_settled, "{fault:?} at {nth}");
            attempts += 1;
            assert_eq!(stored(roster, &claimed).await.attempts, attempts, "{fault:?} at {nth}");
            assert_eq!(
                number(&between.database, "select count(*) from attempt"),
                i64::from(attempts),
                "{fault:?} at {nth}"
            );
            if !was_met {
                break;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn an_event_is_numbered_and_owed_once_whatever_fault_that_meets() {
    let between = Between::new();
    let roster = &between.roster;
    let org = roster.organization("Example Organization").await;
    let webhook = webhook(roster, &org).await;
    let (mut heard_to, mut owed) = (0, 0);
    for fault in FAULTS {
        for nth in 1.. {
            roster.app().create_payor(&org.operator, another_name()).await.expect("a payor");
            let was_met = between.arm(nth, fault);
            let events = store(roster).events(org.id(), heard_to, 100).await.expect("events");
            let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
            let to = *numbers.last().expect("an event");
            let message = Message {
                id: MessageId::new(at(0), 1_000_000 + owed),
                content: Content::Event(webhook.id, EventId::new(org.id(), to)),
                at: at(0),
            };
            let is_owed = store(roster).owe(org.id(), webhook.id, (heard_to, to), vec![message], None).await;
            let was_met = was_met();
            assert!(is_owed.expect("an answer"), "{fault:?} at {nth}");
            assert_eq!(numbers, (heard_to + 1..=to).collect::<Vec<_>>(), "{fault:?} at {nth}");
            owed += 1;
            heard_to = to;
            let count = |of: &str| number(&between.database, &format!("select count(*) from {of}"));
            assert_eq!(count("outbox"), owed as i64, "{fault:?} at {nth}");
            assert_eq!(count("audit where number is null"), 0, "{fault:?} at {nth}");
            assert_eq!(count("(select distinct number from audit) t"), to as i64, "{fault:?} at {nth}");
            if !was_met {
                assert!(nth > 8, "two readings, a transaction and an owing: {nth}");
                break;
            }
        }
    }
}
