//! JSON bodies, read once, with what JavaScript's `JSON.parse` and zod would see in them.
//!
//! serde's derived structs take an array for an object and refuse a key that stands twice; JavaScript does the reverse on
//! both. So a body is read field by field: of each key the last value counts, keys nobody asked for are passed over, and
//! a value of the wrong type is remembered as that rather than refused.

use std::{borrow::Cow, fmt};

use axum::extract::FromRequest;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Request,
    body::Body as _,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap},
};
use roster_directory::{Flaw, Issue, issue::Code};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::super::Shared;
use super::error::Refusal;

/// The most bytes a body may have.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// The bytes of a body that says it is JSON.
pub(crate) struct JsonBody(pub(crate) Bytes);

/// A body that says nothing: none at all, or an object, whose fields are passed over. What is sent must be JSON.
pub(crate) struct NoFields;

impl FromRequest<std::sync::Arc<Shared>> for NoFields {
    type Rejection = Refusal;

    async fn from_request(
        request: Request<axum::body::Body>,
        shared: &std::sync::Arc<Shared>,
    ) -> Result<Self, Refusal> {
        if request.body().is_end_stream() {
            return Ok(Self);
        }
        let JsonBody(body) = JsonBody::from_request(request, shared).await?;
        if !body.is_empty() {
            Fields::read(&body, &[])?;
        }
        Ok(Self)
    }
}

impl FromRequest<std::sync::Arc<Shared>> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(
        request: Request<axum::body::Body>,
        shared: &std::sync::Arc<Shared>,
    ) -> Result<Self, Refusal> {
        if !is_plain_json(request.headers()) {
            return Err(Refusal::NotJson);
        }
        let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if announced.is_some_and(|bytes: u64| bytes > MAX_BYTES as u64) {
            return Err(Refusal::TooLarge);
        }
        let body = Limited::new(request.into_body(), MAX_BYTES).collect();
        match tokio::time::timeout(shared.read_timeout, body).await {
            Ok(Ok(body)) => Ok(Self(body.to_bytes())),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
            Ok(Err(_)) => Err(Refusal::Truncated),
            Err(_) => Err(Refusal::TooSlow),
        }
    }
}

fn is_plain_json(headers: &HeaderMap) -> bool {
    let encoded =
        headers.get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    !encoded && media_type.eq_ignore_ascii_case("application/json")
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
    Array(Vec<Value<'a>>),
    Object,
}

impl Value<'_> {
    /// What zod calls its type.
    fn type_name(&self) -> &'static str {
        match self {
            Value::Missing => "undefined",
            Value::Null => "null",
            Value::Boolean(_) => "boolean",
            Value::Number => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object => "object",
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

/// The fields of an object, in the order they were asked for: `N` values.
pub(crate) struct Fields<'a, const N: usize>(pub(crate) [Value<'a>; N]);

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads an object, and of it the fields called `names`.
    pub(crate) fn read(body: &'a [u8], names: &'static [&'static str; N]) -> Result<Self, Vec<Issue>> {
        let not_json = || vec![Flaw::new(Code::Custom, "Request body is not valid JSON").at([])];
        // serde_json checks UTF-8 only in the strings it keeps.
        let text = std::str::from_utf8(body).map_err(|_| not_json())?;
        let mut json = serde_json::Deserializer::from_str(text);
        let root = json.deserialize_any(RootVisitor { names }).map_err(|_| not_json())?;
        json.end().map_err(|_| not_json())?;
        root.map(Self).map_err(|other| vec![other.but_expected("object").at([])])
    }
}

struct RootVisitor<const N: usize> {
    names: &'static [&'static str; N],
}

/// What stands at the root: an object's fields, or something else.
impl<'a, const N: usize> Visitor<'a> for RootVisitor<N> {
    type Value = Result<[Value<'a>; N], Value<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = std::array::from_fn(|_| Value::Missing);
        while let Some(key) = map.next_key::<Key<'_>>()? {
            match self.names.iter().position(|name| *name == key.0) {
                Some(place) => fields[place] = map.next_value()?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Ok(fields))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Err(Value::Array(Vec::new())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Err(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Err(Value::Boolean(value)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Err(Value::Number))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Err(Value::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Err(Value::Number))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Err(Value::String(Cow::Borrowed(""))))
    }
}

/// A key of an object, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'a> Deserialize<'a> for Key<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'a> Visitor<'a> for KeyVisitor {
            type Value = Key<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'a>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}

impl<'a> Deserialize<'a> for Value<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;

