//! What is stored of a user or a webhook, as the directory's types: the same for both engines.

use roster_directory::{
    Role, Timestamp, User, UserId, Webhook, WebhookId,
    audit::Action,
    credential::{Day, RecertificationDate},
    npi::NpiNumber,
    phone::PhoneNumber,
    user::{Demographics, Email, Line, PersonName, Profile},
    webhook::{Description, Secret, State, WebhookUrl},
};

/// The columns that a [`StoredProfile`] is filled from, in its order.
macro_rules! profile_columns {
    () => {
        "id, first_name, last_name, role, sex, caregiver, birth_date, address_line1, address_line2, city, state, \
         postal_code"
    };
}
pub(crate) use profile_columns;

/// The columns that a [`StoredUser`] is filled from, in its order: the first of them are its profile's.
macro_rules! user_columns {
    () => {
        concat!(crate::rows::profile_columns!(), ", email, phone, npi, sms, recertify_at, recertify_day")
    };
}
pub(crate) use user_columns;

/// What lists show of a user's row, still in the driver's buffer.
pub(crate) struct StoredProfile<'a> {
    pub(crate) id: &'a str,
    pub(crate) first_name: &'a str,
    pub(crate) last_name: &'a str,
    pub(crate) role: u8,
    pub(crate) sex: Option<&'a str>,
    pub(crate) caregiver: Option<&'a str>,
    pub(crate) birth_date: Option<&'a str>,
    pub(crate) address_line1: Option<&'a str>,
    pub(crate) address_line2: Option<&'a str>,
    pub(crate) city: Option<&'a str>,
    pub(crate) state: Option<&'a str>,
    pub(crate) postal_code: Option<&'a str>,
}

impl StoredProfile<'_> {
    /// The profile; `None` if something does not have its form, and so was not written by Roster. Text was checked
    /// before it was stored, and is not checked again.
    pub(crate) fn parse(&self) -> Option<Profile> {
        Some(Profile {
            id: UserId::parse(self.id)?,
            first_name: PersonName::from_stored(self.first_name),
            last_name: PersonName::from_stored(self.last_name),
            role: Role::from_number(self.role)?,
            demographics: Demographics {
                sex: self.sex.map(Line::from_stored),
                caregiver: if_set(self.caregiver, UserId::parse)?,
                birth_date: if_set(self.birth_date, |text| Day::parse(text).ok())?,
                address_line1: self.address_line1.map(Line::from_stored),
                address_line2: self.address_line2.map(Line::from_stored),
                city: self.city.map(Line::from_stored),
                state: self.state.map(Line::from_stored),
                postal_code: self.postal_code.map(Line::from_stored),
            },
        })
    }
}

/// A user's row, still in the driver's buffer.
pub(crate) struct StoredUser<'a> {
    pub(crate) profile: StoredProfile<'a>,
    pub(crate) email: Option<&'a str>,
    pub(crate) phone: Option<&'a str>,
    pub(crate) npi: Option<&'a str>,
    pub(crate) sms: bool,
    pub(crate) recertify_at: Option<i64>,
    pub(crate) recertify_day: Option<&'a str>,
    pub(crate) created_at: i64,
}

impl StoredUser<'_> {
    /// The user, as [its profile](StoredProfile::parse).
    pub(crate) fn parse(&self) -> Option<User> {
        let recertification = match (self.recertify_at, self.recertify_day) {
            (Some(at), Some(day)) => {
                Some(RecertificationDate::from_parts(Timestamp::from_millis(at), Day::parse(day).ok()?))
            }
            _ => None,
        };
        let Profile { id, first_name, last_name, role, demographics } = self.profile.parse()?;
        Some(User {
            id,
            first_name,
            last_name,
            email: self.email.map(Email::from_stored),
            role,
            phone: self.phone.map(PhoneNumber::from_stored),
            npi: self.npi.map(NpiNumber::from_stored),
            should_send_sms: self.sms,
            recertification,
            demographics,
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

/// The columns that a message is read from; its organization's id and more come after them.
macro_rules! message_columns {
    () => {
        "m.id, m.kind, m.about, m.webhook, m.state, m.attempts"
    };
}
pub(crate) use message_columns;

/// The columns that a [`StoredWebhook`] is filled from, in its order.
macro_rules! webhook_columns {
    () => {
        "w.id, w.url, w.description, w.events, w.state, w.secret, w.old_secrets, w.created_at, w.heard_to"
    };
}
pub(crate) use webhook_columns;

/// A webhook's row, still in the driver's buffer.
pub(crate) struct StoredWebhook<'a> {
    pub(crate) id: &'a str,
    pub(crate) url: &'a str,
    pub(crate) description: &'a str,
    pub(crate) events: &'a str,
    pub(crate) state: u8,
    pub(crate) secret: &'a [u8],
    pub(crate) old_secrets: &'a str,
    pub(crate) created_at: i64,
    pub(crate) heard_to: i64,
}

impl StoredWebhook<'_> {
    /// The webhook; `None` if something does not have its form, and so was not written by Roster.
    pub(crate) fn parse(&self) -> Option<Webhook> {
        let secret = |bytes: &[u8]| bytes.try_into().ok().map(Secret::from_bytes);
        let events = self.events.split(',').filter(|name| !name.is_empty());
        Some(Webhook {
            id: WebhookId::parse(self.id)?,
            url: WebhookUrl::from_stored(self.url),
            description: Description::from_stored(self.description),
            events: events.map(Action::parse).collect::<Option<_>>()?,
            state: State::from_number(self.state)?,
            secret: secret(self.secret)?,
            old_secrets: self.old_secrets.split_terminator(' ').map(old_secret).collect::<Option<_>>()?,
            created_at: Timestamp::from_millis(self.created_at),
            heard_to: self.heard_to as u64,
        })
    }
}

/// A replaced secret and until when it signs, as migration `old_secrets` describes it.
fn old_secret(text: &str) -> Option<(Secret, Timestamp)> {
    let (digits, until) = text.split_once(':')?;
    let mut bytes = [0; 24];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (nth, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * nth..2 * nth + 2)?, 16).ok()?;
    }
    Some((Secret::from_bytes(bytes), Timestamp::from_millis(until.parse().ok()?)))
}

/// Characters of so many replaced secrets.
pub(crate) const OLD_SECRETS_LENGTH: usize = 63 * roster_directory::webhook::MOST_OLD_SECRETS;

/// What a webhook hears of, as it is stored.
pub(crate) fn event_names(events: &[Action]) -> String {
    events.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(",")
}
