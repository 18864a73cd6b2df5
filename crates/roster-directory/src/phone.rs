//! A phone number: any text is kept, the number a text message could reach is computed.

use std::sync::LazyLock;

use phonenumber::{Mode, country::Id, metadata::DATABASE};
use regex::Regex;

use crate::{organization::Country, text::text_type};

text_type!(
    /// A phone number as it was given.
    ///
    /// Nothing of sane length is refused: the API's own documented example, `+1234567890`, cannot be dialled.
    PhoneNumber, 64, verbatim
);

impl PhoneNumber {
    /// The number in E.164 form (`+14155550123`) if a text message could be sent to it: if the numbering plan of its
    /// country has it.
    ///
    /// Without a `+` it is read by the plan of `country`. Spaces, dots, dashes, slashes and parentheses are passed over,
    /// and an extension is left out: a text message cannot name one.
    pub fn e164(&self, country: Country) -> Option<String> {
        let dialled = dialled(self.as_str())?;
        if let Some(national) = NorthAmerica::ten_digits(&dialled, country) {
            return NORTH_AMERICA.numbers.is_match(national).then(|| format!("+1{national}"));
        }
        // With a country the library would apply that country's prefixes to a number of another one.
        let country = (!dialled.starts_with('+')).then(|| country.id());
        let number = phonenumber::parse(country, &dialled).ok()?;
        phonenumber::is_valid(&number).then(|| number.format().mode(Mode::E164).to_string())
    }

    /// Its ASCII digits, in order: what a search for a phone number is compared with.
    pub fn digits(&self) -> impl Iterator<Item = char> + '_ {
        self.as_str().chars().filter(char::is_ascii_digit)
    }
}

/// Whether it has E.164's form, as the gateway writes numbers: a `+` and 8 to 15 digits.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (8..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// Reads the numbering plans, which takes a tenth of a second: before somebody waits for it.
pub fn load_plans() {
    LazyLock::force(&NORTH_AMERICA);
}

/// What is dialled: digits, with a `+` in front if there was one. `None` if there is anything else.
fn dialled(text: &str) -> Option<String> {
    let text = text.trim();
    let text = without_extension(text.strip_prefix("tel:").unwrap_or(text)); // RFC 3966
    let mut dialled = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' => dialled.push(c),
            '+' if dialled.is_empty() => dialled.push(c),
            ' ' | '.' | '-' | '/' | '(' | ')' | '\u{a0}' | '\u{2010}'..='\u{2015}' => {}
            _ => return None,
        }
    }
    // The plans are asked about nothing that is longer than any number (ITU-T E.164: 15 digits, behind a prefix).
    (4..=24).contains(&dialled.len()).then_some(dialled)
}

/// How an extension is announced, the longest first of those that end alike.
const ANNOUNCED: [&str; 7] = [";ext=", "extension", "extn", "ext", "x", "#", ","];

/// The most digits of an extension (ITU-T E.164 has none; libphonenumber takes as many).
const LONGEST_EXTENSION: usize = 20;

/// The text before an extension: `415.555.0100 ext. 12`, `+1-608-271-9000-x11`, `+14155550100;ext=12`, `415 555 0100 #12`.
fn without_extension(text: &str) -> &str {
    let before = text.trim_end_matches('#').trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - before.len();
    if digits == 0 || digits > LONGEST_EXTENSION {
        return text;
    }
    let announced = before.trim_end_matches([' ', '.', ':', '-', '\u{a0}']);
    let is_end = |word: &&&str| {
        let at = announced.len().checked_sub(word.len());
        at.and_then(|at| announced.get(at..)).is_some_and(|end| end.eq_ignore_ascii_case(word))
    };
    ANNOUNCED.iter().find(is_end).map_or(text, |word| &announced[..announced.len() - word.len()])
}

/// The plan of calling code 1, of twenty-five countries, in which a number has ten digits and one form.
///
/// A create asks for it, and the library takes ten to forty microseconds and a lock for each number.
struct NorthAmerica {
    countries: Vec<Id>,
    /// All numbers of the plan.
    numbers: Regex,
}

static NORTH_AMERICA: LazyLock<NorthAmerica> = LazyLock::new(|| {
    let countries = DATABASE.region(&1).unwrap_or_default().into_iter().filter_map(|id| id.parse().ok()).collect();
    let of_all = DATABASE.by_code(&1).unwrap_or_default();
    let patterns = of_all.iter().flat_map(|country| {
        let kinds = country.descriptors();
        [
            kinds.fixed_line(),
            kinds.mobile(),
            kinds.toll_free(),
            kinds.premium_rate(),
            kinds.shared_cost(),
            kinds.personal_number(),
            kinds.voip(),
            kinds.pager(),
            kinds.uan(),
            kinds.voicemail(),
        ]
    });
    let mut patterns: Vec<&str> = patterns.flatten().map(|kind| kind.national_number().as_str()).collect();
    patterns.sort_unstable();
    patterns.dedup();
    let numbers = Regex::new(&format!("(?x)^(?:{})$", patterns.join("|"))).expect("the library's own patterns");
    NorthAmerica { countries, numbers }
});

