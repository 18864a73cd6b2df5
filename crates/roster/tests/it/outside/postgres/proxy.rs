//! Somebody in the middle, between Roster and PostgreSQL, who reads what is asked and does to it what a test says.
//!
//! Of the protocol (postgresql.org/docs/current/protocol-message-formats.html) he knows as much as he needs: where a
//! message ends, where a request does, and which SQL it runs. TLS would keep him out.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::binary::PATIENCE;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Pass,
    /// It is refused with this SQLSTATE, and its transaction with it. The server never sees it.
    Fail(&'static str),
    /// The connection is cut, and the server never sees it.
    CutBefore,
    /// The server does it, and then the connection is cut: Roster never hears of it.
    CutAfter,
    /// The connection is cut, and the server does it all the same: later, when Roster has sent something else that
    /// writes.
    CutAndHold,
    /// The server does it, and the connection stays, and never says anything again.
    Swallow,
    /// The server never sees it, and the connection stays, and never says anything again.
    Stall,
}

/// What Roster sends in one go, and waits for: a round trip, unless it sends the next one meanwhile.
#[derive(Debug, Clone)]
pub(super) struct Request {
    /// Whether it runs the statement, and does not only prepare it.
    pub(super) runs: bool,
    pub(super) sql: String,
}

impl Request {
    pub(super) fn adds_users(&self) -> bool {
        self.runs && self.sql.contains("insert into users")
    }

    fn writes(&self) -> bool {
        self.runs
            && ["insert", "update", "with input", "with moved"]
                .iter()
                .any(|start| self.sql.trim_start().starts_with(start))
    }
}

/// What every made-up error quotes, as the server quotes rows.
pub(super) const DETAIL: &str = "Failing row contains (Xanthippe, Quetzalcoatl).";

/// Listens for Roster. Ends, and cuts all connections, when dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

type Decide = Box<dyn FnMut(&Request) -> Act + Send>;

#[derive(Default)]
struct State {
    ended: bool,
    silent: bool,
    decide: Option<Decide>,
    requests: Vec<Request>,
    writes: usize,
    errors: Vec<String>,
    connections: Vec<Arc<Connection>>,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
    silent: AtomicBool,
    order: Mutex<Order>,
    changed: Condvar,
}

/// How far the server is.
struct Order {
    /// Requests that it has not answered; the first thing it answers is the start-up.
    unanswered: usize,
    /// Whether Roster is not to hear the answers.
    swallowed: bool,
    in_transaction: bool,
    cut: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// In front of the server on this port of this machine.
    pub(super) fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let shared = Arc::new(Shared { server, state: Mutex::default(), changed: Condvar::new() });
        let accepting = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if lock(&accepting.state).ended {
                    return;
                }
                accepting.clone().accept(stream);
            }
        });
        Self { address, shared }
    }

    /// The URL of a database of the server, by way of the proxy.
    pub(super) fn url(&self, database: &str) -> String {
        let name = database.rsplit('/').next().expect("a database");
        format!("postgres://roster@{}/{name}?sslmode=disable", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Decides on every request from now on.
    pub(super) fn decide(&self, decide: impl FnMut(&Request) -> Act + Send + 'static) {
        lock(&self.shared.state).decide = Some(Box::new(decide));
    }

    /// Does this to the `nth` request from now on, the first being 1. Says whether there was one.
    pub(super) fn on_nth(&self, nth: usize, act: Act) -> Arc<AtomicBool> {
        let met = Arc::new(AtomicBool::new(false));
        let mut seen = 0;
        self.decide({
            let met = met.clone();
            move |_| {
                seen += 1;
                if seen != nth {
                    return Act::Pass;
                }
                met.store(true, Ordering::SeqCst);
                act
            }
        });
        met
    }

    /// Does this to the `nth` request from now on, the first being 1, and cuts off whatever comes after it. Says whether
    /// there was one.
    pub(super) fn on_nth_and_after(&self, nth: usize, act: Act) -> Arc<AtomicBool> {
        let met = Arc::new(AtomicBool::new(false));
        let mut seen = 0;
        self.decide({
            let met = met.clone();
            move |_| {
                seen += 1;
                met.fetch_or(seen >= nth, Ordering::SeqCst);
                match seen.cmp(&nth) {
                    std::cmp::Ordering::Less => Act::Pass,
                    std::cmp::Ordering::Equal => act,
                    std::cmp::Ordering::Greater => Act::CutBefore,
                }
            }
        });
        met
    }

    /// Lets everything pass.
    pub(super) fn pass(&self) {
        lock(&self.shared.state).decide = None;
    }

    /// Cuts all connections there are.
    pub(super) fn cut(&self) {
        for connection in std::mem::take(&mut lock(&self.shared.state).connections) {
            connection.cut();
        }
    }

    /// Says nothing to anybody any more, and takes nothing, as a machine that lost its power.
    pub(super) fn silence(&self) {
        let mut state = lock(&self.shared.state);
        state.silent = true;
        for connection in &state.connections {
            connection.silent.store(true, Ordering::SeqCst);
        }
    }

    /// Serves new connections again. Those that were silenced stay so.
    pub(super) fn serve_new(&self) {
        lock(&self.shared.state).silent = false;
        self.shared.changed.notify_all();
    }

    /// The requests since this was last asked.
    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut lock(&self.shared.state).requests)
    }

    /// How often the server itself has answered with this SQLSTATE.
    pub(super) fn errors(&self, code: &str) -> usize {
        lock(&self.shared.state).errors.iter().filter(|error| *error == code).count()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.shared.state).ended = true;
        self.shared.changed.notify_all();
        self.cut();
        drop(TcpStream::connect(self.address)); // wakes who accepts
    }
}

