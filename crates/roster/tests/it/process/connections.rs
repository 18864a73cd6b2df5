//! Connections at once: a bounded number, for each address too, and whoever is one too many is told so.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::{
    binary::{Binary, PATIENCE, Server},
    wire::{Wire, get},
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

#[test]
fn one_address_takes_half_of_the_places_and_others_are_served() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--max-connections", "4"]);
    let mut greedy: Vec<_> = (0..2).map(|_| wire_from(&server, 1)).collect();
    for wire in &mut greedy {
        assert_eq!(wire.send(get("/api/v1/users", &key)).answer().status, 200);
    }
    assert_eq!(wire_from(&server, 1).send(get("/api/v1/users", &key)).answer().status, 503);
    assert_eq!(wire_from(&server, 2).send(get("/api/v1/users", &key)).answer().status, 200);
}

#[test]
fn connections_of_a_trusted_proxy_are_those_of_many() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--max-connections", "4", "--trusted-proxy", "192.0.2.0/24,127.0.0.1/32"]);
    let mut many: Vec<_> = (0..4).map(|_| wire_from(&server, 1)).collect();
    for wire in &mut many {
        assert_eq!(wire.send(get("/api/v1/users", &key)).answer().status, 200);
    }
}

#[test]
fn health_is_told_when_all_places_are_taken() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--max-connections", "4"]);
    let mut held: Vec<_> = (0..4).map(|nth| wire_from(&server, 1 + nth / 2)).collect();
    for wire in &mut held {
        assert_eq!(wire.send(get("/healthz", "")).answer().status, 200);
    }
    for address in [1, 3] {
        let mut wire = wire_from(&server, address);
        assert_eq!(wire.send(get("/healthz", "")).answer().to_string(), r#"200 close {"status":"ok"}"#);
        assert_eq!(wire.rest(), "");
        let ready = wire_from(&server, address).send(get("/readyz", "")).answer();
        assert_eq!(ready.to_string(), r#"200 close {"status":"ready"}"#);
        assert_eq!(wire_from(&server, address).send(get("/api/v1/users", &key)).answer().status, 503);
    }
}

/// A connection from 127.0.0.N.
fn wire_from(server: &Server, nth: u8) -> Wire<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, nth], 0)).into()).expect("an address of the loopback");
    socket.connect(&server.address.into()).expect("the server accepts");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    Wire::over(stream)
}
