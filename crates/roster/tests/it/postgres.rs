//! A PostgreSQL of our own: a cluster in a temporary folder, on a free port, as another user than root.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

/// The environment variable that says that this run of the suite is for PostgreSQL: the URL of a cluster, without a
/// database.
pub(crate) const CLUSTER: &str = "ROSTER_TEST_POSTGRES";

/// The cluster this run of the suite is for; `None`: SQLite.
pub(crate) fn cluster() -> Option<String> {
    std::env::var(CLUSTER).ok()
}

/// Makes an empty database in the cluster, and returns its URL.
pub(crate) fn new_database(cluster: &str) -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    psql(&format!("{cluster}/postgres"), &format!("create database {name}"));
    format!("{cluster}/{name}")
}

/// Runs a statement by the `psql` of the cluster, and returns what it printed.
pub(crate) fn psql(url: &str, statement: &str) -> String {
    let output = Command::new(program("psql"))
        .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", url, "--command"])
        .arg(statement)
        .output();
    printed(&output.expect("psql starts"))
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A program of PostgreSQL: on the path, or where Debian keeps the newest version's.
pub(crate) fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).max();
    debian.unwrap_or_else(|| name.into())
}

/// A server of its own. Stopped, and its folder removed, when dropped.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    port: u16,
}

impl Cluster {
    /// One that all tests at a time share, who only want a database.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Self::start(&["fsync=off", "max_connections=1000"]));
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// Starts a new one with these settings (`fsync=off`).
    pub(crate) fn start(settings: &[&str]) -> Self {
        let cluster = Self::made();
        cluster.go(settings);
        cluster
    }

    /// Makes a new one, which is still to be started.
    pub(crate) fn made() -> Self {
        let cluster = Self::unstarted();
        printed(&cluster.run(
            "initdb",
            &["--no-sync", "--auth=trust", "--username=roster", "--encoding=UTF8", "--locale=C", "-D"],
            &["data"],
        ));
        cluster
    }

    /// Makes an empty database in it, and returns its URL.
    pub(crate) fn database(&self) -> String {
        new_database(&self.url())
    }

    /// A folder and a port for one, to be filled by other means.
    pub(crate) fn unstarted() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if is_root() {
            // PostgreSQL does not run as root: its folder belongs to the user it runs as.
            let chown = Command::new("chown").arg("postgres").arg(folder.path()).output();
            printed(&chown.expect("chown is everywhere"));
        }
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        Self { folder, port }
    }

    /// Starts the server in its folder.
    pub(crate) fn go(&self, settings: &[&str]) {
        let socket_folder = self.folder.path().display();
        let mut options = format!("-p {} -c listen_addresses=127.0.0.1 -k {socket_folder}", self.port);
        for setting in settings {
            options.push_str(&format!(" -c {setting}"));
        }
        let log = self.folder.path().join("log").display().to_string();
        // Nothing may keep our end of a pipe open: the server outlives pg_ctl.
        let mut start = self.command("pg_ctl");
        start.args(["start", "--wait", "--silent", "--log", &log, "--options", &options, "-D"]).arg(self.data());
        let status = start.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).status();
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(status.expect("pg_ctl starts").success(), "{said}");
    }

    /// Where a client finds it, without a database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://roster@127.0.0.1:{}", self.port)
    }

    /// Where a client of this machine finds it, without a database: to be given as another parameter.
    pub(crate) fn socket_url(&self) -> String {
        format!("postgres://roster@/?host={}&port={}", self.folder.path().display(), self.port)
    }

    /// Writes a file into the server's folder, as its user, for its eyes only.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.data().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("its file");
        if is_root() {
            printed(&Command::new("chown").arg("postgres").arg(path).output().expect("chown is everywhere"));
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Stops it: `fast`, or `immediate` as if the machine had died.
    pub(crate) fn stop(&self, mode: &str) {
        printed(&self.run("pg_ctl", &["stop", "--wait", "--silent", "--mode", mode, "-D"], &["data"]));
    }

    /// Runs one of PostgreSQL's programs as the server's user, with paths within the folder as its last arguments.
    pub(crate) fn run(&self, name: &str, arguments: &[&str], paths: &[&str]) -> Output {
        let paths = paths.iter().map(|path| self.folder.path().join(path));
        self.command(name).args(arguments).args(paths).output().expect("the program starts")
    }

    /// A command that runs a program as the server's user, in its folder.
    pub(crate) fn command(&self, name: &str) -> Command {
        let program = program(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may be stopped already.
        drop(self.run("pg_ctl", &["stop", "--silent", "--mode", "immediate", "-D"], &["data"]));
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
        && Path::new("/usr/bin/setpriv").exists()
}
