//! The API, by the shape of its URLs.

mod audit;
mod auth;
mod clock;
mod events;
mod http;
mod keys;
mod me;
mod openapi;
mod organization;
mod refusals;
mod roles;
mod sms;
mod tenants;
pub(crate) mod together;
mod unknown_names;
mod users;
mod webhooks;
