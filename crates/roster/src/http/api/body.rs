//! JSON bodies, read once, with what JavaScript's `JSON.parse` and zod would see in them.
//!
//! serde's derived structs take an array for an object and refuse a key that stands twice; JavaScript does the reverse on
//! both. So a body is read field by field: of each key the last value counts, keys nobody asked for are passed over and
//! remembered by name, and a value of the wrong type is remembered as that rather than refused.

use std::{borrow::Cow, fmt};

use axum::extract::FromRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Request,
    body::Body as _,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
};
use roster_directory::{
    Flaw, Issue,
    issue::Code,
    user::{Given, Metadata},
};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{super::Shared, error::Refusal, warning::Unknown};

/// The most bytes a body may have.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// Elements of an array that are kept. No field takes more of them; the others are only counted.
const MOST_ELEMENTS: usize = 100;

/// The bytes of a body that says it is JSON. To send none is to send `undefined`, whatever the media type says.
pub(crate) struct JsonBody(pub(crate) Bytes);

/// A JSON merge patch (RFC 7396), as plain JSON or under its own name.
pub(crate) struct PatchBody(pub(crate) Bytes);

/// A body that may be left out.
pub(crate) struct OptionalBody(pub(crate) Bytes);

/// A body that says nothing: none at all, or an object, whose fields are passed over. What is sent must be JSON.
pub(crate) struct NoFields {
    pub(crate) sent: Bytes,
    pub(crate) unknown: Unknown,
}

impl FromRequest<std::sync::Arc<Shared>> for NoFields {
    type Rejection = Refusal;

    async fn from_request(
        request: Request<axum::body::Body>,
        shared: &std::sync::Arc<Shared>,
    ) -> Result<Self, Refusal> {
        let sent = read(request, shared, &JSON).await?;
        let unknown = if sent.is_empty() { Unknown::default() } else { Fields::read(&sent, &[])?.unknown };
        Ok(Self { sent, unknown })
    }
}

impl FromRequest<std::sync::Arc<Shared>> for OptionalBody {
    type Rejection = Refusal;

    async fn from_request(
        request: Request<axum::body::Body>,
        shared: &std::sync::Arc<Shared>,
    ) -> Result<Self, Refusal> {
        Ok(Self(read(request, shared, &JSON).await?))
    }
}

impl OptionalBody {
    /// The object that was sent; an empty one if nothing was.
    pub(crate) fn object(&self) -> &[u8] {
        if self.0.is_empty() { b"{}" } else { &self.0 }
    }
}

impl FromRequest<std::sync::Arc<Shared>> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(
        request: Request<axum::body::Body>,
        shared: &std::sync::Arc<Shared>,
    ) -> Result<Self, Refusal> {
        Ok(Self(some(read(request, shared, &JSON).await?)?))
    }
}

impl FromRequest<std::sync::Arc<Shared>> for PatchBody {
    type Rejection = Refusal;

    async fn from_request(
        request: Request<axum::body::Body>,
        shared: &std::sync::Arc<Shared>,
    ) -> Result<Self, Refusal> {
        Ok(Self(some(read(request, shared, &MERGE_PATCH).await?)?))
    }
}

const JSON: [&str; 1] = ["application/json"];
const MERGE_PATCH: [&str; 2] = ["application/json", "application/merge-patch+json"];

/// Refuses `undefined`.
fn some(body: Bytes) -> Result<Bytes, Refusal> {
    if body.is_empty() { Err(vec![Flaw::required().at([])].into()) } else { Ok(body) }
}

/// The bytes of a body of one of these media types; none if there is none.
async fn read(request: Request<axum::body::Body>, shared: &Shared, types: &[&str]) -> Result<Bytes, Refusal> {
    if request.body().is_end_stream() {
        return Ok(Bytes::new());
    }
    if !is_plain(request.headers(), types) {
        return Err(Refusal::NotJson);
    }
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|bytes: u64| bytes > MAX_BYTES as u64) {
        return Err(Refusal::TooLarge);
    }
    let body = Limited::new(request.into_body(), MAX_BYTES).collect();
    match tokio::time::timeout(shared.read_timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(_)) => Err(Refusal::Truncated),
        Err(_) => Err(Refusal::TooSlow),
    }
}

