//! Names are looked up without a thread each, so that name servers which say nothing hold up nobody.
//!
//! The C library's `getaddrinfo` cannot be given up: each call holds one of the runtime's blocking threads for ten seconds
//! and more, and searches need those, too.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::{
    Hosts, Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    lookup::Lookup,
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
    system_conf::read_system_conf,
};
use tokio::time::sleep;

use super::client::Why;

/// How long one question is asked, four times at most. Whoever looks a name up gives up before that.
const QUESTION: Duration = Duration::from_secs(30);

/// How long one family's answer waits for the other's (RFC 8305 §3).
const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Addresses of one name that are tried. A name server may answer with thousands.
const MOST: usize = 16;

/// What looks names up. Cheap to clone.
#[derive(Clone)]
pub struct Names {
    resolver: Arc<TokioResolver>,
    /// `/etc/hosts`: what it names is not asked for.
    hosts: Arc<Hosts>,
}

impl Names {
    /// Asks these name servers, by UDP and TCP; those of `/etc/resolv.conf` where none is given. That file and
    /// `/etc/hosts` are read now and not again.
    pub fn asking(servers: &[SocketAddr]) -> io::Result<Self> {
        let (config, mut options) = match servers {
            [] => read_system_conf().unwrap_or_else(|error| {
                // As the C library does without one.
                tracing::warn!(%error, "cannot read /etc/resolv.conf: names are asked for on this machine");
                (of(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 53))]), ResolverOpts::default())
            }),
            servers => (of(servers), ResolverOpts::default()),
        };
        options.timeout = QUESTION;
        options.attempts = 1;
        options.use_hosts_file = ResolveHosts::Never; // we do
        let builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options);
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver: Arc::new(resolver), hosts: Arc::new(Hosts::from_system().unwrap_or_default()) })
    }

    /// The addresses of a name, at most sixteen. Whether they may be reached, and how long to wait, is for others to say.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, Why> {
        let name = Name::from_utf8(name).map_err(|_| Why::NoSuchName)?;
        let mut found = self.in_hosts(&name);
        if found.is_empty() {
            found = self.ask(&name).await?;
        }
        found.truncate(MOST);
        if found.is_empty() { Err(Why::NoSuchName) } else { Ok(found) }
    }

    fn in_hosts(&self, name: &Name) -> Vec<IpAddr> {
        let of_kind = |kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind));
        [RecordType::AAAA, RecordType::A].into_iter().filter_map(of_kind).flat_map(|found| ips(&found)).collect()
    }

    /// Asks for both families at once. Who has one waits a moment for the other, and no longer.
    async fn ask(&self, name: &Name) -> Result<Vec<IpAddr>, Why> {
        let v6 = self.resolver.lookup(name.clone(), RecordType::AAAA);
        let v4 = self.resolver.lookup(name.clone(), RecordType::A);
        let (mut v6, mut v4) = (std::pin::pin!(v6), std::pin::pin!(v4));
        let (first, rest): (_, std::pin::Pin<&mut (dyn Future<Output = _> + Send)>) = tokio::select! {
            found = &mut v6 => (found, v4),
            found = &mut v4 => (found, v6),
        };
        let first = first.map(|found| ips(&found));
        let rest = match &first {
            Ok(_) => tokio::select! {
                found = rest => found,
                () = sleep(RESOLUTION_DELAY) => return first.map_err(|error| why(&error)),
            },
            Err(_) => rest.await,
        };
        match (first, rest.map(|found| ips(&found))) {
            (Ok(first), Ok(rest)) => {
                let (v6, v4): (Vec<_>, Vec<_>) = first.into_iter().chain(rest).partition(IpAddr::is_ipv6);
                // So that what is cut off is not all of one family.
                let half = |ips: Vec<IpAddr>| ips.into_iter().take(MOST / 2);
                Ok(half(v6).chain(half(v4)).collect())
            }
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(error), Err(_)) => Err(why(&error)),
        }
    }
}

fn of(servers: &[SocketAddr]) -> ResolverConfig {
    let server = |address: &SocketAddr| {
        let at_its_port = |mut connection: ConnectionConfig| {
            connection.port = address.port();
            connection
        };
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_its_port);
        NameServerConfig::new(address.ip(), true, connections.into())
    };
    ResolverConfig::from_name_servers(servers.iter().map(server).collect())
}

fn ips(found: &Lookup) -> Vec<IpAddr> {
    found.answers().iter().filter_map(|record| record.data.ip_addr()).collect()
}

fn why(error: &NetError) -> Why {
    match error {
        error if error.is_no_records_found() => Why::NoSuchName,
        _ => Why::NameTimeout,
    }
}
