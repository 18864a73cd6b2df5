//! A user of an organization: staff, patient or caregiver.

mod diff;
mod metadata;
mod patch;

use std::fmt;

use crate::{
    Flaw, PayorId, Role, Timestamp, UserId,
    credential::{Day, RecertificationDate},
    npi::NpiNumber,
    phone::PhoneNumber,
    text::{has_control, text_type, utf16_len},
};

pub use diff::Diff;
pub use metadata::Metadata;
pub use patch::{Given, Patch};

text_type!(
    /// A first or a last name.
    PersonName, 100, line
);
text_type!(
    /// One line of an address, a city, a state, a postal code, a sex.
    Line, 200, line
);
text_type!(
    /// What another system calls the user: unique among the active users of an organization.
    ExternalId, 255, line
);
text_type!(
    /// Why a user was deactivated.
    Reason, 500, line
);

/// Whether somebody belongs to the organization at present.
///
/// The numbers are stored: they are never changed and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the API's own names")]
pub enum Status {
    Active = 0,
    Deactivated = 1,
}

impl Status {
    /// Both, each at the place of its number.
    pub const ALL: [Status; 2] = [Status::Active, Status::Deactivated];

    /// The status on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Active => "ACTIVE",
            Status::Deactivated => "DEACTIVATED",
        }
    }
}

/// An e-mail address that zod 3 takes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(Box<str>);

impl Email {
    /// The most characters it may have (RFC 5321 §4.5.3.1.3 less the angle brackets).
    pub const MAX: usize = 254;

    /// Takes what zod 3's `z.string().email("Valid email is required").max(254)` takes; says everything that is wrong.
    pub fn parse(text: &str) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        if !has_email_form(text) {
            flaws.push(Flaw::malformed("Valid email is required"));
        }
        if utf16_len(text) > Self::MAX {
            flaws.push(Flaw::too_long(Self::MAX));
        }
        if flaws.is_empty() { Ok(Self(text.into())) } else { Err(flaws) }
    }

    /// What was checked before it was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The address, as it was given: this is where mail goes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it one and the same address as another.
    pub fn key(&self) -> EmailKey {
        EmailKey::of(&self.0)
    }
}

impl std::str::FromStr for Email {
    type Err = Vec<Flaw>;

