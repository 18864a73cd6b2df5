//! What a Roster process is told: flags over environment over defaults, typed and checked before anything opens.

use std::{ffi::OsStr, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Arg, Args, Command, builder::TypedValueParser, error::ErrorKind};
use roster_store::{Location, Options};

/// Where the database is. Every command takes it.
#[derive(Debug, Clone, Args)]
pub struct Database {
    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    #[arg(long, env = "ROSTER_DATABASE", default_value = "sqlite:roster.db", value_name = "URL", global = true,
          hide_env_values = true, value_parser = LocationParser)]
    pub database: Location,
}

/// Reads a location. clap would quote what it cannot read, and there may be a password in it.
#[derive(Clone)]
pub(crate) struct LocationParser;

impl TypedValueParser for LocationParser {
    type Value = Location;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Location, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "not UTF-8".to_owned()).and_then(str::parse);
        parsed.map_err(|why| {
            let arg = arg.map(|arg| format!(" for '{arg}'")).unwrap_or_default();
            let text = format!("invalid value{arg}: {why}\n\nFor more information, try '--help'.\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
        })
    }
}

/// How a server runs.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// The address to serve the API on
    #[arg(long, env = "ROSTER_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// The address to serve Prometheus metrics on; none unless given
    #[arg(long, env = "ROSTER_METRICS_LISTEN", value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,

    /// The certificate chain, PEM: serve TLS instead of plain HTTP
    #[arg(long, env = "ROSTER_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, env = "ROSTER_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Connections served at once; more are told 503
    #[arg(long, env = "ROSTER_MAX_CONNECTIONS", default_value_t = 4_096, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_connections: u32,

    /// Requests a second that one key may make, and may save up for a burst; more are told 429
    #[arg(long, env = "ROSTER_RATE_LIMIT", default_value_t = 10_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit: u32,

    /// Seconds a client has to send a request's head, and again its body; also how long a connection may idle
    #[arg(long, env = "ROSTER_READ_TIMEOUT", default_value = "15", value_name = "SECONDS", value_parser = seconds)]
    pub read_timeout: Duration,

    /// Seconds that requests under way are given when the server is told to stop
    #[arg(long, env = "ROSTER_DRAIN_TIMEOUT", default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    pub drain_timeout: Duration,

    /// Mebibytes of ready answers to keep for users that are asked for often
    #[arg(long, env = "ROSTER_ANSWER_CACHE", default_value_t = 32, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(..=65_536))]
    pub answer_cache: u32,

    /// Changes that may wait to be written; more are told 503
    #[arg(long, env = "ROSTER_WRITE_QUEUE", default_value_t = 2_048, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub write_queue: u32,

    /// Changes that one commit carries at most; 1 is one fsync a change
    #[arg(long, env = "ROSTER_WRITE_BATCH", default_value_t = 512, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub write_batch: u32,

    /// Pages of 4 KiB in SQLite's log at which they are moved into the database; more is faster, with longer pauses
    #[arg(long, env = "ROSTER_CHECKPOINT_PAGES", default_value_t = 500, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint_pages: u32,
}

impl Server {
    /// What the store is told.
    pub fn store_options(&self) -> Options {
        Options {
            queue: self.write_queue as usize,
            batch: self.write_batch as usize,
            checkpoint_pages: self.checkpoint_pages,
            index: true,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=3_600) => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, 1 to 3600".to_owned()),
    }
}
