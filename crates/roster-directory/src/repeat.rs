//! A request that may be sent again: what was answered is kept beside what it did, and answered again.
//!
//! The header `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07).

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

use crate::{KeyId, Timestamp, UserId};

/// Milliseconds that an answer is kept.
pub const KEPT: i64 = 24 * 60 * 60 * 1_000;

/// What a client calls a request: 1 to 255 visible ASCII characters. The same again is the same request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RepeatKey(Box<str>);

impl RepeatKey {
    /// The most characters.
    pub const MAX: usize = 255;

    /// Takes what a header may say.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = (1..=Self::MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        is_one.then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// It may be anything, also an e-mail.
impl fmt::Debug for RepeatKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What makes two requests of an organization one: by which API key, on which route, called how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The API key it came with.
    pub by: KeyId,
    /// The method and the path.
    pub route: Box<str>,
    /// What the client calls it.
    pub key: RepeatKey,
    /// The SHA-256 of the request's body.
    pub body: [u8; 32],
}

impl Repeat {
    /// A request with this body.
    pub fn new(by: KeyId, route: &str, key: RepeatKey, body: &[u8]) -> Self {
        Self { by, route: route.into(), key, body: Sha256::digest(body).into() }
    }
}

/// What is answered to a request that may be sent again.
#[derive(Clone)]
pub struct Answer {
    /// Which request.
    pub repeat: Repeat,
    /// The status.
    pub status: u16,
    /// The headers that belong to it, as `name: value` lines.
    pub headers: String,
    /// Who the answer speaks of: when that user is erased it goes too.
    pub about: Option<UserId>,
    /// Writes the body of what was recorded at that moment.
    pub write: Arc<dyn Fn(Timestamp) -> Vec<u8> + Send + Sync>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("repeat", &self.repeat).field("status", &self.status).finish_non_exhaustive()
    }
}

/// What was answered, read back.
#[derive(Clone, PartialEq, Eq)]
pub struct Answered {
    /// The SHA-256 of the body of the request it was the answer to.
    pub request: [u8; 32],
    /// The status.
    pub status: u16,
    /// The headers that belong to it, as `name: value` lines.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answered").field("status", &self.status).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::RepeatKey;

    #[test]
    fn a_key_is_visible_ascii() {
        for (text, is_one) in [("a", true), ("~!", true), ("", false), ("a b", false), ("é", false), ("a\t", false)] {
            assert_eq!(RepeatKey::parse(text).is_some(), is_one, "{text:?}");
        }
        assert!(RepeatKey::parse(&"k".repeat(255)).is_some() && RepeatKey::parse(&"k".repeat(256)).is_none());
    }
}
