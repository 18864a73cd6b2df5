//! The API, by the shape of its URLs.

mod auth;
mod http;
mod me;
mod openapi;
mod roles;
mod tenants;
mod together;
mod users;
