//! What is to change about a user.

use super::{Demographics, Email, ExternalId, Line, Metadata, NewUser, PersonName, User};
use crate::{
    Flaw, Issue, Role, UserId,
    credential::{Day, RecertificationDate},
    npi::NpiNumber,
    phone::PhoneNumber,
};

/// What a field becomes: `None` leaves it as it is, `Some(None)` clears it.
pub type Given<T> = Option<Option<T>>;

/// Everything that may change about a user, checked. What is not given stays as it is.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct Patch {
    pub first_name: Option<PersonName>,
    pub last_name: Option<PersonName>,
    pub email: Given<Email>,
    pub role: Option<Role>,
    pub phone: Given<PhoneNumber>,
    pub npi: Given<NpiNumber>,
    pub should_send_sms: Option<bool>,
    pub recertification: Given<RecertificationDate>,
    /// What was asked for, whether or not it is a payor of the organization.
    pub payors: Option<Vec<String>>,
    pub sex: Given<Line>,
    pub caregiver: Given<UserId>,
    pub birth_date: Given<Day>,
    pub address_line1: Given<Line>,
    pub address_line2: Given<Line>,
    pub city: Given<Line>,
    pub state: Given<Line>,
    pub postal_code: Given<Line>,
    pub external_id: Given<ExternalId>,
    pub metadata: Option<Metadata>,
}

impl Patch {
    /// The user as it then is, but for its payors: those are to be looked for first.
    pub fn applied_to(&self, user: &User) -> User {
        fn set<T: Clone>(field: &mut T, given: &Option<T>) {
            if let Some(value) = given {
                field.clone_from(value);
            }
        }
        let mut user = user.clone();
        let more = &mut user.demographics;
        set(&mut user.first_name, &self.first_name);
        set(&mut user.last_name, &self.last_name);
        set(&mut user.email, &self.email);
        set(&mut user.role, &self.role);
        set(&mut user.phone, &self.phone);
        set(&mut user.npi, &self.npi);
        set(&mut user.should_send_sms, &self.should_send_sms);
        set(&mut user.recertification, &self.recertification);
        set(&mut more.sex, &self.sex);
        set(&mut more.caregiver, &self.caregiver);
        set(&mut more.birth_date, &self.birth_date);
        set(&mut more.address_line1, &self.address_line1);
        set(&mut more.address_line2, &self.address_line2);
        set(&mut more.city, &self.city);
        set(&mut more.state, &self.state);
        set(&mut more.postal_code, &self.postal_code);
        set(&mut user.external_id, &self.external_id);
        set(&mut user.metadata, &self.metadata);
        user
    }

    /// Whom it makes if it is all that is known of somebody; or the issues of what is missing.
    pub fn into_new(self) -> Result<NewUser, Vec<Issue>> {
        let (Some(first_name), Some(last_name)) = (&self.first_name, &self.last_name) else {
            let missing = [("firstName", self.first_name.is_none()), ("lastName", self.last_name.is_none())];
            let missing = missing.into_iter().filter(|(_, is_missing)| *is_missing);
            return Err(missing.map(|(name, _)| Flaw::required().at([name])).collect());
        };
        Ok(NewUser {
            first_name: first_name.clone(),
            last_name: last_name.clone(),
            email: self.email.flatten(),
            role: self.role.unwrap_or(Role::Technician),
            phone: self.phone.flatten(),
            npi: self.npi.flatten(),
            should_send_sms: self.should_send_sms.unwrap_or_default(),
            recertification: self.recertification.flatten(),
            payors: self.payors.unwrap_or_default(),
            demographics: Demographics {
                sex: self.sex.flatten(),
                caregiver: self.caregiver.flatten(),
                birth_date: self.birth_date.flatten(),
                address_line1: self.address_line1.flatten(),
                address_line2: self.address_line2.flatten(),
                city: self.city.flatten(),
                state: self.state.flatten(),
                postal_code: self.postal_code.flatten(),
            },
            external_id: self.external_id.flatten(),
            metadata: self.metadata.unwrap_or_default(),
        })
    }
}
