//! Against other people's programs: each test says what it needs.

mod docs_page;
mod openapi;
mod postgres;
mod program;
mod schemathesis;
mod zod;
