//! The real binary: its commands, and its server on a free port.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::postgres;

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

    /// Runs a command that must succeed, and returns the last word it prints.
    pub(crate) fn last_word<const N: usize>(&self, arguments: [&str; N]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        printed.split_whitespace().next_back().expect("something printed").to_owned()
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
        let mut child =
            command.args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        let address = loop {
            let mut line = String::new();
            if log.read_line(&mut line).expect("a log in UTF-8") == 0 {
                panic!("the server did not start: {said}");
            }
            let address = serde_json::from_str::<Value>(&line).ok().and_then(|line| {
                let listening = line["message"].as_str()?.starts_with("listening on");
                line["address"].as_str().filter(|_| listening)?.parse().ok()
            });
            said.push_str(&line);
            if let Some(address) = address {
                break address;
            }
        };
        Server { child, address, log: Some(log), said }
    }
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Option<BufReader<std::process::ChildStderr>>,
    said: String,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A connection with time limits, so that no test can hang.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server accepts");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.set_write_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream
    }

    /// One request on a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, key: &str, body: &str) -> (u16, Value) {
        self.try_request(method, path, key, body).expect("an answer")
    }

    /// The same where the server may be gone.
    pub(crate) fn try_request(&self, method: &str, path: &str, key: &str, body: &str) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        parse_answer(&answer).ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
    }

    /// Sends a signal by its name: TERM, INT, KILL.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(sent.expect("kill is everywhere").success());
    }

    /// Waits for its end: the exit code (`None`: by a signal), and all it logged.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let mut log = self.log.take().expect("waited for once");
        log.read_to_string(&mut self.said).expect("a log in UTF-8");
        let status = self.child.wait().expect("it ends");
        (status.code(), std::mem::take(&mut self.said))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The status and the JSON body of a whole answer; `None` if it is cut off.
pub(crate) fn parse_answer(bytes: &[u8]) -> Option<(u16, Value)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}
