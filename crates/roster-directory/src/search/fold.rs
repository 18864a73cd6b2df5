//! Folding: what a name and a search for it have in common, however each was typed.
//!
//! A keyboard, a Mac's file and a spreadsheet write `José`, `O’Brien` and `Anne‑Marie` in different characters, and people
//! search for `jose`, `obrien` and `annemarie`. So both sides lose what they may differ in: compatibility forms
//! (Unicode NFKD, UAX #15), case (full case folding, Unicode §3.13), marks, apostrophes, hyphens, and what is invisible.
//! What is stored and shown stays as it was given.

use icu_casemap::{CaseMapper, CaseMapperBorrowed};
use icu_normalizer::{DecomposingNormalizer, DecomposingNormalizerBorrowed};
use icu_properties::{
    CodePointMapData, CodePointMapDataBorrowed, CodePointSetData, CodePointSetDataBorrowed,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup},
};

const NFD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizer::new_nfd();
const NFKD: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizer::new_nfkd();
const CASE: CaseMapperBorrowed<'static> = CaseMapper::new();
const CATEGORY: CodePointMapDataBorrowed<'static, GeneralCategory> = CodePointMapData::<GeneralCategory>::new();
const INVISIBLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// Appends the folded text.
pub(super) fn fold_into(to: &mut String, text: &str) {
    if text.is_ascii() {
        let kept = text.bytes().filter(|b| !is_ascii_apostrophe_or_hyphen(*b));
        to.extend(kept.map(|b| char::from(b.to_ascii_lowercase())));
        return;
    }
    // An accent of its own has the compatibility form of a space and a mark. It is an apostrophe here, so those go first.
    let canonical = NFD.normalize_iter(text.chars()).filter(|c| !is_left_out(*c));
    let decomposed: String = NFKD.normalize_iter(canonical).collect();
    // Folding case may leave what decomposes further. It comes before the marks go, because it makes a letter of one of
    // them (U+0345), as upper case does.
    let folded = CASE.fold_string(&decomposed);
    let letters = NFKD.normalize_iter(folded.chars()).filter(|c| !is_mark(*c) && !is_left_out(*c));
    // The dotless i has no case folding of its own, and its upper case is the upper case of i.
    to.extend(letters.map(|c| if c == 'ı' { 'i' } else { c }));
}

/// Whether two names differ in case at most, or in how their characters are encoded (Unicode §3.13, D146).
pub(crate) fn is_same_but_for_case(one: &str, other: &str) -> bool {
    let folded = |text: &str| -> String {
        let decomposed: String = NFKD.normalize_iter(text.chars()).collect();
        NFKD.normalize_iter(CASE.fold_string(&decomposed).chars()).collect()
    };
    folded(one) == folded(other)
}

const fn is_ascii_apostrophe_or_hyphen(byte: u8) -> bool {
    matches!(byte, b'\'' | b'`' | b'-')
}

fn is_left_out(c: char) -> bool {
    if c.is_ascii() {
        return is_ascii_apostrophe_or_hyphen(c as u8);
    }
    is_apostrophe(c) || is_hyphen(c) || INVISIBLE.contains(c)
}

/// What stands where `'` does: quotation marks, primes, accents of their own, and modifier letters that are apostrophes.
fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\u{b4}' | '\u{2b9}' | '\u{2bb}'..='\u{2bf}' | '\u{2c8}' | '\u{2ca}' | '\u{2cb}' | '\u{2ee}' | '\u{384}'
            | '\u{55a}' | '\u{5f3}' | '\u{1fbd}' | '\u{1fbf}' | '\u{1fef}' | '\u{1ffd}' | '\u{1ffe}'
            | '\u{2018}'..='\u{201b}' | '\u{2032}' | '\u{2035}' | '\u{a78b}' | '\u{a78c}' | '\u{ff07}' | '\u{ff40}'
    )
}

/// Dashes by Unicode's category, and what only looks like one.
fn is_hyphen(c: char) -> bool {
    matches!(c, '\u{2d7}' | '\u{2043}' | '\u{2212}') || CATEGORY.get(c) == GeneralCategory::DashPunctuation
}

fn is_mark(c: char) -> bool {
    !c.is_ascii() && GeneralCategoryGroup::Mark.contains(CATEGORY.get(c))
}

#[cfg(test)]
mod tests {
    use icu_normalizer::ComposingNormalizer;
    use proptest::prelude::*;

    use super::*;

    fn folded(text: &str) -> String {
        let mut folded = String::new();
        fold_into(&mut folded, text);
        folded
    }

    #[test]
    fn what_is_one_name_folds_alike() {
        for (stored, searched) in [
            ("José García-Möschl", "jose garciamoschl"),
            ("Rene\u{301}e Zoe\u{308}", "renee zoe"),
            ("Renée", "renee"),
            ("O’Brien", "obrien"),
            ("O'Brien", "obrien"),
            ("O´Brien", "obrien"),
            ("O`Brien", "obrien"),
            ("Oʻahu Kānaka", "oahu kanaka"),
            ("Groß", "gross"),
            ("GROẞ", "gross"),
            ("İstanbul", "istanbul"),
            ("Kılıç", "kilic"),
            ("Anne-Marie", "annemarie"),
            ("Anne‑Marie", "annemarie"),
            ("Anne–Marie", "annemarie"),
            ("Anne\u{ad}Marie\u{200b}", "annemarie"),
            ("Ａｎｎａ", "anna"),
            ("ﬁnn", "finn"),
            ("ΟΔΥΣΣΕΥΣ οδυσσεύς", "οδυσσευσ οδυσσευσ"),
            ("Nguyễn", "nguyen"),
            ("Łukasz", "łukasz"),
            ("Müller_%", "muller_%"),
        ] {
            assert_eq!(folded(stored), searched, "{stored}");
        }
    }

    /// Names of many scripts, and of characters that are hard to fold.
    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            "[A-Za-zÀ-ɏ'’\\- ]{1,20}",
            "[Ͱ-Ͼἀ-῾]{1,12}",
            "[Ѐ-ӿ\u{300}-\u{36f}]{1,12}",
            "\\PC{1,20}",
            prop::collection::vec(any::<char>(), 1..12).prop_map(String::from_iter),
        ]
    }

    proptest! {
        #[test]
        fn a_name_folds_alike_in_every_form(name in names()) {
            let expected = folded(&name);
            let nfc = ComposingNormalizer::new_nfc();
            prop_assert_eq!(&folded(&nfc.normalize(&name)), &expected, "NFC");
            prop_assert_eq!(&folded(&NFD.normalize(&name)), &expected, "NFD");
            prop_assert_eq!(&folded(&name.to_uppercase()), &expected, "upper case");
            prop_assert_eq!(&folded(&name.to_lowercase()), &expected, "lower case");
            // U+0345 is the one mark that is a letter once case is folded.
            if !name.chars().any(|c| NFD.normalize(&c.to_string()).contains('\u{345}')) {
                let bare: String = NFD.normalize(&name).chars().filter(|c| !is_mark(*c)).collect();
                prop_assert_eq!(&folded(&bare), &expected, "without marks");
            }
            prop_assert_eq!(&folded(&expected), &expected, "folded twice");
        }
    }
}
