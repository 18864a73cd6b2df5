//! A connection's bytes, with a time limit on each thing that the other side is waited for.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};
use tokio_rustls::server::TlsStream;

use super::link::Link;

/// How long a new connection has for the first byte of its first request, once the server is closing: its client was
/// told that it is connected, and is about to ask.
const NEWCOMER: Duration = Duration::from_secs(2);

/// The most bytes that are read and thrown away after the last answer.
const DISCARDED: usize = 16 * 1024 * 1024;

/// How long a client that has nothing more to say is waited for after the last answer, until it closes too.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long the other side is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// For a head from its first byte, for the first byte of a first one, for it to take an answer, and for what is
    /// left of a body that nobody reads.
    pub(super) read: Duration,
    /// For the first byte of the next request.
    pub(super) keep_alive: Duration,
}

/// A socket, perhaps with TLS on it.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Asks the kernel whether bytes have arrived. The runtime may not have heard of them yet.
    fn has_arrived(&self) -> bool;
}

impl Socket for TcpStream {
    fn has_arrived(&self) -> bool {
        SockRef::from(self).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|bytes| bytes > 0)
    }
}

impl Socket for TlsStream<TcpStream> {
    fn has_arrived(&self) -> bool {
        self.get_ref().0.has_arrived()
    }
}

/// What is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The first byte of the first request.
    First,
    /// The first byte of another.
    Another,
    /// The rest of a head.
    Head,
}

/// A connection's bytes. A client that keeps us waiting for too long is cut off, and at its end a connection is closed
/// in stages (RFC 9112 §9.6): otherwise what the client is still sending would make the kernel take back the answer.
pub(super) struct Stream<S> {
    socket: S,
    link: Arc<Link>,
    times: Times,
    accepted: Instant,
    next: Next,
    /// When it has to be there; set when it first is not.
    deadline: Option<Instant>,
    /// Fires at the deadline or before it: setting a timer for each request would cost more than looking again.
    timer: Option<Pin<Box<Sleep>>>,
    stuck_until: Option<Pin<Box<Sleep>>>,
    /// Nothing more is to be read: the other side has closed, or was waited for long enough.
    ended: bool,
    farewell: Option<Farewell>,
}

struct Farewell {
    until: Pin<Box<Sleep>>,
    left: usize,
    scratch: Box<[u8]>,
}

impl<S: Socket> Stream<S> {
    pub(super) fn new(socket: S, link: Arc<Link>, times: Times) -> Self {
        Self {
            socket,
            link,
            times,
            accepted: Instant::now(),
            next: Next::First,
            deadline: None,
            timer: None,
            stuck_until: None,
            ended: false,
            farewell: None,
        }
    }

    /// Nothing is there to be read: ends the connection if that has been so for too long.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.link.is_closing() && self.next == Next::Another {
            return self.end();
        }
        ready!(self.too_long(context));
        match self.next {
            Next::Head => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Next::First | Next::Another => self.end(),
        }
    }

    /// Ready once what is read next has been waited for too long.
    fn too_long(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let limit = if self.next == Next::Another { self.times.keep_alive } else { self.times.read };
        let mut deadline = *self.deadline.get_or_insert_with(|| Instant::now() + limit);
        if self.next == Next::First && self.link.is_closing() {
            deadline = deadline.min(self.accepted + NEWCOMER);
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(context));
            if timer.deadline() == deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    /// Ends a connection on which nobody has begun a request, as if the other side had closed it.
    fn end(&mut self) -> Poll<io::Result<()>> {
        if self.socket.has_arrived() {
            // The runtime is about to hear of it.
            return Poll::Pending;
        }
        self.ended = true;
        Poll::Ready(Ok(()))
    }

    fn timed<T>(&mut self, context: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.stuck_until = None;
            return poll;
        }
        let deadline = Instant::now() + self.times.read;
        let sleep = self.stuck_until.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: Socket> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.socket).poll_read(context, buffer);
        match poll {
            Poll::Ready(Ok(())) if buffer.filled().len() == before => self.ended = true,
            Poll::Ready(Ok(())) if self.next != Next::Head && self.link.is_waiting() => {
                self.next = Next::Head;
                self.deadline = None;
            }
            Poll::Pending if self.link.is_waiting() => return self.wait(context),
            _ => {}
        }
        poll
    }
}

impl<S: Socket> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.timed(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write_vectored(context, bytes);
        self.timed(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.socket).poll_flush(context);
        if matches!(poll, Poll::Ready(Ok(()))) && self.link.sent() {
            self.next = Next::Another;
            self.deadline = None;
            // hyper does not read before it hears that there is something: the time is measured from here.
            if self.link.is_closing() || self.too_long(context).is_ready() {
                context.waker().wake_by_ref();
            }
        }
        self.timed(context, poll)
    }

    /// Says that nothing more is sent, and then reads and throws away what the other side still has to say.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.farewell.is_none() {
            let poll = Pin::new(&mut this.socket).poll_shutdown(context);
            ready!(this.timed(context, poll))?;
            if this.ended {
                return Poll::Ready(Ok(()));
            }
            // A head that could not be read is in the midst of something, too.
            let sending = this.link.is_unread() || (this.link.is_waiting() && this.next == Next::Head);
            let limit = if sending { this.times.read } else { FAREWELL.min(this.times.read) };
            this.farewell = Some(Farewell {
                until: Box::pin(sleep_until(Instant::now() + limit)),
                left: DISCARDED,
                scratch: vec![0; 8 * 1024].into(),
            });
        }
        let Some(farewell) = &mut this.farewell else { return Poll::Ready(Ok(())) };
        while farewell.until.as_mut().poll(context).is_pending() {
            let mut scratch = ReadBuf::new(&mut farewell.scratch);
            let read = ready!(Pin::new(&mut this.socket).poll_read(context, &mut scratch));
            let bytes = scratch.filled().len();
            if read.is_err() || bytes == 0 || bytes > farewell.left {
                break;
            }
            farewell.left -= bytes;
        }
        Poll::Ready(Ok(()))
    }
}
