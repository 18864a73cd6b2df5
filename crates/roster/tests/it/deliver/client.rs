//! Requests to somebody outside: whom they reach, what comes back, and what is said where nothing does.

use std::{net::TcpListener, process::Command, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use roster::deliver::{
    address::Inside,
    client::{Client, Limits, Reply, Trouble, Why},
    names::Names,
};

use crate::{
    binary::Binary,
    receiver::{Act, Receiver, Setup, in_turn, status},
};

/// This machine, in every notation that somebody might think of.
const HERE: [&str; 16] = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "localhost",
    "LOCALHOST",
    "user@127.0.0.1",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
];

/// Limits that no test runs into unless it wants to.
pub(super) fn patient() -> Limits {
    let long = Duration::from_secs(30);
    Limits { lookup: long, connect: long, exchange: 2 * long, ..Limits::default() }
}

/// What this machine knows of names.
fn names() -> Names {
    Names::asking(&[]).expect("names")
}

fn guarded(inside: &str, limits: Limits) -> Client {
    Client::guarded(inside.parse().expect("networks"), names(), limits).expect("a client")
}

/// One that may reach the receivers of these tests.
fn neighbour(limits: Limits) -> Client {
    guarded("127.0.0.1", limits)
}

pub(super) async fn post(client: &Client, url: &str) -> Result<Reply, Trouble> {
    let request = Request::post(url).header("x-test", "1").body(Full::from(Bytes::from_static(b"hello")));
    client.send(request.expect("a request")).await
}

async fn trouble(client: &Client, url: &str) -> Trouble {
    post(client, url).await.expect_err(url)
}

