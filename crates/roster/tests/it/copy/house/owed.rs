//! What is owed, and what became of it: something of everything that a message, a webhook and a consent can be.

use std::sync::Arc;

use roster::app::{App, Caller, NewWebhook};
use roster_directory::{
    EventId, Message, MessageId, OrganizationId, Timestamp, Webhook,
    outbox::{Attempt, Content, Outcome, Queue, State},
    sms::Setting,
};
use roster_store::{
    Error,
    outbox::{Beginning, Begun, Claim, Claimed, Filter, Settlement, Stop, Wanted},
};

use crate::roster::NOW;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW + millis)
}

/// Says how text messages read, which consents given from now on name.
pub(super) async fn say_how_to_text(app: &App, caller: &Caller) {
    for (template, wording, hourly) in
        [("Hi {firstName}!", None, None), ("Zoë's \\ {organization}", Some("I agree. 'Да'"), Some(7))]
    {
        let setting = Setting {
            template: template.parse().expect("a template"),
            wording: wording.map(|wording: &str| wording.parse().expect("a wording")),
            hourly,
            at: at(0),
        };
        app.set_sms(caller, setting).await.expect("set");
    }
}

/// Webhooks that wait, so that no server tells them anything; what they are owed; and text messages in every state.
pub(super) async fn fill(app: &Arc<App>, caller: &Caller) {
    let organization = caller.organization();
    let make = async |url: &str, description: &str, events| {
        let new = NewWebhook {
            url: url.parse().expect("a url"),
            description: description.parse().expect("a description"),
            events,
        };
        app.create_webhook(caller, new, &roster::deliver::address::Inside::default(), None).await.expect("a webhook")
    };
    use roster_directory::audit::Action::{PayorCreated, UserCreated};
    let webhook = make("https://hooks.example/in?a=b\\c", "Приёмник", vec![UserCreated, PayorCreated]).await;
    let gone = make("https://gone.example/", "", Vec::new()).await;
    for _ in 0..2 {
        app.rotate_webhook(caller, webhook.id, None).await.expect("rotated");
    }
    app.pause_webhook(caller, webhook.id, None).await.expect("paused");
    owe(app, organization, &gone, 2).await;
    app.delete_webhook(caller, gone.id).await.expect("deleted");
    owe(app, organization, &webhook, 5).await;
    end(app, Queue::Webhook(webhook.id)).await;
    end(app, Queue::Sms).await;
    for (nth, reference) in [r"\x41", r"a\b", "Z", "a", "é"].into_iter().enumerate() {
        let (phone, stopped) = (format!("+1415555019{}", nth % 2), nth % 3 == 0);
        let (by, reference) = ("sms".to_owned(), format!("{organization}{reference}"));
        app.store().record_stop(Stop { phone, at: at(-(nth as i64)), stopped, by, reference }).await.expect("recorded");
    }
    // What nobody who reads the feed has heard of.
    for name in ["Late", "Later"] {
        app.create_payor(caller, name.parse().expect("a name")).await.expect("a payor");
    }
}

/// Owes a webhook the newest events, all before being none of its own.
async fn owe(app: &App, organization: OrganizationId, webhook: &Webhook, count: usize) {
    let mut numbers = vec![0];
    loop {
        let last = *numbers.last().expect("0 at least");
        let events = app.store().events(organization, last, 100).await.expect("events");
        if events.is_empty() {
            break;
        }
        numbers.extend(events.iter().map(|event| event.number));
    }
    let last = *numbers.last().expect("0 at least");
    let webhooks = app.store().webhooks(organization).await.expect("webhooks");
    let heard_to = webhooks.iter().find(|one| one.id == webhook.id).expect("the webhook").heard_to;
    let message = |number: &u64| Message {
        id: MessageId::new(at(0), u128::from(*number) << 64 ^ unique(webhook)),
        content: Content::Event(webhook.id, EventId::new(organization, *number)),
        at: at(*number as i64 % 3),
    };
    let messages = numbers.iter().rev().take(count).map(message).collect();
    let owed = app.store().owe(organization, webhook.id, (heard_to, last), messages, None).await;
    assert!(owed.expect("an answer"));
}