fn is_plain(headers: &HeaderMap, types: &[&str]) -> bool {
    let encoded =
        headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    !encoded && types.iter().any(|known| media_type.eq_ignore_ascii_case(known))
}

/// One value of a body.
#[derive(Debug, Default)]
pub(crate) enum Value<'a> {
    #[default]
    Missing,
    Null,
    Boolean(bool),
    Number,
    String(Cow<'a, str>),
    Array(Elements<'a>),
    Object(&'a RawValue),
}

impl<'a> Value<'a> {
    /// What well-formed JSON says. A number has no value here, so none is too large; of an object, and of an array in an
    /// array, nothing but the type matters, so no depth is too deep. An error: a string with half a surrogate pair.
    fn of(json: &'a RawValue) -> Result<Self, serde_json::Error> {
        match json.get().as_bytes() {
            [b'[', ..] => serde_json::from_str(json.get()).map(Value::Array),
            _ => Self::of_element(json),
        }
    }

    fn of_element(json: &'a RawValue) -> Result<Self, serde_json::Error> {
        let text = json.get();
        Ok(match text.as_bytes() {
            [b'n', ..] => Value::Null,
            [b't', ..] => Value::Boolean(true),
            [b'f', ..] => Value::Boolean(false),
            [b'[', ..] => Value::Array(Elements::default()),
            [b'{', ..] => Value::Object(json),
            [b'"', ..] if text.contains('\\') => Value::String(serde_json::from_str::<Text<'_>>(text)?.0),
            [b'"', inner @ .., b'"'] => Value::String(Cow::Borrowed(&text[1..=inner.len()])),
            _ => Value::Number,
        })
    }

    /// An array of these texts.
    pub(crate) fn texts(texts: Vec<String>) -> Self {
        let count = texts.len();
        let first = texts.into_iter().take(MOST_ELEMENTS).map(|text| Value::String(text.into())).collect();
        Value::Array(Elements { first, count })
    }

    /// What zod calls its type.
    fn type_name(&self) -> &'static str {
        match self {
            Value::Missing => "undefined",
            Value::Null => "null",
            Value::Boolean(_) => "boolean",
            Value::Number => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }

    /// Says that another type was expected, in zod's words.
    fn but_expected(&self, expected: &str) -> Flaw {
        match self {
            Value::Missing => Flaw::required(),
            _ => Flaw::wrong_type(expected, self.type_name()),
        }
    }
}

/// The elements of an array, as far as somebody may want to know them.
#[derive(Debug, Default)]
pub(crate) struct Elements<'a> {
    first: Vec<Value<'a>>,
    count: usize,
}

impl<'a> Deserialize<'a> for Elements<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementsVisitor;

        impl<'a> Visitor<'a> for ElementsVisitor {
            type Value = Elements<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Elements<'a>, A::Error> {
                let mut elements = Elements::default();
                while elements.first.len() < MOST_ELEMENTS {
                    let Some(json) = seq.next_element()? else { return Ok(elements) };
                    elements.first.push(Value::of_element(json).map_err(A::Error::custom)?);
                    elements.count += 1;
                }
                while seq.next_element::<IgnoredAny>()?.is_some() {
                    elements.count += 1;
                }
                Ok(elements)
            }
        }

        deserializer.deserialize_seq(ElementsVisitor)
    }
}

/// The names and values of an object, as far as somebody may want to know them.
struct Pairs<'a> {
    first: Vec<(Cow<'a, str>, Value<'a>)>,
    count: usize,
}

impl<'a> Deserialize<'a> for Pairs<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'a> Visitor<'a> for PairsVisitor {
            type Value = Pairs<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Pairs<'a>, A::Error> {
                let mut pairs = Pairs { first: Vec::new(), count: 0 };
                while let Some(name) = map.next_key::<Text<'_>>()? {
                    pairs.count += 1;
                    if pairs.count <= Metadata::MAX {
                        pairs.first.push((name.0, Value::of_element(map.next_value()?).map_err(A::Error::custom)?));
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(pairs)
            }
        }

        deserializer.deserialize_map(PairsVisitor)
    }
}

