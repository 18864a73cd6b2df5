//! The API: a file per resource, and its errors.

mod body;
pub(crate) mod error;
mod events;
mod me;
mod openapi;
mod query;
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

pub use openapi::openapi;

/// Everything below `/api/v1`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/users", post(users::create_user).get(users::list_users))
        .route("/users/{publicId}", get(users::get_user))
        .route("/me", get(me::get_me))
        .route("/events", get(events::list_events))
        .route("/webhooks", post(webhooks::create_webhook).get(webhooks::list_webhooks))
        .route("/webhooks/{webhookId}", get(webhooks::get_webhook).delete(webhooks::delete_webhook))
        .route("/webhooks/{webhookId}/pause", post(webhooks::pause_webhook))
        .route("/webhooks/{webhookId}/resume", post(webhooks::resume_webhook))
        .route("/webhooks/{webhookId}/rotate", post(webhooks::rotate_webhook))
        .route("/webhooks/{webhookId}/test", post(webhooks::test_webhook))
        .route("/webhooks/{webhookId}/replay", post(webhooks::replay_event))
        .route("/webhooks/{webhookId}/deliveries", get(webhooks::list_deliveries))
        .route("/webhooks/{webhookId}/deliveries/{deliveryId}", get(webhooks::get_delivery))
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
