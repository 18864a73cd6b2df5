//! A phone number: any text is kept, the number an SMS could reach is computed.

use crate::text::text_type;

text_type!(
    /// A phone number as it was given.
    ///
    /// Nothing of sane length is refused: the API's own documented example, `+1234567890`, cannot be dialled.
    PhoneNumber, 64, verbatim
);

impl PhoneNumber {
    /// The number in E.164 form (`+14155550123`) if a text message could be sent to it.
    ///
    /// Spaces, dots, dashes, slashes and parentheses are passed over. With a `+`: 8 to 15 digits, the first not 0
    /// (ITU-T E.164). Without one it is read as North American. Country code 1 must have ten digits, with neither area
    /// code nor exchange starting with 0 or 1 (NANPA).
    pub fn e164(&self) -> Option<String> {
        let text = self.as_str();
        let punctuation = |c: char| matches!(c, ' ' | '.' | '-' | '/' | '(' | ')' | '\u{a0}');
        let bare: String = text.chars().filter(|c| !punctuation(*c)).collect();
        let (international, digits) = match bare.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, bare.as_str()),
        };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let north_american = |national: &[u8]| national.len() == 10 && national[0] >= b'2' && national[3] >= b'2';
        let digits = digits.as_bytes();
        let country_code_1 = digits[0] == b'1';
        let national = match (international, country_code_1) {
            (true, false) => {
                let dialable = (8..=15).contains(&digits.len()) && digits[0] != b'0';
                return dialable.then_some(bare);
            }
            (_, true) => &digits[1..],
            (false, false) => digits,
        };
        north_american(national).then(|| format!("+1{}", std::str::from_utf8(national).expect("ASCII digits")))
    }

    /// Its ASCII digits, in order: what a search for a phone number is compared with.
    pub fn digits(&self) -> impl Iterator<Item = char> + '_ {
        self.as_str().chars().filter(char::is_ascii_digit)
    }
}

#[cfg(test)]
mod tests {
    use super::PhoneNumber;

    #[test]
    fn only_what_an_sms_can_reach_has_an_e164_form() {
        for (given, e164) in [
            ("+14155550123", Some("+14155550123")),
            ("(415) 555-0123", Some("+14155550123")),
            ("1-415-555-0123", Some("+14155550123")),
            ("415.555.0123", Some("+14155550123")),
            ("+49 30 901820", Some("+4930901820")),
            ("+1234567890", None),
            ("+11234567890", None),
            ("+14151550123", None),
            ("4155550123 x7", None),
            ("+0123456789", None),
            ("+1234567890123456", None),
            ("+", None),
            ("", None),
            ("ask the office", None),
        ] {
            assert_eq!(PhoneNumber::parse(given).expect("short").e164().as_deref(), e164, "{given}");
        }
    }
}