        impl<'a> Visitor<'a> for ValueVisitor {
            type Value = Value<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Value<'a>, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value<'a>, E> {
                Ok(Value::Boolean(value))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Value<'a>, E> {
                Ok(Value::Number)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Value<'a>, E> {
                Ok(Value::Number)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Value<'a>, E> {
                Ok(Value::Number)
            }

            fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Value<'a>, E> {
                Ok(Value::String(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Value<'a>, E> {
                Ok(Value::String(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<Value<'a>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Value::Array(elements))
            }

            fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Value<'a>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Value::Object)
            }
        }

        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Takes fields apart one after another, and keeps a list of everything that is wrong.
#[derive(Default)]
pub(crate) struct Check {
    issues: Vec<Issue>,
}

impl Check {
    /// A string that must be there.
    pub(crate) fn required<T>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        match value {
            Value::String(text) => self.keep([field], parse(text)),
            other => self.flaw(&[field], other.but_expected("string")),
        }
    }

    /// A string that may be left out.
    pub(crate) fn optional<T>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, Flaw>,
    ) -> Option<T> {
        match value {
            Value::Missing => None,
            value => self.required(field, value, parse),
        }
    }

    /// A string that may be left out, with which several things can be wrong at once.
    pub(crate) fn optional_with_flaws<T>(
        &mut self,
        field: &'static str,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, Vec<Flaw>>,
    ) -> Option<T> {
        match value {
            Value::Missing => None,
            Value::String(text) => match parse(text) {
                Ok(parsed) => Some(parsed),
                Err(flaws) => {
                    self.issues.extend(flaws.into_iter().map(|flaw| flaw.at([field])));
                    None
                }
            },
            other => self.flaw(&[field], other.but_expected("string")),
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
            Value::String(text) => self.keep([field], find(text).ok_or_else(|| Flaw::not_one_of(options, text))),
            other => self.flaw(&[field], other.but_expected(options)),
        }
    }

    /// A boolean; `false` if it is left out.
    pub(crate) fn boolean(&mut self, field: &'static str, value: &Value<'_>) -> bool {
        match value {
            Value::Missing => false,
            Value::Boolean(value) => *value,
            other => self.flaw(&[field], other.but_expected("boolean")).unwrap_or_default(),
        }
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

    /// An array of strings; empty if it is left out. At most `most` of them.
    pub(crate) fn strings(&mut self, field: &'static str, value: &Value<'_>, most: usize) -> Vec<String> {
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

    fn elements<'v, 'a>(&mut self, field: &'static str, value: &'v Value<'a>, most: usize) -> &'v [Value<'a>] {
        let elements = match value {
            Value::Missing => return &[],
            Value::Array(elements) => elements,
            other => {
                self.flaw::<()>(&[field], other.but_expected("array"));
                return &[];
            }
        };
        if elements.len() > most {
            let message = format!("Array must contain at most {most} element(s)");
            self.flaw::<()>(&[field], Flaw::new(Code::TooBig, message));
        }
        elements
    }

    /// `Ok` if nothing was wrong.
    pub(crate) fn finish(self) -> Result<(), Vec<Issue>> {
        if self.issues.is_empty() { Ok(()) } else { Err(self.issues) }
    }

    fn keep<T>(&mut self, path: [&str; 1], parsed: Result<T, Flaw>) -> Option<T> {
        match parsed {
            Ok(parsed) => Some(parsed),
            Err(flaw) => self.flaw(&path, flaw),
        }
    }

    fn flaw<T>(&mut self, path: &[&str], flaw: Flaw) -> Option<T> {
        self.issues.push(flaw.at(path.iter().copied()));
        None
    }
}
