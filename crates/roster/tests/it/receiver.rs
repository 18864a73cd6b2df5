//! Somebody outside who can do what no honest server does: break off anywhere, say nothing, be deaf, speak TLS.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    time::Instant,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::binary::PATIENCE;

/// A request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    /// Empty where the receiver was deaf to it.
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Received {
    /// A header, by its name in lower case, or "" if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// What a receiver does with a request that it has read.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Answer(Response),
    /// Answers once it is released.
    Hold(Response),
    /// Closes the connection without a word.
    Close,
    /// Says nothing until it is released, and closes then.
    Silence,
    /// A body that does not end.
    Endless(u16),
    /// Writes any bytes at all, and closes.
    Raw(Vec<u8>),
    /// Writes these bytes, and nothing more until it is released.
    Begin(Vec<u8>),
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer without a body.
pub(crate) fn status(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: Vec::new() }
}

impl Response {
    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} Whatever\r\nContent-Length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

impl From<Response> for Act {
    fn from(response: Response) -> Self {
        Self::Answer(response)
    }
}

/// A script: this with the first request, that with the second, and the last with all after it.
pub(crate) fn in_turn(acts: impl IntoIterator<Item = Act>) -> impl Fn(&Received) -> Act + Send + Sync + 'static {
    let acts: Mutex<VecDeque<Act>> = Mutex::new(acts.into_iter().collect());
    move |_| {
        let mut acts = acts.lock().expect("no panic");
        let next = if acts.len() > 1 { acts.pop_front() } else { acts.front().cloned() };
        next.expect("a script with an act")
    }
}

/// How a receiver is to be.
pub(crate) struct Setup {
    /// What it does with each request.
    script: Box<dyn Fn(&Received) -> Act + Send + Sync>,
    /// Requests that it closes the connection on once it has their head, without reading their body.
    deaf: fn(&Received) -> bool,
    tls: Option<Arc<ServerConfig>>,
}

impl Setup {
    pub(crate) fn new(script: impl Fn(&Received) -> Act + Send + Sync + 'static) -> Self {
        Self { script: Box::new(script), deaf: |_| false, tls: None }
    }

    pub(crate) fn deaf_to(mut self, deaf: fn(&Received) -> bool) -> Self {
        self.deaf = deaf;
        self
    }

    pub(crate) fn over_tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.tls = Some(config);
        self
    }

    pub(crate) fn start(self) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { setup: self, state: Mutex::default(), changed: Condvar::new() });
        let accepting = shared.clone();
        std::thread::spawn(move || accepting.accept(&listener));
        Receiver { address, shared }
    }
}

/// The server. It ends, with all its connections, when it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    /// One that does as the script says.
    pub(crate) fn start(script: impl Fn(&Received) -> Act + Send + Sync + 'static) -> Self {
        Setup::new(script).start()
    }

    /// One that answers everything with this.
    pub(crate) fn answering(response: Response) -> Self {
        Self::start(move |_| response.clone().into())
    }

    /// One that takes everything.
    pub(crate) fn willing() -> Self {
        Self::answering(status(200))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connections that were ever made to it.
    pub(crate) fn connections(&self) -> u64 {
        self.shared.state().accepted
    }

    /// What came so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.shared.state().received.clone()
    }

    /// Waits until so many requests have come, and returns all that have.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(|received| received.len() >= count)
    }

    /// Waits until the requests are as they should be, and returns all.
    pub(crate) fn wait_until(&self, done: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let waiting = |state: &mut State| !done(&state.received);
        let waited = self.shared.changed.wait_timeout_while(self.shared.state(), PATIENCE, waiting);
        let (state, timeout) = waited.expect("no panic");
        let (count, last) = (state.received.len(), state.received.last());
        assert!(!timeout.timed_out(), "{count} requests came, the last of them {last:?}");
        state.received.clone()
    }

    /// Ends every wait of an act, those to come included.
    pub(crate) fn release(&self) {
        self.shared.state().released = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        (state.stopped, state.released) = (true, true);
        for (_, stream) in state.open.drain() {
            drop(stream.shutdown(Shutdown::Both));
        }
        drop(state);
        self.shared.changed.notify_all();
        // Whoever waits for a connection hears that it is over by one.
        drop(TcpStream::connect(self.address));
    }
}

struct Shared {
    setup: Setup,
    state: Mutex<State>,
    /// A request came, or all was released.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    received: Vec<Received>,
    open: HashMap<u64, TcpStream>,
    accepted: u64,
    released: bool,
    stopped: bool,
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    fn accept(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut state = self.state();
            if state.stopped {
                break;
            }
            state.accepted += 1;
            let id = state.accepted;
            state.open.insert(id, stream.try_clone().expect("a file descriptor"));
            drop(state);
            let shared = self.clone();
            std::thread::spawn(move || {
                // However it ended: the other side may do anything.
                drop(shared.serve(stream));
                shared.state().open.remove(&id).map(|stream| stream.shutdown(Shutdown::Both))
            });
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.setup.tls {
            None => Box::new(stream),
            Some(config) => {
                let tls = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(tls, stream))
            }
        };
        let mut stream = BufReader::new(stream);
        while let Some(mut request) = head(&mut stream)? {
            let deaf = (self.setup.deaf)(&request);
            if !deaf {
                let length = request.header("content-length").parse().unwrap_or(0);
                request.body.resize(length, 0);
                stream.read_exact(&mut request.body)?;
            }
            self.state().received.push(request.clone());
            self.changed.notify_all();
            if deaf || !self.act((self.setup.script)(&request), stream.get_mut())? {
                break;
            }
        }
        Ok(())
    }

    /// Whether the connection goes on after it.
    fn act(&self, act: Act, stream: &mut impl Write) -> io::Result<bool> {
        let (bytes, goes_on) = match act {
            Act::Answer(response) => (response.bytes(), true),
            Act::Hold(response) => {
                self.wait();
                (response.bytes(), true)
            }
            Act::Close => return Ok(false),
            Act::Silence => {
                self.wait();
                return Ok(false);
            }
            Act::Endless(status) => {
                write!(stream, "HTTP/1.1 {status} Whatever\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                loop {
                    write!(stream, "1000\r\n{:4096}\r\n", "")?;
                }
            }
            Act::Raw(bytes) => (bytes, false),
            Act::Begin(bytes) => {
                stream.write_all(&bytes)?;
                stream.flush()?;
                self.wait();
                return Ok(false);
            }
        };
        stream.write_all(&bytes)?;
        stream.flush()?;
        Ok(goes_on)
    }

    fn wait(&self) {
        let wait = self.changed.wait_timeout_while(self.state(), 2 * PATIENCE, |state| !state.released);
        drop(wait.expect("no panic"));
    }
}

/// The head of a request; `None` where no other comes.
fn head(stream: &mut impl BufRead) -> io::Result<Option<Received>> {
    let mut line = || -> io::Result<String> {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(path), Some(_)) = (words.next(), words.next(), words.next()) else { return Ok(None) };
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(':') {
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Some(Received { method, path, headers, body: Vec::new(), at: Instant::now() }))
}
