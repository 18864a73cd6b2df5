//! What is wrong with a body: code, message and path, as zod 3 says it.
//!
//! The API promises the issues of zod 3 (`ZodIssue` of zod 3.25), cut to the three documented keys. A [`Flaw`] is what
//! is wrong with one value; the door that knows where the value stood makes an [`Issue`] of it.

use std::borrow::Cow;

/// The kinds of issue that occur, named as zod names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The value has another JSON type than expected, or is missing.
    InvalidType,
    /// Too short, too few, too little.
    TooSmall,
    /// Too long, too many, too much.
    TooBig,
    /// A string that does not have the form it should.
    InvalidString,
    /// A string that is none of those listed.
    InvalidEnumValue,
    /// A rule of Roster's own.
    Custom,
}

impl Code {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidType => "invalid_type",
            Code::TooSmall => "too_small",
            Code::TooBig => "too_big",
            Code::InvalidString => "invalid_string",
            Code::InvalidEnumValue => "invalid_enum_value",
            Code::Custom => "custom",
        }
    }
}

/// Characters of what was sent that a message repeats at most.
const MOST_REPEATED: usize = 100;

/// What is wrong with one value, wherever it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The kind.
    pub code: Code,
    /// For the person who sent it.
    pub message: Cow<'static, str>,
}

impl Flaw {
    /// A flaw of this kind, in these words.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The wrong JSON type: `expected` and `received` are zod's names (`string`, `array`, `null`, …).
    pub fn wrong_type(expected: &str, received: &str) -> Self {
        Self::new(Code::InvalidType, format!("Expected {expected}, received {received}"))
    }

    /// A value that must be there and is not.
    pub fn required() -> Self {
        Self::new(Code::InvalidType, "Required")
    }

    /// A string of fewer than `minimum` UTF-16 units.
    pub fn too_short(minimum: usize) -> Self {
        Self::new(Code::TooSmall, format!("String must contain at least {minimum} character(s)"))
    }

    /// A string of more than `maximum` UTF-16 units.
    pub fn too_long(maximum: usize) -> Self {
        Self::new(Code::TooBig, format!("String must contain at most {maximum} character(s)"))
    }

    /// A string that is none of `options`. Of a long one only the beginning is repeated: zod repeats all of it, and an
    /// answer would be as large as what was sent.
    pub fn not_one_of(options: &str, received: &str) -> Self {
        let (begins, rest) = match received.char_indices().nth(MOST_REPEATED) {
            Some((end, _)) => (&received[..end], "…"),
            None => (received, ""),
        };
        Self::new(Code::InvalidEnumValue, format!("Invalid enum value. Expected {options}, received '{begins}{rest}'"))
    }

    /// A string of the wrong form.
    pub fn malformed(message: &'static str) -> Self {
        Self::new(Code::InvalidString, message)
    }

    /// Text that not every engine can store, or that no name contains: U+0000 to U+001F, U+007F to U+009F.
    pub fn control_characters() -> Self {
        Self::new(Code::Custom, "Control characters are not allowed")
    }

    /// Says where it stood.
    pub fn at<'a>(self, path: impl IntoIterator<Item = &'a str>) -> Issue {
        Issue { code: self.code, message: self.message, path: path.into_iter().map(str::to_owned).collect() }
    }
}

/// Where several things can be wrong with one value, one may be.
impl From<Flaw> for Vec<Flaw> {
    fn from(flaw: Flaw) -> Self {
        vec![flaw]
    }
}

/// One thing wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The kind.
    pub code: Code,
    /// For the person who sent it.
    pub message: Cow<'static, str>,
    /// From the root to the value: field names and array indexes, as text.
    pub path: Vec<String>,
}

impl Issue {
    /// The e-mail belongs to somebody in the organization already.
    pub fn email_taken() -> Self {
        Flaw::new(Code::Custom, "Email is already in use").at(["email"])
    }

    /// Another active user of the organization has the external id already.
    pub fn external_id_taken() -> Self {
        Flaw::new(Code::Custom, "External id is already in use").at(["externalId"])
    }

    /// Another of its kind in the organization has the name already.
    pub fn name_taken() -> Self {
        Flaw::new(Code::Custom, "Name is already in use").at(["name"])
    }

    /// The caregiver is no user of the organization.
    pub fn no_caregiver() -> Self {
        Flaw::new(Code::Custom, "The organization has no such user").at(["caregiverId"])
    }
}
