//! What is owed leaves the real binary over real sockets, to a gateway and to receivers that behave as badly as they like.

mod client;
mod crash;
mod drain;
mod names;
mod sms;
mod webhooks;

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    binary::{Binary, PATIENCE, Server},
    gateway::{Gateway, TOKEN},
};

/// A directory with an organization, and its ADMIN key.
pub(crate) struct House {
    binary: Binary,
    org: String,
    key: String,
}

impl House {
    pub(crate) fn new() -> Self {
        let binary = Binary::new();
        let (org, key) = binary.organization_with_admin();
        Self { binary, org, key }
    }

    /// A server that may reach receivers on this machine.
    pub(crate) fn serve(&self, flags: &[&str]) -> Server {
        self.serve_by(&[&["--webhook-inside", "127.0.0.1"], flags].concat())
    }

    /// A server that sends text messages through this gateway.
    fn serve_with(&self, gateway: &Gateway, flags: &[&str]) -> Server {
        let theirs = gateway.flags();
        let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
        self.serve_by(&[&theirs, flags].concat())
    }

    fn serve_by(&self, flags: &[&str]) -> Server {
        let mut command = self.binary.command(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.env("ROSTER_SMS_TOKEN", TOKEN);
        self.binary.serve_by(command, flags)
    }

    /// One request that must succeed. Beside the whole suite a 503 may be right: nothing was written, so it is repeated.
    fn ask(&self, server: &Server, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let started = Instant::now();
        loop {
            let (status, answer) = server.request(method, path, &self.key, &body);
            if status != 503 || started.elapsed() > PATIENCE {
                assert_eq!(status, 200, "{method} {path}: {answer}");
                return answer;
            }
        }
    }

    fn get(&self, server: &Server, path: &str) -> Value {
        self.ask(server, "GET", path, &Value::Null)
    }

    /// A webhook to this address: its id and its secret.
    pub(crate) fn webhook(&self, server: &Server, url: &str) -> (String, String) {
        let made = self.ask(server, "POST", "/api/v1/webhooks", &json!({ "url": url }));
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&made["webhook"]["publicId"]), text(&made["webhook"]["secret"]))
    }

    /// A user whom nobody texts: its id.
    pub(crate) fn user(&self, server: &Server, email: &str) -> String {
        let body = json!({ "firstName": "Jane", "lastName": "Doe", "email": email });
        let answer = self.ask(server, "POST", "/api/v1/users", &body);
        answer["user"]["publicId"].as_str().expect("an id").to_owned()
    }

    /// A user who is to be texted: its id.
    fn texted(&self, server: &Server, email: &str, phone: &str) -> String {
        let body = json!({
            "firstName": "Canaryfirst", "lastName": "Canarylast", "email": email, "phoneNumber": phone,
            "shouldSendSMS": true
        });
        let made = self.ask(server, "POST", "/api/v1/users", &body);
        made["user"]["publicId"].as_str().expect("an id").to_owned()
    }

    /// The lines of `roster outbox list`, in columns.
    fn outbox(&self, state: &str) -> Vec<Vec<String>> {
        let listed = self.binary.print(["outbox", "list", "--org", &self.org, "--state", state, "--limit", "10000"]);
        listed.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    }

    /// Waits until the outbox has as many messages in this state.
    fn wait_for(&self, state: &str, count: usize) -> Vec<Vec<String>> {
        let since = std::time::Instant::now();
        loop {
            let found = self.outbox(state);
            if found.len() == count {
                return found;
            }
            assert!(since.elapsed() < PATIENCE, "{count} should be {state}, of {:#?}", self.outbox("all"));
        }
    }
}

/// The phone number of the nth person.
fn phone(nth: u32) -> String {
    format!("+1415{}", 2_000_000 + nth)
}
