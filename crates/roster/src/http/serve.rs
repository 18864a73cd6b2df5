//! From a listening socket to the requests on it: connections are accepted, limited, timed and, at the end, drained.
//!
//! Our own loop on hyper, because `axum::serve` sets no time limit on a request's head (four forms of slow-loris stayed
//! open on it), has no cap on connections and no deadline on its drain.

mod head;
mod link;
mod places;
mod stop;
mod stream;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::body::Body;
use hyper::{
    Request, Response, StatusCode,
    header::{HeaderValue, RETRY_AFTER, STRICT_TRANSPORT_SECURITY},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;

use super::plain_json;
use crate::{config::Listen, telemetry::Metrics};

pub(crate) use places::network_of;
pub use stop::Stop;

use link::Link;
use places::Places;
use stream::{Socket, Stream, Times};

/// The most bytes the head of a request may have. hyper answers 431 to more.
const MAX_HEAD: usize = 16 * 1024;

/// What is read and written of a connection at once, and kept for it; hyper takes no less.
const _: () = assert!(MAX_HEAD >= 8_192);

/// The most header fields a request may have. hyper answers 431 to more.
const MAX_FIELDS: usize = 100;

/// Connections over the limit that are still told 503, or answered what is vital, and then closed. Those over this are
/// closed unread.
const RESERVE: u32 = 256;

/// How many percent of the reserve one address may have.
const RESERVE_SHARE: u32 = 50;

/// For how long a browser that was once served over TLS asks in no other way (RFC 6797).
const ONE_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// How long each thing may take on a connection of the reserve.
const RESERVE_TIME: Duration = Duration::from_secs(5);

/// How a listener treats its connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more are told 503 and closed.
    pub connections: u32,
    /// How many percent of them one address may have.
    pub share: u32,
    /// Whose connections are those of many clients: no share is counted for them.
    pub proxies: Arc<[IpNet]>,
    /// For the head of a request, for a TLS handshake, and for the client to take an answer.
    pub timeout: Duration,
    /// Between requests.
    pub keep_alive: Duration,
    /// For what has arrived to be answered, once connections are to close.
    pub drain: Duration,
}

