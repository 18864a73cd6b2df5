//! What an act does to a user: (before, after). Whatever follows from users is told this, and knows nothing else.

use std::borrow::Cow;

use super::{EmailKey, ExternalId, User};
use crate::{Timestamp, audit::Roles};

/// A user before an act and after it: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it travels in a box")]
pub enum Diff {
    /// There was none.
    Created(User),
    /// It is another now.
    Changed {
        /// What it was.
        before: User,
        /// What it is.
        after: User,
    },
    /// There is none any more.
    Erased(User),
}

impl Diff {
    /// The user before the act.
    pub fn before(&self) -> Option<&User> {
        match self {
            Diff::Created(_) => None,
            Diff::Changed { before, .. } | Diff::Erased(before) => Some(before),
        }
    }

    /// The user after the act.
    pub fn after(&self) -> Option<&User> {
        match self {
            Diff::Created(after) | Diff::Changed { after, .. } => Some(after),
            Diff::Erased(_) => None,
        }
    }

    /// The user, as new as there is one.
    pub fn user(&self) -> &User {
        match self {
            Diff::Created(user) | Diff::Changed { after: user, .. } | Diff::Erased(user) => user,
        }
    }

    /// The user after the act, if that is recorded at this moment.
    pub fn after_at(&self, at: Timestamp) -> Option<Cow<'_, User>> {
        let after = self.after()?;
        if after.updated_at == at {
            return Some(Cow::Borrowed(after));
        }
        let mut after = after.clone();
        after.recorded_at(at);
        Some(Cow::Owned(after))
    }

    /// The e-mail that is the user's from now on, and must be no other active user's.
    pub fn new_email(&self) -> Option<EmailKey> {
        let of = |user: &User| user.email.as_ref().filter(|_| user.deactivated.is_none()).map(|email| email.key());
        let before = self.before().and_then(of);
        self.after().and_then(of).filter(|key| before.as_ref() != Some(key))
    }

    /// The external id that is the user's from now on, and must be no other active user's.
    pub fn new_external_id(&self) -> Option<&ExternalId> {
        fn of(user: &User) -> Option<&ExternalId> {
            user.external_id.as_ref().filter(|_| user.deactivated.is_none())
        }
        self.after().and_then(of).filter(|id| self.before().and_then(of) != Some(id))
    }

    /// The role before the act and after it.
    pub fn roles(&self) -> Roles {
        Roles { before: self.before().map(|user| user.role), after: self.after().map(|user| user.role) }
    }

    /// Whether the user agreed to be texted, or does not agree any more. Nothing if that did not change.
    pub fn consent(&self) -> Option<bool> {
        let agreed = |user: &User| user.should_send_sms;
        let (before, after) = (self.before().is_some_and(agreed), agreed(self.after()?));
        (before != after).then_some(after)
    }

    /// Whether the user may not be told anything any more.
    pub fn has_left(&self) -> bool {
        let is_here = |user: &User| user.deactivated.is_none();
        self.before().is_some_and(is_here) && !self.after().is_some_and(is_here)
    }

    /// Whether searches find the user by other texts than before.
    pub fn is_searched_otherwise(&self) -> bool {
        fn searched(user: &User) -> impl PartialEq {
            (&user.first_name, &user.last_name, &user.email, &user.phone)
        }
        match self {
            Diff::Changed { before, after } => searched(before) != searched(after),
            Diff::Created(_) | Diff::Erased(_) => true,
        }
    }

    /// The names of the fields that were set or are others now, as the API names them, separated by commas: for the audit
    /// trail. Of an erased user there are none.
    pub fn fields(&self) -> String {
        let Some(after) = self.after() else { return String::new() };
        let before = self.before();
        let mut fields = String::with_capacity(96);
        let mut add = |name: &str, is_set: bool, is_same: fn(&User, &User) -> bool| {
            if before.map_or(is_set, |before| !is_same(before, after)) {
                if !fields.is_empty() {
                    fields.push(',');
                }
                fields.push_str(name);
            }
        };
        let more = &after.demographics;
        add("firstName", true, |a, b| a.first_name == b.first_name);
        add("lastName", true, |a, b| a.last_name == b.last_name);
        add("role", true, |a, b| a.role == b.role);
        add("shouldSendSMS", true, |a, b| a.should_send_sms == b.should_send_sms);
        add("email", after.email.is_some(), |a, b| a.email == b.email);
        add("phoneNumber", after.phone.is_some(), |a, b| a.phone == b.phone);
        add("npiNumber", after.npi.is_some(), |a, b| a.npi == b.npi);
        add("recertificationDate", after.recertification.is_some(), |a, b| a.recertification == b.recertification);
        add("sex", more.sex.is_some(), |a, b| a.demographics.sex == b.demographics.sex);
        add("caregiverId", more.caregiver.is_some(), |a, b| a.demographics.caregiver == b.demographics.caregiver);
        add("birthDate", more.birth_date.is_some(), |a, b| a.demographics.birth_date == b.demographics.birth_date);
        add("addressLine1", more.address_line1.is_some(), |a, b| {
            a.demographics.address_line1 == b.demographics.address_line1
        });
        add("addressLine2", more.address_line2.is_some(), |a, b| {
            a.demographics.address_line2 == b.demographics.address_line2
        });
        add("city", more.city.is_some(), |a, b| a.demographics.city == b.demographics.city);
        add("state", more.state.is_some(), |a, b| a.demographics.state == b.demographics.state);
        add("postalCode", more.postal_code.is_some(), |a, b| a.demographics.postal_code == b.demographics.postal_code);
        add("externalId", after.external_id.is_some(), |a, b| a.external_id == b.external_id);
        add("metadata", !after.metadata.is_empty(), |a, b| a.metadata == b.metadata);
        add("providerPayors", !after.payors.is_empty(), |a, b| a.payors == b.payors);
        add("status", false, |a, b| a.status() == b.status());
        fields
    }
}
