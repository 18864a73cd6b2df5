//! Public ids: alike inside, never interchangeable. Each is a short prefix and random `[a-z0-9]`; none is ever reused.
//!
//! Of what there can be millions of (users, messages) an id begins with the moment it was made in. So ids rise, and an
//! index of them grows at its end: with ids in no order each new row dirties a page of its own.

use std::fmt;

use crate::Timestamp;

const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Fills `to` with base-36 digits of `entropy`, which should carry at least 5.2 random bits a digit.
fn write_base36(to: &mut [u8], mut entropy: u128) {
    for digit in to {
        *digit = ALPHABET[(entropy % 36) as usize];
        entropy /= 36;
    }
}

fn is_base36(text: &[u8]) -> bool {
    text.iter().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $form:expr, $len:literal, $well_formed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Takes exactly the text of an id of this kind; anything else is `None`.
            pub fn parse(text: &str) -> Option<Self> {
                let bytes: [u8; $len] = text.as_bytes().try_into().ok()?;
                let well_formed: fn(&[u8; $len]) -> bool = $well_formed;
                well_formed(&bytes).then_some(Self(bytes))
            }

            /// The id as it goes over the wire.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).expect("made of ASCII only")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                Self::parse(text).ok_or(Malformed($form))
            }
        }
    };
}

/// A text that is no id of the kind asked for. It knows how one reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(&'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "such an id is {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// The digits of a number, as many as there is room for.
fn write_decimal(to: &mut [u8], mut number: u64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

macro_rules! dated_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        id_type!(
            $(#[$doc])*
            ///
            #[doc = concat!("`", $prefix, "`, the ten digits of the unix second it was made in, `_`, and nine of `[a-z0-9]`:")]
            /// two that say when within the second, and seven at random.
            $name, concat!($prefix, ", ten digits, _ and nine of a-z and 0-9"), 24, |id| id.starts_with($prefix.as_bytes())
                && id[4..14].iter().all(u8::is_ascii_digit)
                && id[14] == b'_'
                && is_base36(&id[15..])
        );

        impl $name {
            /// Makes the id of what is made at `moment` (clamped to what ten digits hold: 1970 to 2286) of 128 bits of
            /// `entropy`, of which 36 are kept.
            pub fn new(moment: Timestamp, entropy: u128) -> Self {
                let millis = moment.as_millis().clamp(0, 9_999_999_999_999) as u64;
                let within = (millis % 1_000) as usize * 36 * 36 / 1_000;
                let mut id = [b'_'; 24];
                id[..4].copy_from_slice($prefix.as_bytes());
                write_decimal(&mut id[4..14], millis / 1_000);
                id[15..17].copy_from_slice(&[ALPHABET[within / 36], ALPHABET[within % 36]]);
                write_base36(&mut id[17..], entropy);
                Self(id)
            }
        }
    };
}

dated_id!(
    /// A user's `publicId`.
    UserId,
    "usr_"
);
dated_id!(
    /// One message that is owed.
    MessageId,
    "msg_"
);

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        id_type!(
            $(#[$doc])*
            $name, concat!($prefix, " and twelve of a-z and 0-9"), 16,
            |id| id.starts_with($prefix.as_bytes()) && is_base36(&id[4..])
        );

        impl $name {
            /// Makes an id of 128 bits of `entropy`, of which 62 are kept.
            pub fn new(entropy: u128) -> Self {
                let mut id = [0; 16];
                id[..4].copy_from_slice($prefix.as_bytes());
                write_base36(&mut id[4..], entropy);
                Self(id)
            }
        }
    };
}

random_id!(
    /// `org_` and twelve random characters.
    OrganizationId,
    "org_"
);
random_id!(
    /// `pay_` and twelve random characters.
    PayorId,
    "pay_"
);
random_id!(
    /// `key_` and twelve random characters; those twelve stand readable inside the key itself.
    KeyId,
    "key_"
);
random_id!(
    /// `whk_` and twelve random characters: an address that hears of an organization's events.
    WebhookId,
    "whk_"
);

