//! The API: a file per resource, and its errors.

mod audit;
mod body;
pub(crate) mod error;
mod etag;
mod events;
mod keys;
mod me;
mod openapi;
mod organization;
mod params;
mod repeat;
mod role;
mod shape;
pub(crate) mod users;
pub(super) mod warning;
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

use super::{Shared, json_headers, route::route};
use crate::telemetry::Route;

pub(crate) use audit::AuditBody;
pub(crate) use body::{MAX_BYTES, Value};
pub use openapi::openapi;
pub(super) use params::unknown as unknown_parameters;

use params::PIECE;
use users::change;
use webhooks::deliveries;

/// Everything below `/api/v1`.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route(
            "/users",
            post(route(Route::CreateUser, users::create_user))
                .get(route(Route::ListUsers, users::list_users).taking(&users::PARAMETERS)),
        )
        .route("/users/export", get(route(Route::ExportUsers, users::export::export_users).taking(&users::EXPORT)))
        .route(
            "/users/{publicId}",
            get(route(Route::GetUser, users::get_user).taking(&users::VIEW))
                .patch(route(Route::UpdateUser, change::update_user))
                .delete(route(Route::EraseUser, change::erase_user)),
        )
        .route("/users/{publicId}/deactivate", post(route(Route::DeactivateUser, change::deactivate_user)))
        .route("/users/{publicId}/restore", post(route(Route::RestoreUser, change::restore_user)))
        .route("/me", get(route(Route::GetMe, me::get_me)))
        .route(
            "/organization",
            get(route(Route::GetOrganization, organization::get_organization))
                .patch(route(Route::UpdateOrganization, organization::update_organization)),
        )
        .route(
            "/keys",
            post(route(Route::CreateKey, keys::create_key)).get(route(Route::ListKeys, keys::list_keys).taking(&PIECE)),
        )
        .route(
            "/keys/{publicId}",
            get(route(Route::GetKey, keys::get_key)).delete(route(Route::RevokeKey, keys::revoke_key)),
        )
        .route("/keys/{publicId}/rotate", post(route(Route::RotateKey, keys::rotate_key)))
        .route("/audit", get(route(Route::ReadAudit, audit::read_audit).taking(&audit::PARAMETERS)))
        .route("/events", get(route(Route::ListEvents, events::list_events).taking(&PIECE)))
        .route(
            "/webhooks",
            post(route(Route::CreateWebhook, webhooks::create_webhook))
                .get(route(Route::ListWebhooks, webhooks::list_webhooks).taking(&PIECE)),
        )
        .route(
            "/webhooks/{publicId}",
            get(route(Route::GetWebhook, webhooks::get_webhook))
                .delete(route(Route::DeleteWebhook, webhooks::delete_webhook)),
        )
        .route("/webhooks/{publicId}/pause", post(route(Route::PauseWebhook, webhooks::pause_webhook)))
        .route("/webhooks/{publicId}/resume", post(route(Route::ResumeWebhook, webhooks::resume_webhook)))
        .route("/webhooks/{publicId}/rotate", post(route(Route::RotateWebhook, webhooks::rotate_webhook)))
        .route("/webhooks/{publicId}/test", post(route(Route::TestWebhook, deliveries::test_webhook)))
        .route("/webhooks/{publicId}/replay", post(route(Route::ReplayEvent, deliveries::replay_event)))
        .route(
            "/webhooks/{publicId}/deliveries",
            get(route(Route::ListDeliveries, deliveries::list_deliveries).taking(&deliveries::PARAMETERS)),
        )
        .route("/webhooks/{publicId}/deliveries/{deliveryId}", get(route(Route::GetDelivery, deliveries::get_delivery)))
}

pub(crate) fn json(body: &impl Serialize) -> Response {
    json_bytes(json_text(body).into())
}

fn json_text(body: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, body).expect("strings and numbers only");
    bytes
}

fn json_bytes(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    json_headers(response.headers_mut());
    response
}