    fn from_str(text: &str) -> Result<Self, Vec<Flaw>> {
        Self::parse(text)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An e-mail with ASCII case folded: unique in an organization, and what the e-mail filter compares.
///
/// Only ASCII is folded: with full Unicode folding, addresses of different people have been taken for one
/// (CVE-2019-19844).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailKey(Box<str>);

impl EmailKey {
    /// The key of any text; of what is no e-mail too, which then is nobody's.
    pub fn of(text: &str) -> Self {
        Self(text.to_ascii_lowercase().into())
    }

    /// The key to look for. What contains control characters could not be asked of every engine.
    pub fn sought(text: &str) -> Result<Self, Flaw> {
        if has_control(text) { Err(Flaw::control_characters()) } else { Ok(Self::of(text)) }
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// zod 3.25's pattern, `/^(?!\.)(?!.*\.\.)([A-Z0-9_'+\-\.]*)[A-Z0-9_+-]@([A-Z0-9][A-Z0-9\-]*\.)+[A-Z]{2,}$/i`, by hand:
/// it has look-ahead, which the `regex` crate has not.
fn has_email_form(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let Some((labels, top)) = domain.rsplit_once('.') else { return false };
    let is_local = |b: u8| b.is_ascii_alphanumeric() || b"_'+-.".contains(&b);
    let is_label = |label: &str| {
        label.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    !local.starts_with('.')
        && !local.contains("..")
        && local.bytes().all(is_local)
        && local.as_bytes().last().is_some_and(|b| !b"'.".contains(b))
        && labels.split('.').all(is_label)
        && top.len() >= 2
        && top.bytes().all(|b| b.is_ascii_alphabetic())
}

/// What the published read shape shows and the published create does not take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct Demographics {
    pub sex: Option<Line>,
    pub caregiver: Option<UserId>,
    pub birth_date: Option<Day>,
    pub address_line1: Option<Line>,
    pub address_line2: Option<Line>,
    pub city: Option<Line>,
    pub state: Option<Line>,
    pub postal_code: Option<Line>,
}

impl NewUser {
    /// The user whom it becomes: of this id, at this moment, with those of the payors that there are.
    pub fn into_user(self, id: UserId, payors: Vec<PayorId>, now: Timestamp) -> User {
        User {
            id,
            first_name: self.first_name,
            last_name: self.last_name,
            email: self.email,
            role: self.role,
            phone: self.phone,
            npi: self.npi,
            should_send_sms: self.should_send_sms,
            recertification: self.recertification,
            demographics: self.demographics,
            payors,
            external_id: self.external_id,
            metadata: self.metadata,
            deactivated: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

/// Somebody who is to be created: everything about them that was checked, nothing that is made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct NewUser {
    pub first_name: PersonName,
    pub last_name: PersonName,
    pub email: Option<Email>,
    pub role: Role,
    pub phone: Option<PhoneNumber>,
    pub npi: Option<NpiNumber>,
    /// Whether text messages may be sent.
    pub should_send_sms: bool,
    pub recertification: Option<RecertificationDate>,
    /// What was asked for, whether or not it is a payor of the organization.
    pub payors: Vec<String>,
    pub demographics: Demographics,
    pub external_id: Option<ExternalId>,
    pub metadata: Metadata,
}

impl NewUser {
    /// Somebody of whom only the name is known.
    pub fn named(first_name: PersonName, last_name: PersonName) -> Self {
        Self {
            first_name,
            last_name,
            email: None,
            role: Role::Technician,
            phone: None,
            npi: None,
            should_send_sms: false,
            recertification: None,
            payors: Vec::new(),
            demographics: Demographics::default(),
            external_id: None,
            metadata: Metadata::default(),
        }
    }
}

/// Of a user, what a list shows and get by id: those who read many need read no more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct Profile {
    pub id: UserId,
    pub first_name: PersonName,
    pub last_name: PersonName,
    pub role: Role,
    pub status: Status,
    pub demographics: Demographics,
    /// See [`User::version`].
    pub version: u32,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct User {
    pub id: UserId,
    pub first_name: PersonName,
    pub last_name: PersonName,
    pub email: Option<Email>,
    pub role: Role,
    pub phone: Option<PhoneNumber>,
    pub npi: Option<NpiNumber>,
    pub should_send_sms: bool,
    pub recertification: Option<RecertificationDate>,
    pub demographics: Demographics,
    /// The payors it is assigned to: ascending, each once.
    pub payors: Vec<PayorId>,
    pub external_id: Option<ExternalId>,
    pub metadata: Metadata,
    /// Since when it does not belong to the organization any more, if it does not.
    pub deactivated: Option<Deactivation>,
    /// 1 when it is created, and one more with each change.
    pub version: u32,
    pub created_at: Timestamp,
    /// When it changed last, or, before it ever did, when it was created.
    pub updated_at: Timestamp,
}

/// When somebody left, and what was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the API's own names")]
pub struct Deactivation {
    pub at: Timestamp,
    pub reason: Option<Reason>,
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        let status = user.status();
        let User { id, first_name, last_name, role, demographics, version, .. } = user;
        Self { id, first_name, last_name, role, status, demographics, version }
    }
}

impl User {
    /// The act that created it, or changed it last, was recorded at this moment.
    pub fn recorded_at(&mut self, at: Timestamp) {
        if self.version == 1 {
            self.created_at = at;
        }
        if let Some(deactivated) = self.deactivated.as_mut().filter(|deactivated| deactivated.at == self.updated_at) {
            deactivated.at = at;
        }
        self.updated_at = at;
    }

    /// Whether it belongs to the organization at present.
    pub fn status(&self) -> Status {
        if self.deactivated.is_some() { Status::Deactivated } else { Status::Active }
    }
}

/// Something about a new user that was taken all the same, and that whoever sent it should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// This is no payor of the organization, and was skipped. The index is the one in `providerPayors`.
    UnknownPayor {
        /// Place in the list that was sent, from 0.
        index: usize,
        /// What was sent.
        id: String,
    },
    /// The NPI's check digit, first digit or length is wrong.
    NpiCheckDigit,
    /// No text message can reach this phone number.
    PhoneUnreachable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_what_zod_takes() {
        for text in [
            "john.doe@example.com",
            "a@b.co",
            "A_B+c-d'e@x-y.z9.museum",
            "_@example.org",
            "-@example.org",
            "1@1.aa",
            "a.b.c@a-.com",
        ] {
            assert!(Email::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "@",
            "a@b",
            "a@b.c",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "a'@b.co",
            "a@b..co",
            "a@-b.co",
            "a@b.c0",
            "a@b_c.co",
            "a b@c.co",
            "a@b@c.co",
            "a@b.co ",
            "a@b.co\n",
            "ä@b.co",
            "a@bü.co",
            "a@\u{212a}.com",
            "\"a\"@b.co",
        ] {
            assert_eq!(Email::parse(text), Err(vec![Flaw::malformed("Valid email is required")]), "{text}");
        }
    }

    #[test]
    fn an_email_may_have_254_characters() {
        let of = |n: usize| format!("{}@example.com", "a".repeat(n - 12));
        assert!(Email::parse(&of(254)).is_ok());
        assert_eq!(Email::parse(&of(255)), Err(vec![Flaw::too_long(254)]));
        assert_eq!(Email::parse(&"a".repeat(255)).map_err(|flaws| flaws.len()), Err(2));
    }

    #[test]
    fn ascii_case_is_folded_and_nothing_else() {
        let key = |text| EmailKey::of(text);
        assert_eq!(key("John@Example.COM"), key("john@example.com"));
        assert_ne!(key("\u{131}"), key("i"));
        assert_ne!(key("\u{17f}"), key("s"));
        assert_ne!(key("\u{212a}"), key("k"));
    }

    #[test]
    fn a_name_is_trimmed_as_javascript_trims() {
        let name = |text: &str| PersonName::parse(text).map(|name| name.as_str().to_owned());
        assert_eq!(name(" \u{feff}\u{a0}Ann Lee\t\n"), Ok("Ann Lee".into()));
        assert_eq!(name(" \u{3000} "), Err(vec![Flaw::too_short(1)]));
        assert_eq!(name(&"\u{1f44d}".repeat(50)), Ok("\u{1f44d}".repeat(50)));
        assert_eq!(name(&"\u{1f44d}".repeat(51)), Err(vec![Flaw::too_long(100)]));
        assert_eq!(name("A\u{85}B"), Err(vec![Flaw::control_characters()]));
        assert_eq!(name("A\0B"), Err(vec![Flaw::control_characters()]));
        assert_eq!(name("\u{202e}Ann"), Ok("\u{202e}Ann".into()));
    }

    #[test]
    fn debug_shows_no_personal_data() {
        let mut new = NewUser::named(
            PersonName::parse("Secretname").expect("a name"),
            PersonName::parse("Lastname").expect("a name"),
        );
        new.email = Email::parse("canary@example.com").ok();
        new.phone = PhoneNumber::parse("4155550123").ok();
        new.npi = NpiNumber::parse("1234567893").ok();
        let shown = format!("{new:?}");
        for secret in ["Secretname", "Lastname", "canary", "4155550123", "1234567893"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
