//! One text message: whether it may be sent, sending it, and finding out what became of it.

use roster_directory::{
    Timestamp, UserId,
    outbox::{self, Attempt, Content, Outcome, State, reconcile_pause, sms_pause},
    sms::{Fields, Setting},
};
use roster_store::outbox::{Beginning, Begun, Claim, Claimed, Settlement};

use super::{
    Delivery,
    gateway::{Gateway, Known, Sent},
};
use crate::app::{Error, has_stopped};

const HOUR: i64 = 60 * 60 * 1_000;

/// Milliseconds that a claim lasts once a text message has begun: longer than the exchange with the gateway may take.
const SENDING: i64 = 30_000;

/// What a text message would be, or why there is none.
enum Draft {
    Ready { to: String, text: String, hourly: u32 },
    Never(State, &'static str),
}

impl Delivery {
    /// Deals with a claimed text message.
    pub(super) async fn text(&self, gateway: &Gateway, claimed: &Claimed, claim: Claim) -> Result<(), Error> {
        let Content::WelcomeSms(user) = claimed.message.content else { return Ok(()) };
        if claimed.state == State::Accepted {
            return self.ask(gateway, claimed, claim).await;
        }
        let draft = self.draft(claimed, user).await?;
        match claimed.state {
            State::Owed => self.send(gateway, claimed, claim, draft).await,
            _ => self.find_out(gateway, claimed, claim, draft).await,
        }
    }

    async fn draft(&self, claimed: &Claimed, user: UserId) -> Result<Draft, Error> {
        let Some(organization) = self.app.store().organization(claimed.organization).await? else {
            return Ok(Draft::Never(State::Dropped, "the organization is gone"));
        };
        let Some(user) = self.app.store().user(organization.id, user).await? else {
            return Ok(Draft::Never(State::Dropped, "the user is gone"));
        };
        let Some(to) = user.phone.as_ref().and_then(|phone| phone.e164(organization.country)) else {
            return Ok(Draft::Never(State::Failed, "no text message can reach the number"));
        };
        let versioned = self.app.store().sms_setting(organization.id).await?;
        let Setting { template, hourly, .. } = versioned.map(|versioned| versioned.setting).unwrap_or_default();
        let fields = Fields { organization: organization.name.as_str(), first_name: user.first_name.as_str() };
        let text = template.render(fields);
        let hourly = hourly.unwrap_or(self.config.sms_hourly).min(self.config.sms_hourly);
        if claimed.state == State::Owed {
            if user.deactivated.is_some() {
                return Ok(Draft::Never(State::Dropped, "the user has left the organization"));
            }
            if !user.should_send_sms {
                return Ok(Draft::Never(State::Dropped, "the user is not to be sent any"));
            }
            if has_stopped(&self.app.store().stops(&to).await?) {
                return Ok(Draft::Never(State::Dropped, "the person has opted out"));
            }
        }
        Ok(Draft::Ready { to, text, hourly })
    }

    async fn send(&self, gateway: &Gateway, claimed: &Claimed, claim: Claim, draft: Draft) -> Result<(), Error> {
        let now = self.app.clock().steady();
        let (to, text, hourly) = match draft {
            Draft::Ready { to, text, hourly } => (to, text, hourly),
            Draft::Never(state, why) => {
                let attempt = (state == State::Failed).then(|| attempt(now, Outcome::Refused, why));
                return self.settle(claimed, claim, Settlement { attempt, ..settled(state, now) }).await;
            }
        };
        let claim = Claim { until: now.plus_millis(SENDING), ..claim };
        let id = claimed.message.id;
        let begun = self.app.store().begin(claimed.organization, id, claim, Beginning { at: now, hourly }).await?;
        match begun {
            Begun::Yes => {}
            Begun::Lost => return Ok(()),
            Begun::HourUsedUp => {
                // Not all of them in the first second of it.
                let next = (now.as_millis().div_euclid(HOUR) + 1) * HOUR;
                let due_at = Timestamp::from_millis(next).plus_millis(self.jittered(60_000));
                return self.settle(claimed, claim, owed(due_at, now)).await;
            }
        }
        let attempts = claimed.attempts + 1;
        let callback = self.callback(claimed, attempts);
        let said = gateway.send(&to, &text, callback.as_deref()).await;
        let ended = self.app.clock().steady();
        let attempt = |outcome| Attempt {
            at: now,
            outcome,
            status: said.status,
            millis: ended.as_millis() - now.as_millis(),
            note: said.note.clone(),
        };
        let settlement = match said.sent {
            Sent::Taken(reference) => {
                Settlement { attempt: Some(attempt(Outcome::Accepted)), ..self.accepted(reference, ended) }
            }
            Sent::NotSent(wait) => {
                let pause = self.jittered(sms_pause(attempts)).max(wait.map_or(0, millis));
                let again = ended.plus_millis(pause);
                let given_up = again > claimed.message.at.plus_millis(self.config.sms_keep.as_millis() as i64);
                let next = if given_up { settled(State::Failed, ended) } else { owed(again, ended) };
                Settlement { attempt: Some(attempt(Outcome::NotSent)), ..next }
            }
            Sent::Refused => Settlement { attempt: Some(attempt(Outcome::Refused)), ..settled(State::Failed, ended) },
            Sent::OptedOut => {
                self.app.record_stop(&to, true, "gateway", id.as_str()).await?;
                Settlement { attempt: Some(attempt(Outcome::Refused)), ..settled(State::Dropped, ended) }
            }
            Sent::Unknown => Settlement {
                attempt: Some(attempt(Outcome::Unknown)),
                due_at: reconcile_pause(1).map(|pause| ended.plus_millis(pause)),
                ..settled(State::Unknown, ended)
            },
        };
        self.settle(claimed, claim, Settlement { had_begun: true, ..settlement }).await
    }

