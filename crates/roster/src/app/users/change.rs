//! What changes a user: one way for all doors.

use std::time::Duration;

use roster_directory::{
    Change, Flaw, PayorId, Timestamp, User, UserId,
    audit::Action,
    issue::Code,
    user::{Deactivation, Diff, Email, Patch, Reason, Warning},
};
use tokio::time::Instant;

use super::{Acted, App, Caller, Error, doubt};
use crate::app::repeat::Answering;

/// How long an act tries again because others changed the same user meanwhile.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Which version of a user an act is meant for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Meant {
    /// Whichever it is.
    #[default]
    Any,
    /// One of these.
    Versions(Vec<u32>),
}

impl Meant {
    fn fits(&self, user: &User) -> bool {
        match self {
            Meant::Any => true,
            Meant::Versions(versions) => versions.contains(&user.version),
        }
    }
}

/// Who acts, upon whom, and what is done.
struct Act<'a> {
    caller: &'a Caller,
    id: UserId,
    action: Action,
    meant: &'a Meant,
    answering: Option<Answering<'a>>,
    /// Whether the caller's role is asked: not where Roster tidies up after an act that was allowed.
    asks_role: bool,
}

impl App {
    /// Changes what is given about a user, and leaves the rest. What changes nothing writes nothing.
    pub async fn update_user(&self, caller: &Caller, id: UserId, meant: &Meant, patch: &Patch) -> Result<Acted, Error> {
        // Whoever may not see or change it learns nothing else.
        let before = self.user(caller, id).await?;
        let planned = self.plan_update(caller, before, patch).await?;
        self.carry_out(caller, planned, meant, patch).await
    }

    /// All of an update but the write: whether it is allowed, and what the user would be then.
    pub(in crate::app) async fn plan_update(
        &self,
        caller: &Caller,
        before: User,
        patch: &Patch,
    ) -> Result<Planned, Error> {
        caller.may_create(before.role)?;
        if let Some(role) = patch.role {
            caller.may_create(role)?;
        }
        self.must_be_there(caller, patch.caregiver.flatten()).await?;
        let mut warnings = Vec::new();
        let payors = match &patch.payors {
            Some(requested) => Some(self.payors_for(caller, requested, &mut warnings).await?),
            None => None,
        };
        let (npi, phone) = (patch.npi.as_ref().and_then(Option::as_ref), patch.phone.as_ref().and_then(Option::as_ref));
        doubt(caller, npi, phone, &mut warnings);
        let after = patched(&before, patch, payors.as_deref());
        Ok(Planned { before, after, payors, warnings })
    }

    /// Writes what was planned; where the user has changed meanwhile, what the patch makes of it then.
    pub(in crate::app) async fn carry_out(
        &self,
        caller: &Caller,
        planned: Planned,
        meant: &Meant,
        patch: &Patch,
    ) -> Result<Acted, Error> {
        let Planned { before, payors, warnings, .. } = planned;
        let id = before.id;
        let act = Act { caller, id, action: Action::UserUpdated, meant, answering: None, asks_role: true };
        let decide = |user: &User, _| Ok(patched(user, patch, payors.as_deref()));
        let user = self.edit(act, Some(before), decide).await?;
        Ok(Acted { user, warnings })
    }

    /// Somebody leaves: lists do not show the user any more, its e-mail and external id are free, and what it is owed is
    /// dropped. Of whom that is true already, nothing changes.
    pub async fn deactivate_user(
        &self,
        caller: &Caller,
        id: UserId,
        meant: &Meant,
        reason: Option<Reason>,
        answering: Option<Answering<'_>>,
    ) -> Result<Acted, Error> {
        let act = Act { caller, id, action: Action::UserDeactivated, meant, answering, asks_role: true };
        let decide = |user: &User, now| {
            let mut after = user.clone();
            after.deactivated.get_or_insert_with(|| Deactivation { at: now, reason: reason.clone() });
            Ok(after)
        };
        self.edit(act, None, decide).await.map(Acted::plainly)
    }