fn unique(webhook: &Webhook) -> u128 {
    webhook.id.as_str().bytes().fold(0, |number, byte| number * 31 + u128::from(byte))
}

/// Takes some of a queue's messages, and lets each end otherwise. What only text messages can be, only those are.
async fn end(app: &App, queue: Queue) {
    let claim = Claim { token: -7, until: at(60_000) };
    let claimed = app.store().claim(Wanted { queue, now: at(59_999), limit: 8 }, claim).await.expect("claimed");
    for (nth, claimed) in claimed.iter().enumerate() {
        match nth {
            // One that is still somebody's, and one that was being sent when its process died.
            0 => {}
            1 => {
                let beginning = Beginning { at: at(5), hourly: 1_000 };
                let begun = app.store().begin(claimed.organization, claimed.message.id, claim, beginning).await;
                assert_eq!(begun.expect("an answer"), Begun::Yes);
            }
            2 => settle(app, claimed, claim, (State::Delivered, None), Some("SM\\1")).await,
            3 => settle(app, claimed, claim, (State::Unknown, None), None).await,
            4 => settle(app, claimed, claim, (State::Failed, None), None).await,
            5 => settle(app, claimed, claim, (State::Owed, Some(at(90_000))), None).await,
            6 => settle(app, claimed, claim, (State::Accepted, Some(at(95_000))), Some("SM2")).await,
            _ => settle(app, claimed, claim, (State::Undelivered, None), Some("SM3")).await,
        }
    }
}

async fn settle(
    app: &App,
    claimed: &Claimed,
    claim: Claim,
    (state, due_at): (State, Option<Timestamp>),
    reference: Option<&str>,
) {
    let attempt = Attempt {
        at: at(9),
        outcome: Outcome::Unknown,
        status: Some(500),
        millis: 77,
        note: "answered 500".to_owned(),
    };
    let settlement = Settlement {
        state,
        due_at,
        attempt: Some(Attempt { status: reference.map(|_| 201), ..attempt }),
        had_begun: false,
        asked: 2,
        reference: reference.map(str::to_owned),
        now: at(10),
    };
    assert!(app.store().settle(claimed, claim, settlement).await.expect("an answer"));
}

/// All that the store says of it, a line each.
pub(super) async fn portray(app: &App, organization: OrganizationId, text: &mut String) {
    let store = app.store();
    let mut say = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    say(format!("{:?}", store.sms_setting(organization).await.expect("an answer")));
    for webhook in store.webhooks(organization).await.expect("webhooks") {
        let secrets: Vec<_> = webhook.signing(at(0)).map(|secret| secret.reveal()).collect();
        say(format!("{} {webhook:?} {secrets:?}", webhook.url.as_str()));
        let filter = Filter { organization: Some(organization), webhook: Some(webhook.id), ..Filter::default() };
        for message in store.messages(filter, 10_000).await.expect("messages") {
            say(format!("{message:?}"));
        }
    }
    let filter = Filter { organization: Some(organization), ..Filter::default() };
    for message in store.messages(filter, 10_000).await.expect("messages") {
        let id = message.message.id;
        say(format!("{message:?} {:?}", store.attempts(organization, id).await.expect("attempts")));
        if let Content::WelcomeSms(user) = message.message.content {
            say(format!("{:?}", store.consents(organization, user).await.expect("consents")));
        }
    }
    // Last, because on PostgreSQL whoever asks gives numbers to what has none.
    let events = loop {
        match store.events(organization, 0, 100_000).await {
            Err(Error::Busy) => {} // of those who ask one at a time gives numbers
            events => break events.expect("events"),
        }
    };
    for event in events {
        say(format!("{event:?}"));
    }
    for phone in ["+14155550190", "+14155550191"] {
        say(format!("{:?}", store.stops(phone).await.expect("stops")));
    }
}
