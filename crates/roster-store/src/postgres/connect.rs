//! How PostgreSQL is reached: the URL, and what of it makes a pool.

mod hosts;
mod password;
mod tls;

use std::{path::PathBuf, str::FromStr, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime, Timeouts};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    connection::{Connection, Statements},
    errors,
    lending::Lender,
};
use crate::Error;
use hosts::Hosts;
use tls::Verify;

/// How long a caller waits for a connection, and a connection for the servers, before it is told to try again.
pub(super) const CONNECT_WAIT: Duration = Duration::from_millis(1_500);

/// How long one address of a host has to take a connection: a dead one is given up before the time of its host is over.
const ADDRESS_WAIT: Duration = Duration::from_millis(500);

/// A `postgres://` URL, taken apart.
///
/// All that libpq's URLs may say, several hosts and `target_session_attrs` included, and of `sslmode` also `verify-ca`
/// and `verify-full` with `sslrootcert`. A password that is not in it is `PGPASSWORD`, or in `.pgpass`. Beside that
/// `pool_size`, connections of this process, 16 unless given, and `prepared_statements`, `false` for a pooler that does
/// not keep them (named as in the URLs of Ruby on Rails).
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    config: tokio_postgres::Config,
    verify: Verify,
    root_cert: Option<PathBuf>,
    pool_size: usize,
    statements: Statements,
    shown: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        if base.matches('@').count() > 1 || query.contains('@') {
            // Read otherwise, a piece of a password would become the name of a host or of a parameter.
            return Err("a `@` or a `?` that is part of a name or a password is written %40 or %3F".to_owned());
        }
        let mut kept = Vec::new();
        let mut url = Self {
            config: tokio_postgres::Config::new(),
            verify: Verify::Nothing,
            root_cert: None,
            pool_size: 16,
            statements: Statements::Prepared,
            shown: without_password(base),
        };
        let mut ssl_mode = SslMode::Prefer;
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=').unwrap_or((parameter, "")) {
                ("sslmode", "disable") => ssl_mode = SslMode::Disable,
                ("sslmode", "prefer") => ssl_mode = SslMode::Prefer,
                ("sslmode", "require") => ssl_mode = SslMode::Require,
                ("sslmode", "verify-ca") => (ssl_mode, url.verify) = (SslMode::Require, Verify::Chain),
                ("sslmode", "verify-full") => (ssl_mode, url.verify) = (SslMode::Require, Verify::ChainAndName),
                ("sslmode", _) => {
                    return Err("sslmode is disable, prefer, require, verify-ca or verify-full".to_owned());
                }
                ("sslrootcert", path) => url.root_cert = Some(decoded(path).into()),
                ("pool_size", size) => {
                    let size = size.parse().ok().filter(|size| (2..=1_000).contains(size));
                    url.pool_size = size.ok_or("pool_size is a number from 2 to 1000")?;
                }
                ("prepared_statements", "true") => url.statements = Statements::Prepared,
                ("prepared_statements", "false") => url.statements = Statements::Unnamed,
                ("prepared_statements", _) => return Err("prepared_statements is true or false".to_owned()),
                _ => kept.push(parameter),
            }
        }
        if url.root_cert.is_some() && url.verify == Verify::Nothing {
            if ssl_mode != SslMode::Require {
                return Err("with sslrootcert, sslmode is require, verify-ca or verify-full".to_owned());
            }
            url.verify = Verify::Chain; // as libpq does
        }
        let plain = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
        url.config = plain.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            format!("not a PostgreSQL URL{cause}")
        })?;
        let hosts =
            hosts::count(&url.config).ok_or("a PostgreSQL URL names a host, and as many ports as hosts or one")?;
        url.config.ssl_mode(ssl_mode);
        if url.config.get_application_name().is_none() {
            url.config.application_name("roster");
        }
        if url.config.get_connect_timeout().is_none() {
            url.config.connect_timeout(ADDRESS_WAIT);
        }
        if hosts > 1 && !query.contains("target_session_attrs=") {
            // Roster writes: of a primary and its standbys only one will do.
            url.config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        Ok(url)
    }
}

/// The value of a parameter. In these URLs a plus is a plus.
fn decoded(value: &str) -> String {
    let pair = format!("v={}", value.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Without the password and the parameters.
impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

fn without_password(base: &str) -> String {
    match base.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?))) {
        Some((scheme, (user, host))) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}")
        }
        None => base.to_owned(),
    }
}

