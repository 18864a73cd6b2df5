//! The number a text message goes to.

use roster_directory::phone::PhoneNumber;

/// The number in E.164 form, if the numbering plan of its country has it; without a country it is North American.
///
/// The directory's own, quicker rule is asked on every create, and lets through what could be a number. This one knows
/// every plan, and is asked before a message leaves.
pub(crate) fn e164(given: &PhoneNumber) -> Option<String> {
    given.e164()?;
    let number = phonenumber::parse(Some(phonenumber::country::US), given.as_str()).ok()?;
    let sendable = phonenumber::is_valid(&number);
    sendable.then(|| number.format().mode(phonenumber::Mode::E164).to_string())
}

/// Whether it has E.164's form, as the gateway writes numbers.
pub(crate) fn is_e164(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (8..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_its_country_has() {
        for (given, e164) in [
            ("(415) 555-2671", Some("+14155552671")),
            ("+1 415 555 2671", Some("+14155552671")),
            ("+49 30 901820", Some("+4930901820")),
            ("+44 20 7946 0958", Some("+442079460958")),
            ("+1234567890", None),
            ("+999 1234 5678", None),
            ("ask the office", None),
        ] {
            assert_eq!(super::e164(&PhoneNumber::parse(given).expect("short")).as_deref(), e164, "{given}");
        }
    }
}
