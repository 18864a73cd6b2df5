//! The whole product, through its front doors: one binary, a folder per door, a file per resource.
//!
//! `api` asks the real router in process, with a clock that stands still and ids that count up, so answers are exact.
//! `process` starts the real binary and talks to it over sockets; `cli` runs its commands, `copy`
//! moves house, `deliver` lets out what is owed, `outbox` asks the store for it. `outside` needs programs that the Rust
//! toolchain does not bring: those tests are ignored by a plain
//! `cargo test`, which names them and why, and run by `script/test`.

mod api;
mod cli;
mod copy;
mod deliver;
mod outbox;
mod outside;
mod process;
mod tidy;

mod binary;
mod gateway;
mod name_server;
mod postgres;
mod receiver;
mod roster;
mod wire;
