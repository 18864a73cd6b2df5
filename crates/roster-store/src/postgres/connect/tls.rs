//! TLS to PostgreSQL: whom a connection trusts.

use std::{
    path::Path,
    sync::{Arc, Once},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime, pem::PemObject},
};
use x509_cert::{
    Certificate,
    der::{Decode, Encode},
    spki::SubjectPublicKeyInfoOwned,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verify {
    /// Encrypt, and take whoever answers: what libpq does for `prefer` and `require`.
    Nothing,
    /// A certificate of somebody trusted, whatever its name.
    Chain,
    /// A certificate of somebody trusted, for this host.
    ChainAndName,
}

/// How to verify, by the certificates of a file or else by those that the machine trusts.
pub(super) fn config(verify: Verify, root_cert: Option<&Path>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let lenient = |chain| Arc::new(Lenient { chain, provider: provider.clone() });
    let config = match verify {
        Verify::Nothing => config.dangerous().with_custom_certificate_verifier(lenient(None)),
        Verify::Chain => {
            let chain = WebPkiServerVerifier::builder_with_provider(roots(root_cert)?.into(), provider.clone()).build();
            let chain = chain.map_err(|error| error.to_string())?;
            config.dangerous().with_custom_certificate_verifier(lenient(Some(chain)))
        }
        Verify::ChainAndName => config.with_root_certificates(roots(root_cert)?),
    };
    Ok(config.with_no_client_auth())
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match file.filter(|path| *path != Path::new("system")) {
        Some(path) => {
            let unreadable =
                |error: &dyn std::fmt::Display| format!("cannot read certificates from {}: {error}", path.display());
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))? {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
            if roots.is_empty() {
                return Err(format!("{} contains no certificate in PEM form", path.display()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err("the machine trusts nobody: name a file with sslrootcert".to_owned());
            }
        }
    }
    Ok(roots)
}

/// Takes a certificate whatever its name, and, without a chain to check, whoever made it.
#[derive(Debug)]
struct Lenient {
    chain: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Lenient {
    /// What rustls says of a signature; or, where it does not read the certificate and nobody's word for it is asked, what
    /// the key in it says. So certificates of version 1 are taken, as by libpq: Citus makes such for itself.
    fn or_by_key(
        &self,
        verified: Result<HandshakeSignatureValid, rustls::Error>,
        cert: &CertificateDer<'_>,
        verify: impl FnOnce(&SubjectPublicKeyInfoOwned) -> Option<HandshakeSignatureValid>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        use CertificateError::{BadEncoding, Other, UnhandledCriticalExtension};
        static TOLD: Once = Once::new();
        match verified {
            Err(rustls::Error::InvalidCertificate(refusal @ (BadEncoding | Other(_) | UnhandledCriticalExtension)))
                if self.chain.is_none() =>
            {
                let by_key = Certificate::from_der(cert)
                    .ok()
                    .and_then(|cert| verify(&cert.tbs_certificate.subject_public_key_info));
                if by_key.is_some() {
                    TOLD.call_once(|| {
                        tracing::warn!(
                            reason = %refusal,
                            "the database's certificate is not one that could be verified: the connection is encrypted, \
                             but sslmode=verify-ca and verify-full would refuse it"
                        );
                    });
                }
                by_key.ok_or(rustls::Error::InvalidCertificate(refusal))
            }
            verified => verified,
        }
    }
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
        let verified = rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms);
        self.or_by_key(verified, cert, |key| {
            let of_scheme = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == dss.scheme);
            let candidates = of_scheme.flat_map(|(_, candidates)| candidates.iter());
            let wanted = key.algorithm.to_der().ok()?;
            // Theirs is without the head of the sequence; ours is as long as its head says.
            candidates
                .filter(|candidate| wanted.ends_with(candidate.public_key_alg_id().as_ref()))
                .any(|candidate| {
                    candidate.verify_signature(key.subject_public_key.raw_bytes(), message, dss.signature()).is_ok()
                })
                .then(HandshakeSignatureValid::assertion)
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms);
        self.or_by_key(verified, cert, |key| {
            let key = SubjectPublicKeyInfoDer::from(key.to_der().ok()?);
            rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, dss, algorithms).ok()
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