id_type!(
    /// `evt_`, the twelve characters of the organization's id, `_`, and twelve digits.
    ///
    /// The digits are the event's number in the organization's feed, from 1. So it is at once what an event is known by and where the feed goes on after it.
    EventId, "evt_, twelve of a-z and 0-9, _ and twelve digits", 29, |id| id.starts_with(b"evt_")
        && is_base36(&id[4..16])
        && id[16] == b'_'
        && id[17..].iter().all(u8::is_ascii_digit)
);

impl EventId {
    /// The id of the `number`-th event of an organization. Twelve digits: a million million of them.
    pub fn new(organization: OrganizationId, number: u64) -> Self {
        let mut id = *b"evt_000000000000_000000000000";
        id[4..16].copy_from_slice(&organization.0[4..]);
        write_decimal(&mut id[17..], number);
        Self(id)
    }

    /// The number, if it is an event of this organization.
    pub fn number_in(&self, organization: OrganizationId) -> Option<u64> {
        (self.0[4..16] == organization.0[4..])
            .then(|| self.0[17..].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }
}

impl KeyId {
    /// The twelve characters after the prefix.
    pub fn suffix(&self) -> &str {
        &self.as_str()[4..]
    }

    /// The id whose [`suffix`](Self::suffix) this is.
    pub fn from_suffix(suffix: &str) -> Option<Self> {
        let suffix: &[u8; 12] = suffix.as_bytes().try_into().ok()?;
        let mut id = *b"key_000000000000";
        id[4..].copy_from_slice(suffix);
        is_base36(suffix).then_some(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_has_the_documented_shape() {
        let id = UserId::new(Timestamp::from_millis(1_234_567_890_500), u128::MAX);
        assert_eq!(&id.as_str()[..17], "usr_1234567890_i0");
        assert_eq!(UserId::parse(id.as_str()), Some(id));
        assert_eq!(
            UserId::parse("usr_1234567890_abc123def").map(|id| id.to_string()).as_deref(),
            Some("usr_1234567890_abc123def")
        );
    }

    #[test]
    fn ids_rise_with_the_moment() {
        let id = |millis| UserId::new(Timestamp::from_millis(millis), 7);
        let moments = [i64::MIN, 999, 1_000, 1_001, 1_999, 2_000, 1_736_937_000_123, i64::MAX];
        assert!(moments.is_sorted_by_key(|millis| id(*millis)));
        assert_eq!(id(i64::MAX).as_str(), "usr_9999999999_zy7000000");
        assert_eq!(MessageId::new(Timestamp::from_millis(0), 7).as_str(), "msg_0000000000_007000000");
    }

    #[test]
    fn anything_else_is_no_user_id() {
        for text in [
            "",
            "usr_",
            "usr_1234567890_abc123de",
            "usr_1234567890_abc123deff",
            "usr_123456789a_abc123def",
            "usr_1234567890-abc123def",
            "usr_1234567890_ABC123DEF",
            "org_1234567890_abc123def",
            "usr_1234567890_abc123d\u{e9}",
        ] {
            assert_eq!(UserId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_event_id_knows_its_organization_and_its_number() {
        let (organization, other) = (OrganizationId::new(7), OrganizationId::new(8));
        let id = EventId::new(organization, 1_234_567);
        assert_eq!(id.as_str(), format!("evt_{}_000001234567", &organization.as_str()[4..]));
        assert_eq!(EventId::parse(id.as_str()), Some(id));
        assert_eq!((id.number_in(organization), id.number_in(other)), (Some(1_234_567), None));
        assert_eq!(EventId::parse("evt_000000000000_00000000000a"), None);
    }

    #[test]
    fn kinds_do_not_mix() {
        let organization = OrganizationId::new(7);
        assert!(PayorId::parse(organization.as_str()).is_none());
        assert_eq!(KeyId::from_suffix(KeyId::new(7).suffix()), Some(KeyId::new(7)));
    }
}
