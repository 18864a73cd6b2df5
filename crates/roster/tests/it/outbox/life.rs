//! What becomes of a message in the end: somebody retries it, drops it, or it is forgotten.

use roster_directory::{
    Message, MessageId, UserId,
    outbox::{Content, Kind, Outcome, Queue, State},
    sms::Setting,
};
use roster_store::{
    Error,
    outbox::{Filter, Settlement, Stop, Wanted},
};

use super::{CLAIM, DAY, HOUR, at, claim, claim_sms, settled, store, stored, texted, webhook};
use crate::roster::{NOW, Roster};

#[tokio::test]
async fn a_message_is_retried_and_dropped_by_a_person() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 1).await;
    let app = roster.app();
    let claimed = claim_sms(&roster, 1, 0, 1).await.remove(0);
    let (id, operator) = (claimed.message.id, &org.operator);
    for (state, outcome) in [
        (State::Failed, Outcome::Refused),
        (State::Unknown, Outcome::Unknown),
        (State::Delivered, Outcome::Delivered),
        (State::Accepted, Outcome::Accepted),
        (State::Undelivered, Outcome::Undelivered),
    ] {
        let claimed = claim_sms(&roster, 1, CLAIM, 1).await.remove(0);
        assert!(store(&roster).settle(&claimed, claim(1, CLAIM), settled(state, outcome)).await.expect("an answer"));
        assert_eq!(claim_sms(&roster, 2, 2 * DAY, 1).await.len(), 0, "{state:?}");
        assert_eq!(stored(&roster, &claimed).await.state, state);
        app.retry_message(operator, id).await.expect("retried");
        assert_eq!(
            (stored(&roster, &claimed).await.state, stored(&roster, &claimed).await.due_at),
            (State::Owed, at(0))
        );
    }
    let again = claim_sms(&roster, 3, CLAIM, 1).await.remove(0);
    assert_eq!((again.message.id, again.state, again.attempts), (id, State::Owed, 5));

    // Dropped under the hands of whoever has it.
    app.drop_message(operator, id).await.expect("dropped");
    let late = store(&roster).settle(&again, claim(3, CLAIM), settled(State::Failed, Outcome::Refused)).await;
    assert!(!late.expect("an answer"));
    let message = stored(&roster, &again).await;
    assert_eq!((message.state, message.attempts, message.due_at), (State::Dropped, 5, at(30 * DAY)));
    assert_eq!(claim_sms(&roster, 4, 2 * DAY, 1).await.len(), 0);
    app.retry_message(operator, id).await.expect("retried");
    assert_eq!(claim_sms(&roster, 5, 0, 1).await.len(), 1);
}

#[tokio::test]
async fn what_was_settled_is_forgotten_with_its_attempts_and_nothing_else_is() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 5).await;
    let claimed = claim_sms(&roster, 1, 0, 4).await;
    let ends = [State::Delivered, State::Failed, State::Dropped, State::Unknown];
    for (claimed, state) in claimed.iter().zip(ends) {
        let settlement = settled(state, Outcome::Unknown);
        assert!(store(&roster).settle(claimed, claim(1, 0), settlement).await.expect("an answer"));
    }
    let forget = async |millis: i64, limit: u32| store(&roster).forget(at(millis), limit).await.expect("an answer");
    assert_eq!(forget(30 * DAY - 1, 10).await, 0);
    assert_eq!((forget(30 * DAY, 2).await, forget(30 * DAY, 2).await, forget(30 * DAY, 2).await), (2, 1, 0));
    assert_eq!((forget(365 * DAY - 1, 10).await, forget(365 * DAY, 10).await), (0, 1), "of which nobody knows");
    for claimed in &claimed {
        let message = store(&roster).message(org.id(), claimed.message.id).await.expect("an answer");
        let attempts = store(&roster).attempts(org.id(), claimed.message.id).await.expect("an answer");
        assert_eq!((message, attempts), (None, Vec::new()));
    }
    assert_eq!(forget(9_999 * DAY, 10).await, 0, "what is owed is never forgotten");
    assert_eq!(store(&roster).messages(Filter::default(), 10).await.expect("messages").len(), 1);
}

