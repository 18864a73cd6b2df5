//! Against other people's programs: each test says what it needs.

mod copy;
mod demo;
mod disk;
mod docs_page;
mod http_client;
mod killed_upgrade;
mod openapi;
mod postgres;
mod program;
mod schemathesis;
mod standardwebhooks;
mod sync;
mod terminal;
mod zod;
