//! Checked text: how long it may be, and what it may not contain.

use crate::Flaw;

/// The white space JavaScript's `String.prototype.trim` removes (ECMA-262 §12.2 and §12.3): Unicode's `Zs`, tab, VT,
/// FF, line ends and U+FEFF; unlike Rust's `trim`, not U+0085.
pub(crate) fn is_js_space(c: char) -> bool {
    matches!(c,
        '\u{9}'..='\u{d}' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
        | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

/// The length JavaScript gives a string.
pub(crate) fn utf16_len(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// Whether it contains what no engine should be asked to store: U+0000 and the other control characters.
pub(crate) fn has_control(text: &str) -> bool {
    if text.is_ascii() { text.bytes().any(|b| b.is_ascii_control()) } else { text.chars().any(char::is_control) }
}

/// One line: trimmed as JavaScript trims, 1 to `max` UTF-16 units, without control characters.
pub(crate) fn line(text: &str, max: usize) -> Result<&str, Vec<Flaw>> {
    let text = text.trim_matches(is_js_space);
    if text.is_empty() { Err(Flaw::too_short(1).into()) } else { verbatim(text, max) }
}

/// Text just as it came: 0 to `max` UTF-16 units, without control characters.
pub(crate) fn verbatim(text: &str, max: usize) -> Result<&str, Vec<Flaw>> {
    let mut flaws = Vec::new();
    // A UTF-16 unit is at least one byte, so short text needs no count.
    if text.len() > max && utf16_len(text) > max {
        flaws.push(Flaw::too_long(max));
    }
    if has_control(text) {
        flaws.push(Flaw::control_characters());
    }
    if flaws.is_empty() { Ok(text) } else { Err(flaws) }
}

/// Whether it is white space only, as a form sends a field of which nothing is known.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(is_js_space)
}

/// A type for text of at most `$max` UTF-16 units that `$check` ([`line`] or [`verbatim`]) lets through.
///
/// Its `Debug` shows nothing: most of these are personal data, and none is needed in a log.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $max:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The most UTF-16 units it may have.
            pub const MAX: usize = $max;

            /// Checks the text, and keeps what is left of it; or says everything that is wrong with it.
            pub fn parse(text: &str) -> Result<Self, Vec<$crate::Flaw>> {
                $crate::text::$check(text, Self::MAX).map(Self::from_stored)
            }

            /// What was checked before it was stored.
            pub fn from_stored(text: &str) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What a form sends: its field is there, and blank where nothing is known.
            pub fn given(text: &str) -> Result<Option<Self>, Vec<$crate::Flaw>> {
                if $crate::text::is_blank(text) { Ok(None) } else { Self::parse(text).map(Some) }
            }

            /// The same for what was parsed already.
            pub fn unless_blank(self) -> Option<Self> {
                Some(self).filter(|text| !$crate::text::is_blank(&text.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = Vec<$crate::Flaw>;

            fn from_str(text: &str) -> Result<Self, Vec<$crate::Flaw>> {
                Self::parse(text)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("***")
            }
        }
    };
}
pub(crate) use text_type;
