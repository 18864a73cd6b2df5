//! Requests that are too big, or about whose end two readers could disagree (request smuggling): each is refused, in
//! exactly this way.

use insta::assert_snapshot;

use crate::{
    binary::{Binary, Server},
    wire::request,
};

struct Framing {
    server: Server,
    key: String,
    _binary: Binary,
}

impl Framing {
    fn new() -> Self {
        let binary = Binary::new();
        let (_, key) = binary.organization_with_admin();
        // An answered connection is left open for one second, not for seventy-five.
        Self { server: binary.serve(&["--read-timeout", "1", "--keep-alive", "1"]), key, _binary: binary }
    }

    /// Sends bytes on a new connection, in which KEY stands for a key, and then nothing more: all the answers until the
    /// server closes, a line each.
    fn say(&self, bytes: &str) -> String {
        self.say_bytes(bytes.replace("KEY", &self.key).as_bytes())
    }

    fn say_bytes(&self, bytes: &[u8]) -> String {
        let mut wire = self.server.wire();
        wire.send(bytes);
        let mut answers = Vec::new();
        while let Some(answer) = wire.try_answer().expect("an answer or an end") {
            answers.push(answer.to_string());
        }
        assert_eq!(self.server.request("GET", "/api/v1/users", &self.key, "").0, 200, "others are served");
        if answers.is_empty() { "closed".to_owned() } else { answers.join("\n") }
    }

    fn users(&self) -> u64 {
        let (_, list) = self.server.request("GET", "/api/v1/users", &self.key, "");
        list["pagination"]["totalCount"].as_u64().expect("a count")
    }
}

const HEAD: &str = "HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer KEY\r\nContent-Type: application/json\r\n";
const BODY: &str = r#"{"firstName":"Jane","lastName":"Doe"}"#;

fn post(more: &str) -> String {
    format!("POST /api/v1/users {HEAD}{more}")
}

