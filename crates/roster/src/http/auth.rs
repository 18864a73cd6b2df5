//! Who asks: key → caller. No caller, no handler.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use axum::extract::FromRequestParts;
use governor::{
    DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
};
use hyper::{header::AUTHORIZATION, http::request::Parts};
use ipnet::IpNet;
use quick_cache::sync::Cache;
use roster_directory::{Actor, KeyId};

use super::{Arrival, Shared, api::error::Refusal, client_address::client_address, serve::network_of};
use crate::app::{Caller, Error};

/// Requests a second of each key, with a second's worth to save up (GCRA).
pub(crate) type Limiter = DefaultKeyedRateLimiter<KeyId>;

pub(crate) fn limiter(a_second: u32) -> Limiter {
    RateLimiter::keyed(Quota::per_second(NonZeroU32::new(a_second).unwrap_or(NonZeroU32::MIN)))
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        match caller_of(parts, shared).await {
            Err(Refusal::KeyInvalid) => Err(shared.wrong_keys.refusal(parts)),
            result => result,
        }
    }
}

async fn caller_of(parts: &Parts, shared: &Shared) -> Result<Caller, Refusal> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else { return Err(Refusal::KeyRequired) };
    let token = bearer_token(header.as_bytes())?;
    let request = parts.extensions.get::<Arrival>().map_or_else(|| shared.app.ids().request(), |arrival| arrival.id);
    let caller = shared.app.authenticate(token, request).await?.ok_or(Refusal::KeyInvalid)?;
    if let Actor::Key(key) = caller.identity.actor {
        shared.limiter.check_key(&key).map_err(too_many)?;
    }
    Ok(caller)
}

fn too_many(not_until: NotUntil<<DefaultClock as Clock>::Instant>) -> Refusal {
    let wait = not_until.wait_time_from(DefaultClock::default().now());
    Refusal::TooMany { seconds: wait.as_secs() + 1 }
}

/// Wrong keys, counted by the address they come from. Only they are looked up here: a good key costs nothing, and is
/// served whatever else its address sends.
pub(crate) struct WrongKeys {
    proxies: Vec<IpNet>,
    /// Bounded: when there are more addresses those not seen for longest are forgotten.
    addresses: Cache<IpAddr, Arc<DefaultDirectRateLimiter>>,
}

impl WrongKeys {
    /// Addresses that are remembered: some 2 MiB.
    const ADDRESSES: usize = 16 * 1024;
    /// Wrong keys of one address that are told so at once, and a minute.
    const A_MINUTE: NonZeroU32 = NonZeroU32::new(60).expect("not zero");

    pub(crate) fn new(proxies: &[IpNet]) -> Self {
        Self { proxies: proxies.to_vec(), addresses: Cache::new(Self::ADDRESSES) }
    }

    /// Counts a wrong key: 401, or 429 where there were too many.
    fn refusal(&self, parts: &Parts) -> Refusal {
        let Some(arrival) = parts.extensions.get::<Arrival>() else { return Refusal::KeyInvalid };
        let address = network_of(client_address(arrival.peer, &parts.headers, &self.proxies));
        let limiter = self.addresses.get_or_insert_with(&address, || {
            Ok::<_, std::convert::Infallible>(Arc::new(RateLimiter::direct(Quota::per_minute(Self::A_MINUTE))))
        });
        match limiter {
            Ok(limiter) => limiter.check().map_or_else(too_many, |()| Refusal::KeyInvalid),
            Err(never) => match never {},
        }
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

/// A caller who may read the audit trail: anybody else is refused before the query is looked at.
pub(crate) struct Auditor(pub(crate) Caller);

impl FromRequestParts<Arc<Shared>> for Auditor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, shared).await?;
        caller.may_audit()?;
        Ok(Self(caller))
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
