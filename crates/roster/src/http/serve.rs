//! From a listening socket to the requests on it: connections are accepted, limited, timed and, at the end, drained.
//!
//! Our own loop on hyper, because `axum::serve` sets no time limit on a request's head (four forms of slow-loris stayed
//! open on it), has no cap on connections and no deadline on its drain.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{Instant, Sleep},
};
use tokio_rustls::TlsAcceptor;

use crate::telemetry::Metrics;

/// The most bytes the head of a request may have. hyper answers 431 to more.
const MAX_HEAD: usize = 16 * 1024;

/// What is read and written of a connection at once, and kept for it; hyper takes no less.
const _: () = assert!(MAX_HEAD >= 8_192);

/// The most header fields a request may have. hyper answers 431 to more.
const MAX_FIELDS: usize = 100;

/// How a listener treats its connections.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; more are told 503 and closed.
    pub connections: u32,
    /// For the head of a request, for a TLS handshake, for the client to take an answer, and between requests.
    pub timeout: Duration,
    /// For requests under way once the server is told to stop.
    pub drain: Duration,
}

/// Serves until `stop` becomes true, then lets requests under way finish, until the drain's deadline.
pub async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
    handler: H,
) where
    H: Fn(Request<Body>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limits.connections as usize));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.timeout).max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);

    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: let some connections end.
                tracing::warn!(error = %error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            metrics.refused();
            tokio::spawn(turn_away(stream, tls.is_some(), limits.timeout));
            continue;
        };
        // Answers are written whole: waiting to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "cannot set TCP_NODELAY");
        }
        let connected = metrics.connected();
        let handler = handler.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = handler(request.map(Body::new));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let http = http.clone();
        let watcher = graceful.watcher();
        let tls = tls.clone();
        let timeout = limits.timeout;
        tokio::spawn(async move {
            let ended = match tls {
                None => watcher.watch(http.serve_connection(timed(stream, timeout), service)).await,
                Some(tls) => match tokio::time::timeout(timeout, tls.accept(stream)).await {
                    Ok(Ok(stream)) => watcher.watch(http.serve_connection(timed(stream, timeout), service)).await,
                    Ok(Err(_)) | Err(_) => Ok(()),
                },
            };
            if let Err(error) = ended {
                tracing::debug!(error = %error, "a connection ended early");
            }
            drop((slot, connected));
        });
    }

    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time; their connections are cut");
    }
}

/// Says 503 to a connection that is one too many. Over TLS it is closed without a word: a handshake costs too much.
async fn turn_away(mut stream: TcpStream, tls: bool, timeout: Duration) {
    const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\
        Content-Length: 43\r\nConnection: close\r\n\r\n{\"error\":\"Service temporarily unavailable\"}";
    if !tls {
        // The client may not care to hear it.
        drop(tokio::time::timeout(timeout.min(Duration::from_secs(1)), stream.write_all(BUSY)).await);
    }
}

/// Binds a TCP address. Fails with a sentence that says which.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| anyhow::anyhow!("cannot listen on {address}: {error}"))
}

fn timed<S>(stream: S, timeout: Duration) -> TokioIo<TimedWrites<S>> {
    TokioIo::new(TimedWrites { stream, timeout, stuck_until: None })
}

/// A stream that fails when the other side takes nothing of what is written to it for too long.
struct TimedWrites<S> {
    stream: S,
    timeout: Duration,
    stuck_until: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedWrites<S> {
    fn timed<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stuck_until = None;
            return poll;
        }
        let deadline = Instant::now() + self.timeout;
        let sleep = self.stuck_until.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedWrites<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedWrites<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.timed(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.timed(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.timed(context, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.timed(context, poll)
    }
}
