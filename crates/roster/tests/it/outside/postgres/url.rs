//! How the database is named: encrypted or not, who is believed, who is told what, and never the password.

use std::{ffi::OsStr, fs, net::TcpListener, os::unix::fs::PermissionsExt, process::Command};

use insta::assert_snapshot;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::proxy::Proxy;
use crate::{
    binary::Binary,
    postgres::{Cluster, psql},
    wire::get,
};

const PASSWORD: &str = "s3cret-Passw0rd";

/// A server that made itself a certificate by these commands of `openssl`.
fn self_made(commands: &[&str]) -> Cluster {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in commands {
        let made = Command::new("openssl").current_dir(folder.path()).args(command.split(' ')).output();
        let made = made.expect("openssl starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    let cluster = Cluster::made();
    for name in ["server.crt", "server.key"] {
        cluster.write(name, &fs::read_to_string(folder.path().join(name)).expect("made"));
    }
    cluster
}

/// Whether a server talks in private, `on` or `off`, and what its log says of that.
fn encryption(binary: &Binary, cluster: &Cluster) -> (String, Vec<String>) {
    let server = binary.serve(&[]);
    let (_, key) = binary.organization_with_admin();
    assert_eq!(server.create(&key, "jane@example.com").0, 200);
    let sql = "select distinct case when ssl then 'on' else 'off' end from pg_stat_ssl \
               join pg_stat_activity using (pid) where application_name = 'roster'";
    let encryption = psql(&format!("{}&dbname=postgres", cluster.socket_url()), sql);
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0));
    let said = log.lines().filter(|line| line.contains("encrypted")).map(str::to_owned).collect();
    (encryption.trim().to_owned(), said)
}

/// A server with a certificate for `localhost`, by somebody of our own making, and with a password.
struct Guarded {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Guarded {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certifier = |file: &str| {
            let mut params = CertificateParams::new([]).expect("parameters");
            params.distinguished_name.push(DnType::CommonName, file);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().expect("a key");
            let certifier = CertifiedIssuer::self_signed(params, key).expect("a certificate");
            fs::write(folder.path().join(file), certifier.pem()).expect("written");
            certifier
        };
        let (ours, _) = (certifier("ours.pem"), certifier("another.pem"));
        fs::write(folder.path().join("empty.pem"), "").expect("written");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("parameters");
        let certificate = params.signed_by(&key, &ours).expect("a certificate");

        let cluster = Cluster::made();
        cluster.write("server.crt", &certificate.pem());
        cluster.write("server.key", &key.serialize_pem());
        cluster.write(
            "pg_hba.conf",
            "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n",
        );
        cluster.go(&["fsync=off", "ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"]);
        let inside = cluster.socket_url();
        psql(&format!("{inside}&dbname=postgres"), &format!("alter role roster password '{PASSWORD}'"));
        psql(&format!("{inside}&dbname=postgres"), "create database directory");
        Self { cluster, folder }
    }

    /// The binary, by a URL with this host and these parameters.
    fn binary(&self, host: &str, parameters: &str) -> Binary {
        let folder = self.folder.path().display().to_string();
        let parameters = parameters.replace("DIR", &folder);
        Binary::on(&format!("postgres://roster:{PASSWORD}@{host}:{}/directory?{parameters}", self.cluster.port()))
    }

    /// Whether a server by this URL talks in private: `on`, `off`, or what it complains of.
    fn encryption(&self, host: &str, parameters: &str) -> String {
        let binary = self.binary(host, parameters);
        let tried = binary.run(["org", "list"]);
        if !tried.status.success() {
            return self.anonymous(&binary.complaint(["org", "list"]));
        }
        let server = binary.serve(&["--log", "trace"]);
        assert_eq!(server.wire().send(get("/readyz", "")).answer().status, 200);
        let sql = "select distinct case when ssl then 'on' else 'off' end from pg_stat_ssl \
                   join pg_stat_activity using (pid) where application_name = 'roster'";
        let encryption = psql(&format!("{}&dbname=postgres", self.cluster.socket_url()), sql);
        server.signal("TERM");
        let (code, log) = server.wait();
        assert_eq!(code, Some(0));
        assert!(!log.contains(PASSWORD), "{log}");
        encryption.trim().to_owned()
    }

