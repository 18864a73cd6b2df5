//! TLS on the listener: 1.2 and 1.3, nothing in the clear, and nobody can sit in a handshake.

use std::{net::TcpStream, path::PathBuf, sync::Arc};

use insta::assert_snapshot;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use crate::{
    binary::{Binary, Server},
    wire::{Wire, get, request},
};

/// A folder with a certificate for `localhost` that signs itself.
struct Certified {
    binary: Binary,
    roots: Arc<RootCertStore>,
}

impl Certified {
    fn new() -> Self {
        let binary = Binary::new();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        std::fs::write(binary.path().join("cert.pem"), made.cert.pem()).expect("written");
        std::fs::write(binary.path().join("key.pem"), made.signing_key.serialize_pem()).expect("written");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        Self { binary, roots: Arc::new(roots) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.binary.path().join(name)
    }

    fn serve(&self, flags: &[&str]) -> Server {
        self.binary.serve(&[&["--tls-cert", "cert.pem", "--tls-key", "key.pem"], flags].concat())
    }

    /// A connection over TLS, by these versions of it.
    fn connect(
        &self,
        server: &Server,
        versions: &[&'static SupportedProtocolVersion],
    ) -> StreamOwned<ClientConnection, TcpStream> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let config = config.expect("versions").with_root_certificates(self.roots.clone()).with_no_client_auth();
        let name = "localhost".try_into().expect("a name");
        StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), server.connect())
    }

    /// `roster serve` with files that it must refuse.
    fn refused(&self, cert: &str, key: &str) -> String {
        self.binary.complaint(["serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key])
    }
}

#[test]
fn the_api_is_served_over_tls_1_2_and_1_3() {
    let certified = Certified::new();
    let (_, key) = certified.binary.organization_with_admin();
    let server = certified.serve(&[]);
    for (nth, version) in [&TLS12, &TLS13].into_iter().enumerate() {
        let mut stream = certified.connect(&server, &[version]);
        let mut wire = Wire::over(&mut stream);
        let body = r#"{"firstName":"Jane","lastName":"Doe"}"#;
        assert_eq!(wire.send(request("POST", "/api/v1/users", &key, body)).answer().status, 200);
        let list = wire.send(get("/api/v1/users", &key)).answer();
        assert_eq!(list.json()["pagination"]["totalCount"], nth + 1, "{list}");
        assert_eq!(stream.conn.protocol_version(), Some(version.version));
    }
}

#[test]
fn plain_http_to_the_tls_port_gets_nothing_but_an_alert() {
    let certified = Certified::new();
    let (_, key) = certified.binary.organization_with_admin();
    let server = certified.serve(&[]);
    let mut wire = server.wire();
    let said = wire.send(get("/api/v1/users", &key)).rest();
    assert!(!said.contains("HTTP"), "{said}");
    assert_served(&certified, &server);
}

#[test]
fn a_handshake_that_stalls_is_cut_off() {
    let certified = Certified::new();
    let server = certified.serve(&["--read-timeout", "1"]);
    let mut silent = server.wire();
    let mut stalled = server.wire();
    stalled.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"); // the start of a ClientHello
    assert_served(&certified, &server);
    assert_eq!(silent.rest(), "");
    assert_eq!(stalled.rest(), "");
    // And whoever has shaken hands and then says nothing.
    let mut stream = certified.connect(&server, &[&TLS13]);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    }
    assert_eq!(Wire::over(&mut stream).rest(), "");
    assert_served(&certified, &server);
}

#[test]
fn a_stalled_handshake_cannot_hold_a_server_that_is_told_to_stop() {
    let certified = Certified::new();
    let server = certified.serve(&["--read-timeout", "3600", "--drain-timeout", "1"]);
    let mut stalled = server.wire();
    stalled.send(b"\x16\x03\x01");
    assert_served(&certified, &server);
    server.signal("TERM");
    assert_eq!(server.wait().0, Some(0));
    assert_eq!(stalled.rest(), "");
}

