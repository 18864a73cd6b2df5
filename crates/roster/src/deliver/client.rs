//! HTTP to somebody outside: whom it may reach is decided after the name was resolved, at every connection; and what
//! comes back is limited in size and time.

use std::{
    error::Error as StdError,
    fmt, io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Uri,
    body::Incoming,
    header::{DATE, HeaderName, RETRY_AFTER},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use roster_store::dial;
use rustls::{ClientConfig, RootCertStore};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tower::Service;
use url::Host;

use super::{address::Inside, names::Names};

/// Names that one client looks up at once. Each takes two sockets while the name server says nothing.
const LOOKUPS: usize = 16;

/// The longest that we wait because somebody outside says so.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How much somebody outside may take of us.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the addresses of a name.
    pub lookup: Duration,
    /// For a connection, lookup and TLS included.
    pub connect: Duration,
    /// For all of a request and its answer.
    pub exchange: Duration,
    /// Bytes of an answer's body that are read; what comes after them, or after the time, is left.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let lookup = Duration::from_secs(3);
        Self { lookup, connect: Duration::from_secs(5), exchange: Duration::from_secs(15), body: 64 * 1024 }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    /// Its status. A redirect is an answer like any other: nobody follows it.
    pub status: u16,
    /// How long to wait, if it says so, in seconds or by a date; at most a day.
    pub retry_after: Option<Duration>,
    /// Its body, as far as it is read.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing of the request left.
    NotSent(Why),
    /// The request, or some of it, may have arrived.
    Unknown(Why),
}

/// What went wrong, in words that are all ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each says itself")]
pub enum Why {
    Inside,
    NoSuchName,
    NameTimeout,
    NotConnected,
    NoTls,
    ConnectTimeout,
    Timeout,
    Lost,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Inside => "the address may not be reached: it is inside, or not https on port 443",
            Why::NoSuchName => "the name has no address",
            Why::NameTimeout => "the name servers did not say which address the name has",
            Why::NotConnected => "no connection",
            Why::NoTls => "no TLS connection",
            Why::ConnectTimeout => "no connection in time",
            Why::Timeout => "no answer in time",
            Why::Lost => "the connection was lost before the answer",
        })
    }
}

impl StdError for Why {}

/// Sends requests. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    client: legacy::Client<Timed, Full<Bytes>>,
    limits: Limits,
    tls: Arc<ClientConfig>,
    guarded: Guarded,
    idle: usize,
}

impl Client {
    /// For addresses that somebody with a key named: only outside, and where the operator lets them inside. Connections
    /// are kept for a while.
    pub fn guarded(inside: Inside, names: Names, limits: Limits) -> io::Result<Self> {
        Ok(Self::new(Arc::new(tls()?), Guarded::new(Some(Arc::new(inside)), names, limits), limits, 4))
    }

    /// For the address that the operator named: anywhere. Every request has a connection of its own, so that one that
    /// was not made is one that nothing was sent on.
    pub fn trusted(names: Names, limits: Limits) -> io::Result<Self> {
        Ok(Self::new(Arc::new(tls()?), Guarded::new(None, names, limits), limits, 0))
    }

    /// The same for somebody else: with connections and lookups of their own, which nobody else's can use up.
    pub fn for_another(&self) -> Self {
        let guarded = Guarded::new(self.guarded.inside.clone(), self.guarded.names.clone(), self.limits);
        Self::new(self.tls.clone(), guarded, self.limits, self.idle)
    }

    fn new(tls: Arc<ClientConfig>, guarded: Guarded, limits: Limits, idle: usize) -> Self {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(ClientConfig::clone(&tls))
            .https_or_http()
            .enable_http1()
            .wrap_connector(guarded.clone());
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(idle)
            .pool_idle_timeout(Duration::from_secs(30))
            .retry_canceled_requests(false)
            .http1_max_buf_size(16 * 1024)
            .build(Timed { https, limit: limits.connect });
        Self { client, limits, tls, guarded, idle }
    }

