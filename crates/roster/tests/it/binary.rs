//! The real binary: its commands, and its server on a free port.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, mpsc},
    time::Duration,
};

use serde_json::Value;

use crate::postgres;
use crate::wire::Wire;

/// How long a test waits for what should come at once: so that none can hang, and none fails on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a database, and the binary to use on it.
pub(crate) struct Binary {
    dir: tempfile::TempDir,
    database: String,
}

impl Binary {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let database = match postgres::cluster() {
            Some(cluster) => postgres::new_database(&cluster),
            None => format!("sqlite:{}", dir.path().join("roster.db").display()),
        };
        Self { dir, database }
    }

    /// The binary to use on this database.
    pub(crate) fn on(url: &str) -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary folder"), database: url.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The database's URL, of whichever engine the suite runs on.
    pub(crate) fn database_url(&self) -> &str {
        &self.database
    }

    /// The database's file, where it has one.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.path().join("roster.db")
    }

    /// A command on the database, in the folder, with no setting from outside.
    pub(crate) fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
        command.env_clear().env("ROSTER_DATABASE", &self.database);
        command.current_dir(self.dir.path()).args(arguments);
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Output {
        self.command(arguments).output().expect("the binary starts")
    }

    /// Runs a command that must succeed, and returns what it prints.
    pub(crate) fn print<const N: usize>(&self, arguments: [&str; N]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a command that must succeed, and returns the last word it prints.
    pub(crate) fn last_word<const N: usize>(&self, arguments: [&str; N]) -> String {
        self.print(arguments).split_whitespace().next_back().expect("something printed").to_owned()
    }

    /// Runs a command that must fail: its exit code and what it complains of, with the folder's name left out. It must
    /// have printed no result.
    pub(crate) fn complaint<const N: usize>(&self, arguments: [&str; N]) -> String {
        self.complaint_of(self.command(arguments))
    }

    /// The same for a command that was prepared.
    pub(crate) fn complaint_of(&self, mut command: Command) -> String {
        let ended = Server::start(&mut command).end();
        assert_eq!(ended.printed, "", "a failure has no result");
        let code = ended.code.expect("an exit code");
        format!("{code}: {}", ended.log.trim_end().replace(&self.path().display().to_string(), "DIR"))
    }

    /// Makes an organization and an ADMIN key of it.
    pub(crate) fn organization_with_admin(&self) -> (String, String) {
        let org = self.last_word(["org", "create", "Example Organization"]);
        let key = self.last_word(["key", "create", "--org", &org, "--role", "ADMIN", "--name", "test"]);
        (org, key)
    }

    /// Starts the server on a free port, and waits until it says where it listens.
    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        self.serve_by(self.command(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]), flags)
    }

    /// Starts a server by a command that was prepared.
    pub(crate) fn serve_by(&self, mut command: Command, flags: &[&str]) -> Server {
        let mut server = Server::start(command.args(flags));
        server.address = server.address_after("listening on");
        server
    }
}

/// What a process writes, line by line. In a mutex only so that threads may share a server.
type Lines = Mutex<mpsc::Receiver<String>>;

/// Reads all the time: a process whose lines nobody takes would stop in the middle of one.
fn lines_of(stream: impl Read + Send + 'static) -> Lines {
    let (sender, lines) = mpsc::channel();
    let read = BufReader::new(stream).lines().map_while(Result::ok);
    std::thread::spawn(move || read.map(|line| sender.send(line + "\n")).all(|sent| sent.is_ok()));
    Mutex::new(lines)
}

fn next_of(lines: &mut Lines) -> Result<String, mpsc::RecvTimeoutError> {
    lines.get_mut().expect("nobody locks it").recv_timeout(PATIENCE)
}

/// Everything up to the end of the stream.
fn rest_of(lines: &mut Lines, mut text: String) -> String {
    loop {
        match next_of(lines) {
            Ok(line) => text.push_str(&line),
            Err(mpsc::RecvTimeoutError::Disconnected) => return text,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the server does not end: {text}"),
        }
    }
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Lines,
    out: Lines,
    said: String,
}

