//! The National Provider Identifier: any text is kept, the verdict on its check digit is computed.

use crate::text::text_type;

text_type!(
    /// An NPI as it was given.
    ///
    /// Nothing of sane length is refused: the API's own documented example, `1234567890`, fails the check digit.
    NpiNumber, 64, verbatim
);

impl NpiNumber {
    /// Whether this can be somebody's NPI: ten digits, the first 1 or 2, the last the Luhn check digit computed as if
    /// `80840` stood in front (CMS, 69 FR 3434; ISO/IEC 7812). It does not say that the number was ever given out.
    pub fn is_valid(&self) -> bool {
        let Ok(digits) = <&[u8; 10]>::try_from(self.as_str().as_bytes()) else { return false };
        if !digits.iter().all(u8::is_ascii_digit) || !matches!(digits[0], b'1' | b'2') {
            return false;
        }
        // The five digits of the prefix 80840 always add 24.
        let sum: u32 = digits.iter().rev().enumerate().fold(24, |sum, (place, digit)| {
            let digit = u32::from(digit - b'0');
            sum + if place % 2 == 1 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        });
        sum.is_multiple_of(10)
    }
}

#[cfg(test)]
mod tests {
    use super::NpiNumber;

    #[test]
    fn the_check_digit_is_judged() {
        // 1234567893 is the worked example of CMS's own "NPI check digit" paper.
        for (npi, valid) in [
            ("1234567893", true),
            ("1234567890", false),
            ("1245319599", true),
            ("2234567891", true),
            ("3234567893", false),
            ("123456789", false),
            ("12345678933", false),
            ("123456789x", false),
            ("", false),
        ] {
            assert_eq!(NpiNumber::parse(npi).expect("short").is_valid(), valid, "{npi}");
        }
    }

    #[test]
    fn every_single_wrong_digit_is_caught() {
        for place in 1..10 {
            for digit in b'0'..=b'9' {
                let mut npi = *b"1234567893";
                let was = std::mem::replace(&mut npi[place], digit);
                let text = std::str::from_utf8(&npi).expect("digits");
                assert_eq!(NpiNumber::parse(text).expect("short").is_valid(), digit == was, "{text}");
            }
        }
    }
}
