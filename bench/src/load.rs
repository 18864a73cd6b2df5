//! The load generator: one thread, many keep-alive connections, HTTP/1.1 written and read by hand.
//!
//! It shares the machine with what it measures, so it costs as little as it can: a read and a write a request. It is
//! not lenient: the first answer that is not the one expected ends the run.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token, Waker, net::TcpStream};

use crate::process::cpu_time;

/// How long the server may say nothing before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) connections: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) pace: Pace,
    /// Stops after so many answers, whatever the time.
    pub(crate) most: u64,
}

/// When the next request is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// When the one before it on the same connection was answered.
    Closed,
    /// When it is due, so many a second; what waits for a free connection is late, and its latency says so.
    Open(u32),
}

/// What is sent and what must come back.
#[derive(Default)]
pub(crate) struct Exchange {
    /// The whole request.
    pub(crate) request: Vec<u8>,
    /// What the body of the 200 starts with.
    pub(crate) expected: Vec<u8>,
}

/// Makes the next request.
pub(crate) type Asker<'a> = dyn FnMut(&mut Exchange) + 'a;

/// What came of it.
pub(crate) struct Outcome {
    /// Answers in the measured time.
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    /// In nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// User and system time of the server in that time, and the generator's own.
    pub(crate) server_cpu: Duration,
    pub(crate) own_cpu: Duration,
}

impl Outcome {
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64()
    }

    /// Microseconds that a share of the answers took at most.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    pub(crate) fn server_cpu_us(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.answers.max(1) as f64
    }

    pub(crate) fn own_cpu_us(&self) -> f64 {
        self.own_cpu.as_secs_f64() * 1e6 / self.answers.max(1) as f64
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>9.0}/s  p50 {:>7.0}  p99 {:>7.0}  p99.9 {:>7.0} µs  server {:>5.1} µs CPU, generator {:.1}",
            self.per_second(),
            self.quantile_us(0.5),
            self.quantile_us(0.99),
            self.quantile_us(0.999),
            self.server_cpu_us(),
            self.own_cpu_us()
        )
    }
}

/// Loads the server `pid` at `address` as planned.
pub(crate) fn run(plan: &Plan, address: SocketAddr, pid: u32, ask: &mut Asker<'_>) -> anyhow::Result<Outcome> {
    let waker_token = Token(plan.connections);
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), waker_token)?;
    let mut connections = Vec::with_capacity(plan.connections);
    for token in 0..plan.connections {
        let stream = std::net::TcpStream::connect(address).context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut connection = Connection::new(TcpStream::from_std(stream));
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut connection.stream, Token(token), interest)?;
        connections.push(connection);
    }

    let begin = Instant::now();
    let pacer = Pacer { released: AtomicU64::new(0), stop: AtomicBool::new(false) };
    std::thread::scope(|scope| {
        if let Pace::Open(a_second) = plan.pace {
            let (pacer, waker) = (&pacer, &waker);
            scope.spawn(move || pacer.run(begin, a_second, waker));
        }
        let mut run = Run {
            plan,
            begin,
            pid,
            ask,
            idle: (0..connections.len()).rev().collect(),
            connections,
            issued: 0,
            answered: 0,
            window: None,
            outcome: None,
            latency: Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sensible bounds"),
        };
        let done = run.drive(&mut poll, &pacer.released);
        pacer.stop.store(true, Ordering::Relaxed);
        done?;
        run.outcome.context("the run ended before it was measured")
    })
}

/// Releases requests when they are due, from a thread that sleeps more precisely than a poll waits.
struct Pacer {
    released: AtomicU64,
    stop: AtomicBool,
}

impl Pacer {
    fn run(&self, begin: Instant, a_second: u32, waker: &Waker) {
        let mut released = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let next = begin + due(released, a_second);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            let elapsed = begin.elapsed();
            while due(released, a_second) <= elapsed {
                released += 1;
            }
            self.released.store(released, Ordering::Release);
            if waker.wake().is_err() {
                return;
            }
        }
    }
}

fn due(nth: u64, a_second: u32) -> Duration {
    Duration::from_nanos(nth * 1_000_000_000 / u64::from(a_second))
}

/// The measured time.
struct Window {
    start: Instant,
    server_cpu: Duration,
    own_cpu: Duration,
}

