//! Whether the process lives, and whether it should be sent requests.

use std::sync::atomic::Ordering;

use axum::{body::Body, extract::State};
use hyper::{Response, StatusCode};
use roster_store::chain;

use super::{AppState, plain_json};

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> Response<Body> {
    plain_json(StatusCode::OK, br#"{"status":"ok"}"#)
}

/// `GET /readyz`: the database answers and its writer is alive, and the server is not stopping.
pub(crate) async fn ready(State(shared): AppState) -> Response<Body> {
    if shared.draining.load(Ordering::Relaxed) {
        return plain_json(StatusCode::SERVICE_UNAVAILABLE, br#"{"status":"stopping"}"#);
    }
    match shared.app.check().await {
        Ok(()) => plain_json(StatusCode::OK, br#"{"status":"ready"}"#),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "not ready");
            plain_json(StatusCode::SERVICE_UNAVAILABLE, br#"{"status":"the database does not answer"}"#)
        }
    }
}
