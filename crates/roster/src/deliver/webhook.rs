//! Telling webhooks: which events they are owed, and one message to one of them.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request,
    header::{CONTENT_TYPE, USER_AGENT},
};
use roster_directory::{
    Message, OrganizationId, Timestamp, Webhook,
    audit::Action,
    outbox::{Attempt, Content, Outcome, State, webhook_pause},
    webhook::Secret,
};
use roster_store::outbox::{BusyWebhook, Claim, Claimed, Settlement};
use serde::Serialize;

use super::{
    Delivery, USER_AGENT as OURS,
    client::Trouble,
    signature,
    sms::{owed, settled},
};
use crate::app::{Error, is_told};

/// Messages that wait for one webhook at most; the events after them wait in the feed, where they cost nothing.
const WINDOW: u64 = 100;

/// What a receiver is told: what happened and to what, and nothing of anybody. Who wants to know more asks with a key.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    public_id: Option<&'a str>,
    organization_public_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<&'a str>>,
}

impl Delivery {
    /// Owes a webhook the events that it has not heard of, as many as may wait.
    pub(super) async fn owe(&self, busy: &BusyWebhook) -> Result<(), Error> {
        let (organization, webhook) = (busy.organization, &busy.webhook);
        let room = WINDOW.saturating_sub(busy.owed);
        if !busy.is_behind || room == 0 {
            return Ok(());
        }
        let events = self.app.store().events(organization, webhook.heard_to, room as u32).await?;
        let Some(last) = events.last() else { return Ok(()) };
        let heard = (webhook.heard_to, last.number);
        let is_owed = |event: &&roster_store::outbox::Event| {
            let is_its_own_making = event.action == Action::WebhookCreated && event.target == webhook.id.as_str();
            webhook.hears_of(event.action) && is_told(event) && event.at >= webhook.created_at && !is_its_own_making
        };
        let now = self.app.clock().steady();
        let message = |event: &roster_store::outbox::Event| Message {
            id: self.app.ids().message(now),
            content: Content::Event(webhook.id, roster_directory::EventId::new(organization, event.number)),
            at: event.at,
        };
        let messages = events.iter().filter(is_owed).map(message).collect();
        // Where another process did it first, nothing is owed twice.
        self.app.store().owe(organization, webhook.id, heard, messages, None).await?;
        Ok(())
    }

    /// Delivers a claimed message to its webhook.
    pub(super) async fn tell(&self, webhook: &Webhook, claimed: &Claimed, claim: Claim) -> Result<(), Error> {
        let began = self.app.clock().steady();
        let Some((id, body)) = self.body(claimed).await? else {
            return self.settle(claimed, claim, settled(State::Dropped, began)).await;
        };
        let told = match request(webhook, &id, began, body) {
            Some(request) => self.client_of(claimed.organization).send(request).await,
            None => Err(Trouble::NotSent(super::client::Why::NoSuchName)),
        };
        let now = self.app.clock().steady();
        let (status, wait, note) = match &told {
            Ok(reply) => (Some(reply.status), reply.retry_after, format!("answered {}", reply.status)),
            Err(Trouble::NotSent(why) | Trouble::Unknown(why)) => (None, None, why.to_string()),
        };
        let outcome = match (&told, status) {
            (_, Some(200..=299)) => Outcome::Delivered,
            (_, Some(410)) => Outcome::Refused,
            (Err(Trouble::Unknown(_)), _) => Outcome::Unknown,
            _ => Outcome::NotSent,
        };
        let millis = now.as_millis() - began.as_millis();
        let attempt = Some(Attempt { at: began, outcome, status, millis, note });
        let settlement = match outcome {
            Outcome::Delivered => settled(State::Delivered, now),
            Outcome::Refused => {
                self.app.disable_webhook(claimed.organization, webhook.id).await?;
                settled(State::Failed, now)
            }
            // At least once: a message that may have arrived is sent again, under the same id.
            _ => match webhook_pause(claimed.attempts + 1) {
                None => settled(State::Failed, now),
                Some(pause) => {
                    let asked = wait.map_or(0, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
                    let pause = pause + self.jittered(pause / 5);
                    owed(now.plus_millis(pause.max(asked.min(24 * 60 * 60 * 1_000))), now)
                }
            },
        };
        self.settle(claimed, claim, Settlement { attempt, ..settlement }).await
    }

    /// What a message is known by, and its body; `None` if what it is about is not there.
    async fn body(&self, claimed: &Claimed) -> Result<Option<(String, Vec<u8>)>, Error> {
        let organization: OrganizationId = claimed.organization;
        let written = |r#type: &str, at: Timestamp, public_id: Option<&str>, fields: Option<Vec<&str>>| {
            let data = Data { public_id, organization_public_id: organization.as_str(), fields };
            serde_json::to_vec(&Body { r#type, timestamp: at.to_string(), data }).expect("strings only")
        };
        Ok(match claimed.message.content {
            Content::WelcomeSms(_) => None,
            Content::WebhookTest(_) => {
                let body = written("webhook.test", claimed.message.at, None, None);
                Some((claimed.message.id.to_string(), body))
            }
            Content::Event(_, id) => {
                let Some(number) = id.number_in(organization).filter(|number| *number > 0) else { return Ok(None) };
                let found = self.app.store().events(organization, number - 1, 1).await?;
                let event = found.first().filter(|event| event.number == number);
                event.map(|event| {
                    let (action, target) = (event.action.as_str(), Some(event.target.as_str()));
                    (id.to_string(), written(action, event.at, target, event.changed()))
                })
            }
        })
    }
}

/// The request as Standard Webhooks 1.0.0 has it. Each secret that was replaced within a day signs it, too.
fn request(webhook: &Webhook, id: &str, now: Timestamp, body: Vec<u8>) -> Option<Request<Full<Bytes>>> {
    let seconds = now.as_seconds();
    let signed = |secret: &Secret| signature::webhook(secret.as_bytes(), id, seconds, &body);
    let signatures = webhook.signing(now).map(signed).collect::<Vec<_>>().join(" ");
    Request::builder()
        .method("POST")
        .uri(webhook.url.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, OURS)
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signatures)
        .body(Full::from(body))
        .ok()
}
