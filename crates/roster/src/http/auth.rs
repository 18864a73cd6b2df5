//! Who asks: key → caller. No caller, no handler.

use std::{num::NonZeroU32, sync::Arc};

use axum::extract::FromRequestParts;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _};
use hyper::{header::AUTHORIZATION, http::request::Parts};
use roster_directory::{Actor, KeyId};

use super::{Arrival, Shared, api::error::Refusal};
use crate::app::{Caller, Error};

/// Requests a second of each key, with a second's worth to save up (GCRA).
pub(crate) type Limiter = DefaultKeyedRateLimiter<KeyId>;

pub(crate) fn limiter(a_second: u32) -> Limiter {
    RateLimiter::keyed(Quota::per_second(NonZeroU32::new(a_second).unwrap_or(NonZeroU32::MIN)))
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let Some(header) = parts.headers.get(AUTHORIZATION) else { return Err(Refusal::KeyRequired) };
        let token = bearer_token(header.as_bytes())?;
        let request = parts.extensions.get::<Arrival>().map_or_else(|| shared.app.ids().request(), |arrival| arrival.id);
        let caller = shared.app.authenticate(token, request).await?.ok_or(Refusal::KeyInvalid)?;
        if let Actor::Key(key) = caller.identity.actor {
            shared.limiter.check_key(&key).map_err(|not_until| {
                let wait = not_until.wait_time_from(governor::clock::DefaultClock::default().now());
                Refusal::TooMany { seconds: wait.as_secs() + 1 }
            })?;
        }
        Ok(caller)
    }
}

/// The token of `Bearer TOKEN` (RFC 6750 §2.1; the scheme in any case, RFC 9110 §11.1).
///
/// Another scheme, or none, is no key at all; `Bearer` with something that cannot be one is a wrong key.
fn bearer_token(header: &[u8]) -> Result<&str, Refusal> {
    let header = header.trim_ascii();
    let (scheme, token) = match header.iter().position(|b| *b == b' ') {
        Some(space) => (&header[..space], header[space..].trim_ascii()),
        None => (header, &b""[..]),
    };
    if !scheme.eq_ignore_ascii_case(b"bearer") || token.is_empty() {
        return Err(Refusal::KeyRequired);
    }
    std::str::from_utf8(token).map_err(|_| Refusal::KeyInvalid)
}

/// A caller who may create somebody: whoever may create nobody is refused before the body is looked at.
pub(crate) struct Creator(pub(crate) Caller);

impl FromRequestParts<Arc<Shared>> for Creator {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, shared).await?;
        if caller.identity.may_create.is_empty() { Err(Error::Forbidden.into()) } else { Ok(Self(caller)) }
    }
}

/// A caller who may read somebody: whoever may read nobody is refused before the query is looked at.
pub(crate) struct Reader(pub(crate) Caller);

impl FromRequestParts<Arc<Shared>> for Reader {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, shared).await?;
        if caller.identity.may_read.is_empty() { Err(Error::Forbidden.into()) } else { Ok(Self(caller)) }
    }
}

/// A caller who may manage webhooks: anybody else is refused before anything that was sent is looked at.
pub(crate) struct Manager(pub(crate) Caller);

impl FromRequestParts<Arc<Shared>> for Manager {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, shared).await?;
        caller.may_manage()?;
        Ok(Self(caller))
    }
}
