//! Whether the process lives, and whether it should be sent requests.

use std::sync::atomic::Ordering;

use axum::{body::Body, extract::State};
use hyper::{Response, StatusCode};
use roster_store::{chain, outbox::Backlog};
use serde::Serialize;

use super::{AppState, Shared, api::json, plain_json};
use crate::app::{COUNTED, Error};

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> Response<Body> {
    plain_json(StatusCode::OK, br#"{"status":"ok"}"#)
}

/// `GET /readyz`: the database answers and its writer is alive, the clock can be believed, and the server is not stopping.
///
/// That something is owed for long does not make the server less ready; it is mentioned.
pub(crate) async fn ready(State(shared): AppState) -> Response<Body> {
    if shared.draining.load(Ordering::Relaxed) {
        return plain_json(StatusCode::SERVICE_UNAVAILABLE, br#"{"status":"stopping"}"#);
    }
    match shared.app.check().await {
        Ok(()) => {
            let warnings = warnings(&shared);
            match warnings.is_empty() {
                true => plain_json(StatusCode::OK, br#"{"status":"ready"}"#),
                false => json(&Ready { status: "ready", warnings }),
            }
        }
        Err(error) => {
            tracing::warn!(error = %chain(&error), "not ready");
            plain_json(StatusCode::SERVICE_UNAVAILABLE, obstacle(&error))
        }
    }
}

fn obstacle(error: &Error) -> &'static [u8] {
    match error {
        Error::Busy(roster_store::Error::Locked) => br#"{"status":"another program holds the database"}"#,
        Error::Busy(roster_store::Error::Storage(_)) => br#"{"status":"the disk does not take changes"}"#,
        Error::ClockWasSet(_) => br#"{"status":"the clock was set by more than a day"}"#,
        _ => br#"{"status":"the database does not answer"}"#,
    }
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    warnings: Vec<String>,
}

/// What is owed for longer than it should be, as it was counted last: which kind, how many, and since when. Nothing of
/// anybody.
fn warnings(shared: &Shared) -> Vec<String> {
    let limit = i64::try_from(shared.outbox_warn.as_millis()).unwrap_or(i64::MAX);
    let late = shared.app.clock().steady().plus_millis(-limit);
    let mention = |backlog: &Backlog| {
        let Backlog { kind, owed, oldest } = backlog;
        let or_more = if *owed < u64::from(COUNTED) { "" } else { " or more" };
        format!("{} owed: {owed}{or_more}, the oldest since {oldest}", kind.as_str())
    };
    shared.app.counted().iter().filter(|backlog| backlog.oldest < late).map(mention).collect()
}
