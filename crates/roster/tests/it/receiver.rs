//! Somebody outside who is told things: an HTTP server on a free port that does what a test says, and remembers all.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
};

use crate::binary::PATIENCE;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// A header, or "" if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What is done about a request.
pub(crate) enum Reply {
    /// This status, with these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The connection ends without a word.
    Hangup,
    /// Nothing at all, until the receiver ends.
    Silence,
}

impl Reply {
    pub(crate) fn status(status: u16) -> Self {
        Reply::Answer(status, Vec::new(), String::new())
    }
}

type Behavior = dyn Fn(&Received) -> Reply + Send + Sync;

struct Shared {
    behavior: Box<Behavior>,
    received: Mutex<Vec<Received>>,
    more: Condvar,
    connections: Mutex<usize>,
    over: Mutex<bool>,
    is_over: Condvar,
}

/// The server. Ends when dropped.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    port: u16,
}

impl Receiver {
    pub(crate) fn new(behavior: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared {
            behavior: Box::new(behavior),
            received: Mutex::default(),
            more: Condvar::new(),
            connections: Mutex::new(0),
            over: Mutex::new(false),
            is_over: Condvar::new(),
        });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *serving.over.lock().expect("no panic") {
                    return;
                }
                *serving.connections.lock().expect("no panic") += 1;
                let shared = serving.clone();
                std::thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { shared, port }
    }

    /// Answers everything with 200.
    pub(crate) fn willing() -> Self {
        Self::new(|_| Reply::status(200))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().expect("no panic")
    }

    /// Everything so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.received.lock().expect("no panic").clone()
    }

    /// Waits until there are as many requests as that.
    pub(crate) fn wait_for(&self, requests: usize) -> Vec<Received> {
        self.wait_until(|received| received.len() >= requests)
    }

    /// Waits until the requests are as they should be.
    pub(crate) fn wait_until(&self, done: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let received = self.shared.received.lock().expect("no panic");
        let waited = self.shared.more.wait_timeout_while(received, PATIENCE, |received| !done(received));
        let (received, timeout) = waited.expect("no panic");
        assert!(!timeout.timed_out(), "only these came: {:#?}", received.iter().rev().take(5).collect::<Vec<_>>());
        received.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        *self.shared.over.lock().expect("no panic") = true;
        self.shared.is_over.notify_all();
        drop(TcpStream::connect(("127.0.0.1", self.port))); // wakes whoever accepts
    }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream);
    while let Some(received) = read(&mut reader) {
        let reply = (shared.behavior)(&received);
        shared.received.lock().expect("no panic").push(received);
        shared.more.notify_all();
        if answer(stream, shared, reply).is_none() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().expect("a length"))];
    reader.read_exact(&mut body).ok()?;
    Some(Received { method, path, headers, body })
}

/// `None`: the connection is over.
fn answer(mut stream: &TcpStream, shared: &Shared, reply: Reply) -> Option<()> {
    match reply {
        Reply::Answer(status, headers, body) => {
            let mut text = format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n", body.len());
            for (name, value) in headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str("\r\n");
            text.push_str(&body);
            stream.write_all(text.as_bytes()).ok()
        }
        Reply::Hangup => None,
        Reply::Silence => {
            let over = shared.over.lock().expect("no panic");
            drop(shared.is_over.wait_timeout_while(over, PATIENCE, |over| !*over));
            None
        }
    }
}
