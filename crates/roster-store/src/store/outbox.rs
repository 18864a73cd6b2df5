//! What is asked of the outbox and the feed.

use roster_directory::{
    Message, MessageId, OrganizationId, Timestamp, UserId, Webhook, WebhookId, outbox::Attempt, repeat::Answer,
    sms::Consent,
};

use super::{Engine, Store, ask};
use crate::{
    Error,
    outbox::{
        Backlog, Beginning, Begun, BusyWebhook, Claim, Claimed, Event, Filter, Report, Settlement, Stop, StoredMessage,
        VersionedSetting, Wanted,
    },
};

impl Store {
    /// The events of the organization's feed after the `after`-th, `limit` at most, in their order. Whoever goes on
    /// after the last of them misses none and meets none again.
    pub async fn events(&self, organization: OrganizationId, after: u64, limit: u32) -> Result<Vec<Event>, Error> {
        ask!(self, sqlite.events(organization, after, limit))
    }

    /// All webhooks of the organization, by id.
    pub async fn webhooks(&self, organization: OrganizationId) -> Result<Vec<Webhook>, Error> {
        ask!(self, sqlite.webhooks(organization))
    }

    /// The active webhooks of all organizations for which something is to be done at `now`.
    pub async fn busy_webhooks(&self, now: Timestamp) -> Result<Vec<BusyWebhook>, Error> {
        ask!(self, sqlite.busy_webhooks(now))
    }

    /// Owes a webhook these messages, and moves it on from the one event it has heard to to the other; `false`, and
    /// nothing is owed, if it has moved meanwhile. What is answered is kept, if the request may be sent again.
    pub async fn owe(
        &self,
        organization: OrganizationId,
        webhook: WebhookId,
        heard: (u64, u64),
        messages: Vec<Message>,
        answer: Option<Answer>,
    ) -> Result<bool, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.owe(organization, webhook, heard, messages, answer).await,
            Engine::Postgres(postgres) => postgres.owe(organization, webhook, heard, messages, answer).await,
        }
    }

    /// Claims messages that are due: until the claim ends nobody else gets them.
    pub async fn claim(&self, wanted: Wanted, claim: Claim) -> Result<Vec<Claimed>, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.claim(wanted, claim).await,
            Engine::Postgres(postgres) => postgres.claim(wanted, claim).await,
        }
    }

    /// Begins an attempt at a claimed message that nobody may repeat, within the organization's hourly budget. When this
    /// says yes, it is on disk that the message may have left.
    pub async fn begin(
        &self,
        organization: OrganizationId,
        id: MessageId,
        claim: Claim,
        beginning: Beginning,
    ) -> Result<Begun, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.begin(organization, id, claim, beginning).await,
            Engine::Postgres(postgres) => postgres.begin(organization, id, claim, beginning).await,
        }
    }

    /// Writes down what became of a claimed message; `false`, and nothing was written, if it is somebody else's by now.
    pub async fn settle(&self, claimed: &Claimed, claim: Claim, settlement: Settlement) -> Result<bool, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.settle(claimed, claim, settlement).await,
            Engine::Postgres(postgres) => postgres.settle(claimed, claim, settlement).await,
        }
    }

    /// Writes down what the gateway says became of a text message. An end is written over everything but an end, that
    /// the gateway has it only over [`State::Unknown`](roster_directory::outbox::State::Unknown). `false`: nothing was
    /// written, because that is known already, the attempt was not the last, or there is no such message.
    pub async fn report(&self, organization: OrganizationId, id: MessageId, report: Report) -> Result<bool, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.report(organization, id, report).await,
            Engine::Postgres(postgres) => postgres.report(organization, id, report).await,
        }
    }

    /// Drops text messages, `limit` at most, that are owed since `before` or longer. Says how many.
    pub async fn drop_old_sms(&self, before: Timestamp, now: Timestamp, limit: u32) -> Result<u64, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.drop_old_sms(before, now, limit).await,
            Engine::Postgres(postgres) => postgres.drop_old_sms(before, now, limit).await,
        }
    }

    /// Removes messages, `limit` at most, that were settled long ago, and answers that are not given again. Says how many
    /// messages.
    pub async fn forget(&self, now: Timestamp, limit: u32) -> Result<u64, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.forget(now, limit).await,
            Engine::Postgres(postgres) => postgres.forget(now, limit).await,
        }
    }

    /// How many messages of each kind are owed, in all organizations. Of text messages those due first are counted, and
    /// `most` of them at most; of what goes to webhooks, as many.
    pub async fn backlog(&self, most: u32) -> Result<Vec<Backlog>, Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.backlog(most).await,
            Engine::Postgres(postgres) => postgres.backlog(most).await,
        }
    }

    /// Messages, `limit` at most: of a webhook the newest first, else the oldest first. Without an organization, for the
    /// operator of the host.
    pub async fn messages(&self, filter: Filter, limit: u32) -> Result<Vec<StoredMessage>, Error> {
        ask!(self, sqlite.messages(filter, limit))
    }

    /// One message of the organization.
    pub async fn message(&self, organization: OrganizationId, id: MessageId) -> Result<Option<StoredMessage>, Error> {
        ask!(self, sqlite.message(organization, id))
    }

    /// All attempts at a message, in their order.
    pub async fn attempts(&self, organization: OrganizationId, id: MessageId) -> Result<Vec<Attempt>, Error> {
        ask!(self, sqlite.attempts(organization, id))
    }

    /// How the organization's text messages read, if it has said so.
    pub async fn sms_setting(&self, organization: OrganizationId) -> Result<Option<VersionedSetting>, Error> {
        ask!(self, sqlite.sms_setting(organization))
    }

    /// Every change of whether a user may be sent text messages, in their order.
    pub async fn consents(&self, organization: OrganizationId, user: UserId) -> Result<Vec<Consent>, Error> {
        ask!(self, sqlite.consents(organization, user))
    }

    /// What the holder of a phone number (in E.164 form) said about text messages, in its order: the last counts.
    pub async fn stops(&self, phone: &str) -> Result<Vec<Stop>, Error> {
        ask!(self, sqlite.stops(phone))
    }

    /// Writes down what the holder of a phone number said. The same reference twice is one.
    pub async fn record_stop(&self, stop: Stop) -> Result<(), Error> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.record_stop(stop).await,
            Engine::Postgres(postgres) => postgres.record_stop(stop).await,
        }
    }
}
