//! What a query string asks for: parameter by parameter, and everything that is wrong with them.

use std::borrow::Cow;

use roster_directory::{Flaw, Issue, issue::Code};

/// The parameters of these names that were given. Of one that was given twice the last counts.
pub(super) fn given<'a, const N: usize>(query: &'a str, names: &[&str; N]) -> [Option<Cow<'a, str>>; N] {
    let mut given = [const { None }; N];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if let Some(place) = names.iter().position(|known| *known == name) {
            given[place] = Some(value);
        }
    }
    given
}

/// Words, as zod lists the options of an enum.
pub(super) fn options<const N: usize>(words: [&str; N]) -> String {
    words.map(|word| format!("'{word}'")).join(" | ")
}

/// Parses a parameter that was given, and sets what it is, or adds what is wrong with it.
pub(super) fn take<T>(
    issues: &mut Vec<Issue>,
    name: &str,
    given: Option<Cow<'_, str>>,
    parse: impl FnOnce(&str) -> Result<T, Vec<Flaw>>,
    set: impl FnOnce(T),
) {
    match given.as_deref().map(parse) {
        Some(Ok(value)) => set(value),
        Some(Err(flaws)) => issues.extend(flaws.into_iter().map(|flaw| flaw.at([name]))),
        None => {}
    }
}

/// A way to parse with which one thing at most can be wrong.
pub(super) fn one<T>(parse: impl FnOnce(&str) -> Result<T, Flaw>) -> impl FnOnce(&str) -> Result<T, Vec<Flaw>> {
    |text| parse(text).map_err(|flaw| vec![flaw])
}

/// A number from 1 to `most`, as zod's `z.coerce.number().int().min(1).max(most)` reads decimal text. What JavaScript
/// also takes for a number, `0x10` and its like, is none here.
pub(super) fn whole_number(text: &str, most: u64) -> Result<u64, Vec<Flaw>> {
    // JavaScript's white space is Unicode's, without NEL and with the byte order mark.
    let text = text.trim_matches(|c: char| c.is_whitespace() && c != '\u{85}' || c == '\u{feff}');
    let decimal = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let number = match text {
        "" => Some(0.0), // Number("") is 0
        "Infinity" | "+Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ if decimal => text.parse::<f64>().ok(),
        _ => None,
    };
    let Some(number) = number else { return Err(vec![Flaw::wrong_type("number", "nan")]) };
    let mut flaws = Vec::new();
    if number.is_infinite() || number.fract() != 0.0 {
        flaws.push(Flaw::new(Code::InvalidType, "Expected integer, received float"));
    }
    if number < 1.0 {
        flaws.push(Flaw::new(Code::TooSmall, "Number must be greater than or equal to 1"));
    }
    if number > most as f64 {
        flaws.push(Flaw::new(Code::TooBig, format!("Number must be less than or equal to {most}")));
    }
    if flaws.is_empty() { Ok(number as u64) } else { Err(flaws) }
}
