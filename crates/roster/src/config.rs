//! What a Roster process is told: flags over environment over defaults, typed and checked before anything opens.

pub mod environment;
mod value;

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    ops::RangeBounds,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use anyhow::Context;
use clap::{
    Args,
    builder::{BoolishValueParser, StringValueParser, TypedValueParser},
    value_parser,
};
use ipnet::IpNet;
use roster_store::{Location, Options};
use url::Url;

use crate::deliver::{
    address::Inside,
    client::{Client, Limits},
    gateway::{Gateway, Sender},
    names::Names,
};
pub use value::Secret;
pub(crate) use value::{FromFile, LocationParser, trimmed};
use value::{SecretParser, path};

/// Where the database is. Every command takes it.
#[derive(Debug, Clone, Args)]
pub struct Database {
    /// The database: sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE. sqlite:roster.db unless given
    #[arg(long, env = "ROSTER_DATABASE", value_name = "URL", global = true, hide_env_values = true,
          conflicts_with = "database_file", value_parser = LocationParser)]
    database: Option<Location>,

    /// A file that says where the database is, so that nobody sees the password in it
    #[arg(long, env = "ROSTER_DATABASE_FILE", value_name = "FILE", global = true,
          value_parser = FromFile(LocationParser))]
    database_file: Option<Location>,
}

impl Database {
    /// Where it is.
    pub fn location(self) -> Location {
        self.database.or(self.database_file).unwrap_or_else(|| Location::Sqlite("roster.db".into()))
    }
}

/// An address to listen on: a host, by name or number, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// A name, or an IP address. One of IPv6 has no brackets here.
    pub host: String,
    /// 0 is any that is free.
    pub port: u16,
}

impl Listen {
    /// Where the API is served unless something else is said: for this machine only.
    pub const PORT: u16 = 8080;

    /// A port of this machine, which others do not reach.
    pub fn here(port: u16) -> Self {
        Self { host: Ipv4Addr::LOCALHOST.to_string(), port }
    }
}

