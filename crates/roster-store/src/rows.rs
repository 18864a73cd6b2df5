//! What is stored of a user, as the directory's types: the same for both engines.

use roster_directory::{
    Role, Timestamp, User, UserId,
    credential::{Day, RecertificationDate},
    user::Demographics,
};

/// The columns that a [`StoredUser`] is filled from, in its order.
macro_rules! user_columns {
    () => {
        "id, first_name, last_name, email, role, phone, npi, sms, recertify_at, recertify_day, sex, caregiver, \
         birth_date, address_line1, address_line2, city, state, postal_code"
    };
}
pub(crate) use user_columns;

/// A user's row, still in the driver's buffer.
pub(crate) struct StoredUser<'a> {
    pub(crate) id: &'a str,
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) email: Option<&'a str>,
    pub(crate) role: u8,
    pub(crate) phone: Option<&'a str>,
    pub(crate) npi: Option<&'a str>,
    pub(crate) sms: bool,
    pub(crate) recertify_at: Option<i64>,
    pub(crate) recertify_day: Option<&'a str>,
    pub(crate) sex: Option<&'a str>,
    pub(crate) caregiver: Option<&'a str>,
    pub(crate) birth_date: Option<&'a str>,
    pub(crate) address_line1: Option<&'a str>,
    pub(crate) address_line2: Option<&'a str>,
    pub(crate) city: Option<&'a str>,
    pub(crate) state: Option<&'a str>,
    pub(crate) postal_code: Option<&'a str>,
    pub(crate) created_at: i64,
}

impl StoredUser<'_> {
    /// The user; `None` if something does not have its form, and so was not written by Roster.
    pub(crate) fn parse(&self) -> Option<User> {
        let recertification = match (self.recertify_at, self.recertify_day) {
            (Some(at), Some(day)) => {
                Some(RecertificationDate::from_parts(Timestamp::from_millis(at), Day::parse(day).ok()?))
            }
            _ => None,
        };
        Some(User {
            id: UserId::parse(self.id)?,
            first_name: self.first_name.parse().ok()?,
            last_name: self.last_name.parse().ok()?,
            email: if_set(self.email, |text| text.parse().ok())?,
            role: Role::from_number(self.role)?,
            phone: if_set(self.phone, |text| text.parse().ok())?,
            npi: if_set(self.npi, |text| text.parse().ok())?,
            should_send_sms: self.sms,
            recertification,
            demographics: Demographics {
                sex: if_set(self.sex, |text| text.parse().ok())?,
                caregiver: if_set(self.caregiver, UserId::parse)?,
                birth_date: if_set(self.birth_date, |text| Day::parse(text).ok())?,
                address_line1: if_set(self.address_line1, |text| text.parse().ok())?,
                address_line2: if_set(self.address_line2, |text| text.parse().ok())?,
                city: if_set(self.city, |text| text.parse().ok())?,
                state: if_set(self.state, |text| text.parse().ok())?,
                postal_code: if_set(self.postal_code, |text| text.parse().ok())?,
            },
            created_at: Timestamp::from_millis(self.created_at),
        })
    }
}

/// `Some(None)` where nothing is stored, `None` where what is stored does not parse.
fn if_set<T>(text: Option<&str>, parse: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        Some(text) => parse(text).map(Some),
        None => Some(None),
    }
}
