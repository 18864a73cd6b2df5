//! What an API key looks like, and what is kept of it.
//!
//! `roster_` + 12 characters of the key's id + `_` + 43 base-62 digits (256 random bits) + 6 base-62 digits of CRC-32
//! over everything before. The prefix lets secret scanners find a leaked key; the checksum makes a typo a typo, refused
//! without asking the database (GitHub's token format, 2021). Only the SHA-256 is kept: with 256 random bits behind it
//! a slow hash would add cost and no safety.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{KeyId, Role, Timestamp, text::text_type};

const PREFIX: &str = "roster_";
const SECRET_LEN: usize = 43; // 62^43 > 2^256
const CHECKSUM_LEN: usize = 6; // 62^6 > 2^32
const LEN: usize = PREFIX.len() + 12 + 1 + SECRET_LEN + CHECKSUM_LEN;

text_type!(
    /// What a key is for, in the words of whoever made it.
    KeyName, 100, line
);

impl KeyName {
    /// Whether a person would take both for one name: they differ in case at most.
    pub fn is_taken_by(&self, other: &str) -> bool {
        crate::search::fold::is_same_but_for_case(self.as_str(), other)
    }
}

/// A key as its holder has it. Shown once, never stored, and `Debug` shows nothing.
#[derive(Clone)]
pub struct KeyToken(String);

impl KeyToken {
    /// Makes the token of the key `id` from 256 random bits.
    pub fn new(id: KeyId, secret: [u8; 32]) -> Self {
        let mut token = String::with_capacity(LEN);
        token.push_str(PREFIX);
        token.push_str(id.suffix());
        token.push('_');
        push_base62(&mut token, secret, SECRET_LEN);
        let checksum = crc32fast::hash(token.as_bytes());
        push_checksum(&mut token, checksum);
        Self(token)
    }

    /// The text to hand to its holder, once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> KeyHash {
        KeyHash::of(&self.0)
    }
}

impl fmt::Debug for KeyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("roster_***")
    }
}

/// A key as somebody sent it: well-formed, its checksum right, not yet known to be real.
#[derive(Debug, Clone, Copy)]
pub struct PresentedKey {
    /// Which key it says it is.
    pub id: KeyId,
    /// To be compared with what was kept.
    pub hash: KeyHash,
}

impl PresentedKey {
    /// Reads a token. A typo, or anything else that was never a key, is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LEN || !text.is_ascii() {
            return None;
        }
        let (payload, checksum) = text.split_at(LEN - CHECKSUM_LEN);
        let mut expected = String::with_capacity(CHECKSUM_LEN);
        push_checksum(&mut expected, crc32fast::hash(payload.as_bytes()));
        if expected != checksum {
            return None;
        }
        let (id, _secret) = payload.strip_prefix(PREFIX)?.split_once('_')?;
        Some(Self { id: KeyId::from_suffix(id)?, hash: KeyHash::of(text) })
    }
}

/// The SHA-256 of a token. Compared in constant time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyHash(Sum<u8>);

/// Thirty-two bytes that are all looked at when they are compared, so that the time does not say where two differ. A test
/// puts bytes in here that count how often they are looked at.
#[derive(Clone, Copy)]
struct Sum<B>([B; 32]);

impl<B: ConstantTimeEq> PartialEq for Sum<B> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<B: ConstantTimeEq> Eq for Sum<B> {}

impl KeyHash {
    fn of(token: &str) -> Self {
        Self(Sum(Sha256::digest(token.as_bytes()).into()))
    }

    /// What was stored, read back.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Sum(bytes))
    }

    /// To be stored. What compares hashes compares `KeyHash`.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a key may be used for, within what its role may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Reading and changing.
    #[default]
    Write = 0,
    /// Reading only.
    Read = 1,
}

impl Access {
    /// Both.
    pub const ALL: [Access; 2] = [Access::Write, Access::Read];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Write => "WRITE",
            Access::Read => "READ",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|access| access.as_str() == text)
    }

    /// Reads the number that is stored.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|access| *access as u8 == number)
    }
}

/// Milliseconds before its end in which a key is said to end soon: 14 days.
const SOON: i64 = 14 * DAY;
const DAY: i64 = 24 * 60 * 60 * 1_000;

