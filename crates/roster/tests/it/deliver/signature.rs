//! What we sign, verified by the crate of those who wrote the specification.

use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::HeaderMap;
use roster::deliver::signature;
use standardwebhooks::Webhook;

/// The library takes no time but that of now.
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn headers(id: &str, at: i64, signature: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", id.parse().expect("a value"));
    headers.insert("webhook-timestamp", at.into());
    headers.insert("webhook-signature", signature.parse().expect("a value"));
    headers
}

#[test]
fn the_crate_verifies_what_we_sign_and_nothing_else() {
    let (secret, old) = ([7; 24], [8; 24]);
    let (body, at) = ("{\"type\":\"user.created\",\"n\":\"Zoë 👍\"}".as_bytes(), now());
    let signed = signature::webhook(&secret, "evt_1", at, body);
    let verifier = Webhook::new(&format!("whsec_{}", STANDARD.encode(secret))).expect("a secret");
    verifier.verify(body, &headers("evt_1", at, &signed)).expect("ours");

    // During a rotation there are two, in either order.
    let by_the_old = signature::webhook(&old, "evt_1", at, body);
    for both in [format!("{signed} {by_the_old}"), format!("{by_the_old} {signed}")] {
        verifier.verify(body, &headers("evt_1", at, &both)).expect("one of them is right");
    }

    for (what, body, id, at, signature) in [
        ("by another secret", body, "evt_1", at, &by_the_old),
        ("another body", b"{}".as_slice(), "evt_1", at, &signed),
        ("another id", body, "evt_2", at, &signed),
        ("another time", body, "evt_1", at + 1, &signed),
    ] {
        assert!(verifier.verify(body, &headers(id, at, signature)).is_err(), "{what}");
    }
}
