//! Webhooks, and the feed of events that they are told from.

use std::sync::Arc;

use roster_directory::{
    EventId, Message, MessageId, Organization, OrganizationId, Role, RoleSet, Webhook, WebhookId, Write,
    audit::{Action, Actor, Roles, Target},
    outbox::{Attempt, Content},
    webhook::{self, Description, State, WebhookUrl},
};
use roster_store::outbox::{Event, Filter, StoredMessage};

use super::{Answering, App, Caller, Error, Identity, Unsettled};
use crate::deliver::address::Inside;

/// A webhook to be made.
#[derive(Debug, Clone)]
pub struct NewWebhook {
    /// Where its receiver is.
    pub url: WebhookUrl,
    /// What it is for; may be empty.
    pub description: Description,
    /// What it hears of; empty: of everything. Each counts once.
    pub events: Vec<Action>,
}

/// A piece of the feed.
#[derive(Debug)]
pub struct EventPage {
    /// The events that the caller may see, in their order.
    pub events: Vec<(EventId, Event)>,
    /// The last event looked at, whether or not the caller may see it, if there are more after it.
    pub goes_on_after: Option<EventId>,
}

impl App {
    /// Events after this one, which must be there, or from the first; at most `limit` are looked at.
    ///
    /// Of users, the caller sees events of those it may read; of anything else, only who may manage webhooks does.
    pub async fn events(&self, caller: &Caller, after: Option<EventId>, limit: u32) -> Result<EventPage, Error> {
        let organization = caller.organization();
        let after = match after {
            Some(id) => id.number_in(organization).filter(|number| *number > 0).ok_or(Error::NotFound)?,
            None => 0,
        };
        // From the event itself on: one that is not there leads nowhere. And one more, which says whether there is more.
        let seen = u32::from(after > 0);
        let mut found = self.store.events(organization, after.saturating_sub(1), seen + limit + 1).await?;
        if after > 0 && found.first().is_none_or(|event| event.number != after) {
            return Err(Error::NotFound);
        }
        found.drain(..seen as usize);
        let goes_on = found.len() > limit as usize;
        found.truncate(limit as usize);
        let last = found.last().map(|event| EventId::new(organization, event.number));
        let goes_on_after = last.filter(|_| goes_on);
        let may_see = |event: &Event| match event.roles == Roles::default() {
            true => Action::TOLD.contains(&event.action) && caller.may_manage().is_ok(),
            false => is_of(event, caller.identity.may_read),
        };
        let events = found.into_iter().filter(may_see);
        let events = events.map(|event| (EventId::new(organization, event.number), event)).collect();
        Ok(EventPage { events, goes_on_after })
    }

