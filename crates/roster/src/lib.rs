//! The service: what callers can do (`app`), the doors they come by (`http`, `cli`), and the process around them.

#![forbid(unsafe_code)]

pub mod app;
pub mod cli;
pub mod config;
pub mod deliver;
mod export;
pub mod http;
mod intake;
pub mod telemetry;