#[test]
fn a_head_that_is_too_big_is_431() {
    let framing = Framing::new();
    let fits = format!("GET /healthz HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n", "a".repeat(16_000));
    assert_snapshot!(framing.say(&fits), @r#"200 {"status":"ok"}"#);
    let long = format!("GET /healthz HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n", "a".repeat(17_000));
    assert_snapshot!(framing.say(&long), @"431 close");
    let endless = format!("GET /healthz HTTP/1.1\r\nHost: test\r\nX-Long: {}", "a".repeat(1_000_000));
    assert_snapshot!(framing.say(&endless), @"431 close");
}

#[test]
fn an_address_that_is_too_long_is_414_or_431() {
    let framing = Framing::new();
    let of = |length: usize| format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(length - 1));
    assert_snapshot!(framing.say(&of(8_192)), @r#"404 {"error":"Resource not found"}"#);
    assert_snapshot!(framing.say(&of(8_193)), @r#"414 {"error":"Request target is over 8 KiB"}"#);
    let query = format!("GET /healthz?{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(8_184));
    assert_snapshot!(framing.say(&query), @r#"414 {"error":"Request target is over 8 KiB"}"#);
    // Of such a head not even the address is read.
    assert_snapshot!(framing.say(&of(17_000)), @"431 close");
}

/// A proxy might read the first and Roster the second.
#[test]
fn a_request_has_one_host_and_at_most_one_key() {
    let framing = Framing::new();
    let get = |headers: &str| format!("GET /healthz HTTP/1.1\r\n{headers}\r\n");
    assert_snapshot!(framing.say(&get("")), @r#"400 {"error":"Exactly one Host header is required"}"#);
    assert_snapshot!(framing.say(&get("Host: a\r\nHost: a\r\n")), @r#"400 {"error":"Exactly one Host header is required"}"#);
    assert_snapshot!(framing.say(&get("Host: a\r\nAuthorization: Bearer a\r\nauthorization: Bearer a\r\n")), @r#"400 {"error":"Only one Authorization header is allowed"}"#);
    assert_snapshot!(framing.say("GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), @r#"400 {"error":"Exactly one Host header is required"}"#);
    assert_snapshot!(framing.say("GET /healthz HTTP/1.0\r\n\r\n"), @r#"200 {"status":"ok"}"#);
}

#[test]
fn more_than_a_hundred_headers_are_431() {
    let framing = Framing::new();
    let with = |count: usize| {
        let headers: String = (1..count).map(|nth| format!("X-{nth}: a\r\n")).collect();
        format!("GET /healthz HTTP/1.1\r\nHost: test\r\n{headers}\r\n")
    };
    assert_snapshot!(framing.say(&with(100)), @r#"200 {"status":"ok"}"#);
    assert_snapshot!(framing.say(&with(101)), @"431 close");
}

#[test]
fn a_body_has_one_length() {
    let framing = Framing::new();
    let two = post(&format!("Content-Length: 37\r\nContent-Length: 4\r\n\r\n{BODY}"));
    assert_snapshot!(framing.say(&two), @"400 close");
    let list = post(&format!("Content-Length: 37, 4\r\n\r\n{BODY}"));
    assert_snapshot!(framing.say(&list), @"400 close");
    for length in ["+37", "-1", "0x25", "37a", "", "99999999999999999999"] {
        assert_eq!(framing.say(&post(&format!("Content-Length: {length}\r\n\r\n{BODY}"))), "400 close", "{length:?}");
    }
    for coding in ["gzip", "chunked, gzip", "xchunked", "chunked, identity"] {
        let body = post(&format!("Transfer-Encoding: {coding}\r\n\r\n25\r\n{BODY}\r\n0\r\n\r\n"));
        assert_eq!(framing.say(&body), "400 close", "{coding:?}");
    }
    assert_eq!(framing.users(), 0);
}

#[test]
fn of_two_framings_the_chunked_one_counts_and_the_connection_ends() {
    let framing = Framing::new();
    let body = format!("25\r\n{BODY}\r\n0\r\n\r\n");
    for headers in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"]
    {
        // RFC 9112 §6.3: Transfer-Encoding overrides, and whatever follows must not be taken for a request.
        let smuggled = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n";
        let answers = framing.say(&post(&format!("{headers}\r\n{body}{smuggled}")));
        assert!(answers.starts_with(r#"200 close {"message":"User created"#), "{answers}");
        assert_eq!(answers.lines().count(), 1, "{answers}");
    }
    assert_eq!(framing.users(), 2);
}

#[test]
fn headers_that_readers_disagree_about_are_refused() {
    let framing = Framing::new();
    let get = |header: &str| format!("GET /healthz HTTP/1.1\r\nHost: test\r\n{header}\r\n\r\n");
    assert_snapshot!(framing.say(&get("Content-Length : 0")), @"400 close"); // a space before the colon
    assert_snapshot!(framing.say(&get("X-A: b\r\n c: d")), @"400 close"); // obs-fold, RFC 9112 §5.2
    assert_snapshot!(framing.say(&get("X-A: b\0c")), @"400 close");
    assert_snapshot!(framing.say(&get("X-A: b\rc")), @"400 close");
    assert_snapshot!(framing.say(&get("X\0A: b")), @"400 close");
    assert_snapshot!(framing.say(&get(": b")), @"400 close");
    assert_snapshot!(framing.say(&get("no colon")), @"400 close");
    // RFC 9112 §2.2 lets a lone LF end a line; every reader that does so sees the same two headers.
    assert_snapshot!(framing.say("GET /healthz HTTP/1.1\nHost: test\n\n"), @r#"200 {"status":"ok"}"#);
}

#[test]
fn a_request_line_that_is_none_is_400() {
    let framing = Framing::new();
    assert_snapshot!(framing.say("GET /healthz\r\n\r\n"), @"400 close"); // HTTP/0.9
    assert_snapshot!(framing.say("GET  /healthz HTTP/1.1\r\n\r\n"), @"400 close");
    assert_snapshot!(framing.say("GET /healthz HTTP/3.0\r\n\r\n"), @"400 close");
    assert_snapshot!(framing.say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), @"closed");
    assert_snapshot!(framing.say("G\0T /healthz HTTP/1.1\r\n\r\n"), @"400 close");
    assert_snapshot!(framing.say_bytes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), @"400 close");
    assert_snapshot!(framing.say_bytes(b"GET /\xff\xfe HTTP/1.1\r\nHost: test\r\n\r\n"), @"400 close");
}

#[test]
fn a_body_that_is_shorter_than_it_said_creates_nobody() {
    let framing = Framing::new();
    let lying = post(&format!("Content-Length: 1000\r\n\r\n{BODY}"));
    assert_snapshot!(framing.say(&lying), @r#"408 close {"error":"Request body did not arrive in time"}"#);
    let broken_off = post(&format!("Transfer-Encoding: chunked\r\n\r\n25\r\n{BODY}\r\n"));
    assert_snapshot!(framing.say(&broken_off), @r#"408 close {"error":"Request body did not arrive in time"}"#);
    let not_hex = post(&format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{BODY}\r\n0\r\n\r\n"));
    assert_snapshot!(framing.say(&not_hex), @r#"400 close {"error":"Validation error","details":[{"code":"custom","message":"Request body is incomplete","path":[]}]}"#);
    let overflowing = post(&format!("Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{BODY}\r\n0\r\n\r\n"));
    assert_snapshot!(framing.say(&overflowing), @r#"400 close {"error":"Validation error","details":[{"code":"custom","message":"Request body is incomplete","path":[]}]}"#);
    assert_eq!(framing.users(), 0);
}

#[test]
fn a_body_that_is_longer_than_it_said_is_two_requests_of_which_the_second_is_none() {
    let framing = Framing::new();
    let lying = post(&format!("Content-Length: 2\r\n\r\n{{}}{BODY}"));
    let answers = framing.say(&lying);
    let answers: Vec<_> = answers.lines().collect();
    assert!(matches!(answers[..], [first, "400 close"] if first.starts_with("400 {")), "{answers:?}");
    assert_eq!(framing.users(), 0);
}

#[test]
fn a_body_over_64_kib_is_413_however_it_is_sent() {
    let framing = Framing::new();
    let announced = post("Content-Length: 65537\r\n\r\n");
    assert_snapshot!(framing.say(&announced), @r#"413 close {"error":"Request body is over 64 KiB"}"#);
    let huge = post("Content-Length: 18446744073709551615\r\n\r\n");
    assert_snapshot!(framing.say(&huge), @"431 close");
    let chunk = format!("8000\r\n{}\r\n", "a".repeat(0x8000));
    let chunked = post(&format!("Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(3)));
    assert_snapshot!(framing.say(&chunked), @r#"413 close {"error":"Request body is over 64 KiB"}"#);
    let endless = post(&format!("Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(100)));
    assert_snapshot!(framing.say(&endless), @r#"413 close {"error":"Request body is over 64 KiB"}"#);
}

#[test]
fn a_client_that_hangs_up_in_its_body_creates_nobody() {
    let framing = Framing::new();
    for sent in
        [post(&format!("Content-Length: 1000\r\n\r\n{BODY}")), post("Transfer-Encoding: chunked\r\n\r\n25\r\n{")]
    {
        let mut wire = framing.server.wire();
        wire.send(sent.replace("KEY", &framing.key));
        drop(wire);
    }
    assert_eq!(framing.server.request("GET", "/readyz", "", "").0, 200);
    assert_eq!(framing.users(), 0);
}

#[test]
fn a_chunked_body_is_taken() {
    let framing = Framing::new();
    let chunked = post(&format!("Transfer-Encoding: chunked\r\n\r\n25\r\n{BODY}\r\n0\r\n\r\n"));
    assert!(framing.say(&chunked).starts_with("200 {"));
    assert_eq!(framing.users(), 1);
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let framing = Framing::new();
    let mut wire = framing.server.wire();
    assert_snapshot!(wire.send("GET /healthz HTTP/1.0\r\n\r\n").answer(), @r#"200 {"status":"ok"}"#);
    assert_eq!(wire.rest(), "");
}

#[test]
fn requests_sent_together_are_answered_in_their_order() {
    let framing = Framing::new();
    let first = request("POST", "/api/v1/users", &framing.key, BODY);
    let second = request("GET", "/api/v1/users", &framing.key, "");
    let third = request("GET", "/healthz", &framing.key, "");
    let mut wire = framing.server.wire();
    wire.send(format!("{first}{second}{third}"));
    let created = wire.answer();
    assert_eq!(created.status, 200, "{created}");
    let listed = wire.answer();
    assert_eq!(listed.json()["data"][0]["publicId"], created.json()["user"]["publicId"], "{listed}");
    assert_snapshot!(wire.answer(), @r#"200 {"status":"ok"}"#);
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let framing = Framing::new();
    let mut wire = framing.server.wire();
    let head = post("Content-Length: 37\r\nExpect: 100-continue\r\n\r\n").replace("KEY", &framing.key);
    assert_snapshot!(wire.send(head).answer(), @"100");
    assert_eq!(wire.send(BODY).answer().status, 200);
}

#[test]
fn a_client_that_asks_first_with_a_body_too_big_is_refused_before_it_sends_it() {
    let framing = Framing::new();
    let mut wire = framing.server.wire();
    let head = post("Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n").replace("KEY", &framing.key);
    assert_snapshot!(wire.send(head).answer(), @r#"413 close {"error":"Request body is over 64 KiB"}"#);
}