impl NorthAmerica {
    /// The ten digits, if this is dialled as a number of the plan.
    fn ten_digits(dialled: &str, country: Country) -> Option<&str> {
        match dialled.strip_prefix('+') {
            Some(international) => international.strip_prefix('1').filter(|national| national.len() == 10),
            None => {
                let national = match dialled.len() {
                    10 => Some(dialled),
                    11 => dialled.strip_prefix('1'),
                    _ => None,
                };
                national.filter(|_| NORTH_AMERICA.countries.contains(&country.id()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn e164(country: &str, given: &str) -> Option<String> {
        PhoneNumber::parse(given).expect("short").e164(country.parse().expect("a country"))
    }

    #[test]
    fn a_number_is_what_its_country_has() {
        for (given, reached) in [
            ("+14155550123", Some("+14155550123")),
            ("(415) 555-0123", Some("+14155550123")),
            ("1-415-555-0123", Some("+14155550123")),
            ("415.555.0123", Some("+14155550123")),
            ("(415) 555\u{2011}2671", Some("+14155552671")),
            ("+49 30 901820", Some("+4930901820")),
            ("+44 20 7946 0958", Some("+442079460958")),
            ("011 44 20 7946 0958", Some("+442079460958")),
            ("+1234567890", None),
            ("+11234567890", None),
            ("+14151550123", None),
            ("1234567890", None),
            ("020 7946 0018", None),
            ("+0123456789", None),
            ("+1234567890123456", None),
            ("+999 1234 5678", None),
            ("555-0123", None),
            ("911", None),
            ("+", None),
            ("", None),
            ("1-800-FLOWERS", None),
            ("ask the office", None),
            ("415-555-2671 or 415-555-2672", None),
        ] {
            assert_eq!(e164("US", given).as_deref(), reached, "{given}");
        }
    }

    #[test]
    fn a_number_without_a_plus_is_read_by_the_plan_of_the_country() {
        for (country, given, reached) in [
            ("GB", "020 7946 0018", Some("+442079460018")),
            ("GB", "+44 (0)20 7946 0018", Some("+442079460018")),
            ("US", "+44 (0)20 7946 0018", Some("+442079460018")),
            ("GB", "+39 02 3661 8300", Some("+390236618300")),
            ("US", "+55 11 91234-5678", Some("+5511912345678")),
            ("GB", "(415) 555-0123", None),
            ("GB", "+1 415 555 0123", Some("+14155550123")),
            ("DE", "030 901820", Some("+4930901820")),
            ("IT", "02 3661 8300", Some("+390236618300")),
            ("FR", "01 42 68 53 00", Some("+33142685300")),
            ("AU", "0412 345 678", Some("+61412345678")),
            ("CA", "416-555-0123", Some("+14165550123")),
            ("BS", "242-365-1234", Some("+12423651234")),
        ] {
            assert_eq!(e164(country, given).as_deref(), reached, "{country} {given}");
        }
    }

    #[test]
    fn an_extension_is_left_out() {
        for (country, given, reached) in [
            ("US", "415.555.0100 ext. 12", Some("+14155550100")),
            ("US", "+1-608-271-9000-x11", Some("+16082719000")),
            ("US", "(608) 271-9000x11", Some("+16082719000")),
            ("US", "608 271 9000 X 11", Some("+16082719000")),
            ("US", "+14155550100;ext=12", Some("+14155550100")),
            ("US", "tel:+1-415-555-0100;ext=12", Some("+14155550100")),
            ("US", "415-555-0100#12", Some("+14155550100")),
            ("US", "415-555-0100, 12#", Some("+14155550100")),
            ("US", "415-555-0100 Extension: 1234567", Some("+14155550100")),
            ("US", "415-555-0100 extn 12", Some("+14155550100")),
            ("GB", "020 7946 0018 ext 5", Some("+442079460018")),
            ("US", "ext. 12", None),
            ("US", "x4155550100", None),
            ("US", "415-555-0100 ext.", None),
            ("US", "415-555-0100 fax 12", None),
        ] {
            assert_eq!(e164(country, given).as_deref(), reached, "{country} {given}");
        }
    }

    proptest! {
        #[test]
        fn the_north_american_plan_is_the_librarys(area in 200_u32..1000, rest in 0_u32..10_000_000, plus: bool) {
            let given = if plus { format!("+1{area}{rest:07}") } else { format!("{area}{rest:07}") };
            let number = phonenumber::parse(Some(phonenumber::country::US), &given).ok();
            let theirs = number.filter(phonenumber::is_valid).map(|number| number.format().mode(Mode::E164).to_string());
            prop_assert_eq!(e164("US", &given), theirs, "{}", given);
        }

        #[test]
        fn no_text_is_too_odd(text in "[+0-9x#;=ext., ()-]{0,64}|\\PC{0,30}", country in "US|GB|IT|BR|AC|SM|AR|MX") {
            let _ = e164(&country, &text);
        }
    }
}