/// The fields of an object.
pub(crate) struct Fields<'a, const N: usize> {
    /// In the order they were asked for.
    pub(crate) values: [Value<'a>; N],
    /// The others.
    pub(crate) unknown: Unknown,
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads an object, and of it the fields called `names`.
    pub(crate) fn read(body: &'a [u8], names: &'static [&'static str; N]) -> Result<Self, Vec<Issue>> {
        let not_json = || vec![Flaw::new(Code::Custom, "Request body is not valid JSON").at([])];
        // serde_json checks UTF-8 only in the strings it keeps.
        let text = std::str::from_utf8(body).map_err(|_| not_json())?;
        // `Request.json()` passes over a byte order mark (WHATWG Encoding, "UTF-8 decode").
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut json = serde_json::Deserializer::from_str(text);
        if text.trim_ascii_start().starts_with('{') {
            let fields = json.deserialize_map(Root { names }).and_then(|fields| json.end().map(|()| fields));
            return fields.map_err(|_| not_json());
        }
        let other: &RawValue = serde_json::from_str(text).map_err(|_| not_json())?;
        let other = Value::of_element(other).map_err(|_| not_json())?;
        Err(vec![other.but_expected("object").at([])])
    }
}

/// The object that is a body.
struct Root<const N: usize> {
    names: &'static [&'static str; N],
}

impl<'a, const N: usize> Visitor<'a> for Root<N> {
    type Value = Fields<'a, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields { values: std::array::from_fn(|_| Value::Missing), unknown: Unknown::default() };
        while let Some(key) = map.next_key::<Text<'_>>()? {
            match self.names.iter().position(|name| *name == key.0) {
                Some(place) => fields.values[place] = Value::of(map.next_value()?).map_err(A::Error::custom)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                    fields.unknown.add(&key.0);
                }
            }
        }
        Ok(fields)
    }
}

/// A string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'a> Deserialize<'a> for Text<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'a> Visitor<'a> for TextVisitor {
            type Value = Text<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'a>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Takes fields apart one after another, and keeps a list of everything that is wrong.
#[derive(Default)]
pub(crate) struct Check {
    issues: Vec<Issue>,
    /// Whether `null` clears a field that may be cleared, or is refused.
    clears: bool,
}

impl Check {
    /// `null` clears a field that may be cleared.
    pub(crate) fn clearing() -> Self {
        Self { clears: true, ..Self::default() }
    }