impl FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an address is HOST:PORT, as 0.0.0.0:8080, [::]:8080 or localhost:8080, or a port alone";
        if let Ok(port) = text.parse() {
            return Ok(Self::here(port));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: address.ip().to_string(), port: address.port() });
        }
        let (host, port) = text.rsplit_once(':').ok_or(FORM)?;
        let is_name = host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        match port.parse() {
            Ok(port) if is_name && !host.is_empty() => Ok(Self { host: host.to_owned(), port }),
            _ => Err(FORM),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// How a server runs.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// The address to serve the API on: 0.0.0.0:8080, localhost:8080, or a port of this machine only. 127.0.0.1:8080
    /// unless given; with --demo the next port that is free
    #[arg(long, env = "ROSTER_LISTEN", value_name = "ADDR", value_parser = trimmed(Listen::from_str))]
    pub listen: Option<Listen>,

    /// The address to serve Prometheus metrics on; none unless given
    #[arg(long, env = "ROSTER_METRICS_LISTEN", value_name = "ADDR", value_parser = trimmed(Listen::from_str))]
    pub metrics_listen: Option<Listen>,

    /// The certificate chain, PEM: serve TLS instead of plain HTTP
    #[arg(long, env = "ROSTER_TLS_CERT", value_name = "FILE", requires = "tls_key", value_parser = path())]
    pub tls_cert: Option<PathBuf>,

    /// The certificate's private key, PEM
    #[arg(long, env = "ROSTER_TLS_KEY", value_name = "FILE", requires = "tls_cert", value_parser = path())]
    pub tls_key: Option<PathBuf>,

    /// Start although others than their owners may write to the database's file or the TLS key
    #[arg(long, env = "ROSTER_ALLOW_WRITABLE_FILES", value_parser = trimmed(BoolishValueParser::new()))]
    pub allow_writable_files: bool,

    /// Connections served at once; more are told 503, but for /healthz and /readyz
    #[arg(long, env = "ROSTER_MAX_CONNECTIONS", default_value_t = 4_096, value_name = "N",
          value_parser = number(1..))]
    pub max_connections: u32,

    /// Requests a second that one key may make, and may save up for a burst; more are told 429
    #[arg(long, env = "ROSTER_RATE_LIMIT", default_value_t = 10_000, value_name = "N",
          value_parser = number(1..))]
    pub rate_limit: u32,

    /// Of the connections, how many percent one address may have (of IPv6, one /64); more are told 503
    #[arg(long, env = "ROSTER_ADDRESS_SHARE", default_value_t = 50, value_name = "PERCENT",
          value_parser = number(1..=100))]
    pub address_share: u32,

    /// Networks of proxies whose X-Forwarded-For and Forwarded are believed: 10.1.2.0/24. Given again for another one,
    /// or with commas. Nobody else is believed
    #[arg(long, env = "ROSTER_TRUSTED_PROXY", value_name = "NETWORK", value_delimiter = ',', value_parser = trimmed(IpNet::from_str))]
    pub trusted_proxy: Vec<IpNet>,

    /// Seconds a client has to send a request's head, and again its body
    #[arg(long, env = "ROSTER_READ_TIMEOUT", default_value = "15", value_name = "SECONDS", value_parser = trimmed(seconds))]
    pub read_timeout: Duration,

    /// Seconds a connection may idle between two requests. A proxy in front has to give up its connections sooner
    #[arg(long, env = "ROSTER_KEEP_ALIVE", default_value = "75", value_name = "SECONDS", value_parser = trimmed(seconds))]
    pub keep_alive: Duration,

    /// Seconds that everything is served as before when the server is told to stop, so that clients go elsewhere
    #[arg(long, env = "ROSTER_DRAIN_DELAY", default_value = "1", value_name = "SECONDS",
          value_parser = trimmed(seconds_or_none))]
    pub drain_delay: Duration,

    /// Seconds after that for requests under way
    #[arg(long, env = "ROSTER_DRAIN_TIMEOUT", default_value = "10", value_name = "SECONDS", value_parser = trimmed(seconds))]
    pub drain_timeout: Duration,

    /// Mebibytes of ready answers to keep for users that are asked for often
    #[arg(long, env = "ROSTER_ANSWER_CACHE", default_value_t = 32, value_name = "MIB",
          value_parser = number(..=65_536))]
    pub answer_cache: u32,

    /// Changes that may wait to be written; more are told 503
    #[arg(long, env = "ROSTER_WRITE_QUEUE", default_value_t = 2_048, value_name = "N",
          value_parser = number(1..))]
    pub write_queue: u32,

    /// Changes that one commit carries at most; 1 is one fsync a change
    #[arg(long, env = "ROSTER_WRITE_BATCH", default_value_t = 512, value_name = "N",
          value_parser = number(1..))]
    pub write_batch: u32,

    /// New pages of 4 KiB in SQLite's log at which they are moved into the database, and four times as many within 16
    /// commits; more is faster, with longer pauses
    #[arg(long, env = "ROSTER_CHECKPOINT_PAGES", default_value_t = 500, value_name = "N",
          value_parser = number(1..))]
    pub checkpoint_pages: u32,

    /// Mebibytes of SQLite's log beyond which reads are held for a moment so that it can begin anew
    #[arg(long, env = "ROSTER_WAL_LIMIT", default_value_t = 64, value_name = "MIB",
          value_parser = number(1..=1_048_576))]
    pub wal_limit: u32,
}

