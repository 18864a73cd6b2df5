//! Users: creating, finding and listing them.

use roster_directory::{
    Change, Issue, Message, NewUser, PayorId, Query, Timestamp, User, UserId, Write,
    audit::{Action, Entry, Target},
    outbox::Content,
    user::Warning,
};
use roster_store::Listing;

use super::{App, Caller, Error};

/// A user that was created.
#[derive(Debug)]
pub struct Created {
    /// The user, as it is now stored.
    pub user: User,
    /// What was taken all the same.
    pub warnings: Vec<Warning>,
}

impl App {
    /// Creates a user in the caller's organization, and owes it a text message if one was asked for and can be sent.
    ///
    /// When this returns, everything about it is on disk.
    pub async fn create_user(&self, caller: &Caller, new: NewUser) -> Result<Created, Error> {
        let (payors, warnings) = self.judge(caller, &new).await?;

        let now = self.clock.now()?;
        let mut user = User {
            id: self.ids.user(now),
            first_name: new.first_name,
            last_name: new.last_name,
            email: new.email,
            role: new.role,
            phone: new.phone,
            npi: new.npi,
            should_send_sms: new.should_send_sms,
            recertification: new.recertification,
            demographics: new.demographics,
            created_at: now,
        };
        let mut owed = Vec::new();
        if user.should_send_sms && user.phone.is_some() {
            owed.push(Message { id: self.ids.message(now), content: Content::WelcomeSms(user.id), at: now });
        }
        let mut fields = user.fields();
        if !payors.is_empty() {
            fields.push_str(",providerPayors");
        }
        let change = Change {
            organization: caller.organization(),
            audit: caller.entry(now, Action::UserCreated, Target::User(user.id), fields),
            writes: vec![Write::User(Box::new(user.clone()), payors)],
            owed,
        };
        user.created_at = self.write(change).await?;
        Ok(Created { user, warnings })
    }

    /// What [`create_user`](Self::create_user) would say of this user and take all the same, or why it would refuse it.
    /// Nobody is created, so whether the e-mail is taken is not found out.
    pub async fn check_user(&self, caller: &Caller, new: &NewUser) -> Result<Vec<Warning>, Error> {
        Ok(self.judge(caller, new).await?.1)
    }

    /// The payors to assign, and what is taken all the same.
    async fn judge(&self, caller: &Caller, new: &NewUser) -> Result<(Vec<PayorId>, Vec<Warning>), Error> {
        caller.may_create(new.role)?;
        if let Some(caregiver) = new.demographics.caregiver
            && self.store.user(caller.organization(), caregiver).await?.is_none()
        {
            return Err(Error::Invalid(vec![Issue::no_caregiver()]));
        }
        let mut warnings = Vec::new();
        let payors = self.payors_for(caller, &new.payors, &mut warnings).await?;
        if new.npi.as_ref().is_some_and(|npi| !npi.is_valid()) {
            warnings.push(Warning::NpiCheckDigit);
        }
        if new.phone.as_ref().is_some_and(|phone| phone.e164(caller.identity.organization.country).is_none()) {
            warnings.push(Warning::PhoneUnreachable);
        }
        Ok((payors, warnings))
    }

    /// One user, if the caller may see it.
    pub async fn user(&self, caller: &Caller, id: UserId) -> Result<User, Error> {
        let user = self.store.user(caller.organization(), id).await?;
        user.filter(|user| caller.identity.may_read.contains(user.role)).ok_or(Error::NotFound)
    }

    /// One page of the users the caller may see.
    pub async fn list_users(&self, caller: &Caller, query: Query) -> Result<Listing, Error> {
        debug_assert!(query.visible.without(caller.identity.may_read).is_empty());
        Ok(self.store.list(caller.organization(), query).await?)
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

impl Caller {
    /// What is remembered of an act of theirs.
    pub(super) fn entry(&self, at: Timestamp, action: Action, target: Target, fields: String) -> Entry {
        Entry { at, actor: self.identity.actor, action, target, fields, request: self.request }
    }
}