    /// Sends a request and waits for its answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Reply, Trouble> {
        let deadline = Instant::now() + self.limits.exchange;
        let answer = timeout_at(deadline, self.client.request(request)).await;
        let answer = answer.map_err(|_| Trouble::Unknown(Why::Timeout))?.map_err(|error| trouble(&error))?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(answer.headers()));
        let body = self.read(answer.into_body(), deadline).await;
        Ok(Reply { status, retry_after, body })
    }

    /// The status says what became of the request: a body that breaks off, or does not end, takes nothing of it back.
    async fn read(&self, mut body: Incoming, deadline: Instant) -> Bytes {
        let mut read = BytesMut::new();
        while let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await {
            let Ok(data) = frame.into_data() else { continue };
            let room = self.limits.body - read.len();
            read.extend_from_slice(&data[..data.len().min(room)]);
            if read.len() == self.limits.body {
                break;
            }
        }
        read.freeze()
    }
}

/// TLS 1.2 and 1.3 with those whom this machine trusts. A machine that trusts nobody, a container without certificates
/// most likely, still serves: only nothing is delivered over TLS.
fn tls() -> io::Result<ClientConfig> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!(errors = ?found.errors, "this machine trusts no certifier: nothing is delivered over https");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth())
}

/// Seconds, or a date (RFC 9110 §10.2.3), which we count from the answer's own: whoever wrote both has one clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    let date = |text| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp());
    let after = text(RETRY_AFTER)?;
    let wait = match after.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::try_from(date(after)?.duration_since(date(text(DATE)?)?)).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_WAIT))
}

fn trouble(error: &legacy::Error) -> Trouble {
    if !error.is_connect() {
        return Trouble::Unknown(Why::Lost);
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(why) = error.downcast_ref::<Why>() {
            return Trouble::NotSent(*why);
        }
        cause = error.source();
    }
    Trouble::NotSent(Why::NoTls)
}

type BoxError = Box<dyn StdError + Send + Sync>;

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// A connector with a time limit, TLS included.
#[derive(Clone)]
struct Timed {
    https: HttpsConnector<Guarded>,
    limit: Duration,
}

impl Service<Uri> for Timed {
    type Response = <HttpsConnector<Guarded> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        let limit = self.limit;
        Box::pin(async move { timeout(limit, connecting).await.unwrap_or_else(|_| Err(Why::ConnectTimeout.into())) })
    }
}

/// A connector that looks at every address before it connects to it, names and literals alike.
#[derive(Clone)]
struct Guarded {
    inside: Option<Arc<Inside>>,
    names: Names,
    lookups: Arc<Semaphore>,
    /// How long each may take.
    lookup: Duration,
}

impl Guarded {
    fn new(inside: Option<Arc<Inside>>, names: Names, limits: Limits) -> Self {
        Self { inside, names, lookups: Arc::new(Semaphore::new(LOOKUPS)), lookup: limits.lookup }
    }

    async fn connect(&self, uri: &Uri) -> Result<TcpStream, Why> {
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let addresses = match Host::parse(uri.host().unwrap_or_default()).map_err(|_| Why::NoSuchName)? {
            Host::Ipv4(ip) => vec![ip.into()],
            Host::Ipv6(ip) => vec![ip.into()],
            Host::Domain(name) => {
                let _one_of_so_many = self.lookups.acquire().await;
                timeout(self.lookup, self.names.addresses(&name)).await.map_err(|_| Why::NameTimeout)??
            }
        };
        let may = |ip: &IpAddr| self.inside.as_ref().is_none_or(|inside| inside.may_reach(*ip, https, port));
        let allowed = addresses.into_iter().filter(may).map(|ip| SocketAddr::new(ip, port));
        let attempts = dial::interleaved(allowed).into_iter().map(TcpStream::connect);
        let connected = dial::first_to_succeed(attempts).await;
        connected.map_err(|error| error.map_or(Why::Inside, |_| Why::NotConnected))
    }
}

impl Service<Uri> for Guarded {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let guarded = self.clone();
        Box::pin(async move {
            let stream = guarded.connect(&uri).await?;
            // A request is written whole: waiting to fill a segment only delays it.
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_seconds_or_by_a_date() {
        const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        let told = |after: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, NOW.parse().expect("a value"));
            headers.insert(RETRY_AFTER, after.parse().expect("a value"));
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        for (after, wait) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("86401", Some(86_400)),
            ("18446744073709551615", Some(86_400)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("Fri, 06 Nov 9994 08:49:37 GMT", None), // no such day: it is a Sunday
            ("Sat, 06 Nov 2094 08:49:37 GMT", Some(86_400)),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(told(after), wait, "{after}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
        let only_after = HeaderMap::from_iter([(RETRY_AFTER, NOW.parse().expect("a value"))]);
        assert_eq!(retry_after(&only_after), None, "by whose clock?");
    }
}
