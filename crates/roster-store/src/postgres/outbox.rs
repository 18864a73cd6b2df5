//! The outbox and the feed.

use deadpool_postgres::Transaction;
use roster_directory::{
    Message, MessageId, OrganizationId, Timestamp, UserId, Webhook, WebhookId, Write, outbox::Attempt, sms::Consent,
};

use super::{Postgres, lending::Trouble};
use crate::{
    Error,
    outbox::{
        Backlog, Beginning, Begun, BusyWebhook, Claim, Claimed, Event, Filter, Settlement, Stop, StoredMessage,
        VersionedSetting, Wanted,
    },
};

fn not_yet<T>() -> Result<T, Error> {
    Err(Error::Unusable("not yet".to_owned()))
}

#[rustfmt::skip]
impl Postgres {
    pub(crate) async fn events(&self, _organization: OrganizationId, _after: u64, _limit: u32) -> Result<Vec<Event>, Error> { not_yet() }
    pub(crate) async fn webhooks(&self, _organization: OrganizationId) -> Result<Vec<Webhook>, Error> { not_yet() }
    pub(crate) async fn busy_webhooks(&self, _now: Timestamp) -> Result<Vec<BusyWebhook>, Error> { not_yet() }
    pub(crate) async fn owe(&self, _organization: OrganizationId, _webhook: WebhookId, _heard: (u64, u64), _messages: Vec<Message>) -> Result<bool, Error> { not_yet() }
    pub(crate) async fn claim(&self, _wanted: Wanted, _claim: Claim) -> Result<Vec<Claimed>, Error> { not_yet() }
    pub(crate) async fn begin(&self, _organization: OrganizationId, _id: MessageId, _claim: Claim, _beginning: Beginning) -> Result<Begun, Error> { not_yet() }
    pub(crate) async fn settle(&self, _claimed: &Claimed, _claim: Claim, _settlement: Settlement) -> Result<bool, Error> { not_yet() }
    pub(crate) async fn drop_old_sms(&self, _before: Timestamp, _now: Timestamp, _limit: u32) -> Result<u64, Error> { not_yet() }
    pub(crate) async fn forget(&self, _now: Timestamp, _limit: u32) -> Result<u64, Error> { not_yet() }
    pub(crate) async fn backlog(&self) -> Result<Vec<Backlog>, Error> { not_yet() }
    pub(crate) async fn messages(&self, _filter: Filter, _limit: u32) -> Result<Vec<StoredMessage>, Error> { not_yet() }
    pub(crate) async fn message(&self, _organization: OrganizationId, _id: MessageId) -> Result<Option<StoredMessage>, Error> { not_yet() }
    pub(crate) async fn attempts(&self, _organization: OrganizationId, _id: MessageId) -> Result<Vec<Attempt>, Error> { not_yet() }
    pub(crate) async fn sms_setting(&self, _organization: OrganizationId) -> Result<Option<VersionedSetting>, Error> { not_yet() }
    pub(crate) async fn consents(&self, _organization: OrganizationId, _user: UserId) -> Result<Vec<Consent>, Error> { not_yet() }
    pub(crate) async fn stops(&self, _phone: &str) -> Result<Vec<Stop>, Error> { not_yet() }
    pub(crate) async fn record_stop(&self, _stop: Stop) -> Result<(), Error> { not_yet() }
}

/// Applies a write that is about delivery.
pub(super) async fn apply(_: &Transaction<'_>, _: &str, _: &Write) -> Result<(), Trouble> {
    Err(Trouble::Refused(Error::Unusable("not yet".to_owned())))
}