/// What is kept of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its public id, which stands readable in the token.
    pub id: KeyId,
    /// What its holder may do.
    pub role: Role,
    /// What it is for.
    pub name: KeyName,
    /// The hash of the token.
    pub hash: KeyHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// The first moment at which it no longer works; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// What it may be used for.
    pub access: Access,
    /// Who made it: a key's id, or `cli`. Of a key that an earlier build made nobody knows.
    pub created_by: Option<Box<str>>,
    /// The key that it took over from.
    pub replaces: Option<KeyId>,
    /// When a request with it was answered last, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl Key {
    /// Whether it opens anything at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether the organization can be managed with it, at `now`: keys made, and webhooks.
    pub fn manages(&self, now: Timestamp) -> bool {
        Role::MANAGERS.contains(&self.role) && self.access == Access::Write && self.is_live(now)
    }

    /// The whole days that are left, if it ends within 14.
    pub fn days_left(&self, now: Timestamp) -> Option<i64> {
        let left = self.expires_at?.as_millis() - now.as_millis();
        (0..SOON).contains(&left).then_some(left / DAY)
    }
}

fn push_base62(to: &mut String, mut number: [u8; 32], digits: usize) {
    for _ in 0..digits {
        // Long division of the big-endian number by 62; the remainder is the next digit.
        let mut rest = 0u32;
        for byte in &mut number {
            let part = rest << 8 | u32::from(*byte);
            *byte = (part / 62) as u8;
            rest = part % 62;
        }
        to.push(base62_digit(rest));
    }
}

fn push_checksum(to: &mut String, mut checksum: u32) {
    for _ in 0..CHECKSUM_LEN {
        to.push(base62_digit(checksum % 62));
        checksum /= 62;
    }
}

fn base62_digit(value: u32) -> char {
    char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[value as usize])
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use subtle::Choice;

    use super::*;

    fn token() -> KeyToken {
        KeyToken::new(KeyId::new(1_234_567), [0xa5; 32])
    }

    #[test]
    fn a_token_is_read_back() {
        let token = token();
        let read = PresentedKey::parse(token.reveal()).expect("its own token");
        assert_eq!(read.id, KeyId::new(1_234_567));
        assert_eq!(read.hash, token.hash());
    }

    #[test]
    fn one_wrong_character_anywhere_is_a_typo() {
        let token = token();
        for place in 0..token.reveal().len() {
            let mut bytes = token.reveal().as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(bytes).expect("ASCII");
            assert!(PresentedKey::parse(&typo).is_none(), "{place}");
        }
        assert!(PresentedKey::parse(&token.reveal()[1..]).is_none());
        assert!(PresentedKey::parse("").is_none());
    }

    #[test]
    fn the_secret_keeps_all_its_bits() {
        let mut tokens = std::collections::HashSet::new();
        for bit in 0..256 {
            let mut secret = [0; 32];
            secret[bit / 8] = 1 << (bit % 8);
            assert!(tokens.insert(KeyToken::new(KeyId::new(1), secret).reveal().to_owned()));
        }
        assert_eq!(KeyToken::new(KeyId::new(1), [0xff; 32]).reveal().len(), LEN);
    }

    #[test]
    fn debug_shows_nothing() {
        let token = token();
        let shown = format!("{token:?} {:?}", token.hash());
        assert!(!shown.contains(&token.reveal()[20..30]), "{shown}");
    }

    /// A byte that counts the looks at it, whichever way it is compared.
    #[derive(Clone, Copy)]
    struct Counted<'a>(u8, &'a Cell<usize>);

    impl ConstantTimeEq for Counted<'_> {
        fn ct_eq(&self, other: &Self) -> Choice {
            self.1.update(|looks| looks + 1);
            self.0.ct_eq(&other.0)
        }
    }

    impl PartialEq for Counted<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.1.update(|looks| looks + 1);
            self.0 == other.0
        }
    }

    #[test]
    fn a_hash_is_looked_at_to_its_last_byte_wherever_it_differs() {
        let right = token().hash();
        for place in 0..32 {
            let mut wrong = *right.as_bytes();
            wrong[place] ^= 1;
            assert_ne!(right, KeyHash::from_bytes(wrong), "{place}");

            let looks = Cell::new(0);
            let counted = |bytes: [u8; 32]| Sum(bytes.map(|byte| Counted(byte, &looks)));
            assert!(counted(*right.as_bytes()) != counted(wrong), "{place}");
            assert_eq!(looks.get(), 32, "{place}");
        }
        assert_eq!(right, KeyHash::from_bytes(*right.as_bytes()));
    }
}