impl Url {
    /// One connection, of no pool.
    pub(super) async fn connection(&self) -> Result<Connection, Error> {
        let client = self.pool(self.tls()?)?.get().await.map_err(errors::of_pool)?;
        Ok(Connection::new(client, self.statements))
    }

    /// A pool of connections, none of them open yet.
    pub(super) fn lender(&self) -> Result<Lender, Error> {
        let tls = self.tls()?;
        Ok(Lender::of(self.pool(tls.clone())?, tls, self.statements))
    }

    fn tls(&self) -> Result<MakeRustlsConnect, Error> {
        let config = tls::config(self.verify, self.root_cert.as_deref());
        config.map(MakeRustlsConnect::new).map_err(|why| Error::Unusable(format!("cannot prepare TLS: {why}")))
    }

    fn pool(&self, tls: MakeRustlsConnect) -> Result<Pool, Error> {
        let manager = Manager::from_connect(
            self.config.clone(),
            Hosts::of(&self.config, tls),
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        Pool::builder(manager)
            .max_size(self.pool_size)
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts { wait: Some(CONNECT_WAIT), create: Some(CONNECT_WAIT), recycle: Some(CONNECT_WAIT) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| Error::Unusable(format!("cannot make a pool of connections: {error}")))
    }

    /// Whether a password stands in it.
    pub(crate) fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// Connections of this process.
    pub(super) fn pool_size(&self) -> usize {
        self.pool_size
    }
}

#[cfg(test)]
mod tests {
    use super::{SslMode, TargetSessionAttrs, Url, Verify};

    #[test]
    fn a_url_may_say_what_libpq_takes_and_more() {
        let url: Url = "postgres://roster:s3cret@a:5432,b:5433/clinic?sslmode=verify-full&sslrootcert=/ca.pem\
                        &target_session_attrs=read-write&pool_size=8"
            .parse()
            .expect("a URL");
        assert_eq!(url.config.get_hosts().len(), 2);
        assert_eq!(url.config.get_ssl_mode(), SslMode::Require);
        assert_eq!((url.verify, url.pool_size), (Verify::ChainAndName, 8));
        assert_eq!(url.to_string(), "postgres://roster@a:5432,b:5433/clinic");
    }

    #[test]
    fn what_makes_no_sense_is_refused_without_showing_the_password() {
        for text in [
            "postgres://u:s3cret@h/d?sslmode=maybe",
            "postgres://u:s3cret@h/d?pool_size=0",
            "postgres://u:s3cret@h/d?prepared_statements=off",
            "postgres://u:s3cret@h:port/d",
            "postgres://u:s3cret@h/d?nonsense=1",
            "postgres://u:x?s3cret=1@h/d",
            "postgres://u:x@s3cret@h/d",
            "postgres://u:s3cret@h/d?sslrootcert=ca.pem",
            "postgres://u:s3cret@/d",
            "postgres://u:s3cret@a:1,b:2/d?port=3",
        ] {
            let error = text.parse::<Url>().err().expect(text);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn what_is_not_ours_reaches_the_driver_as_it_was_written() {
        let url: Url = "postgres://h/d?options=-c%20statement_timeout%3D5s+1&user=a+b".parse().expect("a URL");
        assert_eq!(url.config.get_options(), Some("-c statement_timeout=5s+1"));
        assert_eq!(url.config.get_user(), Some("a+b"));
        let url: Url = "postgres://h/d?sslmode=require&sslrootcert=/a%20b+c.pem".parse().expect("a URL");
        assert_eq!(url.root_cert.as_deref(), Some("/a b+c.pem".as_ref()));
        assert_eq!(url.verify, Verify::Chain);
    }

    #[test]
    fn of_several_hosts_the_one_that_may_be_written_to_is_meant() {
        let attributes = |text: &str| text.parse::<Url>().expect("a URL").config.get_target_session_attrs();
        assert_eq!(attributes("postgres://a,b/d"), TargetSessionAttrs::ReadWrite);
        assert_eq!(attributes("postgres://a,b/d?target_session_attrs=any"), TargetSessionAttrs::Any);
        assert_eq!(attributes("postgres://a/d"), TargetSessionAttrs::Any);
    }
}
