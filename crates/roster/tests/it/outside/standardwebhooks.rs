//! What we sign, verified by the libraries that receivers use: those of the specification, for node and for Python.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use roster::deliver::signature;
use serde_json::{Value, json};

use super::program;

/// Messages, and whether a receiver should believe them.
fn cases() -> Vec<(Value, bool)> {
    let now = jiff::Timestamp::now().as_second();
    let (secret, old) = ([7_u8; 24], [8_u8; 32]);
    let body = "{\"type\":\"user.created\",\"name\":\"Zoë 👍\"}";
    let signed = signature::webhook(&secret, "evt_1", now, body.as_bytes());
    let by_the_old = signature::webhook(&old, "evt_1", now, body.as_bytes());
    let long_ago = signature::webhook(&secret, "evt_1", now - 3_600, body.as_bytes());
    let case = |secret: &[u8], id: &str, at: i64, signature: &str, body: &str, good: bool| {
        let headers = json!({
            "webhook-id": id, "webhook-timestamp": at.to_string(), "webhook-signature": signature,
        });
        let secret = format!("whsec_{}", STANDARD.encode(secret));
        (json!({ "secret": secret, "headers": headers, "body": body }), good)
    };
    vec![
        case(&secret, "evt_1", now, &signed, body, true),
        case(&old, "evt_1", now, &by_the_old, body, true),
        // During a rotation it is signed twice.
        case(&secret, "evt_1", now, &format!("{by_the_old} {signed}"), body, true),
        case(&old, "evt_1", now, &format!("{signed} {by_the_old}"), body, true),
        case(&secret, "evt_1", now, &by_the_old, body, false),
        case(&secret, "evt_2", now, &signed, body, false),
        case(&secret, "evt_1", now + 1, &signed, body, false),
        case(&secret, "evt_1", now, &signed, "{\"type\":\"user.created\"}", false),
        case(&secret, "evt_1", now - 3_600, &long_ago, body, false),
    ]
}

/// A verifier must say "verified" of exactly those that are good.
fn assert_verifies(mut command: Command) {
    let (questions, good): (Vec<_>, Vec<_>) = cases().into_iter().unzip();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("`timeout` is on the machine");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(Value::from(questions).to_string().as_bytes()).expect("less than a pipe holds");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let said: Vec<String> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no verdict: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(said.iter().map(|said| said == "verified").collect::<Vec<_>>(), good, "{said:#?}");
}

#[test]
#[ignore = "needs node and npm: script/test runs it"]
fn the_node_library_verifies_what_we_sign_and_nothing_else() {
    let mut command = program::command("node", 60);
    command.arg(program::here().join("standardwebhooks/verify.mjs"));
    assert_verifies(command);
}

#[test]
#[ignore = "needs python: script/test runs it"]
fn the_python_library_verifies_what_we_sign_and_nothing_else() {
    let mut command = program::command(program::pip("python3"), 60);
    command.arg(program::here().join("standardwebhooks/verify.py"));
    assert_verifies(command);
}
