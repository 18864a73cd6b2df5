//! Against other people's programs: each test says what it needs.

mod docs_page;
mod openapi;
mod program;
mod schemathesis;