    /// Asks the gateway about a text message that may have been sent; in the end a person has to.
    async fn find_out(&self, gateway: &Gateway, claimed: &Claimed, claim: Claim, draft: Draft) -> Result<(), Error> {
        let now = self.app.clock().steady();
        let tried = self.app.store().attempts(claimed.organization, claimed.message.id).await?;
        let last = tried.last().cloned().unwrap_or_else(|| attempt(claimed.message.at, Outcome::Begun, ""));
        let known = match &draft {
            Draft::Ready { to, text, .. } => gateway.knows(to, text, last.at).await,
            Draft::Never(..) => Known::NotTold,
        };
        let asked = claimed.asked + 1;
        let note = match claimed.state {
            State::Sending => "the process that sent it ended before the answer".to_owned(),
            _ => last.note.clone(),
        };
        let settlement = match known {
            Known::Yes(reference) => {
                let note = "the gateway was asked afterwards, and had it".to_owned();
                Settlement {
                    attempt: Some(Attempt { outcome: Outcome::Accepted, note, ..last }),
                    ..self.accepted(reference, now)
                }
            }
            Known::No | Known::NotTold => {
                let pause = if known == Known::No { reconcile_pause(asked + 1) } else { None };
                Settlement {
                    attempt: Some(Attempt { outcome: Outcome::Unknown, note, ..last }),
                    due_at: pause.map(|pause| now.plus_millis(pause)),
                    asked,
                    ..settled(State::Unknown, now)
                }
            }
        };
        self.settle(claimed, claim, Settlement { had_begun: true, ..settlement }).await
    }

    /// Asks the gateway what became of a text message that it took. Whatever it answers is the last that we ask.
    async fn ask(&self, gateway: &Gateway, claimed: &Claimed, claim: Claim) -> Result<(), Error> {
        let (organization, id) = (claimed.organization, claimed.message.id);
        let Some(stored) = self.app.store().message(organization, id).await? else { return Ok(()) };
        let told = match &stored.reference {
            Some(sid) => gateway.fate(sid).await,
            None => None,
        };
        let (asked, now) = (claimed.asked + 1, self.app.clock().steady());
        let due_at = match told {
            Some((to, fate)) if fate.state != State::Accepted => {
                let state = fate.state;
                if self.app.sms_reported((organization, id, claimed.attempts), (stored.reference, &to), fate).await? {
                    self.metrics.settled(claimed.message.content.kind(), state);
                }
                return Ok(());
            }
            Some(_) => None,
            None => reconcile_pause(asked).map(|pause| now.plus_millis(pause)),
        };
        // Not counted as settled: it was when it was accepted.
        self.app.store().settle(claimed, claim, Settlement { due_at, asked, ..settled(State::Accepted, now) }).await?;
        Ok(())
    }

    /// The gateway took it, under this name.
    fn accepted(&self, reference: Option<String>, now: Timestamp) -> Settlement {
        let ask_at = now.plus_millis(millis(self.config.sms_ask_after));
        // What has no name cannot be asked for.
        Settlement { due_at: reference.is_some().then_some(ask_at), reference, ..settled(State::Accepted, now) }
    }

    /// Where the gateway tells what becomes of this attempt.
    fn callback(&self, claimed: &Claimed, nth: u32) -> Option<String> {
        let (organization, id) = (claimed.organization, claimed.message.id);
        let ours = self.public_address.as_ref()?;
        Some(format!("{ours}/sms/status?org={organization}&message={id}&attempt={nth}"))
    }
}

fn millis(wait: std::time::Duration) -> i64 {
    i64::try_from(wait.as_millis()).unwrap_or(i64::MAX).min(24 * HOUR)
}

/// An attempt that took no time.
fn attempt(at: Timestamp, outcome: Outcome, why: &str) -> Attempt {
    Attempt { at, outcome, status: None, millis: 0, note: why.to_owned() }
}

/// It is over.
pub(super) fn settled(state: outbox::State, now: Timestamp) -> Settlement {
    Settlement { state, due_at: None, attempt: None, had_begun: false, asked: 0, reference: None, now }
}

/// It is still owed.
pub(super) fn owed(due_at: Timestamp, now: Timestamp) -> Settlement {
    Settlement { due_at: Some(due_at), ..settled(State::Owed, now) }
}
