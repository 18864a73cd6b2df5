//! The password that stands neither in the URL nor on the command line: `PGPASSWORD`, or a line of `.pgpass`, as libpq
//! reads them (PostgreSQL's manual, "The Password File").

use std::{
    env, fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use tokio_postgres::{Config, config::Host};

/// The most bytes of a password file that are read.
const MOST_BYTES: u64 = 1024 * 1024;

/// Where servers of this machine have their sockets unless they are told otherwise: files call such a server `localhost`.
const SOCKET_FOLDERS: [&str; 2] = ["/tmp", "/var/run/postgresql"];

/// Where passwords are looked up.
pub(super) enum Passwords {
    /// One for all.
    One(String),
    /// The text of a password file.
    File(String),
}

impl Passwords {
    /// What the environment has. A file that others may read is not used, and the log says so.
    pub(super) fn of_environment() -> Self {
        if let Some(password) = env::var("PGPASSWORD").ok().filter(|password| !password.is_empty()) {
            return Self::One(password);
        }
        let named = env::var_os("PGPASSFILE").filter(|name| !name.is_empty()).map(PathBuf::from);
        let file = named.or_else(|| Some(env::home_dir()?.join(".pgpass")));
        Self::File(file.and_then(|file| read(&file)).unwrap_or_default())
    }

    /// The password for the one host of this configuration.
    pub(super) fn of(&self, config: &Config) -> Option<String> {
        let file = match self {
            Self::One(password) => return Some(password.clone()),
            Self::File(text) => text,
        };
        let host = match (config.get_hosts().first(), config.get_hostaddrs().first()) {
            (Some(Host::Tcp(name)), _) => name.clone(),
            (Some(Host::Unix(path)), _) => match SOCKET_FOLDERS.iter().any(|folder| path == Path::new(folder)) {
                true => "localhost".to_owned(),
                false => path.display().to_string(),
            },
            (None, Some(address)) => address.to_string(),
            (None, None) => return None,
        };
        let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
        // Without a user the driver takes the account that the process runs under: only `*` means that here.
        let user = config.get_user().unwrap_or_default();
        let database = config.get_dbname().unwrap_or(user);
        file.lines().find_map(|line| password_in(line, [&host, &port, database, user]))
    }
}

fn read(file: &Path) -> Option<String> {
    let about = fs::metadata(file).ok()?;
    let unused = if !about.is_file() {
        "it is no plain file"
    } else if about.mode() & 0o077 != 0 {
        "others may read it: chmod 600"
    } else if about.len() > MOST_BYTES {
        "it is longer than a mebibyte"
    } else {
        return fs::read_to_string(file)
            .inspect_err(|error| tracing::warn!(%error, "the password file {} is not used", file.display()))
            .ok();
    };
    tracing::warn!("the password file {} is not used: {unused}", file.display());
    None
}

/// The password of a line `host:port:database:user:password`, where its first four fields are these, or `*`. In a field
/// a backslash stands before a colon or a backslash that is part of it.
fn password_in(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for wanted in wanted {
        let (field, after) = field(rest);
        let is_any = rest.starts_with("*:");
        rest = after.filter(|_| is_any || field == wanted)?;
    }
    Some(field(rest).0).filter(|password| !password.is_empty())
}

/// What stands before the next colon, without its backslashes, and what stands behind that colon.
fn field(text: &str) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            ':' => return (field, Some(&text[place + 1..])),
            '\\' => field.extend(characters.next().map(|(_, escaped)| escaped)),
            other => field.push(other),
        }
    }
    (field, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_is_read_as_libpq_reads_it() {
        let file = "# a comment\n\
                    *:*:*:reader:not this one\n\
                    db.example:5433:clinic:roster:by port\n\
                    db.example:*:cli\\:nic:roster:by\\:the\\\\name:and no more\n\
                    *x:*:*:roster:no star\n\
                    localhost:5432:*:roster:socket\r\n\
                    /run/pg:5432:*:roster:folder\n\
                    ::1:*:*:*:not so written\n\
                    \\:\\:1:*:*:*:six\n\
                    short:5432\n\
                    empty:*:*:*:\n";
        let of = |url: &str| Passwords::File(file.to_owned()).of(&url.parse().expect("a URL"));
        let found = |url: &str| of(url).unwrap_or_default();
        assert_eq!(found("postgres://roster@db.example:5433/clinic"), "by port");
        assert_eq!(found("postgres://roster@db.example/cli:nic"), "by:the\\name");
        assert_eq!(found("postgres://roster@db.example/clinic"), "");
        assert_eq!(found("postgres://roster@/clinic?host=/tmp"), "socket");
        assert_eq!(found("postgres://roster@/clinic?host=/var/run/postgresql"), "socket");
        assert_eq!(found("postgres://roster@/clinic?host=/run/pg"), "folder");
        assert_eq!(found("postgres://somebody@/clinic?hostaddr=::1"), "six");
        for none in
            ["postgres://roster@short/d", "postgres://roster@empty/d", "postgres://roster@x/d", "postgres://a@b/c"]
        {
            assert_eq!(of(none), None, "{none}");
        }
        let one = Passwords::One("of the environment".to_owned());
        assert_eq!(one.of(&"postgres://h/d".parse().expect("a URL")).as_deref(), Some("of the environment"));
    }
}
