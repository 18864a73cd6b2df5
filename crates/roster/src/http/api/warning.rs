//! `Roster-Warning`: what was taken, passed over or left unsaid all the same, as an RFC 8941 list.

use std::fmt::{self, Write};

use axum::response::{IntoResponse, Response};
use hyper::{
    HeaderMap,
    header::{HeaderName, HeaderValue},
};

use super::error::ApiResult;

const ROSTER_WARNING: HeaderName = HeaderName::from_static("roster-warning");

/// Names that are told; the others are counted.
const MOST_NAMED: usize = 20;

/// The most bytes of one name, and of all that are told: proxies refuse an answer whose head is over 4 or 8 KiB.
const MOST_BYTES: (usize, usize) = (64, 400);

/// Adds to what an answer warns of. There is one header, because many clients look at the first only.
pub(crate) fn add(headers: &mut HeaderMap, more: &str) {
    let joined = match headers.get(&ROSTER_WARNING).and_then(|there| there.to_str().ok()) {
        Some(there) => HeaderValue::try_from(format!("{there}, {more}")),
        None => HeaderValue::from_str(more),
    };
    if let Ok(joined) = joined {
        headers.insert(ROSTER_WARNING, joined);
    }
}

/// A list as it is written, a token each with its parameters (RFC 8941 §3.1).
#[derive(Default)]
pub(super) struct List(String);

impl List {
    pub(super) fn push(&mut self, item: fmt::Arguments<'_>) {
        let comma = if self.0.is_empty() { "" } else { ", " };
        write!(self.0, "{comma}{item}").expect("writing to a string does not fail");
    }

    /// Says so in an answer, unless nothing is to be said.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) {
        if !self.0.is_empty() {
            add(headers, &self.0);
        }
    }
}

/// Names that a request used and nobody knows. It takes memory only once there is one.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    named: Vec<String>,
    bytes: usize,
    more: usize,
}

impl Unknown {
    /// Remembers a name. Each is told once; one that could be somebody's data, or would need quoting, is only counted.
    pub(crate) fn add(&mut self, name: &str) {
        if self.named.iter().any(|known| known == name) {
            return;
        }
        let has_room = self.named.len() < MOST_NAMED && self.bytes + name.len() <= MOST_BYTES.1;
        if has_room && is_a_name(name) {
            self.bytes += name.len();
            self.named.push(name.to_owned());
        } else {
            self.more += 1;
        }
    }

    /// Those that are told.
    pub(crate) fn named(&self) -> &[String] {
        &self.named
    }

    /// How many are not.
    pub(crate) fn more(&self) -> usize {
        self.more
    }

    /// Whether every name was known.
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.more == 0
    }

    /// The answer to a body whose fields these are, which warns of them, whether or not it is a refusal.
    pub(super) fn fields_in(&self, answer: ApiResult) -> ApiResult {
        if self.is_empty() {
            return answer;
        }
        let mut response: Response = answer.into_response();
        self.warn(response.headers_mut(), "field");
        Ok(response)
    }

    /// Warns of them as fields or parameters: `kind`.
    pub(crate) fn warn(&self, headers: &mut HeaderMap, kind: &str) {
        let mut list = List::default();
        for name in &self.named {
            list.push(format_args!("unknown-{kind};name=\"{name}\""));
        }
        if self.more > 0 {
            list.push(format_args!("more-unknown-{kind}s;count={}", self.more));
        }
        list.add_to(headers);
    }
}

/// Whether it looks like the name of a field, and can stand in a header without an escape. An e-mail address and a
/// number do not: they could be somebody's.
fn is_a_name(text: &str) -> bool {
    text.len() <= MOST_BYTES.0
        && text.bytes().any(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.$[] ".contains(&b))
}

/// Whether a payor's id that was sent can be sent back in a header without an escape.
pub(super) fn is_harmless(id: &str) -> bool {
    id.len() <= MOST_BYTES.0 && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}
