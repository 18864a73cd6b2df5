//! The audit trail, as the store is asked for it: the same for both engines.

use std::fmt;

use roster_directory::{
    Timestamp,
    audit::{Action, Roles},
};

use crate::Remembered;

/// Which entry of an organization's trail. They lie in this order.
///
/// It is written as `aud_` and 24 hexadecimal digits. A copy into the other engine gives entries other ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    /// On SQLite the ordinal within the organization, on PostgreSQL the place.
    pub(crate) place: i64,
    /// Keeps apart what two processes place alike (PostgreSQL).
    pub(crate) lane: i32,
}

impl EntryId {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("aud_").filter(|digits| digits.len() == 24)?;
        // `from_str_radix` takes a sign and capitals, too.
        if !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let (place, lane) = digits.split_at(16);
        let (place, lane) = (i64::from_str_radix(place, 16).ok()?, i32::from_str_radix(lane, 16).ok()?);
        Some(Self { place, lane })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "aud_{:016x}{:08x}", self.place, self.lane)
    }
}

/// Which entries of the trail are asked for.
#[derive(Debug, Clone, Default)]
pub struct TrailFilter {
    /// Of this actor: a key's id, `cli` or `roster`.
    pub actor: Option<String>,
    /// Of this action.
    pub action: Option<Action>,
    /// Done to this: a public id.
    pub target: Option<String>,
    /// From this moment on.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// Those that come after this one, in the order that is asked for.
    pub after: Option<EntryId>,
    /// The oldest first, and not the newest.
    pub oldest_first: bool,
}

/// An entry of the trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailEntry {
    /// Which.
    pub id: EntryId,
    /// What it says.
    pub entry: Remembered,
    /// The role that a user had, and the one it has since.
    pub roles: Roles,
}

#[cfg(test)]
mod tests {
    use super::EntryId;

    #[test]
    fn an_id_is_read_back_and_nothing_else_is() {
        let id = EntryId { place: 0x0197_0000_1234_5678, lane: 63 };
        assert_eq!(id.to_string(), "aud_01970000123456780000003f");
        assert_eq!(EntryId::parse(&id.to_string()), Some(id));
        let most = EntryId { place: i64::MAX, lane: i32::MAX };
        assert_eq!(EntryId::parse(&most.to_string()), Some(most));
        for wrong in [
            "",
            "aud_",
            "aud_01970000123456780000003F",
            "aud_+1970000123456780000003f",
            "aud_01970000123456780000003",
            "aud_f1970000123456780000003f",
            "aud_0197000012345678f000003f",
            "evt_01970000123456780000003f",
            "aud_0197000012345678000000é",
        ] {
            assert_eq!(EntryId::parse(wrong), None, "{wrong}");
        }
    }
}
