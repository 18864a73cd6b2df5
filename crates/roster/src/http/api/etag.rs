//! Versions on the wire: `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8.3 and §13.1).
//!
//! A tag is the user's version, and in the whole view also a checksum of the organization's name, which that view shows.
//! Whoever changes a user may name any tag of the version.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use hyper::{
    HeaderMap,
    header::{ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH},
    http::request::Parts,
};
use roster_directory::Organization;

use super::repeat::IDEMPOTENCY_KEY;
use crate::app::Meant;

/// The headers by which a request is conditional or may be sent again: few requests have any, so nothing is copied.
pub(crate) struct Conditions(pub(super) HeaderMap);

impl<S: Sync> FromRequestParts<S> for Conditions {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut conditions = HeaderMap::new();
        for name in [IF_MATCH, IF_NONE_MATCH, IDEMPOTENCY_KEY] {
            for value in parts.headers.get_all(&name) {
                conditions.append(&name, value.clone());
            }
        }
        Ok(Self(conditions))
    }
}

/// The tag of a version in the read shape.
pub(super) fn of_version(version: u32) -> HeaderValue {
    tag(format!("\"{version}\""))
}

/// The tag of a version in the whole view.
pub(super) fn of_whole(version: u32, organization: &Organization) -> HeaderValue {
    let sum = crc32fast::hash(organization.name.as_str().as_bytes());
    tag(format!("\"{version}-{sum:08x}\""))
}

fn tag(text: String) -> HeaderValue {
    HeaderValue::try_from(text).expect("digits and quotes")
}

pub(super) fn add(headers: &mut HeaderMap, tag: HeaderValue) {
    headers.insert(ETAG, tag);
}

/// Which version `If-Match` names. A weak tag names none (RFC 9110 §13.1.1).
pub(super) fn meant(headers: &HeaderMap) -> Meant {
    if !headers.contains_key(IF_MATCH) {
        return Meant::Any;
    }
    let mut versions = Vec::new();
    for tag in tags(headers, &IF_MATCH) {
        if tag == "*" {
            return Meant::Any;
        }
        let quoted = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        let version = quoted.map(|tag| tag.split_once('-').map_or(tag, |(version, _)| version));
        versions.extend(version.and_then(|version| version.parse::<u32>().ok()));
    }
    Meant::Versions(versions)
}

/// Whether `If-None-Match` names this tag: whoever asks has it already.
pub(super) fn is_known(headers: &HeaderMap, current: &HeaderValue) -> bool {
    tags(headers, &IF_NONE_MATCH).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == current)
}

fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_tag_of_a_version_names_it() {
        let of = |line: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_MATCH, HeaderValue::from_str(line).expect("a value"));
            meant(&headers)
        };
        assert_eq!(of("*"), Meant::Any);
        assert_eq!(of("\"3\""), Meant::Versions(vec![3]));
        assert_eq!(of("\"3-0badcafe\" , \"4\""), Meant::Versions(vec![3, 4]));
        assert_eq!(of("W/\"3\""), Meant::Versions(vec![]));
        assert_eq!(of("3, \"\", \"x-3\""), Meant::Versions(vec![]));
        assert_eq!(meant(&HeaderMap::new()), Meant::Any);
    }
}
