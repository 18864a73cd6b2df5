//! The real binary: built, run and stopped from here.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

/// The roster program.
pub(crate) struct Roster {
    pub(crate) binary: PathBuf,
}

impl Roster {
    /// What `ROSTER_BIN` names; otherwise the dist build of this workspace, brought up to date.
    pub(crate) fn built() -> anyhow::Result<Self> {
        if let Some(binary) = std::env::var_os("ROSTER_BIN") {
            return Ok(Self { binary: binary.into() });
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let target = target_folder()?;
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--profile", "dist", "-p", "roster", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .env("CARGO_TARGET_DIR", &target)
            .status()
            .context("cannot run cargo")?;
        ensure!(status.success(), "roster does not build");
        Ok(Self { binary: target.join("dist/roster") })
    }

    fn command(&self, database: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command.env_clear().env("ROSTER_DATABASE", format!("sqlite:{}", database.display()));
        command
    }

    /// Runs a command to its end, and returns the last word it prints.
    pub(crate) fn last_word(&self, database: &Path, arguments: &[&str]) -> anyhow::Result<String> {
        Self::last_word_of(&mut self.command(database), arguments)
    }

    /// The same on a database that is given by its address.
    pub(crate) fn last_word_at(&self, url: &str, arguments: &[&str]) -> anyhow::Result<String> {
        Self::last_word_of(Command::new(&self.binary).env_clear().env("ROSTER_DATABASE", url), arguments)
    }

    fn last_word_of(command: &mut Command, arguments: &[&str]) -> anyhow::Result<String> {
        let output = command.args(arguments).output().context("cannot run roster")?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout)?;
        Ok(printed.split_whitespace().next_back().context("nothing was printed")?.to_owned())
    }

    /// Makes a key.
    pub(crate) fn key(&self, database: &Path, org: &str, role: &str) -> anyhow::Result<String> {
        self.last_word(database, &["key", "create", "--org", org, "--role", role, "--name", role])
    }

    /// Starts a server on a free port, and waits until it says where it listens.
    pub(crate) fn serve(&self, database: &Path, flags: &[String]) -> anyhow::Result<Server> {
        let mut command = self.command(database);
        // What is owed to those who were seeded is old, and is to wait all the same.
        command.args(["serve", "--listen", "127.0.0.1:0", "--rate-limit", "4294967295", "--sms-keep", "87600h"]);
        command.args(flags);
        Server::that_says_where(&mut command)
    }
}

/// Where cargo builds.
pub(crate) fn target_folder() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe()?;
    Ok(me.ancestors().nth(2).context("this program lies in target/dist")?.to_owned())
}

/// A running server. Stopped when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: Option<std::thread::JoinHandle<String>>,
}

impl Server {
    /// Starts a server that says on standard error where it listens.
    pub(crate) fn that_says_where(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().context("cannot run a server")?;
        let mut log = BufReader::new(child.stderr.take().context("it is piped")?);
        let mut said = String::new();
        let address = loop {
            let before = said.len();
            ensure!(log.read_line(&mut said)? > 0, "the server did not start: {said}");
            let listening = said[before..].split_once("http://").map(|(_, rest)| rest);
            let address = listening.and_then(|rest| rest.split(|c| !matches!(c, '0'..='9' | '.' | ':')).next());
            if let Some(address) = address {
                break address.parse()?;
            }
        };
        // What it says later is shown when it is stopped; it is little.
        let log = std::thread::spawn(move || {
            let mut rest = String::new();
            drop(log.read_to_string(&mut rest));
            rest
        });
        Ok(Server { child, address, log: Some(log) })
    }

    /// Starts somebody else's server, which was told to listen at `address`, and waits until it answers anything.
    pub(crate) fn start(command: &mut Command, address: SocketAddr) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("cannot run a peer")?;
        let mut server = Self { child, address, log: None };
        let begin = Instant::now();
        while !server.answers() {
            ensure!(server.child.try_wait()?.is_none(), "it did not start: {command:?}");
            ensure!(begin.elapsed() < Duration::from_secs(120), "it does not answer: {command:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    fn answers(&self) -> bool {
        let ask = || {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
            stream.read_exact(&mut [0; 8])
        };
        ask().is_ok()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// One request on a connection of its own: the body of its 200.
    pub(crate) fn body_of(&self, key: &str, path: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{path} was answered {answer:?}");
        let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a head")?;
        Ok(body.to_owned())
    }

    /// Ends it as an operator would; it must end well, and have logged no warning.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let sent = Command::new("kill").arg(self.pid().to_string()).status()?;
        ensure!(sent.success(), "the server had ended already");
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(begin.elapsed() < Duration::from_secs(30), "the server does not stop");
            std::thread::sleep(Duration::from_millis(2));
        };
        let log = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        ensure!(status.success(), "the server ended with {status}: {log}");
        ensure!(!log.contains("WARN") && !log.contains("ERROR"), "the server complained: {log}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