    /// Makes a webhook. It hears of what happens from now on. One that can never be reached is refused: whoever makes it
    /// would find out days later.
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        new: NewWebhook,
        inside: &Inside,
        answering: Option<Answering<'_, Webhook>>,
    ) -> Result<Webhook, Error> {
        caller.may_manage()?;
        inside.check(&new.url).map_err(|flaw| Error::Invalid(vec![flaw.at(["url"])]))?;
        if self.store.webhooks(caller.organization()).await?.len() >= webhook::MOST {
            return Err(Error::TooManyWebhooks);
        }
        let now = self.clock.now()?;
        let mut events = Vec::with_capacity(new.events.len());
        for action in new.events {
            if !events.contains(&action) {
                events.push(action);
            }
        }
        let webhook = Webhook {
            id: self.ids.webhook(),
            url: new.url,
            description: new.description,
            events,
            state: State::Active,
            secret: self.ids.webhook_secret(),
            old_secrets: Vec::new(),
            created_at: now,
            heard_to: 0,
        };
        let writes = vec![Write::Webhook(Box::new(webhook.clone()))];
        let entry = (Action::WebhookCreated, Target::Webhook(webhook.id), "url,description,events");
        let answer = answering.map(|answering| answering(&webhook));
        self.commit_answered(caller, entry, writes, now, answer).await?;
        Ok(webhook)
    }

    /// All webhooks of the organization, by id.
    pub async fn webhooks(&self, caller: &Caller) -> Result<Vec<Webhook>, Error> {
        caller.may_manage()?;
        Ok(self.store.webhooks(caller.organization()).await?)
    }

    /// One webhook.
    pub async fn webhook(&self, caller: &Caller, id: WebhookId) -> Result<Webhook, Error> {
        let webhooks = self.webhooks(caller).await?;
        webhooks.into_iter().find(|webhook| webhook.id == id).ok_or(Error::NotFound)
    }

    /// Tells a webhook nothing more, until it is resumed: then it is told what happened meanwhile.
    pub async fn pause_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        answering: Option<Answering<'_, Webhook>>,
    ) -> Result<Webhook, Error> {
        self.set_webhook_state(caller, id, State::Paused, Action::WebhookPaused, answering).await
    }

    /// Tells a webhook again, from where it was, whether it was paused or its receiver was gone.
    pub async fn resume_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        answering: Option<Answering<'_, Webhook>>,
    ) -> Result<Webhook, Error> {
        self.set_webhook_state(caller, id, State::Active, Action::WebhookResumed, answering).await
    }

    async fn set_webhook_state(
        &self,
        caller: &Caller,
        id: WebhookId,
        state: State,
        action: Action,
        answering: Option<Answering<'_, Webhook>>,
    ) -> Result<Webhook, Error> {
        let mut webhook = self.webhook(caller, id).await?;
        if webhook.state == state {
            return Ok(webhook);
        }
        webhook.state = state;
        let (writes, answer) = (vec![Write::WebhookState(id, state)], answering.map(|answering| answering(&webhook)));
        let entry = (action, Target::Webhook(id), "state");
        self.commit_answered(caller, entry, writes, self.clock.now()?, answer).await?;
        Ok(webhook)
    }

    /// Tells a webhook nothing more because its receiver said that it is gone for good.
    pub async fn disable_webhook(&self, organization: OrganizationId, id: WebhookId) -> Result<(), Error> {
        let organization = self.store.organization(organization).await?.ok_or(Error::NotFound)?;
        let caller = self.roster_itself(organization).await?;
        self.set_webhook_state(&caller, id, State::Disabled, Action::WebhookDisabled, None).await.map(drop)
    }

    async fn roster_itself(&self, organization: Organization) -> Result<Caller, Error> {
        let identity = Identity { actor: Actor::Roster, ..Identity::of_operator(organization) };
        Ok(Caller { identity: Arc::new(identity), request: self.ids.request(), epoch: self.store.epoch().await? })
    }

    /// Ends a webhook. What it is still owed is dropped.
    pub async fn delete_webhook(&self, caller: &Caller, id: WebhookId) -> Result<(), Error> {
        self.webhook(caller, id).await?;
        let now = self.clock.now()?;
        let writes = vec![Write::WebhookDeleted(id, now)];
        self.commit(caller, Action::WebhookDeleted, Target::Webhook(id), "", writes, now).await
    }

    /// Makes a new secret. Messages are signed with each one before as well, for a day after it was replaced; while ten of
    /// them are, there is no eleventh.
    pub async fn rotate_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        answering: Option<Answering<'_, Webhook>>,
    ) -> Result<Webhook, Error> {
        let mut webhook = self.webhook(caller, id).await?;
        let now = self.clock.now()?;
        if webhook.signing(now).count() > webhook::MOST_OLD_SECRETS {
            return Err(Error::NotNow(
                "Its secret was replaced ten times within 24 hours, and each of them still signs",
            ));
        }
        let (secret, until) = (self.ids.webhook_secret(), now.plus_millis(webhook::ROTATION));
        let writes = vec![Write::WebhookSecret(id, secret.clone(), until)];
        let replaced = std::mem::replace(&mut webhook.secret, secret);
        webhook.old_secrets.push((replaced, until));
        let entry = (Action::WebhookSecretRotated, Target::Webhook(id), "secret");
        let answer = answering.map(|answering| answering(&webhook));
        self.commit_answered(caller, entry, writes, now, answer).await?;
        Ok(webhook)
    }

    /// Owes a webhook a message to try it with. It is delivered as any other.
    pub async fn test_webhook(
        &self,
        caller: &Caller,
        id: WebhookId,
        answering: Option<Answering<'_, MessageId>>,
    ) -> Result<MessageId, Error> {
        let webhook = self.webhook(caller, id).await?;
        self.owe_once_more(caller, &webhook, Content::WebhookTest(id), answering).await
    }

    /// Owes a webhook an event once more, whatever became of it before.
    pub async fn replay_event(
        &self,
        caller: &Caller,
        id: WebhookId,
        event: EventId,
        answering: Option<Answering<'_, MessageId>>,
    ) -> Result<MessageId, Error> {
        let webhook = self.webhook(caller, id).await?;
        let number = event.number_in(caller.organization()).filter(|number| *number > 0).ok_or(Error::NotFound)?;
        let found = self.store.events(caller.organization(), number - 1, 1).await?;
        let there = found.first().is_some_and(|event| event.number == number && is_told(event));
        if !there {
            return Err(Error::NotFound);
        }
        self.owe_once_more(caller, &webhook, Content::Event(id, event), answering).await
    }

    async fn owe_once_more(
        &self,
        caller: &Caller,
        webhook: &Webhook,
        content: Content,
        answering: Option<Answering<'_, MessageId>>,
    ) -> Result<MessageId, Error> {
        let now = self.clock.now()?;
        let message = Message { id: self.ids.message(now), content, at: now };
        let id = message.id;
        let unsettled = Unsettled::Delivery(webhook.id, id);
        let mut heard_to = webhook.heard_to;
        loop {
            let answer = answering.map(|answering| answering(&id));
            let (heard, messages) = ((heard_to, heard_to), vec![message.clone()]);
            let owed = self.store.owe(caller.organization(), webhook.id, heard, messages, answer);
            if owed.await.map_err(|error| Error::of_write(error, unsettled))? {
                break;
            }
            // It was told of events at this very moment, and so moved on.
            heard_to = self.webhook(caller, webhook.id).await?.heard_to;
        }
        self.wake.notify_one();
        Ok(id)
    }

    /// What a webhook was told or is to be told, newest first.
    pub async fn deliveries(
        &self,
        caller: &Caller,
        id: WebhookId,
        filter: Filter,
        limit: u32,
    ) -> Result<Vec<StoredMessage>, Error> {
        self.webhook(caller, id).await?;
        let filter = Filter { organization: Some(caller.organization()), webhook: Some(id), ..filter };
        Ok(self.store.messages(filter, limit).await?)
    }

    /// A message to a webhook, with its attempts.
    pub async fn delivery(
        &self,
        caller: &Caller,
        webhook: WebhookId,
        id: MessageId,
    ) -> Result<(StoredMessage, Vec<Attempt>), Error> {
        let message = self.message(caller, id).await?;
        if message.message.content.webhook() != Some(webhook) {
            return Err(Error::NotFound);
        }
        Ok((message, self.attempts(caller, id).await?))
    }
}

/// Whether it is about a user who had one of these roles, or has one since.
fn is_of(event: &Event, roles: RoleSet) -> bool {
    event.roles.iter().any(|role| roles.contains(role))
}

/// Whether webhooks hear of it: of everything but the users whom no key may read, and reads of the trail.
pub(crate) fn is_told(event: &Event) -> bool {
    Action::TOLD.contains(&event.action) && (event.roles == Roles::default() || is_of(event, Role::Admin.may_read()))
}

impl Caller {
    /// Whether they may see and change where the organization's events go: ADMIN and HIPP_ADMIN, who may create
    /// everybody, and the operator of the host.
    pub(crate) fn may_manage(&self) -> Result<(), Error> {
        let everybody = Role::Admin.may_create();
        if everybody.without(self.identity.may_create).is_empty() { Ok(()) } else { Err(Error::Forbidden) }
    }
}