/// How what is owed is delivered.
#[derive(Debug, Clone, Args)]
pub struct Deliveries {
    /// The gateway that text messages go through: `https://api.twilio.com`, or another that speaks its Messages
    /// resource. Without it they wait
    #[arg(long, env = "ROSTER_SMS_URL", value_name = "URL", requires_all = ["sms_account", "sms_from"],
          value_parser = trimmed(Url::from_str))]
    pub sms_url: Option<Url>,

    /// The account at the gateway
    #[arg(long, env = "ROSTER_SMS_ACCOUNT", value_name = "ID", value_parser = trimmed(StringValueParser::new()))]
    pub sms_account: Option<String>,

    /// A file with the account's token; or set ROSTER_SMS_TOKEN in the environment
    #[arg(long, env = "ROSTER_SMS_TOKEN_FILE", value_name = "FILE", value_parser = FromFile(SecretParser))]
    pub sms_token_file: Option<Secret>,

    /// Who text messages come from: a number, or the id of a messaging service, MG…
    #[arg(long, env = "ROSTER_SMS_FROM", value_name = "NUMBER", value_parser = trimmed(StringValueParser::new()))]
    pub sms_from: Option<String>,

    /// Text messages that one organization may send in an hour
    #[arg(long, env = "ROSTER_SMS_HOURLY", default_value_t = 200, value_name = "N", value_parser = number(..))]
    pub sms_hourly: u32,

    /// How long a text message may wait, for a gateway or for one that takes it, before it is dropped: 24h, 90m
    #[arg(long, env = "ROSTER_SMS_KEEP", default_value = "24h", value_name = "TIME", value_parser = trimmed(lasting))]
    pub sms_keep: Duration,

    /// When the gateway is asked what became of a text message that it took and has said no more of: 1h, 90m
    #[arg(long, env = "ROSTER_SMS_ASK_AFTER", default_value = "1h", value_name = "TIME", value_parser = trimmed(lasting))]
    pub sms_ask_after: Duration,

    /// This server's address as the gateway reaches it, for what people answer and what became of messages:
    /// `https://roster.example`. Without it nothing is taken from the gateway
    #[arg(long, env = "ROSTER_PUBLIC_URL", value_name = "URL", value_parser = trimmed(Url::from_str))]
    pub public_url: Option<Url>,

    /// Networks that webhooks may reach although they are inside, separated by commas: 10.1.2.0/24
    #[arg(long, env = "ROSTER_WEBHOOK_INSIDE", default_value = "", value_name = "NETWORKS", hide_default_value = true, value_parser = trimmed(Inside::from_str))]
    pub webhook_inside: Inside,

    /// Name servers to ask for receivers and the gateway, separated by commas: 10.0.0.2:53. Without one, those of
    /// /etc/resolv.conf
    #[arg(long, env = "ROSTER_NAME_SERVER", value_name = "ADDR", value_delimiter = ',', value_parser = trimmed(SocketAddr::from_str))]
    pub name_server: Vec<SocketAddr>,

    /// How old the oldest message that is owed may be before /readyz mentions it: 1h, 90m
    #[arg(long, env = "ROSTER_OUTBOX_WARN", default_value = "1h", value_name = "TIME", value_parser = trimmed(lasting))]
    pub outbox_warn: Duration,
}

impl Deliveries {
    /// The account's token, from its file or the environment. It is no flag, because everybody on the machine can read
    /// those.
    fn sms_token(&self) -> Option<String> {
        let of_file = self.sms_token_file.as_ref().map(|Secret(token)| token.clone());
        let token = of_file.or_else(|| std::env::var("ROSTER_SMS_TOKEN").ok())?;
        Some(token.trim().to_owned()).filter(|token| !token.is_empty())
    }

    /// The gateway, if there is one.
    pub(crate) fn gateway(&self, names: Names) -> anyhow::Result<Option<Gateway>> {
        let (Some(url), Some(account), Some(from)) = (&self.sms_url, &self.sms_account, &self.sms_from) else {
            return Ok(None);
        };
        anyhow::ensure!(
            matches!(url.scheme(), "http" | "https"),
            "the gateway's address (--sms-url, ROSTER_SMS_URL) must begin with https://"
        );
        anyhow::ensure!(
            !account.is_empty() && account.bytes().all(|b| b.is_ascii_alphanumeric()),
            "the account at the gateway (--sms-account, ROSTER_SMS_ACCOUNT) must have letters and digits only"
        );
        let sender = Sender::parse(from).context(
            "the sender of text messages (--sms-from, ROSTER_SMS_FROM) must be a number with + and the country's code, a \
             short code, or the id of a messaging service, MG and 32 hexadecimal digits",
        )?;
        let token = self.sms_token().context(
            "a gateway for text messages needs its account's token: name its file with --sms-token-file, or set \
             ROSTER_SMS_TOKEN",
        )?;
        let client = Client::trusted(names, Limits::default())
            .context("cannot read the certificates that this machine trusts")?;
        Gateway::new(client, url, account, &token, sender).map(Some)
    }

