//! Logs and metrics. Neither ever holds a name, an address, a number or a key of anybody.

use std::{
    any::Any,
    io::IsTerminal,
    sync::atomic::{AtomicI64, AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use roster_directory::outbox::{Kind, State};
use roster_store::outbox::Backlog;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: an object a line.
    Json,
}

/// A log filter in the words of `tracing`, if it is one.
pub(crate) fn filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Starts logging to standard error. JSON unless that is a terminal, or the format is given.
///
/// `filter` is in the words of `tracing` (`info`, `roster=debug`).
pub fn start_logging(filter: &str, format: Option<LogFormat>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter)?;
    let stderr = std::io::stderr();
    let format = format.unwrap_or(if stderr.is_terminal() { LogFormat::Text } else { LogFormat::Json });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // It would say on standard error that standard error cannot be written to, and panic because that fails.
    let builder = builder.log_internal_errors(false);
    let started = match format {
        LogFormat::Text => builder.with_ansi(stderr.is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked, which is a bug: {}", words_of(panic.payload()));
    }));
    Ok(())
}

/// What a panic says, if that is in the code. What was put together while it ran may quote a request.
fn words_of(panic: &(dyn Any + Send)) -> &'static str {
    panic.downcast_ref::<&'static str>().copied().unwrap_or("what it says may be somebody's, and is not logged")
}

/// Makes [`Route`], and a list of all of it.
macro_rules! routes {
    ($($name:ident),* $(,)?) => {
        /// The parts of the surface that are told apart in metrics: of the API each operation.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
        #[expect(missing_docs, reason = "each says itself")]
        pub enum Route {
            $($name),*
        }

        impl Route {
            const ALL: [Route; [$(stringify!($name)),*].len()] = [$(Route::$name),*];
        }
    };
}

routes!(
    CreateUser,
    ListUsers,
    ExportUsers,
    GetUser,
    UpdateUser,
    DeactivateUser,
    RestoreUser,
    EraseUser,
    GetMe,
    GetOrganization,
    UpdateOrganization,
    CreateKey,
    ListKeys,
    GetKey,
    RevokeKey,
    RotateKey,
    ReadAudit,
    ListEvents,
    CreateWebhook,
    ListWebhooks,
    GetWebhook,
    DeleteWebhook,
    PauseWebhook,
    ResumeWebhook,
    RotateWebhook,
    TestWebhook,
    ReplayEvent,
    ListDeliveries,
    GetDelivery,
    SmsInbound,
    SmsStatus,
    Document,
    Health,
    Other,
);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: Route,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    route: Route,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    kind: &'static str,
    state: &'static str,
}

/// Of a metric that is there or not.
type NoLabel = [(&'static str, &'static str); 0];

/// Upper edges in seconds: from a cached get to a request that the time limits end.
const SECONDS: [f64; 12] = [0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 10.0];

/// What is counted.
pub struct Metrics {
    registry: Registry,
    answers: Family<AnswerLabel, Counter>,
    seconds: [Histogram; Route::ALL.len()],
    connections: Gauge<i64, AtomicI64>,
    refused: Counter<u64, AtomicU64>,
    settled: Family<StateLabel, Counter>,
    owed: Family<KindLabel, Gauge<i64, AtomicI64>>,
    oldest: Family<KindLabel, Gauge<i64, AtomicI64>>,
    /// Not there where the database is not SQLite's.
    wal: Family<NoLabel, Gauge<i64, AtomicI64>>,
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("roster");
        let answers = Family::<AnswerLabel, Counter>::default();
        registry.register("http_answers", "Requests answered", answers.clone());
        let seconds = Family::<RouteLabel, Histogram>::new_with_constructor(|| Histogram::new(SECONDS));
        registry.register("http_answer_seconds", "From the head of a request to its answer", seconds.clone());
        let connections = Gauge::default();
        registry.register("http_connections", "Connections open", connections.clone());
        let refused = Counter::default();
        registry.register(
            "http_connections_refused",
            "Connections over the limit or the share of their address, told 503",
            refused.clone(),
        );
        let settled = Family::<StateLabel, Counter>::default();
        registry.register("outbox_settled", "What became of messages at an attempt of this process", settled.clone());
        let owed = Family::<KindLabel, Gauge<i64, AtomicI64>>::default();
        registry.register(
            "outbox_owed",
            "Messages that wait or are being sent, in the database, counted up to 100000",
            owed.clone(),
        );
        let oldest = Family::<KindLabel, Gauge<i64, AtomicI64>>::default();
        registry.register(
            "outbox_oldest_timestamp_seconds",
            "Since when the oldest of them is owed, in seconds since 1970; 0 if none is",
            oldest.clone(),
        );
        let wal = Family::<NoLabel, Gauge<i64, AtomicI64>>::default();
        registry.register("sqlite_wal_bytes", "Bytes of SQLite's write-ahead log, as its file is now", wal.clone());
        // Looked up once: the family's lock is not for every request.
        let seconds = Route::ALL.map(|route| seconds.get_or_create(&RouteLabel { route }).clone());
        Self { registry, answers, seconds, connections, refused, settled, owed, oldest, wal }
    }

    /// Counts one answer.
    pub fn answered(&self, route: Route, status: u16, took: Duration) {
        self.answers.get_or_create(&AnswerLabel { route, status }).inc();
        self.seconds[route as usize].observe(took.as_secs_f64());
    }

    /// Counts a connection for as long as the guard is kept.
    pub fn connected(&self) -> impl Drop + Send + 'static {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// Counts a connection that was turned away.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// Counts what became of a message.
    pub fn settled(&self, kind: Kind, state: State) {
        self.settled.get_or_create(&StateLabel { kind: kind.as_str(), state: state.as_str() }).inc();
    }

    /// Shows what is owed.
    pub fn owed(&self, backlog: &[Backlog]) {
        for kind in Kind::ALL {
            let label = KindLabel { kind: kind.as_str() };
            let of_kind = backlog.iter().find(|backlog| backlog.kind == kind);
            self.owed.get_or_create(&label).set(of_kind.map_or(0, |backlog| backlog.owed as i64));
            self.oldest.get_or_create(&label).set(of_kind.map_or(0, |backlog| backlog.oldest.as_seconds()));
        }
    }

    /// Shows how long SQLite's log is.
    pub fn wal(&self, bytes: u64) {
        self.wal.get_or_create(&[]).set(bytes as i64);
    }

    /// All of it as OpenMetrics 1.0 text.
    pub fn open_metrics(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).expect("writing to a string does not fail");
        out
    }
}

/// The same in the older text format 0.0.4, which every Prometheus reads: a counter's family is called as its samples are,
/// and there are neither units nor an end.
pub fn plain_metrics(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    let mut help = "";
    for line in open_metrics.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|family| family.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            out.push_str(&format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

struct Connected(Gauge<i64, AtomicI64>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}
