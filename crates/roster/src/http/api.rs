//! The API: a file per resource, and its errors.

mod body;
pub(crate) mod error;
mod me;
mod openapi;
mod role;
pub(crate) mod users;

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