#[tokio::test]
async fn what_the_gateway_took_waits_apart_until_it_is_asked_once() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 1).await;
    let claimed = claim_sms(&roster, 1, 0, 1).await.remove(0);
    let accepted = |due_at| Settlement { due_at, ..settled(State::Accepted, Outcome::Accepted) };
    let settle = async |token, millis, settlement| {
        store(&roster).settle(&claimed, claim(token, millis), settlement).await.expect("an answer")
    };
    assert!(settle(1, 0, accepted(Some(at(HOUR)))).await);
    assert_eq!(store(&roster).backlog(100).await.expect("a backlog"), [], "nobody owes it");
    assert_eq!(claim_sms(&roster, 2, DAY, 1).await.len(), 0, "it is not sent again");
    assert_eq!(store(&roster).forget(at(300 * DAY), 10).await.expect("an answer"), 0, "and not forgotten");
    let to_ask = async |token, millis| {
        let wanted = Wanted { queue: Queue::Accepted, now: at(millis), limit: 10 };
        store(&roster).claim(wanted, claim(token, millis)).await.expect("claimed")
    };
    assert_eq!(to_ask(3, HOUR - 1).await.len(), 0);
    let again = to_ask(4, HOUR).await.remove(0);
    assert_eq!((again.message.id, again.state, again.attempts), (claimed.message.id, State::Accepted, 1));
    assert_eq!(to_ask(5, HOUR + CLAIM - 1).await.len(), 0, "it is somebody's");
    assert_eq!(to_ask(6, HOUR + CLAIM).await.len(), 1, "who has died");
    assert!(settle(6, HOUR, Settlement { attempt: None, ..accepted(None) }).await);
    assert_eq!(to_ask(7, 29 * DAY).await.len(), 0, "once");
    let message = stored(&roster, &claimed).await;
    assert_eq!((message.state, message.attempts, message.due_at), (State::Accepted, 1, at(30 * DAY)));
    assert_eq!(store(&roster).forget(at(30 * DAY), 10).await.expect("an answer"), 1);
}

#[tokio::test]
async fn text_messages_that_waited_too_long_are_dropped() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 4).await;
    roster.set_clock(NOW + HOUR);
    texted(&roster, &org, 2).await;
    let claimed = claim_sms(&roster, 1, HOUR, 1).await.remove(0);
    let drop =
        async |limit: u32| store(&roster).drop_old_sms(at(HOUR - 1), at(2 * HOUR), limit).await.expect("an answer");
    assert_eq!((drop(2).await, drop(2).await, drop(2).await), (2, 1, 0), "all but what is in somebody's hands");
    let filter = |state| Filter { organization: Some(org.id()), state: Some(state), ..Filter::default() };
    let dropped = store(&roster).messages(filter(State::Dropped), 10).await.expect("messages");
    assert_eq!(dropped.len(), 3);
    assert!(dropped.iter().all(|message| message.due_at == at(2 * HOUR + 30 * DAY) && message.message.at == at(0)));
    assert_eq!(stored(&roster, &claimed).await.state, State::Owed);
    let backlog = async |most| {
        let backlog = store(&roster).backlog(most).await.expect("a backlog");
        backlog.iter().map(|backlog| (backlog.kind, backlog.owed, backlog.oldest)).collect::<Vec<_>>()
    };
    assert_eq!(backlog(100).await, [(Kind::WelcomeSms, 3, at(0))]);
    // Those due first are counted: the claimed one is due again when its claim ends.
    assert_eq!(backlog(2).await, [(Kind::WelcomeSms, 2, at(HOUR))]);
}