    /// Somebody comes back, with the e-mail of before or another one. Of whom that is true already, nothing changes.
    pub async fn restore_user(
        &self,
        caller: &Caller,
        id: UserId,
        meant: &Meant,
        email: Option<Email>,
        answering: Option<Answering<'_>>,
    ) -> Result<Acted, Error> {
        let act = Act { caller, id, action: Action::UserRestored, meant, answering, asks_role: true };
        let decide = |user: &User, _| {
            let mut after = user.clone();
            if after.deactivated.take().is_some() {
                after.email = email.clone().or(after.email);
            } else if email.is_some() && email != after.email {
                let why = "The user is active: an e-mail is changed by PATCH";
                return Err(Error::Invalid(vec![Flaw::new(Code::Custom, why).at(["email"])]));
            }
            Ok(after)
        };
        self.edit(act, None, decide).await.map(Acted::plainly)
    }

    /// Removes every value that was a user's. It must be deactivated. Its id stays in the audit trail and the feed.
    ///
    /// Those it was the caregiver of have none from then on.
    pub async fn erase_user(&self, caller: &Caller, id: UserId, meant: &Meant) -> Result<(), Error> {
        caller.may_manage()?;
        let until = Instant::now() + PATIENCE;
        loop {
            let user = self.user(caller, id).await?;
            caller.may_create(user.role)?;
            if !meant.fits(&user) {
                return Err(Error::AnotherVersion);
            }
            if user.deactivated.is_none() {
                return Err(Error::StillActive);
            }
            for patient in self.store.cared_for_by(caller.organization(), id).await? {
                let (action, meant) = (Action::UserUpdated, &Meant::Any);
                let act = Act { caller, id: patient, action, meant, answering: None, asks_role: false };
                let decide = |patient: &User, _| {
                    let mut after = patient.clone();
                    after.demographics.caregiver.take_if(|caregiver| *caregiver == id);
                    Ok(after)
                };
                self.edit(act, None, decide).await?;
            }
            let now = self.clock.now()?;
            let change = self.change_of(caller, Action::UserErased, Diff::Erased(user), now);
            match self.write(change).await {
                Err(Error::Stale(_)) if Instant::now() < until => {}
                written => return written.map(drop),
            }
        }
    }

    /// Reads the user, decides, and writes what was decided, if nobody was faster; else does it again, unless another
    /// version was meant. What is decided to be as it was is not written.
    async fn edit(
        &self,
        act: Act<'_>,
        mut known: Option<User>,
        decide: impl Fn(&User, Timestamp) -> Result<User, Error>,
    ) -> Result<User, Error> {
        let Act { caller, id, action, meant, answering, asks_role } = act;
        let until = Instant::now() + PATIENCE;
        loop {
            let before = match known.take() {
                Some(user) => user,
                None if asks_role => self.user(caller, id).await?,
                None => self.store.user(caller.organization(), id).await?.ok_or(Error::NotFound)?,
            };
            if asks_role {
                caller.may_create(before.role)?;
            }
            if !meant.fits(&before) {
                return Err(Error::AnotherVersion);
            }
            let now = self.clock.now()?;
            let mut after = decide(&before, now)?;
            if after == before {
                return Ok(before);
            }
            if asks_role {
                caller.may_create(after.role)?;
            }
            after.version = before.version + 1;
            after.updated_at = now;
            let answer = answering.map(|answering| answering(&Acted::plainly(after.clone())));
            let diff = Diff::Changed { before, after: after.clone() };
            let change = Change { answer, ..self.change_of(caller, action, diff, now) };
            match self.write(change).await {
                Ok(at) => {
                    after.recorded_at(at);
                    return Ok(after);
                }
                Err(Error::Stale(_)) if *meant == Meant::Any && Instant::now() < until => {}
                // Whoever was faster made another version of it.
                Err(Error::Stale(_)) if *meant != Meant::Any => return Err(Error::AnotherVersion),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A user as it is, and as an update would make it.
pub(in crate::app) struct Planned {
    pub(in crate::app) before: User,
    pub(in crate::app) after: User,
    /// Those that the update names and that there are.
    payors: Option<Vec<PayorId>>,
    /// What would be taken all the same.
    pub(in crate::app) warnings: Vec<Warning>,
}

/// The user as a patch makes it, with these payors if it names any.
fn patched(user: &User, patch: &Patch, payors: Option<&[PayorId]>) -> User {
    let mut after = patch.applied_to(user);
    if let Some(payors) = payors {
        after.payors = payors.to_vec();
    }
    after
}

impl Acted {
    /// Without anything to warn of.
    fn plainly(user: User) -> Self {
        Self { user, warnings: Vec::new() }
    }
}
