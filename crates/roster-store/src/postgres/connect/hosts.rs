//! Several hosts, of which one takes changes: each is asked for so long, beginning with the one that answered last.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{Client, Config, config::Host};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::CONNECT_WAIT;

/// How many hosts a configuration names; `None` if the driver would not take them.
pub(super) fn count(config: &Config) -> Option<usize> {
    let (names, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
    let hosts = names.max(addresses);
    let fits = |count: usize| count == 0 || count == hosts;
    (hosts > 0 && fits(names) && fits(addresses) && (fits(config.get_ports().len()) || config.get_ports().len() == 1))
        .then_some(hosts)
}

/// The driver itself tries one host after the other, but its time limit ends with the TCP handshake: a first host that
/// took the connection and then said nothing would use up all the time there is.
pub(super) struct Hosts {
    each: Arc<[Config]>,
    last: Arc<AtomicUsize>,
    tls: MakeRustlsConnect,
    /// For one host.
    wait: Duration,
}

impl Hosts {
    pub(super) fn of(config: &Config, tls: MakeRustlsConnect) -> Self {
        let hosts = count(config).unwrap_or_default();
        let each = (0..hosts).map(|host| only(config, host)).collect();
        Self { each, last: Arc::default(), tls, wait: CONNECT_WAIT / u32::try_from(hosts.max(1)).unwrap_or(u32::MAX) }
    }
}

type Connected = Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

impl deadpool_postgres::Connect for Hosts {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send>> {
        let (each, last, tls, wait) = (self.each.clone(), self.last.clone(), self.tls.clone(), self.wait);
        Box::pin(async move {
            let first = last.load(Ordering::Relaxed);
            let mut failed = None;
            for host in (first..each.len()).chain(0..first) {
                match timeout(wait, each[host].connect(tls.clone())).await {
                    Ok(Ok((client, connection))) => {
                        last.store(host, Ordering::Relaxed);
                        let task = tokio::spawn(async move {
                            if let Err(error) = connection.await {
                                tracing::debug!(error = %error, "a connection to the database ended");
                            }
                        });
                        return Ok((client, task));
                    }
                    Ok(Err(error)) => failed = Some(error),
                    Err(_) => {}
                }
            }
            match failed {
                Some(error) => Err(error),
                // None said anything; the pool's own time limit, which is due, says so.
                None => std::future::pending().await,
            }
        })
    }
}

/// The same, for one of its hosts.
fn only(config: &Config, host: usize) -> Config {
    let mut only = Config::new();
    match config.get_hosts().get(host) {
        Some(Host::Tcp(name)) => drop(only.host(name)),
        #[cfg(unix)]
        Some(Host::Unix(path)) => drop(only.host_path(path)),
        None => {}
    }
    if let Some(address) = config.get_hostaddrs().get(host) {
        only.hostaddr(*address);
    }
    if let Some(port) = config.get_ports().get(host).or(config.get_ports().first()) {
        only.port(*port);
    }
    if let Some(user) = config.get_user() {
        only.user(user);
    }
    if let Some(password) = config.get_password() {
        only.password(password);
    }
    if let Some(name) = config.get_dbname() {
        only.dbname(name);
    }
    if let Some(options) = config.get_options() {
        only.options(options);
    }
    if let Some(name) = config.get_application_name() {
        only.application_name(name);
    }
    if let Some(limit) = config.get_connect_timeout() {
        only.connect_timeout(*limit);
    }
    if let Some(limit) = config.get_tcp_user_timeout() {
        only.tcp_user_timeout(*limit);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        only.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        only.keepalives_retries(retries);
    }
    only.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .target_session_attrs(config.get_target_session_attrs())
        .channel_binding(config.get_channel_binding())
        .load_balance_hosts(config.get_load_balance_hosts());
    only
}