    /// A string that must be there.
    pub(crate) fn required<T, E: Into<Vec<Flaw>>>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match value {
            Value::String(text) => match parse(text) {
                Ok(parsed) => Some(parsed),
                Err(flaws) => {
                    self.issues.extend(flaws.into().into_iter().map(|flaw| flaw.at([field])));
                    None
                }
            },
            other => self.flaw(&[field], other.but_expected("string")),
        }
    }

    /// A string that may be left out.
    pub(crate) fn optional<T, E: Into<Vec<Flaw>>>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match value {
            Value::Missing => None,
            value => self.required(field, value, parse),
        }
    }

    /// A string that may be left out, or cleared. A blank one may mean that nothing is known.
    pub(crate) fn clearable<T, E: Into<Vec<Flaw>>>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<Option<T>, E>,
    ) -> Given<T> {
        match value {
            Value::Missing => None,
            Value::Null if self.clears => Some(None),
            value => self.required(field, value, parse),
        }
    }

    /// One of several words; may be left out. `options` is how zod lists them.
    pub(crate) fn choice<T>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        options: &str,
        find: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        match value {
            Value::Missing => None,
            Value::String(text) => match find(text) {
                Some(found) => Some(found),
                None => self.flaw(&[field], Flaw::not_one_of(options, text)),
            },
            other => self.flaw(&[field], other.but_expected(options)),
        }
    }

    /// The same, of a field that must be there.
    pub(crate) fn required_choice<T>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        options: &str,
        find: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        match value {
            Value::Missing => self.flaw(&[field], Flaw::required()),
            value => self.choice(field, value, options, find),
        }
    }

    /// A boolean that may be left out.
    pub(crate) fn boolean(&mut self, field: &'static str, value: &Value<'_>) -> Option<bool> {
        match value {
            Value::Missing => None,
            Value::Boolean(value) => Some(*value),
            other => self.flaw(&[field], other.but_expected("boolean")),
        }
    }

    /// An object of texts that may be left out.
    pub(crate) fn metadata(&mut self, field: &'static str, value: &Value<'_>) -> Option<Metadata> {
        let json = match value {
            Value::Missing => return None,
            Value::Null if self.clears => return Some(Metadata::default()),
            Value::Object(json) => json.get(),
            other => return self.flaw(&[field], other.but_expected("object")),
        };
        let Pairs { first, count } = match serde_json::from_str(json) {
            Ok(pairs) => pairs,
            // It was read once as JSON: what is wrong is half a surrogate pair in a string.
            Err(_) => return self.flaw(&[field], Flaw::new(Code::Custom, "A string is not valid Unicode")),
        };
        if count > Metadata::MAX {
            let message = format!("Object must contain at most {} key(s)", Metadata::MAX);
            return self.flaw(&[field], Flaw::new(Code::TooBig, message));
        }
        let before = self.issues.len();
        let mut pairs = Vec::with_capacity(count);
        for (name, value) in &first {
            let flaws = Metadata::check_name(name);
            if !flaws.is_empty() {
                // What is no name is not repeated.
                self.issues.extend(flaws.into_iter().map(|flaw| flaw.at([field])));
                continue;
            }
            match value {
                Value::String(text) => {
                    let flaws = Metadata::check_value(text);
                    self.issues.extend(flaws.into_iter().map(|flaw| flaw.at([field, &**name])));
                    pairs.push((name.clone().into_owned(), text.clone().into_owned()));
                }
                other => drop(self.flaw::<()>(&[field, &**name], other.but_expected("string"))),
            }
        }
        (self.issues.len() == before).then(|| Metadata::of_checked(pairs))
    }

    /// An array of several words; empty if it is left out. At most `most` of them. `options` is how zod lists the words.
    pub(crate) fn choices<T>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        most: usize,
        options: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut chosen = Vec::new();
        for (index, element) in self.elements(field, value, most).iter().enumerate() {
            let found = match element {
                Value::String(text) => find(text).ok_or_else(|| Flaw::not_one_of(options, text)),
                other => Err(other.but_expected(options)),
            };
            match found {
                Ok(found) => chosen.push(found),
                Err(flaw) => {
                    self.flaw::<()>(&[field, &index.to_string()], flaw);
                }
            }
        }
        chosen
    }

    /// An array of strings that may be left out, or cleared. At most `most` of them.
    pub(crate) fn list(&mut self, field: &'static str, value: &Value<'_>, most: usize) -> Option<Vec<String>> {
        match value {
            Value::Missing => None,
            Value::Null if self.clears => Some(Vec::new()),
            value => Some(self.strings(field, value, most)),
        }
    }

    fn strings(&mut self, field: &'static str, value: &Value<'_>, most: usize) -> Vec<String> {
        let elements = self.elements(field, value, most);
        let mut strings = Vec::with_capacity(elements.len());
        for (index, element) in elements.iter().enumerate() {
            match element {
                Value::String(text) => strings.push(text.clone().into_owned()),
                other => {
                    self.flaw::<()>(&[field, &index.to_string()], other.but_expected("string"));
                }
            }
        }
        strings
    }

    /// None of an array that is too long: what its elements are is then no matter.
    fn elements<'v, 'a>(&mut self, field: &'static str, value: &'v Value<'a>, most: usize) -> &'v [Value<'a>] {
        debug_assert!(most <= MOST_ELEMENTS);
        match value {
            Value::Missing => {}
            Value::Array(Elements { first, count }) if *count <= most => return first,
            Value::Array(_) => {
                let message = format!("Array must contain at most {most} element(s)");
                self.flaw::<()>(&[field], Flaw::new(Code::TooBig, message));
            }
            other => drop(self.flaw::<()>(&[field], other.but_expected("array"))),
        }
        &[]
    }

    /// `Ok` if nothing was wrong.
    pub(crate) fn finish(self) -> Result<(), Vec<Issue>> {
        if self.issues.is_empty() { Ok(()) } else { Err(self.issues) }
    }

    fn flaw<T>(&mut self, path: &[&str], flaw: Flaw) -> Option<T> {
        self.issues.push(flaw.at(path.iter().copied()));
        None
    }
}
