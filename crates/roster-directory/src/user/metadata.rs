//! What others want to be kept beside a user: names and texts that mean nothing to Roster.

use std::{collections::BTreeMap, fmt};

use crate::{Flaw, text::verbatim};

/// Names and texts, in the order of the names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata(BTreeMap<Box<str>, Box<str>>);

impl Metadata {
    /// The most names.
    pub const MAX: usize = 32;

    /// The most UTF-16 units of a name. It has at least one.
    pub const MAX_NAME: usize = 64;

    /// The most UTF-16 units of a text.
    pub const MAX_VALUE: usize = 500;

    /// What is wrong with a name.
    pub fn check_name(name: &str) -> Vec<Flaw> {
        match name {
            "" => vec![Flaw::too_short(1)],
            _ => verbatim(name, Self::MAX_NAME).err().unwrap_or_default(),
        }
    }

    /// What is wrong with a text.
    pub fn check_value(value: &str) -> Vec<Flaw> {
        verbatim(value, Self::MAX_VALUE).err().unwrap_or_default()
    }

    /// Of names and texts that were checked. Of a name that is there twice the last counts.
    pub fn of_checked(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// As one JSON object, which is how it is stored; nothing if there are none.
    pub fn to_stored(&self) -> Option<String> {
        let pairs = || self.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        (!self.is_empty()).then(|| serde_json::Value::Object(pairs()).to_string())
    }

    /// What was stored, read back.
    pub fn from_stored(text: &str) -> Option<Self> {
        let serde_json::Value::Object(pairs) = serde_json::from_str(text).ok()? else { return None };
        let pairs = pairs.into_iter().map(|(name, value)| Some((name.into(), value.as_str()?.into())));
        pairs.collect::<Option<_>>().map(Self)
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::Metadata;

    #[test]
    fn what_is_stored_is_read_back() {
        let pairs = [("team", "north \"1\""), ("a", ""), ("é", "\u{1f44d}")];
        let metadata = Metadata::of_checked(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let stored = metadata.to_stored().expect("there are some");
        assert_eq!(Metadata::from_stored(&stored), Some(metadata));
        assert_eq!(Metadata::default().to_stored(), None);
        assert_eq!(Metadata::from_stored("[]"), None);
        assert_eq!(Metadata::from_stored(r#"{"a":1}"#), None);
    }

    #[test]
    fn what_is_too_long_or_empty_is_refused() {
        assert!(Metadata::check_name(&"n".repeat(64)).is_empty() && Metadata::check_value("").is_empty());
        for (name, value) in [("", ""), (&*"n".repeat(65), ""), ("a\n", ""), ("a", &*"v".repeat(501)), ("a", "\0")] {
            assert!(Metadata::check_name(name).len() + Metadata::check_value(value).len() == 1, "{name:?}");
        }
    }
}
