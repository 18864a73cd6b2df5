//! Connections at once: a bounded number, and whoever is one too many is told so.

use crate::{
    binary::{Binary, PATIENCE},
    wire::get,
};

#[test]
fn a_connection_too_many_is_told_503_and_served_once_another_ends() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--max-connections", "2", "--address-share", "100"]);
    let mut first = server.wire();
    let mut second = server.wire();
    for wire in [&mut first, &mut second] {
        assert_eq!(wire.send(get("/api/v1/users", &key)).answer().status, 200);
    }

    let mut third = server.wire();
    // It has sent its request before it hears that nobody will read it: the answer must reach it all the same.
    let answer = third.send(get("/api/v1/users", &key)).answer();
    assert_eq!(answer.to_string(), r#"503 close {"error":"Service temporarily unavailable"}"#);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(third.rest(), "");
    assert_eq!(first.send(get("/api/v1/users", &key)).answer().status, 200, "those before it go on");

    drop(second);
    let start = std::time::Instant::now();
    while server.request("GET", "/api/v1/users", &key, "").0 != 200 {
        assert!(start.elapsed() < PATIENCE, "a place that was given up is free again");
    }
}
