//! Users: creating, finding, listing and changing them.

mod change;

use roster_directory::{
    Change, Issue, Message, NewUser, PayorId, Query, Timestamp, User, UserId, Write,
    audit::{Action, Entry, Roles, Target},
    npi::NpiNumber,
    outbox::Content,
    phone::PhoneNumber,
    user::{Diff, Profile, Warning},
};
use roster_store::Listing;
use tokio::sync::mpsc;

use super::{App, Caller, Error, repeat::Answering};

pub use change::Meant;
pub(super) use change::Planned;

/// A user as an act left it.
#[derive(Debug)]
pub struct Acted {
    /// The user, as it is now stored.
    pub user: User,
    /// What was taken all the same.
    pub warnings: Vec<Warning>,
}

impl App {
    /// Creates a user in the caller's organization, and owes it a text message if one was asked for and can be sent.
    ///
    /// When this returns, everything about it is on disk. With `answering` it is a request that may be sent again, and then
    /// is to be answered alike.
    pub async fn create_user(
        &self,
        caller: &Caller,
        new: NewUser,
        answering: Option<Answering<'_>>,
    ) -> Result<Acted, Error> {
        let (payors, warnings) = self.judge(caller, &new).await?;
        let now = self.clock.now()?;
        let user = new.into_user(self.ids.user(now), payors, now);
        let mut acted = Acted { user, warnings };
        let answer = answering.map(|answering| answering(&acted));
        let diff = Diff::Created(acted.user.clone());
        let change = Change { answer, ..self.change_of(caller, Action::UserCreated, diff, now) };
        acted.user.recorded_at(self.write(change).await?);
        Ok(acted)
    }

    /// What an act does to a user: with it goes what is remembered of it and what is owed because of it.
    fn change_of(&self, caller: &Caller, action: Action, diff: Diff, now: Timestamp) -> Change {
        let mut owed = Vec::new();
        if let Some(user) = diff.after().filter(|user| user.phone.is_some() && user.deactivated.is_none())
            && diff.consent() == Some(true)
        {
            owed.push(Message { id: self.ids.message(now), content: Content::WelcomeSms(user.id), at: now });
        }
        let entry = caller.entry(now, action, Target::User(diff.user().id), diff.fields());
        Change {
            organization: caller.organization(),
            audit: Entry { roles: diff.roles(), ..entry },
            writes: vec![Write::User(Box::new(diff))],
            owed,
            answer: None,
        }
    }

    /// What [`create_user`](Self::create_user) would say of this user and take all the same, or why it would refuse it.
    /// Nobody is created, so whether the e-mail is taken is not found out.
    pub async fn check_user(&self, caller: &Caller, new: &NewUser) -> Result<Vec<Warning>, Error> {
        Ok(self.judge(caller, new).await?.1)
    }

    /// The payors to assign, and what is taken all the same.
    async fn judge(&self, caller: &Caller, new: &NewUser) -> Result<(Vec<PayorId>, Vec<Warning>), Error> {
        caller.may_create(new.role)?;
        self.must_be_there(caller, new.demographics.caregiver).await?;
        let mut warnings = Vec::new();
        let payors = self.payors_for(caller, &new.payors, &mut warnings).await?;
        doubt(caller, new.npi.as_ref(), new.phone.as_ref(), &mut warnings);
        Ok((payors, warnings))
    }

    /// One user, if the caller may see it.
    pub async fn user(&self, caller: &Caller, id: UserId) -> Result<User, Error> {
        let user = self.store.user(caller.organization(), id).await?;
        user.filter(|user| caller.identity.may_read.contains(user.role)).ok_or(Error::NotFound)
    }

    /// What lists show of one user, if the caller may see it.
    pub async fn profile(&self, caller: &Caller, id: UserId) -> Result<Profile, Error> {
        let profile = self.store.profile(caller.organization(), id).await?;
        profile.filter(|profile| caller.identity.may_read.contains(profile.role)).ok_or(Error::NotFound)
    }

    /// Who is named as a caregiver must be one whom the caller may see.
    async fn must_be_there(&self, caller: &Caller, caregiver: Option<UserId>) -> Result<(), Error> {
        let Some(caregiver) = caregiver else { return Ok(()) };
        match self.profile(caller, caregiver).await {
            Err(Error::NotFound) => Err(Error::Invalid(vec![Issue::no_caregiver()])),
            other => other.map(drop),
        }
    }

    /// One page of the users the caller may see.
    pub async fn list_users(&self, caller: &Caller, query: Query) -> Result<Listing, Error> {
        debug_assert!(query.visible.without(caller.identity.may_read).is_empty());
        Ok(self.store.list(caller.organization(), query).await?)
    }

    /// All users that a query finds and the caller may see, whole, as they are at one moment, whatever its page. They go
    /// through the channel; where this fails, what went through is a part only.
    pub async fn export_users(&self, caller: &Caller, query: Query, to: mpsc::Sender<Vec<User>>) -> Result<(), Error> {
        let visible = query.visible.and(caller.identity.may_read);
        Ok(self.store.export(caller.organization(), Query { visible, ..query }, to).await?)
    }

    /// Those of the requested payors that are the organization's, each once; the others become warnings.
    async fn payors_for(
        &self,
        caller: &Caller,
        requested: &[String],
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<PayorId>, Error> {
        if requested.is_empty() {
            return Ok(Vec::new());
        }
        let mut ids: Vec<PayorId> = requested.iter().filter_map(|id| PayorId::parse(id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let known = self.store.known_payors(caller.organization(), &ids).await?;
        let unknown = |id: &String| PayorId::parse(id).is_none_or(|id| !known.contains(&id));
        for (index, id) in requested.iter().enumerate().filter(|(_, id)| unknown(id)) {
            warnings.push(Warning::UnknownPayor { index, id: id.clone() });
        }
        Ok(known)
    }
}

/// Adds what looks wrong, and is taken all the same.
fn doubt(caller: &Caller, npi: Option<&NpiNumber>, phone: Option<&PhoneNumber>, warnings: &mut Vec<Warning>) {
    if npi.is_some_and(|npi| !npi.is_valid()) {
        warnings.push(Warning::NpiCheckDigit);
    }
    if phone.is_some_and(|phone| phone.e164(caller.identity.organization.country).is_none()) {
        warnings.push(Warning::PhoneUnreachable);
    }
}

impl Caller {
    /// What is remembered of an act of theirs.
    pub(super) fn entry(&self, at: Timestamp, action: Action, target: Target, fields: String) -> Entry {
        let (actor, request) = (self.identity.actor, self.request);
        Entry { at, actor, action, target, fields, roles: Roles::default(), request }
    }
}
