//! What a query string asks for: parameter by parameter, and everything that is wrong with them.

use std::borrow::Cow;

use hyper::{
    HeaderMap,
    header::{HeaderValue, LINK},
};
use roster_directory::{Flaw, Issue, issue::Code, query::Page};

use super::warning::Unknown;
use crate::app::Error;

/// How many of a list one answer has: 1 to 100, 25 unless given.
pub(super) const PAGE_SIZE: &str = "pageSize";

/// The publicId of the last one seen: a list goes on after it.
pub(super) const CURSOR: &str = "cursor";

/// What every list can be asked by.
pub(super) const PIECE: [&str; 2] = [PAGE_SIZE, CURSOR];

/// Which piece of a list is asked for.
pub(super) struct Piece<Id> {
    pub(super) size: u32,
    pub(super) after: Option<Id>,
}

impl<Id> Piece<Id> {
    /// Of what was given of [`PIECE`]; adds what is wrong with it.
    pub(super) fn of(
        [page_size, cursor]: [Option<Cow<'_, str>>; 2],
        issues: &mut Vec<Issue>,
        parse: fn(&str) -> Option<Id>,
    ) -> Self {
        let mut piece = Piece { size: Page::default().size, after: None };
        take(issues, PAGE_SIZE, page_size, size_of_page, |size| piece.size = size);
        take(issues, CURSOR, cursor, cursor_of(parse), |id| piece.after = Some(id));
        piece
    }
}

/// Of a whole list the piece that comes after this one, which must be there, and whether more follow.
pub(super) fn piece_of<T, Id: PartialEq>(
    all: &[T],
    after: Option<Id>,
    size: u32,
    id_of: impl Fn(&T) -> Id,
) -> Result<(&[T], bool), Error> {
    let begin = match after {
        Some(id) => 1 + all.iter().position(|one| id_of(one) == id).ok_or(Error::NotFound)?,
        None => 0,
    };
    let end = all.len().min(begin + size as usize);
    Ok((&all[begin..end], end < all.len()))
}

/// The names in a query that are none of `known`. Asking costs nothing where there is no query.
pub(crate) fn unknown(query: Option<&str>, known: &[&str]) -> Unknown {
    let mut unknown = Unknown::default();
    for (name, _) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !known.contains(&&*name) {
            unknown.add(&name);
        }
    }
    unknown
}

/// Says where a list goes on: the same question, after `last` (RFC 8288). Relative to what was asked, so that it leads
/// right behind a proxy that puts a path before ours.
pub(super) fn link_next(headers: &mut HeaderMap, query: &str, page: Option<u64>, last: &str) {
    let mut to = form_urlencoded::Serializer::new(String::with_capacity(query.len() + 64));
    to.extend_pairs(form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != CURSOR && name != "page"));
    if let Some(page) = page {
        to.append_pair("page", &page.to_string());
    }
    to.append_pair(CURSOR, last);
    let link = HeaderValue::try_from(format!("<?{}>; rel=\"next\"", to.finish()));
    headers.extend(link.ok().map(|link| (LINK, link)));
}

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
pub(super) fn take<T, E: Into<Vec<Flaw>>>(
    issues: &mut Vec<Issue>,
    name: &str,
    given: Option<Cow<'_, str>>,
    parse: impl FnOnce(&str) -> Result<T, E>,
    set: impl FnOnce(T),
) {
    match given.as_deref().map(parse) {
        Some(Ok(value)) => set(value),
        Some(Err(flaws)) => issues.extend(flaws.into().into_iter().map(|flaw| flaw.at([name]))),
        None => {}
    }
}

/// How a cursor is parsed.
pub(super) fn cursor_of<Id>(parse: fn(&str) -> Option<Id>) -> impl FnOnce(&str) -> Result<Id, Flaw> {
    move |text| parse(text).ok_or(Flaw::malformed("Invalid cursor"))
}

/// How a `pageSize` is parsed.
pub(super) fn size_of_page(text: &str) -> Result<u32, Vec<Flaw>> {
    whole_number(text, u64::from(Page::MAX_SIZE)).map(|size| size as u32)
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
