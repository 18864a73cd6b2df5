//! What a list can be searched for, and in what.
//!
//! The terms of a search are what white space separates. Each must occur in the first name, the last name or the
//! e-mail, or in the digits of the phone, or be the publicId. Both sides are folded first (`fold.rs`). `%` and `_` are
//! ordinary characters. A term written like a phone number (`(415)`, `555-0123`) is also looked for by its digits alone.

pub(crate) mod fold;

use crate::{Flaw, User, UserId, phone::PhoneNumber, text, user::Email};
use fold::fold_into;

/// The most UTF-16 units a search may have.
pub const MAX: usize = 200;

/// Between the fields of a [`Haystack`]; no field and no term contains it.
const FIELD_END: char = '\n';

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms(Vec<Term>);

/// One thing that must occur.
#[derive(Clone, PartialEq, Eq)]
pub struct Term {
    folded: String,
    /// The digits, where the term is written like a phone number and is not folded to them anyhow.
    digits: Option<String>,
    id: Option<UserId>,
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Terms {
    /// Splits a search at white space. Nothing but white space is no term: everybody is found.
    pub fn parse(text: &str) -> Result<Self, Vec<Flaw>> {
        let spaces_out = text.replace(text::is_js_space, " ");
        text::verbatim(&spaces_out, MAX)?;
        Ok(Self(spaces_out.split(' ').filter_map(Term::new).collect()))
    }

    /// Whether everybody is found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The terms.
    pub fn iter(&self) -> impl Iterator<Item = &Term> {
        self.0.iter()
    }

    /// Whether all of them occur.
    pub fn all_in(&self, haystack: &Haystack, id: &str) -> bool {
        self.0.iter().all(|term| term.occurs_in(haystack, id))
    }
}

impl Term {
    /// `None` if folding leaves nothing of it: a lone dash between two names is no term.
    fn new(text: &str) -> Option<Self> {
        let mut folded = String::with_capacity(text.len());
        fold_into(&mut folded, text);
        if folded.is_empty() {
            return None;
        }
        let like_a_phone = text.bytes().all(|b| b.is_ascii_digit() || b"+-.()/".contains(&b));
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        Some(Self {
            digits: (like_a_phone && !digits.is_empty() && digits != folded).then_some(digits),
            id: UserId::parse(&folded),
            folded,
        })
    }

    /// The texts of which one must be a substring of the haystack, unless [`id`](Self::id) hits.
    pub fn needles(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.folded.as_str()).chain(self.digits.as_deref())
    }

    /// The publicId it is, if it is one.
    pub fn id(&self) -> Option<UserId> {
        self.id
    }

    fn occurs_in(&self, haystack: &Haystack, id: &str) -> bool {
        haystack.0.contains(&self.folded)
            || self.digits.as_ref().is_some_and(|digits| haystack.phone_digits().contains(digits.as_str()))
            || self.id.is_some_and(|wanted| wanted.as_str() == id)
    }
}

/// The folded text of one user that is searched, in one buffer that can be filled again.
#[derive(Default)]
pub struct Haystack(String);

impl Haystack {
    /// Fills it from the fields as they are stored.
    pub fn fill(&mut self, first_name: &str, last_name: &str, email: Option<&str>, phone: Option<&str>) {
        self.0.clear();
        for field in [first_name, last_name, email.unwrap_or_default()] {
            fold_into(&mut self.0, field);
            self.0.push(FIELD_END);
        }
        for digit in phone.unwrap_or_default().bytes().filter(u8::is_ascii_digit) {
            self.0.push(char::from(digit));
        }
    }

    /// Fills it from a user.
    pub fn fill_from(&mut self, user: &User) {
        self.fill(
            user.first_name.as_str(),
            user.last_name.as_str(),
            user.email.as_ref().map(Email::as_str),
            user.phone.as_ref().map(PhoneNumber::as_str),
        );
    }

    /// The folded text: fields separated by line feeds, which no term contains.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn phone_digits(&self) -> &str {
        self.0.rsplit(FIELD_END).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(search: &str) -> bool {
        let mut haystack = Haystack::default();
        haystack.fill("Zoë Ann", "O'Brien_ΟΔΥΣΣΕΥΣ", Some("Zoe.O@Example.com"), Some("+1 (415) 555-0123"));
        Terms::parse(search).expect("a search").all_in(&haystack, "usr_1234567890_abc123def")
    }

    #[test]
    fn every_term_must_occur_somewhere() {
        for search in [
            "",
            "  \u{a0}\t ",
            "zoë",
            "ZOË",
            "ann o'br",
            "example.COM zo",
            "n_ο",
            "οδυσς",
            "ευσ",
            "ΕΥΣ",
            "4155550123",
            "14155",
            "+1 (415) 555-0123",
            "(415)",
            "usr_1234567890_abc123def",
            "USR_1234567890_ABC123DEF zoë",
            "ë",
            "o",
            "ann - obrien",
            "-",
            "555-0123",
        ] {
            assert!(found(search), "{search}");
        }
        for search in
            ["zoe ann q", "%", "n%o", "annO", "415 9", "usr_1234567890_abc123deg", "usr_1234567890", "+9", "()", "-9"]
        {
            assert!(!found(search), "{search}");
        }
    }

    #[test]
    fn a_term_never_spans_two_fields() {
        assert!(!found("anno'brien"));
        assert!(!found("com1415"));
    }

    #[test]
    fn what_cannot_be_searched_for_is_refused() {
        assert!(Terms::parse("a\0b").is_err());
        assert!(Terms::parse(&"x".repeat(200)).is_ok());
        assert!(Terms::parse(&"x".repeat(201)).is_err());
    }
}