struct Run<'a, 'b> {
    plan: &'a Plan,
    begin: Instant,
    pid: u32,
    ask: &'a mut Asker<'b>,
    connections: Vec<Connection>,
    /// Connections with nothing under way.
    idle: Vec<usize>,
    issued: u64,
    answered: u64,
    window: Option<Window>,
    outcome: Option<Outcome>,
    latency: Histogram<u64>,
}

impl Run<'_, '_> {
    fn drive(&mut self, poll: &mut Poll, released: &AtomicU64) -> anyhow::Result<()> {
        let mut events = Events::with_capacity(1_024);
        let mut heard = Instant::now();
        loop {
            self.watch_the_clock()?;
            if self.outcome.is_some() && self.idle.len() == self.connections.len() {
                return Ok(());
            }
            self.issue(released)?;
            // A processor that sleeps while the one request is under way wakes up late: that would be most of its time.
            let wait = if self.plan.connections == 1 { Duration::ZERO } else { Duration::from_millis(5) };
            match poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            if !events.is_empty() {
                heard = Instant::now();
            }
            ensure!(heard.elapsed() < PATIENCE, "no answer for {PATIENCE:?}");
            for event in &events {
                let nth = event.token().0;
                if nth == self.connections.len() {
                    continue;
                }
                let connection = &mut self.connections[nth];
                if connection.under_way && connection.progress()? {
                    self.answered(nth)?;
                }
            }
        }
    }

    fn answered(&mut self, nth: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[nth];
        let now = Instant::now();
        self.answered += 1;
        if self.window.is_some() && self.outcome.is_none() {
            let nanos = now.saturating_duration_since(connection.since).as_nanos();
            self.latency.saturating_record(nanos as u64);
        }
        connection.under_way = false;
        match self.plan.pace {
            // At once, without the detour of the list.
            Pace::Closed if self.outcome.is_none() => connection.send(self.ask, now),
            _ => {
                self.idle.push(nth);
                Ok(())
            }
        }
    }

    fn issue(&mut self, released: &AtomicU64) -> anyhow::Result<()> {
        if self.outcome.is_some() {
            return Ok(());
        }
        let released = match self.plan.pace {
            Pace::Closed => u64::MAX,
            Pace::Open(_) => released.load(Ordering::Acquire),
        };
        while self.issued < released {
            let Some(nth) = self.idle.pop() else { break };
            let since = match self.plan.pace {
                Pace::Closed => Instant::now(),
                Pace::Open(a_second) => self.begin + due(self.issued, a_second),
            };
            self.issued += 1;
            self.connections[nth].send(self.ask, since)?;
        }
        Ok(())
    }

    fn watch_the_clock(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        match &self.window {
            None if now >= self.begin + self.plan.warm_up => {
                self.window = Some(Window {
                    start: now,
                    server_cpu: cpu_time(self.pid)?,
                    own_cpu: cpu_time(std::process::id())?,
                });
            }
            Some(window)
                if self.outcome.is_none()
                    // What is slow is measured until it has answered once.
                    && !self.latency.is_empty()
                    && (now >= window.start + self.plan.measured || self.answered >= self.plan.most) =>
            {
                self.outcome = Some(Outcome {
                    answers: self.latency.len(),
                    took: now - window.start,
                    latency: self.latency.clone(),
                    server_cpu: cpu_time(self.pid)?.saturating_sub(window.server_cpu),
                    own_cpu: cpu_time(std::process::id())?.saturating_sub(window.own_cpu),
                });
            }
            _ => {}
        }
        Ok(())
    }
}

