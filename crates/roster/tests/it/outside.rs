//! Against other people's programs: each test says what it needs.

mod postgres;
mod zod;