#[tokio::test]
async fn nothing_reaches_this_machine_by_whatever_name() {
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    for client in
        [Client::guarded(Inside::default(), names(), patient()).expect("a client"), guarded("10.0.0.0/8", patient())]
    {
        for host in HERE {
            // Where the port alone would be refused, and where it would not.
            for url in [format!("http://{host}:{port}/"), format!("https://{host}:{port}/"), format!("https://{host}/")]
            {
                let told = trouble(&client, &url).await;
                // Some are no names that a certificate could have: refused before they are looked up.
                let odd = host.starts_with(|c: char| c.is_ascii_digit()) && host != "127.0.0.1";
                let no_name = url.starts_with("https") && told == Trouble::NotSent(Why::NoTls);
                assert!(told == Trouble::NotSent(Why::Inside) || odd && no_name, "{url}: {told:?}");
            }
        }
    }
    let accepted = listener.accept().map(|(_, from)| from);
    assert_eq!(accepted.expect_err("nobody connected").kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn the_rest_of_the_inside_is_refused_before_a_connection_is_tried() {
    // Were it tried, it would fail otherwise: nobody answers there.
    let client = Client::guarded(Inside::default(), names(), patient()).expect("a client");
    for host in ["10.0.0.1", "169.254.169.254", "192.168.0.1", "172.16.0.1", "100.64.0.1", "[fd00::1]", "[fe80::1]"] {
        assert_eq!(trouble(&client, &format!("https://{host}/")).await, Trouble::NotSent(Why::Inside), "{host}");
    }
    for url in ["http://1.1.1.1/", "http://1.1.1.1:443/", "https://1.1.1.1:8443/", "https://[2606:4700::1111]:22/"] {
        assert_eq!(trouble(&client, url).await, Trouble::NotSent(Why::Inside), "{url}");
    }
}

#[tokio::test]
async fn what_the_operator_lets_in_is_reached_by_whatever_name() {
    let receiver = Receiver::answering(status(200));
    let client = neighbour(patient());
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "user@127.0.0.1"] {
        let reply = post(&client, &format!("http://{host}:{}/hook?a=b", receiver.address.port())).await;
        assert_eq!(reply.expect(host).status, 200);
    }
    let received = receiver.wait_for(5);
    assert_eq!((received[0].method.as_str(), received[0].path.as_str()), ("POST", "/hook?a=b"));
    assert!(received.is_sorted_by_key(|request| request.at));
    assert_eq!((received[0].header("x-test"), received[0].text()), ("1", "hello"));

    // That one address, and no other.
    for host in ["127.0.0.2", "0.0.0.0", "[::1]"] {
        let url = format!("http://{host}:{}/", receiver.address.port());
        assert_eq!(trouble(&client, &url).await, Trouble::NotSent(Why::Inside), "{host}");
    }
    assert_eq!(receiver.received().len(), 5);
}

#[tokio::test]
async fn the_operators_own_address_may_be_anywhere() {
    let receiver = Receiver::answering(status(200));
    let client = Client::trusted(names(), patient()).expect("a client");
    assert_eq!(post(&client, &receiver.url("/")).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_nobody_follows_it() {
    let elsewhere = Receiver::answering(status(200));
    for code in [301, 302, 303, 307, 308] {
        let receiver = Receiver::answering(status(code).header("Location", elsewhere.url("/")));
        assert_eq!(post(&neighbour(patient()), &receiver.url("/")).await.expect("an answer").status, code);
        assert_eq!(receiver.received().len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn an_answer_is_read_so_far_and_no_further() {
    let client = neighbour(Limits { body: 10_000, ..patient() });
    let endless = Receiver::start(|_| Act::Endless(200));
    let reply = post(&client, &endless.url("/")).await.expect("an answer");
    assert_eq!((reply.status, reply.body.len()), (200, 10_000));

    for (length, read) in [(0, 0), (9_999, 9_999), (10_000, 10_000), (10_001, 10_000), (1_000_000, 10_000)] {
        let receiver = Receiver::answering(status(500).body(vec![b'x'; length]));
        let reply = post(&client, &receiver.url("/")).await.expect("an answer");
        assert_eq!((reply.status, reply.body.len()), (500, read), "{length}");
    }
}

#[tokio::test]
async fn the_status_stands_where_the_body_breaks_off_or_does_not_end() {
    const BEGUN: &[u8] = b"HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\nabc";
    let brief = Limits { exchange: Duration::from_millis(500), ..patient() };
    for (act, limits) in [(Act::Raw(BEGUN.to_vec()), patient()), (Act::Begin(BEGUN.to_vec()), brief)] {
        let receiver = Receiver::start(move |_| act.clone());
        let reply = post(&neighbour(limits), &receiver.url("/")).await.expect("an answer");
        assert_eq!((reply.status, &reply.body[..]), (201, b"abc".as_slice()));
    }
}

#[tokio::test]
async fn how_long_to_wait_is_heard() {
    let receiver = Receiver::answering(status(429).header("Retry-After", 120));
    let reply = post(&neighbour(patient()), &receiver.url("/")).await.expect("an answer");
    assert_eq!((reply.status, reply.retry_after), (429, Some(Duration::from_secs(120))));
}

#[tokio::test]
async fn whatever_is_no_answer_is_unknown() {
    let mut large = b"HTTP/1.1 200 OK\r\n".to_vec();
    large.extend_from_slice(&b"X-Large: 0123456789\r\n".repeat(90));
    large.extend_from_slice(format!("X-Larger: {:20000}\r\n\r\n", "").as_bytes());
    let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
    many.extend_from_slice(&b"X: 1\r\n".repeat(101));
    many.extend_from_slice(b"\r\n");
    for (what, act) in [
        ("closed", Act::Close),
        ("another protocol", Act::Raw(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())),
        ("half a head", Act::Raw(b"HTTP/1.1 200 OK\r\nContent-".to_vec())),
        ("two lengths", Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_vec())),
        ("a large head", Act::Raw(large)),
        ("many fields", Act::Raw(many)),
    ] {
        let receiver = Receiver::start(move |_| act.clone());
        for client in [neighbour(patient()), Client::trusted(names(), patient()).expect("a client")] {
            assert_eq!(trouble(&client, &receiver.url("/")).await, Trouble::Unknown(Why::Lost), "{what}");
        }
        assert_eq!(receiver.received().len(), 2, "{what}: nothing is sent twice");
    }
    let deaf = Setup::new(|_| Act::Close).deaf_to(|_| true).start();
    assert_eq!(trouble(&neighbour(patient()), &deaf.url("/")).await, Trouble::Unknown(Why::Lost));
}

#[tokio::test]
async fn who_never_answers_is_waited_for_so_long_and_then_it_is_unknown() {
    let receiver = Receiver::start(|_| Act::Silence);
    let client = neighbour(Limits { exchange: Duration::from_millis(200), ..patient() });
    assert_eq!(trouble(&client, &receiver.url("/")).await, Trouble::Unknown(Why::Timeout));
    receiver.release();
}

#[tokio::test]
async fn where_no_connection_was_made_nothing_was_sent() {
    // Bound, so that nobody else has the port, and not listened on.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let port = socket.local_addr().expect("an address").port();
    let client = neighbour(patient());
    let url = format!("http://127.0.0.1:{port}/");
    assert_eq!(trouble(&client, &url).await, Trouble::NotSent(Why::NotConnected));
    // A label of a name has 63 letters at most, so this one need not be asked for.
    let url = format!("http://{}.example/", "x".repeat(64));
    assert_eq!(trouble(&client, &url).await, Trouble::NotSent(Why::NoSuchName));
}

#[tokio::test]
async fn where_there_is_no_tls_nothing_was_sent() {
    let plain = Receiver::answering(status(200));
    let url = format!("https://{}/", plain.address);
    assert_eq!(trouble(&neighbour(patient()), &url).await, Trouble::NotSent(Why::NoTls));
    // It accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}/", silent.local_addr().expect("an address"));
    let client = neighbour(Limits { connect: Duration::from_millis(200), ..patient() });
    assert_eq!(trouble(&client, &url).await, Trouble::NotSent(Why::ConnectTimeout));
}

#[tokio::test]
async fn a_kept_connection_that_is_lost_loses_its_request_and_no_other() {
    let receiver = Receiver::start(in_turn([status(200).into(), status(200).into(), Act::Close, status(200).into()]));
    let client = neighbour(patient());
    for _ in 0..2 {
        assert_eq!(post(&client, &receiver.url("/")).await.expect("an answer").status, 200);
    }
    assert_eq!(receiver.connections(), 1, "it is kept");
    assert_eq!(trouble(&client, &receiver.url("/")).await, Trouble::Unknown(Why::Lost));
    assert_eq!(receiver.received().len(), 3, "it is not sent again by itself");
    assert_eq!(post(&client, &receiver.url("/")).await.expect("an answer").status, 200);
}

#[tokio::test]
async fn to_the_gateway_every_request_has_a_connection_of_its_own() {
    let receiver = Receiver::answering(status(200));
    let client = Client::trusted(names(), patient()).expect("a client");
    for _ in 0..3 {
        assert_eq!(post(&client, &receiver.url("/")).await.expect("an answer").status, 200);
    }
    assert_eq!(receiver.connections(), 3);
}

#[tokio::test]
async fn one_that_is_slow_delays_no_other() {
    let slow = Receiver::start(|_| Act::Hold(status(200)));
    let quick = Receiver::answering(status(200));
    let client = neighbour(patient());
    let url = slow.url("/");
    let held: Vec<_> = (0..40)
        .map(|_| {
            let (client, url) = (client.clone(), url.clone());
            tokio::spawn(async move { post(&client, &url).await })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(post(&client, &quick.url("/")).await.expect("an answer").status, 200);
    }
    assert!(held.iter().all(|task| !task.is_finished()));
    slow.release();
    for task in held {
        assert_eq!(task.await.expect("no panic").expect("an answer").status, 200);
    }
    assert_eq!(slow.received().len(), 40);
}

#[test]
fn a_machine_that_trusts_nobody_serves_all_the_same() {
    let binary = Binary::new();
    let mut command = binary.command(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    command.env("SSL_CERT_FILE", binary.path().join("missing.pem"));
    let server = binary.serve_by(command, &[]);
    assert_eq!(server.request("GET", "/healthz", "", "").0, 200);
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("this machine trusts no certifier"), "{log}");
}

/// A certifier, and a server with a certificate of it for this machine.
fn certified_receiver() -> (String, Receiver) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certifier = rcgen::CertifiedIssuer::self_signed(params, key).expect("a certifier");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(names).expect("names").signed_by(&key, &certifier);
    let chain = vec![certificate.expect("a certificate").der().clone()];
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key).expect("they match");
    (certifier.pem(), Setup::new(|_| status(200).into()).over_tls(Arc::new(config)).start())
}

/// Whom a machine trusts stands in its environment, so the test runs itself again in one of its own.
#[test]
fn only_certificates_that_the_machine_trusts_are_taken() {
    const URL: &str = "ROSTER_TEST_TLS_URL";
    if let Ok(url) = std::env::var(URL) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for client in [neighbour(patient()), Client::trusted(names(), patient()).expect("a client")] {
            println!("SAID {:?}", runtime.block_on(post(&client, &url)).map(|reply| reply.status));
        }
        return;
    }
    let (pem, receiver) = certified_receiver();
    let (other, _) = certified_receiver();
    let dir = tempfile::tempdir().expect("a folder");
    let trusting = |pem: &str, host: &str| {
        let file = dir.path().join("certifiers.pem");
        std::fs::write(&file, pem).expect("written");
        let name = concat!(module_path!(), "::only_certificates_that_the_machine_trusts_are_taken");
        let name = name.split_once("::").expect("a path").1;
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command.args(["--exact", name, "--nocapture"]).env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
        let output = command.env(URL, format!("https://{host}:{}/", receiver.address.port())).output();
        let output = String::from_utf8(output.expect("it runs").stdout).expect("UTF-8");
        output.lines().filter_map(|line| line.split_once("SAID ").map(|(_, said)| said.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(trusting(&pem, "localhost"), ["Ok(200)"; 2]);
    assert_eq!(trusting(&pem, "127.0.0.1"), ["Ok(200)"; 2]);
    assert_eq!(trusting(&pem, "2130706433"), ["Err(NotSent(NoTls))"; 2], "it is certified under no such name");
    assert_eq!(trusting(&other, "localhost"), ["Err(NotSent(NoTls))"; 2]);
    assert_eq!(trusting("", "localhost"), ["Err(NotSent(NoTls))"; 2], "a machine that trusts nobody");
    assert_eq!(receiver.received().len(), 4);
}
