//! The client itself: whom it reaches, and how much anybody outside can take of it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use roster::deliver::client::{Client, Limits, Reply, Trouble, Why};

use crate::receiver::{self, Receiver};

fn inside() -> Client {
    Client::guarded("127.0.0.1".parse().expect("a network"), limits()).expect("a client")
}

fn limits() -> Limits {
    Limits { connect: Duration::from_secs(5), exchange: Duration::from_millis(300), body: 1_000 }
}

async fn post(client: &Client, url: &str) -> Result<Reply, Trouble> {
    let request = Request::builder().method("POST").uri(url).body(Full::<Bytes>::from("{}"));
    client.send(request.expect("a request")).await
}

#[tokio::test]
async fn an_answer_is_its_status_and_some_of_its_body() {
    let receiver =
        Receiver::new(|_| receiver::Reply::Answer(429, vec![("retry-after", "7".to_owned())], "x".repeat(5_000)));
    let reply = post(&inside(), &receiver.url("/")).await.expect("an answer");
    assert_eq!((reply.status, reply.retry_after, reply.body.len()), (429, Some(Duration::from_secs(7)), 1_000));
}

#[tokio::test]
async fn a_body_without_an_end_is_left() {
    let receiver = Receiver::new(|_| receiver::Reply::Endless);
    let reply = post(&inside(), &receiver.url("/")).await.expect("an answer");
    assert_eq!((reply.status, reply.body.len()), (200, 1_000));
}

#[tokio::test]
async fn what_may_have_arrived_is_unknown_and_what_cannot_have_is_not_sent() {
    let silent = Receiver::new(|_| receiver::Reply::Silence);
    let rude = Receiver::new(|_| receiver::Reply::Hangup);
    let other = Receiver::new(|_| receiver::Reply::Garbage);
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port"); // connects, and says nothing
    let nobody = {
        let bound = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}/", bound.local_addr().expect("an address"))
    };
    for (url, trouble) in [
        (silent.url("/"), Trouble::Unknown(Why::Timeout)),
        (rude.url("/"), Trouble::Unknown(Why::Lost)),
        (other.url("/"), Trouble::Unknown(Why::Lost)),
        (nobody, Trouble::NotSent(Why::NotConnected)),
        ("http://no-such-name.invalid/".to_owned(), Trouble::NotSent(Why::NoSuchName)),
        (silent.url("/").replace("http:", "https:"), Trouble::NotSent(Why::NoTls)),
        (format!("https://{}/", deaf.local_addr().expect("an address")), Trouble::NotSent(Why::ConnectTimeout)),
    ] {
        let client = Client::guarded(
            "127.0.0.1".parse().expect("a network"),
            Limits { connect: Duration::from_millis(200), ..limits() },
        );
        let told = post(&client.expect("a client"), &url).await;
        assert_eq!(told.expect_err("no answer"), trouble, "{url}");
    }
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    let receiver = Receiver::willing();
    let outside_only = Client::guarded("".parse().expect("nothing"), limits()).expect("a client");
    let port = receiver.port();
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let told = post(&outside_only, &format!("{scheme}://{host}:{port}/")).await;
            assert_eq!(told.expect_err("refused"), Trouble::NotSent(Why::Inside), "{scheme}://{host}");
        }
    }
    assert_eq!(receiver.connections(), 0);
    let reply = post(&inside(), &format!("http://localhost:{port}/")).await.expect("an answer");
    assert_eq!(reply.status, 200);
}

/// The gateway is the operator's to name, wherever it is.
#[tokio::test]
async fn the_trusted_client_reaches_anything_on_a_connection_of_its_own() {
    let receiver = Receiver::willing();
    let client = Client::trusted(limits()).expect("a client");
    for _ in 0..3 {
        assert_eq!(post(&client, &receiver.url("/")).await.expect("an answer").status, 200);
    }
    assert_eq!(receiver.connections(), 3);
}
