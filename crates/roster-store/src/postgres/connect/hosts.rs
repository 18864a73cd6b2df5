//! Several hosts, of which one takes changes: the one that answered last is asked first, and the others soon after it.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Once,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{net::lookup_host, task::JoinHandle};
use tokio_postgres::{
    Client, Config, Connection, Socket,
    config::{Host, SslMode},
    error::SqlState,
    tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::password::Passwords;
use crate::{dial, error::chain};

/// How many hosts a configuration names; `None` if the driver would not take them.
pub(super) fn count(config: &Config) -> Option<usize> {
    let (names, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
    let hosts = names.max(addresses);
    let fits = |count: usize| count == 0 || count == hosts;
    (hosts > 0 && fits(names) && fits(addresses) && (fits(config.get_ports().len()) || config.get_ports().len() == 1))
        .then_some(hosts)
}

/// The driver itself tries one host after the other, and one address of it after the other, but its time limit ends with
/// the TCP handshake: a first one that took the connection and then said nothing would use up all the time there is.
pub(super) struct Hosts {
    each: Arc<[Config]>,
    last: Arc<AtomicUsize>,
    tls: MakeRustlsConnect,
}

impl Hosts {
    pub(super) fn of(config: &Config, tls: MakeRustlsConnect) -> Self {
        let mut each: Vec<_> = (0..count(config).unwrap_or_default()).map(|host| only(config, host)).collect();
        if config.get_password().is_none() {
            let passwords = Passwords::of_environment();
            for config in &mut each {
                if let Some(password) = passwords.of(config) {
                    config.password(password);
                }
            }
        }
        Self { each: each.into(), last: Arc::default(), tls }
    }
}

type Session = (Client, Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>);

type Connected = Result<(Client, JoinHandle<()>), tokio_postgres::Error>;

impl deadpool_postgres::Connect for Hosts {
    fn connect(&self, _: &Config) -> Pin<Box<dyn Future<Output = Connected> + Send>> {
        let (each, last, tls) = (self.each.clone(), self.last.clone(), self.tls.clone());
        Box::pin(async move {
            let first = last.load(Ordering::Relaxed);
            let attempts = (first..each.len()).chain(0..first).map(|host| {
                let (each, tls) = (&each, &tls);
                async move { connect(&each[host], tls).await.map(|session| (host, session)) }
            });
            // The pool's own time limit ends attempts that nobody answers. There is a host, or there were no URL.
            match dial::first_to_succeed(attempts).await {
                Ok((host, (client, connection))) => {
                    last.store(host, Ordering::Relaxed);
                    let task = tokio::spawn(async move {
                        if let Err(error) = connection.await {
                            tracing::debug!(error = %error, "a connection to the database ended");
                        }
                    });
                    Ok((client, task))
                }
                Err(Some(error)) => Err(error),
                Err(None) => std::future::pending().await,
            }
        })
    }
}

/// Connects to one host. Where encryption is only preferred and does not come about, without it, as libpq does.
async fn connect(config: &Config, tls: &MakeRustlsConnect) -> Result<Session, tokio_postgres::Error> {
    static TOLD: Once = Once::new();
    match connect_as_told(config, tls).await {
        Err(error) if config.get_ssl_mode() == SslMode::Prefer && refuses_encryption(&error) => {
            let mut plain = config.clone();
            plain.ssl_mode(SslMode::Disable);
            let Ok(session) = connect_as_told(&plain, tls).await else { return Err(error) };
            TOLD.call_once(|| {
                tracing::warn!(
                    error = %chain(&error),
                    "what goes to the database and back is not encrypted: TLS failed, and sslmode=prefer goes on without; \
                     sslmode=require would not"
                );
            });
            Ok(session)
        }
        connected => connected,
    }
}

/// Whether a server may take without TLS what it did not take with it: the handshake failed, or `pg_hba.conf` is against
/// TLS. The driver keeps to itself which kind an error is, and says it in words only.
fn refuses_encryption(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
        || error.to_string().starts_with("error performing TLS handshake")
}

/// By whichever of the host's addresses is ready first: TLS and the password included, because a server may fail at any
/// of them.
async fn connect_as_told(config: &Config, tls: &MakeRustlsConnect) -> Result<Session, tokio_postgres::Error> {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let addresses = match (config.get_hosts().first(), config.get_hostaddrs()) {
        (Some(Host::Tcp(name)), []) => {
            lookup_host((name.as_str(), port)).await.map_or_else(|_| Vec::new(), Vec::from_iter)
        }
        _ => Vec::new(),
    };
    connect_to(addresses, config, tls).await
}

async fn connect_to(
    addresses: Vec<SocketAddr>,
    config: &Config,
    tls: &MakeRustlsConnect,
) -> Result<Session, tokio_postgres::Error> {
    let attempts = dial::interleaved(addresses).into_iter().map(|address| {
        let mut config = config.clone();
        config.hostaddr(address.ip());
        let tls = tls.clone();
        async move { config.connect(tls).await }
    });
    match dial::first_to_succeed(attempts).await {
        Ok(connected) => Ok(connected),
        Err(Some(error)) => Err(error),
        // It is a socket or an address, or a name without one: then the driver says so.
        Err(None) => config.connect(tls.clone()).await,
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

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::{Duration, timeout},
    };

    use super::{super::tls, *};

    /// The machine's own names have one address each, so the addresses are given here.
    #[tokio::test]
    async fn a_first_address_that_takes_the_connection_and_says_nothing_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.2:0").await.expect("a free port");
        let port = silent.local_addr().expect("an address").port();
        let willing = TcpListener::bind(("127.0.0.1", port)).await.expect("a free address");
        tokio::spawn(async move {
            let (mut stream, _) = willing.accept().await.expect("a connection");
            let mut length = [0; 4];
            stream.read_exact(&mut length).await.expect("a start-up message");
            let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
            stream.read_exact(&mut rest).await.expect("a start-up message");
            // Authenticated, and ready for a query.
            stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await.expect("written");
            std::future::pending::<()>().await
        });
        let mut config = Config::new();
        config.host("database.example").port(port).user("roster").ssl_mode(tokio_postgres::config::SslMode::Disable);
        let addresses = ["127.0.0.2", "127.0.0.1"].map(|ip| SocketAddr::new(ip.parse().expect("an address"), port));
        let tls = MakeRustlsConnect::new(tls::config(tls::Verify::Nothing, None).expect("TLS"));
        let connected = timeout(Duration::from_secs(30), connect_to(addresses.into(), &config, &tls)).await;
        assert!(connected.expect("in time").is_ok());
    }
}
