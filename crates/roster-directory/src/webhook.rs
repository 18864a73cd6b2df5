//! Webhooks: addresses that hear of what happens in an organization.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use url::Url;

use crate::{Flaw, Timestamp, WebhookId, audit::Action, issue::Code, text};

/// Webhooks an organization may have.
pub const MOST: usize = 20;

/// Milliseconds that a secret still signs after it was replaced.
pub const ROTATION: i64 = 24 * 60 * 60 * 1_000;

/// Replaced secrets that still sign, at most. Each is one more signature in a header that receivers limit.
pub const MOST_OLD_SECRETS: usize = 10;

text::text_type!(
    /// What a webhook is for, in the words of whoever made it.
    Description, 200, verbatim
);

/// An address that hears of an organization's events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its public id.
    pub id: WebhookId,
    /// Where its receiver is.
    pub url: WebhookUrl,
    /// What it is for; may be empty.
    pub description: Description,
    /// What it hears of; empty: of everything.
    pub events: Vec<Action>,
    /// Whether it is told anything.
    pub state: State,
    /// What its messages are signed with.
    pub secret: Secret,
    /// What they are also signed with, and until when, in the order in which they were replaced. Some may be over.
    pub old_secrets: Vec<(Secret, Timestamp)>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The number of the last event that it was owed, or that was none of its own.
    pub heard_to: u64,
}

impl Webhook {
    /// The secrets that sign at this moment, the newest first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        let old = self.old_secrets.iter().rev().filter(move |(_, until)| now < *until).map(|(secret, _)| secret);
        std::iter::once(&self.secret).chain(old)
    }

    /// Whether it is to hear of what was done.
    pub fn hears_of(&self, action: Action) -> bool {
        self.events.is_empty() || self.events.contains(&action)
    }
}

/// Whether a webhook is told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is.
    Active = 0,
    /// Somebody asked to wait: what happens meanwhile is told afterwards.
    Paused = 1,
    /// Its receiver said that it is gone for good (410).
    Disabled = 2,
}

impl State {
    /// All of them, each at the place of its number.
    pub const ALL: [State; 3] = [State::Active, State::Paused, State::Disabled];

    /// The state as people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Active => "active",
            State::Paused => "paused",
            State::Disabled => "disabled",
        }
    }

    /// The state that is stored as this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Where a receiver is: `https://host/path`, or `http:` where the operator allows the network it is in.
///
/// Kept as the WHATWG URL Standard writes it, so that `0x7f.1` is seen to be 127.0.0.1.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Box<str>);

impl WebhookUrl {
    /// The most bytes it may have.
    pub const MAX: usize = 2048;

    /// Checks an address. Whether it may be reached is not known before it is.
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        let flaw = |message: &'static str| Flaw::new(Code::InvalidString, message);
        if text.len() > Self::MAX {
            return Err(Flaw::too_long(Self::MAX));
        }
        let url = Url::parse(text).map_err(|_| flaw("Invalid url"))?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
            return Err(flaw("The url must begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(flaw("The url must not contain a user name or a password"));
        }
        if url.fragment().is_some() {
            return Err(flaw("The url must not contain a fragment"));
        }
        if url.as_str().len() > Self::MAX {
            return Err(Flaw::too_long(Self::MAX));
        }
        Ok(Self(url.as_str().into()))
    }

    /// What was checked before it was stored.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for WebhookUrl {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        Self::parse(text)
    }
}

/// An address may carry a token in its path.
impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a webhook's messages are signed with: 192 random bits.
///
/// Unlike a key's it must be kept as it is, because a signature is made with it (Standard Webhooks 1.0.0: 24 to 64 bytes, shown as `whsec_` and base64).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 24]);

impl Secret {
    /// Makes one of random bits, or of what was stored.
    pub fn from_bytes(bytes: [u8; 24]) -> Self {
        Self(bytes)
    }

    /// What is stored, and signed with.
    pub fn as_bytes(&self) -> &[u8; 24] {
        &self.0
    }

    /// The text to hand to the receiver.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_as_the_standard_writes_it() {
        let kept = |text| WebhookUrl::parse(text).map(|url| url.as_str().to_owned());
        assert_eq!(kept("HTTPS://Hooks.Example:443/a/../b?c=d"), Ok("https://hooks.example/b?c=d".to_owned()));
        for inside in ["http://0x7f.1/", "http://2130706433/", "http://0177.0.0.1/", "http://127.1"] {
            assert_eq!(kept(inside), Ok("http://127.0.0.1/".to_owned()), "{inside}");
        }
        for text in [
            "",
            "hooks.example/a",
            "ftp://hooks.example/",
            "file:///etc/passwd",
            "https://",
            "https://user@hooks.example/",
            "https://:secret@hooks.example/",
            "https://hooks.example/#top",
            "https://hooks example/",
            "javascript:alert(1)",
        ] {
            assert!(WebhookUrl::parse(text).is_err(), "{text}");
        }
        let of = |bytes: usize| format!("https://hooks.example/{}", "a".repeat(bytes - 22));
        assert!(WebhookUrl::parse(&of(WebhookUrl::MAX)).is_ok());
        assert!(WebhookUrl::parse(&of(WebhookUrl::MAX + 1)).is_err());
    }

    #[test]
    fn a_secret_is_shown_as_receivers_expect_it_and_never_by_debug() {
        let secret = Secret::from_bytes([0xa5; 24]);
        assert_eq!(secret.reveal(), "whsec_paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl");
        assert_eq!(format!("{secret:?}"), "***");
    }
}
