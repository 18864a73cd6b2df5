//! What goes wrong, as the API says it: one match makes a status and a body of it, and logs it once.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use hyper::{
    StatusCode,
    header::{CONNECTION, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use roster_directory::{Flaw, Issue, audit::Target, issue::Code};
use roster_store::chain;
use serde::Serialize;

use super::{super::plain_json, warning};
use crate::app::{Error, Unsettled};

/// Why a request gets no answer of its own.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// 401: no key was sent.
    KeyRequired,
    /// 401: what was sent is no key, or is not one any more.
    KeyInvalid,
    /// 429
    TooMany {
        /// Whole seconds until the next request is taken.
        seconds: u64,
    },
    /// 413
    TooLarge,
    /// 415
    NotJson,
    /// 408: the body did not come in time.
    TooSlow,
    /// 400: the connection broke within the body.
    Truncated,
    /// What the app says.
    App(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal::App(error)
    }
}

impl From<Vec<Issue>> for Refusal {
    fn from(issues: Vec<Issue>) -> Self {
        Refusal::App(Error::Invalid(issues))
    }
}

pub(crate) type ApiResult<T = Response> = Result<T, Refusal>;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::KeyRequired => {
                let response = plain_json(StatusCode::UNAUTHORIZED, br#"{"error":"API key required"}"#);
                with(response, WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"roster\""))
            }
            Refusal::KeyInvalid => {
                let response = plain_json(StatusCode::UNAUTHORIZED, br#"{"error":"Invalid API key"}"#);
                let challenge = HeaderValue::from_static("Bearer realm=\"roster\", error=\"invalid_token\"");
                with(response, WWW_AUTHENTICATE, challenge)
            }
            Refusal::TooMany { seconds } => {
                let response = plain_json(StatusCode::TOO_MANY_REQUESTS, br#"{"error":"Too many requests"}"#);
                with(response, RETRY_AFTER, seconds.into())
            }
            Refusal::TooLarge => {
                closing(plain_json(StatusCode::PAYLOAD_TOO_LARGE, br#"{"error":"Request body is over 64 KiB"}"#))
            }
            Refusal::NotJson => plain_json(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                br#"{"error":"Content-Type must be application/json, without Content-Encoding"}"#,
            ),
            Refusal::TooSlow => {
                closing(plain_json(StatusCode::REQUEST_TIMEOUT, br#"{"error":"Request body did not arrive in time"}"#))
            }
            Refusal::Truncated => closing(invalid(&[Flaw::new(Code::Custom, "Request body is incomplete").at([])])),
            Refusal::App(error) => of_app(error),
        }
    }
}

fn of_app(error: Error) -> Response {
    match error {
        Error::Invalid(issues) => invalid(&issues),
        Error::EmailTaken => invalid(&[Issue::email_taken()]),
        Error::NameTaken => invalid(&[Issue::name_taken()]),
        Error::ExternalIdTaken => invalid(&[Issue::external_id_taken()]),
        Error::AnotherVersion => plain_json(StatusCode::PRECONDITION_FAILED, br#"{"error":"Precondition failed"}"#),
        Error::LastManager => plain_json(
            StatusCode::CONFLICT,
            br#"{"error":"It is the last key that manages the organization: make another one first"}"#,
        ),
        Error::StillActive => plain_json(StatusCode::CONFLICT, br#"{"error":"Deactivate the user first"}"#),
        Error::AnotherRequest => {
            plain_json(StatusCode::UNPROCESSABLE_ENTITY, br#"{"error":"Idempotency-Key was used for another request"}"#)
        }
        // Its answer is there by now, or in a moment.
        Error::Answered => {
            let response = plain_json(
                StatusCode::CONFLICT,
                br#"{"error":"A request with this Idempotency-Key is being answered"}"#,
            );
            with(response, RETRY_AFTER, HeaderValue::from_static("1"))
        }
        Error::Stale(cause) => {
            tracing::warn!(error = %chain(&cause), "a user changed again and again while it was to be changed");
            try_again()
        }
        Error::Forbidden => plain_json(StatusCode::FORBIDDEN, br#"{"error":"Access denied"}"#),
        Error::NotFound => not_found_now(),
        Error::TooManyWebhooks => {
            let message = format!("An organization may have {} webhooks", roster_directory::webhook::MOST);
            invalid(&[Flaw::new(Code::Custom, message).at([])])
        }
        Error::NotNow(why) => invalid(&[Flaw::new(Code::Custom, why).at([])]),
        Error::Busy(cause) => {
            tracing::warn!(error = %chain(&cause), "a request was told to try again");
            try_again()
        }
        // It was said in the log, once.
        Error::ClockWasSet(_) => try_again(),
        Error::Unknown(unsettled, cause) => {
            tracing::warn!(error = %chain(&cause), "the outcome of a request is not known");
            let response = plain_json(StatusCode::GATEWAY_TIMEOUT, br#"{"error":"The outcome is not known"}"#);
            match unsettled.and_then(address).and_then(|address| HeaderValue::from_str(&address).ok()) {
                Some(address) => with(response, LOCATION, address),
                None => response,
            }
        }
        Error::Internal(cause) => {
            tracing::error!(error = %chain(&cause), "a request failed");
            unexpected()
        }
    }
}

fn try_again() -> Response {
    let response = plain_json(StatusCode::SERVICE_UNAVAILABLE, br#"{"error":"Service temporarily unavailable"}"#);
    with(response, RETRY_AFTER, HeaderValue::from_static("1"))
}

/// Where it can be read, if the API has it.
fn address(unsettled: Unsettled) -> Option<String> {
    match unsettled {
        Unsettled::Target(Target::User(id)) => Some(format!("/api/v1/users/{id}")),
        Unsettled::Target(Target::Webhook(id)) => Some(format!("/api/v1/webhooks/{id}")),
        Unsettled::Delivery(webhook, id) => Some(format!("/api/v1/webhooks/{webhook}/deliveries/{id}")),
        Unsettled::Target(Target::Organization(_)) => Some("/api/v1/organization".to_owned()),
        Unsettled::Target(Target::Key(id)) => Some(format!("/api/v1/keys/{id}")),
        Unsettled::Target(Target::Payor(_) | Target::Message(_)) => None,
    }
}

fn with(mut response: Response, name: hyper::header::HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}

/// Says that the connection ends with this answer, as it does when a body was not read to its end (RFC 9112 §9.6): a
/// client that keeps connections would lose its next request on it.
fn closing(response: Response) -> Response {
    with(response, CONNECTION, HeaderValue::from_static("close"))
}

/// 500, of which the client learns nothing.
pub(crate) fn unexpected() -> Response<Body> {
    plain_json(StatusCode::INTERNAL_SERVER_ERROR, br#"{"error":"An unexpected error occurred"}"#)
}

/// 404 for a path that is none.
pub(crate) async fn not_found() -> Response<Body> {
    not_found_now()
}

/// 404
pub(crate) fn not_found_now() -> Response<Body> {
    plain_json(StatusCode::NOT_FOUND, br#"{"error":"Resource not found"}"#)
}

/// 405; the router adds `Allow`.
pub(crate) async fn wrong_method() -> Response<Body> {
    plain_json(StatusCode::METHOD_NOT_ALLOWED, br#"{"error":"Method not allowed"}"#)
}

/// Issues that are told. How many more there are is said in `Roster-Warning`.
const MOST_ISSUES: usize = 100;

fn invalid(issues: &[Issue]) -> Response {
    let told = &issues[..issues.len().min(MOST_ISSUES)];
    let details = told
        .iter()
        .map(|issue| Detail { code: issue.code.as_str(), message: &issue.message, path: &issue.path })
        .collect();
    let body = ValidationError { error: "Validation error", details };
    let body = serde_json::to_vec(&body).expect("strings and arrays only");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    super::super::json_headers(response.headers_mut());
    if issues.len() > told.len() {
        warning::add(response.headers_mut(), &format!("more-issues;count={}", issues.len() - told.len()));
    }
    response
}

#[derive(Serialize)]
struct ValidationError<'a> {
    error: &'static str,
    details: Vec<Detail<'a>>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'static str,
    message: &'a str,
    path: &'a [String],
}
