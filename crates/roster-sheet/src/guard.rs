//! Cells that a spreadsheet program would take for a formula: made harmless on the way out, and undone on the way in.
//!
//! OWASP, "CSV Injection": a cell that begins with one of these is written behind an apostrophe. So that every text comes
//! back as it was, one that begins with apostrophes before such a character gets one more.

use std::borrow::Cow;

/// The text, as it is written into a file.
pub fn out(text: &str) -> Cow<'_, str> {
    if begins_a_formula(text.trim_start_matches('\'')) { format!("'{text}").into() } else { text.into() }
}

/// The text, as it was before it was written.
pub fn back(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if begins_a_formula(rest.trim_start_matches('\'')) => rest,
        _ => text,
    }
}

fn begins_a_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_formula_is_text_behind_an_apostrophe() {
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+14155550100", "'+14155550100"),
            ("-", "'-"),
            ("@here", "'@here"),
            ("\t=x", "'\t=x"),
            ("'=x", "''=x"),
            ("O'Brien", "O'Brien"),
            ("'t Hooft", "'t Hooft"),
            ("", ""),
        ] {
            assert_eq!(out(text), written);
            assert_eq!(back(written), text);
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "['=+@a\t\r-]{0,5}") {
            let written = out(&text);
            prop_assert!(!begins_a_formula(&written));
            prop_assert_eq!(back(&written), &*text);
        }
    }
}