#[test]
fn what_was_sent_before_a_stop_is_answered() {
    let certified = Certified::new();
    let (_, key) = certified.binary.organization_with_admin();
    let server = certified.serve(&["--drain-delay", "0"]);
    let mut streams: Vec<_> = (0..16).map(|_| certified.connect(&server, &[&TLS13])).collect();
    for stream in &mut streams {
        assert_eq!(Wire::over(stream).send(get("/healthz", "")).answer().status, 200);
    }
    server.signal("STOP");
    for stream in &mut streams {
        Wire::over(stream).send(get("/api/v1/users", &key));
    }
    server.signal("TERM");
    server.signal("CONT");
    for stream in &mut streams {
        let mut wire = Wire::over(stream);
        assert_eq!(wire.answer().status, 200);
        assert_eq!(wire.rest(), "");
    }
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_refusal_reaches_a_client_that_sends_a_large_body_first() {
    let certified = Certified::new();
    let (_, key) = certified.binary.organization_with_admin();
    let server = certified.serve(&[]);
    for key in [key.as_str(), "wrong"] {
        let mut stream = certified.connect(&server, &[&TLS12, &TLS13]);
        let mut wire = Wire::over(&mut stream);
        wire.try_send(request("POST", "/api/v1/users", key, &" ".repeat(3 * 1024 * 1024))).expect("all was taken");
        let answer = wire.answer();
        assert_eq!(answer.status, if key == "wrong" { 401 } else { 413 }, "{answer}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(wire.rest(), "");
    }
}

#[test]
fn health_is_told_over_tls_when_all_places_are_taken() {
    let certified = Certified::new();
    let server = certified.serve(&["--max-connections", "1"]);
    let mut held = certified.connect(&server, &[&TLS13]);
    assert_eq!(Wire::over(&mut held).send(get("/healthz", "")).answer().status, 200);
    assert_served(&certified, &server);
    let mut refused = certified.connect(&server, &[&TLS13]);
    assert_eq!(Wire::over(&mut refused).send(get("/api/v1/me", "")).answer().status, 503);
}

#[test]
fn files_that_cannot_be_used_are_refused() {
    let certified = Certified::new();
    let other = rcgen::KeyPair::generate().expect("a key").serialize_pem();
    std::fs::write(certified.file("other.pem"), other).expect("written");
    std::fs::write(certified.file("empty.pem"), "").expect("written");
    std::fs::write(certified.file("broken.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .expect("written");
    assert_snapshot!(certified.refused("missing.pem", "key.pem"), @"1: roster: cannot read certificates from missing.pem: I/O error: No such file or directory (os error 2)");
    assert_snapshot!(certified.refused("cert.pem", "missing.pem"), @"1: roster: cannot read a private key from missing.pem: I/O error: No such file or directory (os error 2)");
    assert_snapshot!(certified.refused("empty.pem", "key.pem"), @"1: roster: empty.pem contains no certificate in PEM form");
    assert_snapshot!(certified.refused("key.pem", "key.pem"), @"1: roster: key.pem contains no certificate in PEM form");
    assert_snapshot!(certified.refused("cert.pem", "empty.pem"), @"1: roster: cannot read a private key from empty.pem: no items found");
    assert_snapshot!(certified.refused("cert.pem", "cert.pem"), @"1: roster: cannot read a private key from cert.pem: no items found");
    assert_snapshot!(certified.refused("cert.pem", "other.pem"), @"1: roster: the certificate and the private key do not go together: keys may not be consistent: KeyMismatch");
    assert_snapshot!(certified.refused("broken.pem", "key.pem"), @"1: roster: the certificate and the private key do not go together: invalid peer certificate: BadEncoding");
}

#[test]
fn a_certificate_without_a_key_is_a_misuse() {
    let certified = Certified::new();
    for flag in ["--tls-cert", "--tls-key"] {
        let complaint = certified.binary.complaint(["serve", "--listen", "127.0.0.1:0", flag, "cert.pem"]);
        assert!(complaint.starts_with("2: error: the following required arguments were not provided:"), "{complaint}");
    }
}

fn assert_served(certified: &Certified, server: &Server) {
    let mut stream = certified.connect(server, &[&TLS12, &TLS13]);
    assert_eq!(Wire::over(&mut stream).send(get("/healthz", "")).answer().status, 200, "others are served");
}

#[test]
fn over_tls_a_browser_is_told_to_ask_in_no_other_way() {
    let certified = Certified::new();
    let server = certified.serve(&[]);
    let mut wire = Wire::over(certified.connect(&server, &[&TLS13]));
    for path in ["/healthz", "/docs/", "/nowhere"] {
        let answer = wire.send(get(path, "")).answer();
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"), "{path}");
    }
    let plain = Binary::new();
    let answer = plain.serve(&[]).wire().send(get("/healthz", "")).answer();
    assert_eq!(answer.header("strict-transport-security"), None);
}

#[test]
#[cfg(unix)]
fn a_key_that_others_may_read_is_said_and_one_that_they_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let certified = Certified::new();
    let key = certified.file("key.pem");
    let mode = |mode| std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).expect("changed");
    mode(0o600);
    let server = certified.serve(&[]);
    server.signal("TERM");
    assert!(!server.end().log.contains("chmod"));
    mode(0o644);
    let server = certified.serve(&[]);
    server.signal("TERM");
    assert!(server.end().log.contains("others than its owner may read the TLS key key.pem: run `chmod go-r key.pem`"));
    mode(0o620);
    assert_snapshot!(certified.refused("cert.pem", "key.pem"), @"1: roster: others than its owner may write to the TLS key key.pem: run `chmod go-w key.pem`, or allow it with --allow-writable-files");
    certified.serve(&["--allow-writable-files"]);
}