#[tokio::test]
async fn a_webhook_that_is_deleted_is_owed_nothing_more() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    let (gone, stays) = (webhook(&roster, &org).await, webhook(&roster, &org).await);
    for webhook in [&gone, &stays] {
        for _ in 0..3 {
            roster.app().test_webhook(&org.operator, webhook.id, None).await.expect("a test");
        }
    }
    let busy = async || {
        let busy = store(&roster).busy_webhooks(at(0)).await.expect("webhooks");
        let mut busy: Vec<_> = busy.into_iter().map(|busy| (busy.webhook.id, busy.owed)).collect();
        busy.sort_unstable();
        busy
    };
    assert_eq!(busy().await, [(gone.id, 3), (stays.id, 3)]);
    let wanted = Wanted { queue: Queue::Webhook(gone.id), now: at(0), limit: 1 };
    let claimed = store(&roster).claim(wanted, claim(1, 0)).await.expect("claimed").remove(0);
    roster.app().delete_webhook(&org.operator, gone.id).await.expect("deleted");
    assert_eq!(busy().await, [(stays.id, 3)]);
    let settlement = settled(State::Delivered, Outcome::Delivered);
    assert!(!store(&roster).settle(&claimed, claim(1, 0), settlement).await.expect("an answer"));
    let filter = Filter { organization: Some(org.id()), webhook: Some(gone.id), ..Filter::default() };
    let told = store(&roster).messages(filter, 10).await.expect("messages");
    assert_eq!(told.iter().map(|message| message.state).collect::<Vec<_>>(), [State::Dropped; 3]);
    let message = Message { id: MessageId::new(at(0), 1), content: Content::WebhookTest(gone.id), at: at(0) };
    let owed = store(&roster).owe(org.id(), gone.id, (gone.heard_to, gone.heard_to), vec![message], None).await;
    assert!(!owed.expect("an answer"), "there is none");
}

#[tokio::test]
async fn what_a_webhook_was_told_is_paged_newest_first() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    let webhook = webhook(&roster, &org).await;
    let mut made = Vec::new();
    for nth in 0..5 {
        roster.set_clock(NOW + nth / 2); // some of them in one millisecond
        made.push(roster.app().test_webhook(&org.operator, webhook.id, None).await.expect("a test"));
    }
    made.reverse();
    let page = async |before| {
        let filter = Filter { organization: Some(org.id()), webhook: Some(webhook.id), before, ..Filter::default() };
        let page = store(&roster).messages(filter, 2).await;
        page.map(|page| page.into_iter().map(|message| message.message.id).collect::<Vec<_>>())
    };
    assert_eq!(page(None).await.expect("a page"), made[..2]);
    assert_eq!(page(Some(made[1])).await.expect("a page"), made[2..4]);
    assert_eq!(page(Some(made[3])).await.expect("a page"), made[4..]);
    assert!(matches!(page(Some(MessageId::new(at(0), u128::MAX))).await, Err(Error::NoSuchCursor)));
}

#[tokio::test]
async fn consent_is_kept_under_the_wording_of_its_time() {
    let roster = Roster::new();
    let org = roster.organization("Example").await;
    let client = org.key(roster_directory::Role::Admin).await;
    let create = async |sms: bool| {
        let body = serde_json::json!({"firstName": "Jane", "lastName": "Doe", "shouldSendSMS": sms});
        let id = client.create(body).await;
        store(&roster).consents(org.id(), UserId::parse(&id).expect("an id")).await.expect("consents")
    };
    let set = async |hourly| {
        let setting = Setting { hourly: Some(hourly), ..Setting::default() };
        roster.app().set_sms(&org.operator, setting).await.expect("set");
    };
    assert_eq!(store(&roster).sms_setting(org.id()).await.expect("an answer"), None);
    let first = create(true).await;
    assert_eq!(first.len(), 1);
    assert_eq!((first[0].given, first[0].wording, first[0].at), (true, 0, at(0)));
    assert_eq!(first[0].by, client.key_id().as_str());
    // Two at once are two versions.
    crate::api::together::all([set(1), set(2)]).await;
    assert_eq!(store(&roster).sms_setting(org.id()).await.expect("an answer").expect("one").version, 2);
    assert_eq!(create(true).await[0].wording, 2);
    assert_eq!(create(false).await, []);
}

#[tokio::test]
async fn what_the_holder_of_a_number_said_is_one_however_often_it_is_told() {
    let roster = Roster::new();
    let said = |millis, stopped, reference: &str| Stop {
        phone: "+14155550100".to_owned(),
        at: at(millis),
        stopped,
        by: "sms".to_owned(),
        reference: reference.to_owned(),
    };
    let stops = [said(2, false, "b"), said(1, true, "c"), said(1, true, "C"), said(1, true, r"\d")];
    for stop in stops.iter().chain(&stops) {
        store(&roster).record_stop(stop.clone()).await.expect("recorded");
    }
    let expected = [said(1, true, "C"), said(1, true, r"\d"), said(1, true, "c"), said(2, false, "b")];
    assert_eq!(store(&roster).stops("+14155550100").await.expect("stops"), expected);
    assert_eq!(store(&roster).stops("+14155550199").await.expect("stops"), []);
}
