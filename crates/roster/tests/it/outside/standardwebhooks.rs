//! The three libraries of Standard Webhooks that receivers verify our signatures with: the crate, npm's and PyPI's.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use roster::deliver::signature;
use serde_json::json;

use super::program;
use crate::{
    deliver::House,
    receiver::{Received, Receiver},
};

/// The example of the specification's own libraries.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const BODY: &str = r#"{"test": 2432232314}"#;

/// A message as a receiver has it.
#[derive(Debug, Clone)]
struct Signed {
    /// Names in lower case.
    headers: Vec<(String, String)>,
    body: String,
}

impl Signed {
    /// The example, sent at this second and signed with all these secrets.
    fn example(seconds: i64, secrets: &[&str]) -> Self {
        let sign = |secret: &&str| signature::webhook(&key(secret), ID, seconds, BODY.as_bytes());
        let signatures = secrets.iter().map(sign).collect::<Vec<_>>().join(" ");
        let headers = [
            ("webhook-id", ID.to_owned()),
            ("webhook-timestamp", seconds.to_string()),
            ("webhook-signature", signatures),
        ];
        Self { headers: headers.map(|(name, value)| (name.to_owned(), value)).into(), body: BODY.to_owned() }
    }

    /// The same with another header.
    fn with(mut self, name: &str, value: &str) -> Self {
        let header = self.headers.iter_mut().find(|(found, _)| found == name).expect("it has such a header");
        header.1 = value.to_owned();
        self
    }
}

impl From<&Received> for Signed {
    fn from(received: &Received) -> Self {
        let body = String::from_utf8(received.body.clone()).expect("JSON is UTF-8");
        Self { headers: received.headers.clone(), body }
    }
}

/// The bytes that a secret stands for.
fn key(secret: &str) -> Vec<u8> {
    STANDARD.decode(secret.strip_prefix("whsec_").expect("the prefix")).expect("base64")
}

/// What a library says of messages to whoever has this secret: "ok", or what is wrong.
type Verifier = fn(&str, &[Signed]) -> Vec<String>;

fn by_the_crate(secret: &str, messages: &[Signed]) -> Vec<String> {
    let webhook = standardwebhooks::Webhook::new(secret).expect("a secret");
    let verify = |message: &Signed| {
        let headers = message.headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_str(value).expect("a value"))
        });
        let verdict = webhook.verify(message.body.as_bytes(), &HeaderMap::from_iter(headers));
        verdict.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
    };
    messages.iter().map(verify).collect()
}

fn by_the_npm_package(secret: &str, messages: &[Signed]) -> Vec<String> {
    let mut command = program::command("node", 60);
    command.arg(program::here().join("standardwebhooks/verify.mjs"));
    by_a_program(command, secret, messages)
}

fn by_the_pypi_package(secret: &str, messages: &[Signed]) -> Vec<String> {
    let mut command = program::command(program::pip("python"), 60);
    command.arg(program::here().join("standardwebhooks/verify.py"));
    by_a_program(command, secret, messages)
}

fn by_a_program(mut command: Command, secret: &str, messages: &[Signed]) -> Vec<String> {
    let line = |message: &Signed| {
        let headers: serde_json::Map<_, _> =
            message.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        json!({"secret": secret, "headers": headers, "body": message.body}).to_string() + "\n"
    };
    let lines: String = messages.iter().map(line).collect();
    let mut running =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`timeout` is on the machine");
    let mut stdin = running.stdin.take().expect("piped");
    // Both programs read everything before they answer.
    stdin.write_all(lines.as_bytes()).expect("it reads");
    drop(stdin);
    let output = running.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let said: Vec<_> = String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect();
    assert_eq!(said.len(), messages.len(), "an answer for each message: {said:?}");
    said
}

const ALL: [(&str, Verifier); 3] =
    [("the crate", by_the_crate), ("the npm package", by_the_npm_package), ("the PyPI package", by_the_pypi_package)];

/// Fails unless all three libraries accept every message, as they were received. Needs node and python.
fn verify_with_all(secret: &str, received: &[Received]) {
    let messages: Vec<Signed> = received.iter().map(Signed::from).collect();
    for (library, verify) in ALL {
        for (message, said) in messages.iter().zip(verify(secret, &messages)) {
            assert_eq!(said, "ok", "{library}: {message:?}");
        }
    }
}

/// What every library must accept, and what it must refuse.
fn accepts_what_is_right_and_nothing_else(verify: Verifier) {
    const OTHER: &str = "whsec_b3RoZXIgb3RoZXIgb3RoZXIgb3Ro";
    let now = jiff::Timestamp::now().as_second();
    let right = Signed::example(now, &[SECRET]);
    let altered = BODY.replace("2432232314", "2432232315");
    let cases = [
        (true, "as it is", right.clone()),
        (true, "two signatures, the second is ours", Signed::example(now, &[OTHER, SECRET])),
        (true, "two signatures, the first is ours", Signed::example(now, &[SECRET, OTHER])),
        (true, "four minutes ago", Signed::example(now - 240, &[SECRET])),
        (false, "a byte of the body altered", Signed { body: altered, ..right.clone() }),
        (false, "another id", right.clone().with("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJel")),
        (false, "another time", right.with("webhook-timestamp", &(now - 1).to_string())),
        (false, "another secret", Signed::example(now, &[OTHER])),
        (false, "six minutes ago", Signed::example(now - 360, &[SECRET])),
    ];
    let messages: Vec<_> = cases.iter().map(|(_, _, message)| message.clone()).collect();
    for ((is_right, what, _), said) in cases.iter().zip(verify(SECRET, &messages)) {
        assert_eq!(said == "ok", *is_right, "{what}: {said}");
        assert!(*is_right || said.contains("ignature") || said.contains("old"), "{what}: {said}");
    }
}

#[test]
fn the_crate_accepts_what_is_right_and_nothing_else() {
    accepts_what_is_right_and_nothing_else(by_the_crate);
}

#[test]
#[ignore = "needs node: script/test runs it"]
fn the_npm_package_accepts_what_is_right_and_nothing_else() {
    accepts_what_is_right_and_nothing_else(by_the_npm_package);
}

#[test]
#[ignore = "needs python: script/test runs it"]
fn the_pypi_package_accepts_what_is_right_and_nothing_else() {
    accepts_what_is_right_and_nothing_else(by_the_pypi_package);
}

#[test]
fn the_specifications_example_is_signed_as_the_crate_signs_it() {
    let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let theirs = standardwebhooks::Webhook::new(SECRET).expect("a secret");
    assert_eq!(theirs.sign(ID, 1_614_265_330, BODY.as_bytes()).expect("text"), expected);
    assert_eq!(signature::webhook(&key(SECRET), ID, 1_614_265_330, BODY.as_bytes()), expected);
}

#[test]
#[ignore = "needs node and python: script/test runs it"]
fn all_three_accept_what_was_sent() {
    let (house, receiver) = (House::new(), Receiver::willing());
    let server = house.serve(&[]);
    let (_, secret) = house.webhook(&server, &receiver.url("/"));
    for email in ["a@example.com", "b@example.com"] {
        house.user(&server, email);
    }
    verify_with_all(&secret, &receiver.wait_for(2));
}
