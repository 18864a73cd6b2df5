//! What a connection's stream and its requests know of each other: who is waited for, and what was left unread.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{
    Request, Response,
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    header::{CONNECTION, EXPECT, HeaderValue},
};
use tokio::time::timeout;

use super::stop::Stop;

/// The most bytes of a body that nobody has read which are read before the answer, so that the connection can stay.
const SMALL: u64 = 64 * 1024;

/// How long they may take: they are on their way with the head, or the client is slow and the answer does not wait.
const BRIEF: Duration = Duration::from_millis(100);

/// A connection, as its stream and its requests share it.
///
/// All of it is touched by one task, so nothing here orders anything between threads.
pub(super) struct Link {
    state: AtomicU8,
    /// Some of a body is still to come, and nobody reads it.
    unread: AtomicBool,
    /// The body of the request under way, if its handler did not read it to its end.
    left: Mutex<Option<Incoming>>,
    /// Whether the first answer is the last.
    once: bool,
    stop: Stop,
}

/// A request's head is waited for.
const WAITING: u8 = 0;
/// A request is under way.
const ASKED: u8 = 1;
/// All of its answer was given to hyper, which may still have to send it.
const ANSWERED: u8 = 2;

impl Link {
    pub(super) fn new(once: bool, stop: Stop) -> Arc<Self> {
        let (state, unread) = (AtomicU8::new(WAITING), AtomicBool::new(false));
        Arc::new(Self { state, unread, left: Mutex::default(), once, stop })
    }

    /// Whether a request's head is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        self.state.load(Ordering::Relaxed) == WAITING
    }

    /// Told that everything hyper had to send was sent. Returns whether an answer ended with that.
    pub(super) fn sent(&self) -> bool {
        let ended = self.state.load(Ordering::Relaxed) == ANSWERED;
        if ended {
            self.state.store(WAITING, Ordering::Relaxed);
        }
        ended
    }

    /// Whether the client may still be sending a body that nobody reads.
    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether the server is closing its connections.
    pub(super) fn is_closing(&self) -> bool {
        self.stop.is_closing()
    }

    /// Waits until the server is closing its connections.
    pub(super) fn closing(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.closing()
    }

    /// Answers a request by a handler, and sees to it that the answer says whether the connection ends with it.
    pub(super) fn answer<H, F>(
        self: &Arc<Self>,
        request: Request<Incoming>,
        handler: &H,
    ) -> impl Future<Output = Response<Answer>> + Send + use<H, F>
    where
        H: Fn(Request<Body>) -> F,
        F: Future<Output = Response<Body>> + Send,
    {
        self.state.store(ASKED, Ordering::Relaxed);
        let (head, incoming) = request.into_parts();
        let asks_first = !incoming.is_end_stream() && head.headers.contains_key(EXPECT);
        let body = match incoming.is_end_stream() {
            true => Body::empty(),
            false => Body::new(Arriving { incoming: Some(incoming), link: self.clone() }),
        };
        let answer = handler(Request::from_parts(head, body));
        let link = self.clone();
        async move {
            let mut response = answer.await;
            link.settle(&mut response, asks_first).await;
            response.map(|body| Answer { body, _link: Given(link) })
        }
    }

    /// Reads what is left of a small body, so that the next request can follow. Where that is not to be had the
    /// connection ends with the answer, which then has to say so (RFC 9112 §9.6): a client that keeps connections
    /// would lose its next request on it.
    async fn settle(&self, response: &mut Response<Body>, asks_first: bool) {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut ends = self.once || self.stop.is_leaving();
        if let Some(left) = left {
            let small = left.size_hint().upper().is_some_and(|bytes| bytes <= SMALL);
            // Whoever asks before sending would be told to go on, only to have it thrown away.
            let worth_it = small && !ends && !asks_first && !response.headers().contains_key(CONNECTION);
            let read = worth_it && timeout(BRIEF, discard(left)).await.is_ok_and(|read| read);
            self.unread.store(!read, Ordering::Relaxed);
            ends |= !read;
        }
        if ends {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Reads a body to its end. `false`: it broke off.
async fn discard(mut body: Incoming) -> bool {
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}

/// The body of a request. What is not read of it goes back to the connection.
struct Arriving {
    incoming: Option<Incoming>,
    link: Arc<Link>,
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let poll = Pin::new(incoming).poll_frame(context);
        if let Poll::Ready(None) = poll {
            self.incoming = None;
        }
        poll
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) {
            *self.link.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(incoming);
        }
    }
}

/// The body of an answer, which tells the connection when all of it was given to hyper.
pub(super) struct Answer {
    body: Body,
    _link: Given,
}

struct Given(Arc<Link>);

impl Drop for Given {
    fn drop(&mut self) {
        self.0.state.store(ANSWERED, Ordering::Relaxed);
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
