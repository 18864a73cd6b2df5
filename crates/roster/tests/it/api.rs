//! The API, by the shape of its URLs.

mod auth;
mod events;
mod http;
mod me;
mod openapi;
mod roles;
mod tenants;
pub(crate) mod together;
mod users;
mod webhooks;
