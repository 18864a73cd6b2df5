//! Against other people's programs: each test says what it needs.

mod demo;
mod disk;
mod sync;