impl Server {
    /// Starts any command at all.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let log = lines_of(child.stderr.take().expect("piped"));
        let out = lines_of(child.stdout.take().expect("piped"));
        Server { child, address: SocketAddr::from(([0; 4], 0)), log, out, said: String::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the log says where the metrics are.
    pub(crate) fn metrics_address(&mut self) -> SocketAddr {
        self.address_after("metrics on")
    }

    /// Waits for a line of the log that starts like this, and returns it.
    pub(crate) fn logged(&mut self, start: &str) -> Value {
        loop {
            let Ok(line) = next_of(&mut self.log) else {
                panic!("the server did not say {start:?}, but: {}", self.said)
            };
            self.said.push_str(&line);
            if let Ok(line) = serde_json::from_str::<Value>(&line)
                && line["message"].as_str().is_some_and(|message| message.starts_with(start))
            {
                return line;
            }
        }
    }

    /// Closes the log from now on: the next line is still read, and those after it fail.
    pub(crate) fn stop_reading_the_log(&mut self) {
        self.log = Mutex::new(mpsc::channel().1);
    }

    /// Waits for a line on standard error that starts like this; `false` if it ended without one.
    pub(crate) fn says(&mut self, start: &str) -> bool {
        loop {
            match next_of(&mut self.log) {
                Ok(line) => {
                    self.said.push_str(&line);
                    if line.starts_with(start) {
                        return true;
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return false,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it did not say {start:?}, but: {}", self.said),
            }
        }
    }

    fn address_after(&mut self, start: &str) -> SocketAddr {
        self.logged(start)["address"].as_str().expect("a line with an address").parse().expect("an address")
    }

    /// A connection with time limits, so that no test can hang.
    pub(crate) fn connect(&self) -> TcpStream {
        self.try_connect().expect("the server accepts")
    }

    /// The same where the server may be gone.
    pub(crate) fn try_connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A connection to say anything at all on.
    pub(crate) fn wire(&self) -> Wire<TcpStream> {
        Wire::over(self.connect())
    }

    /// One request on a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, Value) {
        self.try_request(method, path, key, body).expect("an answer")
    }

    /// The same where the server may be gone.
    pub(crate) fn try_request(&self, method: &str, path: &str, key: &str, body: &str) -> std::io::Result<(u16, Value)> {
        let mut wire = Wire::over(self.try_connect()?);
        wire.try_send(crate::wire::request(method, path, key, body))?;
        let answer = wire.try_answer()?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        Ok((answer.status, answer.json()))
    }

    /// Creates a user with this e-mail.
    pub(crate) fn create(&self, key: &str, email: &str) -> (u16, Value) {
        let body = format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"{email}"}}"#);
        self.request("POST", "/api/v1/users", key, &body)
    }

    /// Sends a signal by its name: TERM, INT, KILL.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.expect("kill is everywhere").success());
    }

    /// Waits for its end: the exit code (`None`: by a signal), and all it logged.
    pub(crate) fn wait(self) -> (Option<i32>, String) {
        let ended = self.end();
        (ended.code, ended.log)
    }

    /// Waits for its end: everything about it.
    pub(crate) fn end(mut self) -> Ended {
        let log = rest_of(&mut self.log, std::mem::take(&mut self.said));
        let printed = rest_of(&mut self.out, String::new());
        let status = self.child.wait().expect("it ends");
        Ended { code: status.code(), log, printed }
    }

    /// Waits until it has printed a line that starts like this, and returns everything up to it.
    pub(crate) fn printed(&mut self, start: &str) -> String {
        let mut printed = String::new();
        loop {
            let Ok(line) = next_of(&mut self.out) else { panic!("the server did not print {start:?}, but: {printed}") };
            printed.push_str(&line);
            if line.starts_with(start) {
                return printed;
            }
        }
    }
}

/// What a server left.
pub(crate) struct Ended {
    /// `None`: by a signal.
    pub(crate) code: Option<i32>,
    /// All of its log.
    pub(crate) log: String,
    /// All of its standard output.
    pub(crate) printed: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
