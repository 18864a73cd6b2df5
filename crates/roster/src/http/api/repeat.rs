//! `Idempotency-Key`: a request that is sent again is answered as it was, and done once.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderName, HeaderValue},
};
use roster_directory::{
    Actor, Flaw, Organization, User,
    issue::Code,
    repeat::{Answer, Answered, Repeat, RepeatKey},
};

use super::{
    super::{Shared, json_headers},
    error::{ApiResult, Refusal},
};
use crate::app::{Acted, Caller, Error};

pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What a request is called, if it may be sent again.
pub(super) fn asked(headers: &HeaderMap, caller: &Caller, route: &str, body: &[u8]) -> Result<Option<Repeat>, Refusal> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(key), Actor::Key(by)) = (keys.next(), caller.identity.actor) else { return Ok(None) };
    let key = key.to_str().ok().and_then(RepeatKey::parse).filter(|_| keys.next().is_none());
    let key = key.ok_or_else(|| {
        let message = format!("Must be 1 to {} visible ASCII characters", RepeatKey::MAX);
        vec![Flaw::new(Code::Custom, message).at(["Idempotency-Key"])]
    })?;
    Ok(Some(Repeat::new(by, route, key, body)))
}

/// The answer of before, if there is one; else what `act` answers. Where another process was faster, its answer.
pub(super) async fn once(
    shared: &Shared,
    caller: &Caller,
    repeat: Option<Repeat>,
    act: impl AsyncFnOnce(Option<&Repeat>) -> ApiResult,
) -> ApiResult {
    let Some(repeat) = repeat else { return act(None).await };
    if let Some(answered) = shared.app.answered(caller, &repeat).await? {
        return Ok(replay(answered));
    }
    match act(Some(&repeat)).await {
        Err(Refusal::App(Error::Answered)) => {
            shared.app.answered(caller, &repeat).await?.map(replay).ok_or(Error::Answered.into())
        }
        answer => answer,
    }
}

fn replay(answered: Answered) -> Response {
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap_or_default();
    let headers = response.headers_mut();
    json_headers(headers);
    headers.extend(answered.headers.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    }));
    headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// What is kept of the answer to what was done to a user. The moment that is recorded is the store's to say, so the body is
/// written there.
pub(super) fn answer(
    repeat: &Repeat,
    acted: &Acted,
    caller: &Caller,
    respond: fn(&Acted, &Caller) -> Response,
    write: fn(&User, &Organization) -> Vec<u8>,
) -> Answer {
    let (user, identity) = (acted.user.clone(), caller.identity.clone());
    let response = respond(acted, caller);
    Answer {
        repeat: repeat.clone(),
        status: response.status().as_u16(),
        headers: kept(response.headers()),
        about: Some(user.id),
        write: Arc::new(move |at| {
            let mut user = user.clone();
            user.recorded_at(at);
            write(&user, &identity.organization)
        }),
    }
}

/// What is kept of an answer that says what was done, and nothing in its headers.
pub(super) fn answer_said<T>(repeat: &Repeat, said: fn(&T) -> Vec<u8>) -> impl Fn(&T) -> Answer + Sync {
    move |done| {
        let body = said(done);
        let write = Arc::new(move |_| body.clone());
        Answer { repeat: repeat.clone(), status: 200, headers: String::new(), about: None, write }
    }
}

/// The headers of an answer that belong to it, as they are kept.
fn kept(headers: &HeaderMap) -> String {
    use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
    let own = headers.iter().filter(|(name, _)| ![CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS].contains(name));
    let lines = own.filter_map(|(name, value)| Some(format!("{name}: {}\n", value.to_str().ok()?)));
    lines.collect()
}
