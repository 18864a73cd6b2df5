//! The API: a file per resource, and its errors.

mod body;
pub(crate) mod error;
mod events;
mod me;
mod openapi;
mod params;
mod role;
pub(crate) mod users;
mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use serde::Serialize;

use super::{Shared, json_headers};

pub(crate) use body::MAX_BYTES;
pub use openapi::openapi;

use webhooks::deliveries;

/// Everything below `/api/v1`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/users", post(users::create_user).get(users::list_users))
        .route("/users/{publicId}", get(users::get_user))
        .route("/me", get(me::get_me))
        .route("/events", get(events::list_events))
        .route("/webhooks", post(webhooks::create_webhook).get(webhooks::list_webhooks))
        .route("/webhooks/{publicId}", get(webhooks::get_webhook).delete(webhooks::delete_webhook))
        .route("/webhooks/{publicId}/pause", post(webhooks::pause_webhook))
        .route("/webhooks/{publicId}/resume", post(webhooks::resume_webhook))
        .route("/webhooks/{publicId}/rotate", post(webhooks::rotate_webhook))
        .route("/webhooks/{publicId}/test", post(deliveries::test_webhook))
        .route("/webhooks/{publicId}/replay", post(deliveries::replay_event))
        .route("/webhooks/{publicId}/deliveries", get(deliveries::list_deliveries))
        .route("/webhooks/{publicId}/deliveries/{deliveryId}", get(deliveries::get_delivery))
}

pub(crate) fn json(body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, body).expect("strings and numbers only");
    json_bytes(bytes.into())
}

fn json_bytes(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    json_headers(response.headers_mut());
    response
}
