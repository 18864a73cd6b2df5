//! Wrong keys by the thousand: whoever sends them is told to wait, and nobody else is.

use std::net::TcpStream;

use crate::{
    binary::Binary,
    wire::{Wire, WireAnswer, get},
};

/// As many as are told 401 at once, and those that time adds on a slow machine.
const MANY: usize = 1_000;

#[test]
fn an_address_that_sends_wrong_keys_is_told_to_wait_and_its_good_key_is_served() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let mut wire = server.wire();
    let refused = (0..MANY).map(|_| ask(&mut wire, "wrong", "")).find(|answer| answer.status != 401);
    let refused = refused.expect("at some time it is enough");
    assert_eq!(refused.to_string(), r#"429 {"error":"Too many requests"}"#);
    assert!(refused.header("retry-after").is_some_and(|seconds| matches!(seconds.parse(), Ok(1..=60))), "{refused:?}");
    assert_eq!(ask(&mut wire, &key, "").status, 200);
    assert_eq!(ask(&mut wire, &format!("{key}x"), "").status, 429);
    // Nobody said that it is a proxy, so what it says of others is hearsay.
    let spoofed = (0..3).map(|nth| ask(&mut wire, "wrong", &format!("X-Forwarded-For: 198.51.100.{nth}\r\n")).status);
    assert!(spoofed.into_iter().any(|status| status == 429));
}

#[test]
fn a_trusted_proxy_says_who_sends_wrong_keys() {
    let binary = Binary::new();
    let server = binary.serve(&["--trusted-proxy", "192.0.2.0/24", "--trusted-proxy", "127.0.0.0/8"]);
    let mut wire = server.wire();
    for (guilty, also_guilty, innocent) in [
        (
            "X-Forwarded-For: 198.51.100.1\r\n",
            "X-Forwarded-For: 1.1.1.1, 198.51.100.1\r\n",
            "X-Forwarded-For: 198.51.100.2\r\n",
        ),
        (
            "Forwarded: for=\"[2001:db8::1]\"\r\n",
            "Forwarded: for=\"[2001:db8::2]:80\"\r\n",
            "Forwarded: for=\"[2001:db8:0:1::1]\"\r\n",
        ),
    ] {
        let last = (0..MANY).map(|_| ask(&mut wire, "wrong", guilty).status).find(|status| *status != 401);
        assert_eq!(last, Some(429));
        let also = (0..3).map(|_| ask(&mut wire, "wrong", also_guilty).status).any(|status| status == 429);
        assert!(also, "{also_guilty} is of the same network as {guilty}");
        assert_eq!(ask(&mut wire, "wrong", innocent).status, 401, "{innocent}");
    }
}

fn ask(wire: &mut Wire<TcpStream>, key: &str, more: &str) -> WireAnswer {
    wire.send(get("/api/v1/me", key).replace("\r\n\r\n", &format!("\r\n{more}\r\n"))).answer()
}
