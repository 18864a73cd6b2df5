//! What is to change about a user.

use super::{Email, ExternalId, Line, Metadata, PersonName, User};
use crate::{
    Role, UserId,
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
}