    /// Without what differs from run to run; and the password must not be there.
    fn anonymous(&self, text: &str) -> String {
        assert!(!text.contains(PASSWORD), "{text}");
        text.replace(&self.cluster.port().to_string(), "PORT").replace(&self.folder.path().display().to_string(), "DIR")
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn sslmode_says_who_is_believed() {
    let guarded = Guarded::new();
    let encryption = |host: &str, parameters: &str| guarded.encryption(host, parameters);
    assert_eq!(encryption("127.0.0.1", "sslmode=disable"), "off");
    for (host, parameters) in [
        ("127.0.0.1", ""),
        ("127.0.0.1", "sslmode=prefer"),
        ("127.0.0.1", "sslmode=require"),
        ("127.0.0.1", "sslmode=verify-ca&sslrootcert=DIR/ours.pem"),
        ("localhost", "sslmode=verify-ca&sslrootcert=DIR/ours.pem"),
        ("localhost", "sslmode=verify-full&sslrootcert=DIR/ours.pem"),
        ("127.0.0.1", "sslmode=require&sslrootcert=DIR/ours.pem"),
    ] {
        assert_eq!(encryption(host, parameters), "on", "{host} {parameters}");
    }
    // The name is wrong.
    assert_snapshot!(encryption("127.0.0.1", "sslmode=verify-full&sslrootcert=DIR/ours.pem"), @r#"1: roster: cannot use the database postgres://roster@127.0.0.1:PORT/directory: the database cannot be reached: error performing TLS handshake: invalid peer certificate: certificate not valid for name "127.0.0.1"; certificate is only valid for DnsName("localhost")"#);
    // The certifier is another one.
    assert_snapshot!(encryption("localhost", "sslmode=verify-full&sslrootcert=DIR/another.pem"), @"1: roster: cannot use the database postgres://roster@localhost:PORT/directory: the database cannot be reached: error performing TLS handshake: invalid peer certificate: UnknownIssuer");
    assert_snapshot!(encryption("localhost", "sslmode=verify-ca&sslrootcert=DIR/another.pem"), @"1: roster: cannot use the database postgres://roster@localhost:PORT/directory: the database cannot be reached: error performing TLS handshake: invalid peer certificate: UnknownIssuer");
    assert_snapshot!(encryption("localhost", "sslmode=require&sslrootcert=DIR/another.pem"), @"1: roster: cannot use the database postgres://roster@localhost:PORT/directory: the database cannot be reached: error performing TLS handshake: invalid peer certificate: UnknownIssuer");
    // The certifier is none.
    assert_snapshot!(encryption("localhost", "sslmode=verify-full&sslrootcert=DIR/missing.pem"), @"1: roster: cannot use the database postgres://roster@localhost:PORT/directory: cannot prepare TLS: cannot read certificates from DIR/missing.pem: I/O error: No such file or directory (os error 2)");
    assert_snapshot!(encryption("localhost", "sslmode=verify-full&sslrootcert=DIR/empty.pem"), @"1: roster: cannot use the database postgres://roster@localhost:PORT/directory: cannot prepare TLS: DIR/empty.pem contains no certificate in PEM form");
    // Nobody whom a machine trusts knows ours, and there are machines that trust nobody.
    let by_the_machine = encryption("localhost", "sslmode=verify-full");
    assert!(
        by_the_machine.starts_with("1: roster: cannot use the database postgres://roster@localhost:PORT"),
        "{by_the_machine}"
    );
}

/// As Citus makes one for itself.
#[test]
#[ignore = "needs PostgreSQL and openssl: script/test runs it"]
fn a_certificate_of_version_1_is_taken_where_nobodys_word_for_it_is_asked() {
    let cluster = self_made(&[
        "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -signkey server.key -out server.crt",
    ]);
    let settings = ["fsync=off", "ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"];
    for newest in ["TLSv1.3", "TLSv1.2"] {
        cluster.go(&[&settings[..], &[&format!("ssl_max_protocol_version={newest}")]].concat());
        let database = cluster.database();
        for parameters in ["", "?sslmode=require"] {
            let (encryption, said) = encryption(&Binary::on(&format!("{database}{parameters}")), &cluster);
            assert_eq!(encryption, "on", "{newest} {parameters}: {said:?}");
            assert_eq!(said.len(), 1, "once: {said:?}");
            assert!(said[0].contains("could be verified"), "{said:?}");
        }
        let root = cluster.data().join("server.crt");
        let url = format!("{database}?sslmode=verify-ca&sslrootcert={}", root.display());
        let complaint = Binary::on(&url).complaint(["org", "list"]);
        assert!(complaint.contains("certificate"), "{complaint}");
        cluster.stop("fast");
    }
}

#[test]
#[ignore = "needs PostgreSQL and openssl: script/test runs it"]
fn encryption_that_is_only_preferred_is_done_without_where_it_fails() {
    // A key of a kind that our TLS does not know.
    let cluster = self_made(&[
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp521r1 -nodes -keyout server.key -out server.crt \
         -subj /CN=localhost",
    ]);
    cluster.go(&["fsync=off", "ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"]);
    let database = cluster.database();
    let (is_encrypted, said) = encryption(&Binary::on(&database), &cluster);
    assert_eq!(is_encrypted, "off", "{said:?}");
    assert_eq!(said.len(), 1, "once, and not for each connection: {said:?}");
    assert!(said[0].contains("is not encrypted"), "{said:?}");
    let complaint = Binary::on(&format!("{database}?sslmode=require")).complaint(["org", "list"]);
    assert!(complaint.contains("error performing TLS handshake"), "{complaint}");
    cluster.stop("fast");

    // One who may come only without.
    cluster.write("pg_hba.conf", "local all all trust\nhostnossl all all 127.0.0.1/32 trust\n");
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    cluster.write("server.crt", &certificate.cert.pem());
    cluster.write("server.key", &certificate.signing_key.serialize_pem());
    cluster.go(&["fsync=off", "ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"]);
    let (is_encrypted, said) = encryption(&Binary::on(&database), &cluster);
    assert_eq!((is_encrypted.as_str(), said.len()), ("off", 1), "{said:?}");
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn encryption_that_is_required_is_not_done_without() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let complaint = Binary::on(&format!("{database}?sslmode=require")).complaint(["org", "list"]);
    assert!(complaint.ends_with("error performing TLS handshake: server does not support TLS"), "{complaint}");
    for parameters in ["", "?sslmode=prefer", "?sslmode=disable"] {
        Binary::on(&format!("{database}{parameters}")).print(["org", "list"]);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let guarded = Guarded::new();
    let port = guarded.cluster.port();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    let complaint = |url: &str| {
        let binary = Binary::on(url);
        let of_serve = binary.complaint(["serve", "--listen", "127.0.0.1:0", "--log", "warn"]);
        let of_list = binary.complaint(["org", "list"]);
        assert_eq!(of_list, of_serve, "whoever asks");
        guarded.anonymous(&of_list).replace(&closed.to_string(), "CLOSED").replace("Wr0ng", "WRONG")
    };
    assert_snapshot!(complaint(&format!("postgres://roster:{PASSWORD}@127.0.0.1:{closed}/directory")), @"1: roster: cannot use the database postgres://roster@127.0.0.1:CLOSED/directory: the database cannot be reached: error connecting to server: Connection refused (os error 111)");
    assert_snapshot!(complaint(&format!("postgres://roster:Wr0ng@127.0.0.1:{port}/directory")), @r#"1: roster: cannot use the database postgres://roster@127.0.0.1:PORT/directory: the database cannot be reached: password authentication failed for user "roster" (28P01)"#);
    assert_snapshot!(complaint(&format!("postgres://roster@127.0.0.1:{port}/directory")), @"1: roster: cannot use the database postgres://roster@127.0.0.1:PORT/directory: the database cannot be reached: invalid configuration: password missing");
    assert_snapshot!(complaint(&format!("postgres://roster:{PASSWORD}@127.0.0.1:{port}/nowhere")), @r#"1: roster: cannot use the database postgres://roster@127.0.0.1:PORT/nowhere: the database cannot be reached: database "nowhere" does not exist (3D000)"#);
    assert_snapshot!(complaint(&format!("postgres://stranger:{PASSWORD}@127.0.0.1:{port}/directory")), @r#"1: roster: cannot use the database postgres://stranger@127.0.0.1:PORT/directory: the database cannot be reached: password authentication failed for user "stranger" (28P01)"#);
    let unknown = complaint(&format!("postgres://roster:{PASSWORD}@host.invalid:{port}/directory"));
    assert!(unknown.starts_with("1: roster: cannot use the database postgres://roster@host.invalid:PORT/directory: the database cannot be reached: error connecting to server: failed to lookup address information"), "{unknown}");

    let proxy = Proxy::before(port);
    proxy.silence();
    let silent =
        complaint(&format!("postgres://roster:{PASSWORD}@127.0.0.1:{}/directory?sslmode=disable", proxy.port()));
    assert_snapshot!(silent.replace(&proxy.port().to_string(), "SILENT"), @"1: roster: cannot use the database postgres://roster@127.0.0.1:SILENT/directory: the database cannot be reached: no server took a connection within 1.5s");
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_silent_host_does_not_hide_the_one_beside_it() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let name = database.rsplit('/').next().expect("a name");
    let proxy = Proxy::before(cluster.port());
    proxy.silence();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", proxy.port(), cluster.port());
    let binary = Binary::on(&format!("postgres://roster@{hosts}/{name}"));
    let server = binary.serve(&[]);
    let (_, key) = binary.organization_with_admin();
    assert_eq!(server.create(&key, "jane@example.com").0, 200);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_database_is_found_by_its_socket() {
    let cluster = Cluster::shared();
    let database = cluster.database();
    let name = database.rsplit('/').next().expect("a name");
    for parameters in ["", "&sslmode=prefer", "&sslmode=disable", "&options=-c%20statement_timeout%3D5s"] {
        let binary = Binary::on(&format!("{}&dbname={name}{parameters}", cluster.socket_url()));
        binary.print(["org", "list"]);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_database_that_cannot_hold_every_name_is_refused() {
    let cluster = Cluster::shared();
    let url = cluster.url();
    let name = format!("latin_{}", std::process::id());
    let sql = format!("create database {name} encoding 'LATIN1' locale 'C' template template0");
    psql(&format!("{url}/postgres"), &sql);
    let complaint = Binary::on(&format!("{url}/{name}")).complaint(["org", "list"]);
    let complaint = complaint.replace(&url, "URL").replace(&name, "NAME");
    assert_snapshot!(complaint, @"1: roster: cannot use the database URL/NAME: the database has the encoding LATIN1, and must have UTF8: make it with `create database NAME encoding 'UTF8' template template0`");
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_password_may_stand_where_nobody_else_reads_it() {
    let guarded = Guarded::new();
    let port = guarded.cluster.port();
    let binary = Binary::on(&format!("postgres://roster@127.0.0.1:{port}/directory"));
    let file = |name: &str, text: &str, mode: u32| {
        let path = binary.path().join(name);
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its file");
        path
    };
    let home = binary.path().to_owned();
    let tried = |variables: &[(&str, &OsStr)]| {
        let mut command = binary.command(["org", "list"]);
        // Otherwise it would be that of whoever runs the tests.
        command.env("HOME", "/nonexistent").envs(variables.iter().copied());
        let output = command.output().expect("the binary starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains(PASSWORD), "{said}");
        output.status.success().then_some(()).ok_or(said)
    };
    assert!(tried(&[]).expect_err("no password").contains("password missing"));
    assert_eq!(tried(&[("PGPASSWORD", PASSWORD.as_ref())]), Ok(()));
    assert!(
        tried(&[("PGPASSWORD", "another".as_ref())]).expect_err("wrong").contains("password authentication failed")
    );

    let line = format!("# ours\n127.0.0.1:{port}:another:*:no\n127.0.0.1:{port}:directory:roster:{PASSWORD}\n");
    let named = file("named", &line, 0o600);
    assert_eq!(tried(&[("PGPASSFILE", named.as_os_str())]), Ok(()));
    let open = file("open", &line, 0o640);
    let said = tried(&[("PGPASSFILE", open.as_os_str())]).expect_err("it is not used");
    assert!(said.contains("is not used: others may read it: chmod 600"), "{said}");
    file(".pgpass", &line, 0o600);
    assert_eq!(tried(&[("HOME", home.as_os_str())]), Ok(()));
    let wrong = file("wrong", "*:*:*:*:wrong", 0o600);
    // What is nearer is stronger: the variable, and the URL.
    assert_eq!(tried(&[("PGPASSFILE", wrong.as_os_str()), ("PGPASSWORD", PASSWORD.as_ref())]), Ok(()));
    let url = format!("postgres://roster:{PASSWORD}@127.0.0.1:{port}/directory");
    assert_eq!(tried(&[("PGPASSWORD", "another".as_ref()), ("ROSTER_DATABASE", url.as_ref())]), Ok(()));
    let url_file = file("url", &format!("{url}\n"), 0o600);
    assert_eq!(tried(&[("ROSTER_DATABASE", "".as_ref()), ("ROSTER_DATABASE_FILE", url_file.as_os_str())]), Ok(()));

    // A server holds its connections for long: it says where everybody can read its password.
    const SAID: &str = "the password on the command line can be read by everybody on this machine";
    for (flags, variable, says) in [(&["--database", &*url][..], "", true), (&[], &*url, false)] {
        let mut command = binary.command(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.env("ROSTER_DATABASE", variable).args(flags);
        let server = binary.serve_by(command, &[]);
        server.signal("TERM");
        let (_, log) = server.wait();
        assert_eq!(log.contains(SAID), says, "{log}");
        assert!(!log.contains(PASSWORD), "{log}");
    }
}
