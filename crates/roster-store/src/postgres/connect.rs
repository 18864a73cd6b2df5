//! How PostgreSQL is reached: the URL, TLS, and the pool.

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

/// How long a caller waits for a connection, and a connection for the server, before it is told to try again.
const CONNECT_WAIT: Duration = Duration::from_millis(1_500);

/// A `postgres://` URL, taken apart.
///
/// All that libpq's URLs may say, several hosts and `target_session_attrs` included, and of `sslmode` also `verify-ca`
/// and `verify-full` with `sslrootcert`. Beside that `pool_size`, connections of this process, 16 unless given.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    config: tokio_postgres::Config,
    verify: Verify,
    root_cert: Option<PathBuf>,
    pool_size: usize,
    shown: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verify {
    /// Encrypt, and take whoever answers: what libpq does for `prefer` and `require`.
    Nothing,
    /// A certificate of somebody trusted, whatever its name.
    Chain,
    /// A certificate of somebody trusted, for this host.
    ChainAndName,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let mut kept = form_urlencoded::Serializer::new(String::new());
        let mut url = Self {
            config: tokio_postgres::Config::new(),
            verify: Verify::Nothing,
            root_cert: None,
            pool_size: 16,
            shown: without_password(base),
        };
        let mut ssl_mode = SslMode::Prefer;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match (name.as_ref(), value.as_ref()) {
                ("sslmode", "disable") => ssl_mode = SslMode::Disable,
                ("sslmode", "prefer") => ssl_mode = SslMode::Prefer,
                ("sslmode", "require") => ssl_mode = SslMode::Require,
                ("sslmode", "verify-ca") => (ssl_mode, url.verify) = (SslMode::Require, Verify::Chain),
                ("sslmode", "verify-full") => (ssl_mode, url.verify) = (SslMode::Require, Verify::ChainAndName),
                ("sslmode", _) => {
                    return Err("sslmode is disable, prefer, require, verify-ca or verify-full".to_owned());
                }
                ("sslrootcert", path) => url.root_cert = Some(path.into()),
                ("pool_size", size) => {
                    let size = size.parse().ok().filter(|size| (2..=1_000).contains(size));
                    url.pool_size = size.ok_or("pool_size is a number from 2 to 1000")?;
                }
                (name, value) => drop(kept.append_pair(name, value)),
            }
        }
        let query = kept.finish();
        let plain = if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") };
        url.config = plain.parse().map_err(|error: tokio_postgres::Error| {
            let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            format!("not a PostgreSQL URL{cause}")
        })?;
        url.config.ssl_mode(ssl_mode);
        if url.config.get_application_name().is_none() {
            url.config.application_name("roster");
        }
        if url.config.get_connect_timeout().is_none() {
            url.config.connect_timeout(CONNECT_WAIT);
        }
        Ok(url)
    }
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
    /// A pool of connections, none of them open yet.
    pub(crate) fn pool(&self) -> Result<Pool, Error> {
        let unusable = |error: &dyn std::fmt::Display| Error::Unusable(format!("cannot prepare TLS: {error}"));
        let tls = MakeRustlsConnect::new(self.tls().map_err(|error| unusable(&error))?);
        let manager =
            Manager::from_config(self.config.clone(), tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        Pool::builder(manager)
            .max_size(self.pool_size)
            .timeouts(Timeouts { wait: Some(CONNECT_WAIT), create: Some(CONNECT_WAIT), recycle: Some(CONNECT_WAIT) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| unusable(&error))
    }

    fn tls(&self) -> Result<ClientConfig, Box<dyn std::error::Error>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
        if self.verify == Verify::Nothing {
            let verifier = Arc::new(Lenient { chain: None, provider });
            return Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        match &self.root_cert {
            Some(path) => {
                for certificate in CertificateDer::pem_file_iter(path)? {
                    roots.add(certificate?)?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if self.verify == Verify::ChainAndName {
            return Ok(config.with_root_certificates(roots).with_no_client_auth());
        }
        let chain = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build()?;
        let verifier = Arc::new(Lenient { chain: Some(chain), provider });
        Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
    }
}

/// Takes a certificate whatever its name, and, without a chain to check, whoever made it.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{SslMode, Url, Verify};

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
            "postgres://u:s3cret@h:port/d",
            "postgres://u:s3cret@h/d?nonsense=1",
        ] {
            let error = text.parse::<Url>().err().expect(text);
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