    /// How what comes from the gateway is known to come from it.
    pub(crate) fn inbound(&self) -> Option<Inbound> {
        Some(Inbound { url: self.public_address()?, token: self.sms_token()? })
    }

    /// This server's address as the gateway has it, without a slash at its end.
    pub(crate) fn public_address(&self) -> Option<String> {
        Some(self.public_url.as_ref()?.as_str().trim_end_matches('/').to_owned())
    }
}

/// How what comes from the gateway is known to come from it.
pub(crate) struct Inbound {
    /// This server's address as the gateway has it, without a slash at its end.
    pub(crate) url: String,
    /// What the gateway signs with.
    pub(crate) token: String,
}

impl Server {
    /// What the store is told.
    pub fn store_options(&self) -> Options {
        Options {
            queue: self.write_queue as usize,
            batch: self.write_batch as usize,
            checkpoint_pages: self.checkpoint_pages,
            wal_limit: u64::from(self.wal_limit) << 20,
            ..Options::default()
        }
    }
}

fn number(range: impl RangeBounds<i64>) -> impl TypedValueParser<Value = u32> {
    trimmed(value_parser!(u32).range(range))
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 1..=3_600) => Ok(Duration::from_secs(seconds)),
        _ => Err("a whole number of seconds, 1 to 3600".to_owned()),
    }
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" {
        Ok(Duration::ZERO)
    } else {
        seconds(text).map_err(|_| "a whole number of seconds, 0 to 3600".to_owned())
    }
}

/// Reads `90d`, `12h`, `30m`, `45s` as milliseconds. At most a hundred years.
pub(crate) fn millis(text: &str) -> Result<i64, String> {
    let unit = match text.chars().next_back() {
        Some('d') => 24 * 60 * 60,
        Some('h') => 60 * 60,
        Some('m') => 60,
        Some('s') => 1,
        _ => 0,
    };
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<u32>().ok());
    number
        .map(|number| i64::from(number) * unit)
        .filter(|seconds| unit != 0 && *seconds <= 100 * 365 * 24 * 60 * 60)
        .map(|seconds| seconds * 1_000)
        .ok_or_else(|| "a number and a unit, at most a hundred years: 90d, 12h, 30m or 45s".to_owned())
}

/// The same, but not nothing: what would be over before it began.
pub(crate) fn some_millis(text: &str) -> Result<i64, String> {
    match millis(text)? {
        0 => Err("more than nothing: 90d, 12h, 30m or 45s".to_owned()),
        millis => Ok(millis),
    }
}

fn lasting(text: &str) -> Result<Duration, String> {
    millis(text).map(|millis| Duration::from_millis(millis as u64))
}

#[cfg(test)]
mod tests {
    use super::{Listen, millis};

    #[test]
    fn an_address_is_a_host_and_a_port_or_a_port() {
        for (text, read) in [
            ("8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:8080", "[::]:8080"),
            ("localhost:8080", "localhost:8080"),
            ("roster-1.internal:0", "roster-1.internal:0"),
        ] {
            assert_eq!(text.parse::<Listen>().map(|listen| listen.to_string()).as_deref(), Ok(read));
        }
        for text in ["", ":8080", "localhost", "0.0.0.0", "::1:80", "65536", "http://localhost:80", "a b:80", "a:-1"] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        assert_eq!(millis("90d"), Ok(90 * 86_400_000));
        assert_eq!(millis("0s"), Ok(0));
        for text in ["", "90", "d", "-1d", "1.5h", "40000d", "1y", "9é"] {
            assert!(millis(text).is_err(), "{text}");
        }
    }
}