impl Shared {
    fn accept(self: Arc<Self>, client: TcpStream) {
        // Without a server there is nobody to talk to.
        let Ok(server) = TcpStream::connect(self.server) else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket"); // or every message waits for the last one's acknowledgement
        }
        let connection = Arc::new(Connection {
            client,
            server,
            silent: AtomicBool::new(false),
            order: Mutex::new(Order { unanswered: 1, swallowed: false, in_transaction: false, cut: false }),
            changed: Condvar::new(),
        });
        {
            let mut state = lock(&self.state);
            connection.silent.store(state.silent, Ordering::SeqCst);
            state.connections.push(connection.clone());
        }
        // However one direction ends, the other ends with it.
        std::thread::spawn({
            let (shared, connection) = (self.clone(), connection.clone());
            move || {
                drop(connection.forward(&shared));
                connection.cut();
            }
        });
        std::thread::spawn(move || {
            drop(connection.answer(&self));
            connection.cut();
        });
    }

    fn decide(&self, request: Request) -> Act {
        let mut state = lock(&self.state);
        let act = state.decide.as_mut().map_or(Act::Pass, |decide| decide(&request));
        state.writes += usize::from(request.writes());
        state.requests.push(request);
        self.changed.notify_all();
        act
    }

    /// Waits until somebody else sends something that writes.
    fn wait_for_a_write_after(&self, before: usize) {
        let none = |state: &mut State| state.writes == before && !state.ended;
        let waited = self.changed.wait_timeout_while(lock(&self.state), PATIENCE, none);
        drop(waited);
    }
}

impl Connection {
    fn cut(&self) {
        lock(&self.order).cut = true;
        self.changed.notify_all();
        for stream in [&self.client, &self.server] {
            drop(stream.shutdown(Shutdown::Both)); // it may be closed already
        }
    }

    /// From Roster to the server.
    fn forward(&self, shared: &Shared) -> io::Result<()> {
        self.wait_while_silent();
        let start = start_up(&self.client)?;
        (&self.server).write_all(&start)?;
        let mut prepared = HashMap::new();
        let mut bytes = Vec::new();
        let mut request = Request { runs: false, sql: String::new() };
        loop {
            let message = Message::read(&self.client)?;
            let mut texts =
                message.body.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
            let mut text = || texts.next().unwrap_or_default();
            match message.kind {
                b'P' => {
                    let name = text();
                    request.sql = text();
                    prepared.insert(name, request.sql.clone());
                }
                b'B' => {
                    let _portal = text();
                    request.sql = prepared.get(&text()).cloned().unwrap_or_default();
                }
                b'Q' => request = Request { runs: true, sql: text() },
                b'E' => request.runs = true,
                _ => {}
            }
            message.append_to(&mut bytes);
            match message.kind {
                b'Q' | b'S' => {}
                b'P' | b'B' | b'D' | b'E' | b'C' | b'H' => continue,
                _ => {
                    (&self.server).write_all(&std::mem::take(&mut bytes))?;
                    continue;
                }
            }
            self.wait_while_silent();
            let request = std::mem::replace(&mut request, Request { runs: false, sql: String::new() });
            if request.sql.is_empty() {
                // Closing a statement that is not needed any more.
                self.send(&std::mem::take(&mut bytes))?;
                continue;
            }
            let ends = request.sql.eq_ignore_ascii_case("commit");
            match shared.decide(request) {
                Act::Pass => self.send(&bytes)?,
                Act::Fail(code) => self.fail(code, ends)?,
                Act::CutBefore => return Ok(()),
                Act::Stall => {
                    self.silent.store(true, Ordering::SeqCst);
                    self.wait_while_silent();
                    return Ok(());
                }
                Act::Swallow => {
                    self.wait_for_answers()?;
                    lock(&self.order).swallowed = true;
                    self.send(&bytes)?;
                    self.wait_for_answers()?;
                    self.silent.store(true, Ordering::SeqCst);
                    self.wait_while_silent();
                    return Ok(());
                }
                Act::CutAfter => {
                    self.wait_for_answers()?;
                    lock(&self.order).swallowed = true;
                    self.send(&bytes)?;
                    return self.wait_for_answers();
                }
                Act::CutAndHold => {
                    self.wait_for_answers()?;
                    lock(&self.order).swallowed = true;
                    let before = lock(&shared.state).writes;
                    drop(self.client.shutdown(Shutdown::Both));
                    shared.wait_for_a_write_after(before);
                    self.send(&bytes)?;
                    return self.wait_for_answers();
                }
            }
            bytes.clear();
        }
    }

