//! Heads of requests that are refused before anybody reads more of them: two readers could make two things of each.

use axum::body::Body;
use hyper::{
    Request, Response, StatusCode, Version,
    header::{AUTHORIZATION, HOST},
};

use super::super::plain_json;

/// The most bytes of a request's target.
const MAX_TARGET: usize = 8 * 1024;

/// The refusal, if the head is one of those.
///
/// HTTP/1.1 wants exactly one `Host` (RFC 9112 §3.2). `Authorization` is one field (RFC 9110 §11.6.2): of two keys a
/// proxy might judge one, and Roster the other.
pub(super) fn refusal(request: &Request<Body>) -> Option<Response<Body>> {
    let headers = request.headers();
    let hosts = headers.get_all(HOST).iter().take(2).count();
    if hosts > 1 || hosts == 0 && request.version() == Version::HTTP_11 {
        return Some(plain_json(StatusCode::BAD_REQUEST, br#"{"error":"Exactly one Host header is required"}"#));
    }
    if headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
        return Some(plain_json(StatusCode::BAD_REQUEST, br#"{"error":"Only one Authorization header is allowed"}"#));
    }
    let target = request.uri();
    if target.path().len() + target.query().map_or(0, |query| query.len() + 1) > MAX_TARGET {
        return Some(plain_json(StatusCode::URI_TOO_LONG, br#"{"error":"Request target is over 8 KiB"}"#));
    }
    None
}