/// Serves until it is told to close, then answers what has arrived, until the drain's deadline.
///
/// `vital` says which requests are answered even where there is no place for their connection.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    metrics: Arc<Metrics>,
    stop: Stop,
    vital: fn(&Request<Body>) -> bool,
    handler: H,
) where
    H: Fn(Request<Body>, IpAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Places::new(limits.connections, limits.share);
    let reserve = Places::new(RESERVE, RESERVE_SHARE);
    let mut http = http1::Builder::new();
    let is_tls = tls.is_some();
    // The time limits are the stream's: hyper's own for a head would also count the time between requests.
    http.header_read_timeout(None).max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    // Each connection holds a sender: the channel ends with the last of them.
    let (open, mut all_closed) = mpsc::channel::<Infallible>(1);

    let admit = |stream: TcpStream, peer: SocketAddr| {
        let peer = peer.ip().to_canonical();
        let counted = Some(peer).filter(|peer| !limits.proxies.iter().any(|network| network.contains(peer)));
        let mut times = Times { read: limits.timeout, keep_alive: limits.keep_alive };
        let place = places.take(counted);
        let connected = place.as_ref().map(|_| metrics.connected());
        let over = place.is_none();
        if over {
            metrics.refused();
            times.read = times.read.min(RESERVE_TIME);
        }
        let Some(place) = place.or_else(|| reserve.take(counted)) else { return };
        // Answers are written whole: waiting to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "cannot set TCP_NODELAY");
        }
        let handler = handler.clone();
        let handler = move |request: Request<Body>| {
            let refusal = head::refusal(&request).or_else(|| (over && !vital(&request)).then(too_many_connections));
            let answer = match refusal {
                Some(refusal) => Err(refusal),
                None => Ok(handler(request, peer)),
            };
            async move {
                let mut response = match answer {
                    Ok(answer) => answer.await,
                    Err(refusal) => refusal,
                };
                if is_tls {
                    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, ONE_YEAR);
                }
                response
            }
        };
        let link = Link::new(over, stop.clone());
        let (http, tls, open) = (http.clone(), tls.clone(), open.clone());
        tokio::spawn(async move {
            let ended = match tls {
                None => converse(stream, http, link, times, handler).await,
                Some(tls) => match timeout(times.read, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, http, link, times, handler).await,
                    Ok(Err(_)) | Err(_) => Ok(()),
                },
            };
            if let Err(error) = ended {
                tracing::debug!(error = %error, "a connection ended early");
            }
            drop((place, connected, open));
        });
    };

    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.closing() => break,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer),
            Err(error) => {
                // Out of file descriptors, most likely: let some connections end.
                tracing::warn!(error = %error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    let deadline = Instant::now() + limits.drain;
    close(listener, admit).await;
    drop(open);
    if timeout_at(deadline, all_closed.recv()).await.is_err() {
        tracing::warn!("some requests did not end in time; their connections are cut");
    }
}

/// Reads requests and writes their answers until the connection ends.
async fn converse<S, H, F>(
    socket: S,
    http: http1::Builder,
    link: Arc<Link>,
    times: Times,
    handler: H,
) -> hyper::Result<()>
where
    S: Socket,
    H: Fn(Request<Body>) -> F,
    F: Future<Output = Response<Body>> + Send,
{
    let closing = link.closing();
    let stream = Stream::new(socket, link.clone(), times);
    let service = service_fn(move |request| {
        let answer = link.answer(request, &handler);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = &mut connection => ended,
        // The stream sees to the rest, as soon as somebody polls it.
        () = closing => connection.await,
    }
}

/// Closes a listener without losing whoever is connected already: closing it resets what nobody has accepted yet.
async fn close(listener: TcpListener, admit: impl Fn(TcpStream, SocketAddr)) {
    /// Handshakes that are under way come to their end within this.
    const QUIET: Duration = Duration::from_millis(100);
    const MOST: Duration = Duration::from_secs(1);
    refuse_new_ones(&listener);
    let deadline = Instant::now() + MOST;
    while let Ok(Ok((stream, peer))) = timeout_at(deadline.min(Instant::now() + QUIET), listener.accept()).await {
        admit(stream, peer);
    }
}

/// Lets no new handshake begin: whoever tries meanwhile tries again a second later, and is refused by then.
fn refuse_new_ones(listener: &TcpListener) {
    #[cfg(target_os = "linux")]
    {
        use socket2::{SockFilter, SockRef};
        // Of a TCP packet, load the byte with the flags; where SYN is among them take nothing of it, else all of it.
        let without_syn =
            [SockFilter::new(0x30, 0, 0, 13), SockFilter::new(0x45, 0, 1, 0x02), SockFilter::new(0x06, 0, 0, 0)];
        let all_else = [SockFilter::new(0x06, 0, 0, u32::MAX)];
        let program: Vec<_> = without_syn.into_iter().chain(all_else).collect();
        if let Err(error) = SockRef::from(listener).attach_filter(&program) {
            tracing::debug!(error = %error, "cannot keep new connections away while the listener closes");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = listener;
}

/// 503 for a connection that is one too many.
fn too_many_connections() -> Response<Body> {
    let mut response = plain_json(StatusCode::SERVICE_UNAVAILABLE, br#"{"error":"Service temporarily unavailable"}"#);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Takes an address to listen on. Fails with a sentence that says which, and what to do.
pub async fn bind(listen: &Listen, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind((listen.host.as_str(), listen.port)).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => format!("; name another port with {flag}"),
            io::ErrorKind::PermissionDenied => format!("; name a port above 1023 with {flag}"),
            _ => format!("; name an address of this machine with {flag}"),
        };
        anyhow::anyhow!("cannot listen on {listen}: {error}{advice}")
    })
}

/// Takes the first port of this machine, from the usual one on, that is free.
pub async fn bind_to_a_free_port() -> anyhow::Result<TcpListener> {
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AddrInUse;
    for port in Listen::PORT..Listen::PORT + 100 {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Err(error) if taken(&error) => {}
            Err(_) => break,
            Ok(listener) => return Ok(listener),
        }
    }
    bind(&Listen::here(Listen::PORT), "--listen").await
}