struct Connection {
    stream: TcpStream,
    exchange: Exchange,
    sent: usize,
    answer: Vec<u8>,
    received: usize,
    /// From when its latency counts.
    since: Instant,
    under_way: bool,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            exchange: Exchange::default(),
            sent: 0,
            answer: vec![0; 16 * 1024],
            received: 0,
            since: Instant::now(),
            under_way: false,
        }
    }

    fn send(&mut self, ask: &mut Asker<'_>, since: Instant) -> anyhow::Result<()> {
        self.exchange.request.clear();
        self.exchange.expected.clear();
        ask(&mut self.exchange);
        (self.sent, self.received, self.since, self.under_way) = (0, 0, since, true);
        self.flush()
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        while self.sent < self.exchange.request.len() {
            match self.stream.write(&self.exchange.request[self.sent..]) {
                Ok(0) => bail!("the server stopped reading"),
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("cannot send a request"),
            }
        }
        Ok(())
    }

    /// Sends and receives what can be; whether the answer is complete, and right.
    fn progress(&mut self) -> anyhow::Result<bool> {
        self.flush()?;
        loop {
            let room = self.answer.len() - self.received;
            match self.stream.read(&mut self.answer[self.received..]) {
                Ok(0) => bail!("the server closed the connection: {}", self.exchange.shown(self.so_far())),
                Ok(n) => {
                    self.received += n;
                    if is_complete(&self.exchange, self.so_far())? {
                        return Ok(true);
                    }
                    // Less than there was room for is all there is: the next event tells of more.
                    if n < room {
                        return Ok(false);
                    }
                    self.answer.resize(self.answer.len() * 2, 0);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error).context("cannot receive an answer"),
            }
        }
    }

    fn so_far(&self) -> &[u8] {
        &self.answer[..self.received]
    }
}

impl Exchange {
    fn shown(&self, answer: &[u8]) -> String {
        let start = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(600)]).into_owned();
        format!("{:?} was answered {:?}", start(&self.request), start(answer))
    }
}

/// Whether `answer` is whole; an error if it is not the answer expected.
fn is_complete(exchange: &Exchange, answer: &[u8]) -> anyhow::Result<bool> {
    let Some(body_at) = answer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        return Ok(false);
    };
    let wrong = |what: &str| anyhow::anyhow!("{what}: {}", exchange.shown(answer));
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return Err(wrong("not a 200"));
    }
    let (head, body) = answer.split_at(body_at);
    if is_chunked(head) {
        // A line with its length is before each chunk, and the last one has none: JSON cannot look like that.
        let Some(json) = body.strip_suffix(b"\r\n0\r\n\r\n") else { return Ok(false) };
        let first_at = body.windows(2).position(|two| two == b"\r\n").map_or(0, |at| at + 2);
        if !body[first_at..].starts_with(&exchange.expected) || json.last() != Some(&b'}') {
            return Err(wrong("not the body expected"));
        }
        return Ok(true);
    }
    let length = content_length(head).ok_or_else(|| wrong("no content-length"))?;
    if body.len() < length {
        return Ok(false);
    }
    if body.len() > length {
        return Err(wrong("more than content-length says"));
    }
    if !body.starts_with(&exchange.expected) || body.last() != Some(&b'}') {
        return Err(wrong("not the body expected"));
    }
    Ok(true)
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|b| *b == b'\n');
    let line = lines.find(|line| line.len() > NAME.len() && line[..NAME.len()].eq_ignore_ascii_case(NAME))?;
    std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok()
}

fn is_chunked(head: &[u8]) -> bool {
    const LINE: &[u8] = b"transfer-encoding: chunked";
    head.split(|b| *b == b'\n').any(|line| line.trim_ascii().eq_ignore_ascii_case(LINE))
}

#[cfg(test)]
mod tests {
    use super::{Exchange, is_complete};

    fn check(answer: &str) -> Option<bool> {
        let exchange = Exchange { request: Vec::new(), expected: b"{\"a\"".to_vec() };
        is_complete(&exchange, answer.as_bytes()).ok()
    }

    #[test]
    fn an_answer_is_whole_or_not_yet_or_wrong() {
        assert_eq!(check(""), Some(false));
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1"), Some(false));
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"a\":1}"), Some(true));
        assert_eq!(check("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nx: y\r\n\r\n{\"a\":1}"), Some(true));
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{\"b\":1}"), None);
        assert_eq!(check("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{\"a\":1}"), None);
        assert_eq!(check("HTTP/1.1 200 OK\r\n\r\n{\"a\":1}"), None);
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(check(&format!("{chunked}4\r\n{{\"a\"\r\n")), Some(false));
        assert_eq!(check(&format!("{chunked}4\r\n{{\"a\"\r\n3\r\n:1}}\r\n0\r\n\r\n")), Some(true));
        assert_eq!(check(&format!("{chunked}4\r\n{{\"b\"\r\n3\r\n:1}}\r\n0\r\n\r\n")), None);
        assert_eq!(check("HTTP/1.1 503 Busy\r\nContent-Length: 7\r\n\r\n{\"a\":1}"), None);
    }
}