    fn send(&self, request: &[u8]) -> io::Result<()> {
        lock(&self.order).unanswered += 1;
        (&self.server).write_all(request)
    }

    /// Answers in place of the server, of which a transaction that was begun must know that it failed.
    fn fail(&self, code: &str, ends: bool) -> io::Result<()> {
        self.wait_for_answers()?;
        let in_transaction = lock(&self.order).in_transaction;
        if in_transaction {
            lock(&self.order).swallowed = true;
            let mut rollback = Vec::new();
            Message { kind: b'Q', body: b"rollback\0".to_vec() }.append_to(&mut rollback);
            self.send(&rollback)?;
            self.wait_for_answers()?;
            lock(&self.order).swallowed = false;
        }
        let mut answer = Vec::new();
        let body = format!("SERROR\0VERROR\0C{code}\0Mmade up by the test\0D{DETAIL}\0\0").into_bytes();
        Message { kind: b'E', body }.append_to(&mut answer);
        let status = if in_transaction && !ends { b'E' } else { b'I' };
        Message { kind: b'Z', body: vec![status] }.append_to(&mut answer);
        (&self.client).write_all(&answer)
    }

    /// From the server to Roster.
    fn answer(&self, shared: &Shared) -> io::Result<()> {
        loop {
            let message = Message::read(&self.server)?;
            if message.kind == b'E' {
                let code = message.body.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C'));
                lock(&shared.state).errors.extend(code.map(|code| String::from_utf8_lossy(&code[1..]).into_owned()));
            }
            self.wait_while_silent();
            if !lock(&self.order).swallowed {
                let mut bytes = Vec::new();
                message.append_to(&mut bytes);
                (&self.client).write_all(&bytes)?;
            }
            if message.kind == b'Z' {
                let mut order = lock(&self.order);
                order.unanswered -= 1;
                order.in_transaction = message.body.first() == Some(&b'T');
                self.changed.notify_all();
            }
        }
    }

    fn wait_for_answers(&self) -> io::Result<()> {
        let order = lock(&self.order);
        let waited = self.changed.wait_timeout_while(order, PATIENCE, |order| order.unanswered > 0 && !order.cut);
        let (order, limit) = waited.unwrap_or_else(PoisonError::into_inner);
        if limit.timed_out() || order.cut { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }

    fn wait_while_silent(&self) {
        let silent = |order: &mut Order| self.silent.load(Ordering::SeqCst) && !order.cut;
        drop(self.changed.wait_while(lock(&self.order), silent));
    }
}

/// The first message has no kind.
fn start_up(mut stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    bytes[..4].copy_from_slice(&length);
    stream.read_exact(&mut bytes[4..])?;
    Ok(bytes)
}

struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Message {
    fn read(mut stream: &TcpStream) -> io::Result<Self> {
        let mut head = [0; 5];
        stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let mut body = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
        stream.read_exact(&mut body)?;
        Ok(Self { kind, body })
    }

    fn append_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(self.kind);
        bytes.extend_from_slice(&(self.body.len() as u32 + 4).to_be_bytes());
        bytes.extend_from_slice(&self.body);
    }
}
