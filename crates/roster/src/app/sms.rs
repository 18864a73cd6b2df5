//! Text messages: how an organization's read, and who may be sent any.

use roster_directory::{
    MessageId, OrganizationId, UserId, Write,
    audit::{Action, Target},
    outbox::State,
    phone::is_e164,
    sms::{Consent, Setting},
};
use roster_store::outbox::{Report, Stop, VersionedSetting};

use super::{App, Caller, Error};
use crate::deliver::gateway::Fate;

/// Everything that is kept of whether somebody may be sent text messages.
#[derive(Debug)]
pub struct ConsentHistory {
    /// What was said of the user.
    pub said_of_user: Vec<Consent>,
    /// What the holder of the user's phone number said.
    pub said_by_phone: Vec<Stop>,
    /// Whether the user may be sent any now.
    pub may_be_sent: bool,
}

impl App {
    /// How the organization's text messages read; `None`: it has not said, and the default is used.
    pub async fn sms_setting(&self, caller: &Caller) -> Result<Option<VersionedSetting>, Error> {
        caller.may_manage()?;
        Ok(self.store.sms_setting(caller.organization()).await?)
    }

    /// Changes how the organization's text messages read: a new version, beside those before.
    pub async fn set_sms(&self, caller: &Caller, setting: Setting) -> Result<(), Error> {
        caller.may_manage()?;
        let now = self.clock.now()?;
        let target = Target::Organization(caller.organization());
        let writes = vec![Write::SmsSetting(Setting { at: now, ..setting })];
        self.commit(caller, Action::SmsSettingChanged, target, "template,wording,hourly", writes, now).await
    }

    /// Everything that is kept of whether a user may be sent text messages.
    pub async fn consent_of(&self, caller: &Caller, id: UserId) -> Result<ConsentHistory, Error> {
        let user = self.user(caller, id).await?;
        let said_of_user = self.store.consents(caller.organization(), id).await?;
        let country = caller.identity.organization.country;
        let phone = user.phone.as_ref().and_then(|phone| phone.e164(country));
        let said_by_phone = match &phone {
            Some(phone) => self.store.stops(phone).await?,
            None => Vec::new(),
        };
        let may_be_sent = user.should_send_sms && phone.is_some() && !has_stopped(&said_by_phone);
        Ok(ConsentHistory { said_of_user, said_by_phone, may_be_sent })
    }

    /// Writes down what the gateway says became of a text message, which it calls `sid` and sent to this number, at the
    /// `nth` attempt. `false`: that is known already, or there is no such message.
    pub async fn sms_reported(
        &self,
        (organization, id, nth): (OrganizationId, MessageId, u32),
        (sid, to): (Option<String>, &str),
        Fate { state, outcome, note }: Fate,
    ) -> Result<bool, Error> {
        if state == State::Dropped && is_e164(to) {
            self.record_stop(to, true, "gateway", sid.as_deref().unwrap_or(id.as_str())).await?;
        }
        let report = Report { nth, state, outcome, note, reference: sid, now: self.clock.steady() };
        Ok(self.store.report(organization, id, report).await?)
    }

    /// Writes down that the holder of a phone number wants no more text messages, or wants them again.
    pub async fn record_stop(&self, phone: &str, stopped: bool, by: &str, reference: &str) -> Result<(), Error> {
        let at = self.clock.steady();
        let (phone, by, reference) = (phone.to_owned(), by.to_owned(), reference.to_owned());
        Ok(self.store.record_stop(Stop { phone, at, stopped, by, reference }).await?)
    }
}

/// Whether the holder of a phone number wants no text messages: the last word counts.
pub(crate) fn has_stopped(said: &[Stop]) -> bool {
    said.last().is_some_and(|stop| stop.stopped)
}
