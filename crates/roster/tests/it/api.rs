//! The API, by the shape of its URLs.

mod openapi;
mod users;
