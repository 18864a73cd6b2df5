//! Names: a name server that says nothing holds up whoever asked it, and nobody else; and of a name's addresses one that
//! works is enough.

use std::time::Duration;

use roster::deliver::{
    client::{Client, Limits, Trouble, Why},
    names::Names,
};
use serde_json::json;

use super::{
    House,
    client::{patient, post},
};
use crate::{
    binary::Server,
    name_server::NameServer,
    receiver::{Receiver, status},
};

fn client(server: &NameServer, limits: Limits) -> Client {
    let names = Names::asking(&[server.address]).expect("names");
    Client::guarded("127.0.0.0/8".parse().expect("a network"), names, limits).expect("a client")
}

#[tokio::test]
async fn a_name_has_the_addresses_that_its_name_server_says() {
    let receiver = Receiver::answering(status(200));
    let server = NameServer::knowing([
        ("hooks.example", &["127.0.0.1"]),
        ("outside.example", &["10.0.0.1", "fd00::1", "::1"]),
        ("nowhere.example", &[]),
    ]);
    let client = client(&server, Limits { lookup: Duration::from_millis(500), ..patient() });
    let url = |name| format!("http://{name}:{}/", receiver.address.port());
    assert_eq!(post(&client, &url("hooks.example")).await.expect("an answer").status, 200);
    assert_eq!(post(&client, &url("HOOKS.example.")).await.expect("an answer").status, 200);
    for (name, why) in
        [("outside.example", Why::Inside), ("nowhere.example", Why::NoSuchName), ("silent.example", Why::NameTimeout)]
    {
        assert_eq!(post(&client, &url(name)).await.expect_err(name), Trouble::NotSent(why), "{name}");
    }
}

#[tokio::test]
async fn an_address_that_swallows_packets_does_not_keep_the_next_from_being_tried() {
    let receiver = Receiver::answering(status(200));
    let port = receiver.address.port();
    // A listener whose queue is full: the kernel answers nothing to those who come after.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 2], port).into()).expect("a free address");
    let full = socket.listen(0).expect("a listener");
    let mut queued = Vec::new();
    while let Ok(connected) =
        tokio::time::timeout(Duration::from_millis(500), tokio::net::TcpStream::connect(("127.0.0.2", port))).await
    {
        queued.push(connected.expect("a place in the queue"));
        assert!(queued.len() < 10, "the queue does not fill");
    }
    let server = NameServer::knowing([("hooks.example", &["127.0.0.2", "127.0.0.1"])]);
    let names = Names::asking(&[server.address]).expect("names");
    let trusted = Client::trusted(names, patient()).expect("a client");
    for client in [client(&server, patient()), trusted] {
        let reply = post(&client, &format!("http://hooks.example:{port}/")).await;
        assert_eq!(reply.expect("an answer").status, 200);
    }
    drop((full, queued));
}

#[tokio::test]
async fn lookups_of_one_client_are_so_many_and_leave_those_of_another_alone() {
    let receiver = Receiver::answering(status(200));
    let server = NameServer::knowing([("hooks.example", &["127.0.0.1"])]);
    let one = client(&server, patient());
    let other = one.for_another();
    let held: Vec<_> = (0..40)
        .map(|nth| {
            let one = one.clone();
            tokio::spawn(async move { post(&one, &format!("http://silent{nth}.example/")).await })
        })
        .collect();
    while server.asked().len() < 16 {
        tokio::task::yield_now().await;
    }
    let url = format!("http://hooks.example:{}/", receiver.address.port());
    assert_eq!(post(&other, &url).await.expect("an answer").status, 200);
    assert!(held.iter().all(|task| !task.is_finished()));
    assert_eq!(server.asked().len(), 17, "{:?}", server.asked());
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Threads of a server.
fn threads(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", server.pid())).expect("a process").count()
}

#[test]
fn names_that_never_resolve_hold_up_no_other_organization() {
    let names = NameServer::knowing([("hooks.example", &["127.0.0.1"])]);
    let house = House::new();
    let at = names.address.to_string();
    let server = house.serve(&["--name-server", &at]);
    for nth in 0..4 {
        let (_, neighbour) = house.binary.organization_with_admin();
        for webhook in 0..20 {
            let url = json!({ "url": format!("https://hooks{webhook}.silent{nth}.example/") });
            assert_eq!(server.request("POST", "/api/v1/webhooks", &neighbour, &url.to_string()).0, 200);
        }
        for user in 0..8 {
            assert_eq!(server.create(&neighbour, &format!("u{user}@example.com")).0, 200);
        }
    }
    names.wait_for(4 * 16);
    assert!(threads(&server) < 64, "{} threads", threads(&server));

    let receiver = Receiver::willing();
    house.webhook(&server, &format!("http://hooks.example:{}/", receiver.address.port()));
    house.user(&server, "a@example.com");
    receiver.wait_until(|told| told.iter().any(|told| told.json()["type"] == "user.created"));
    let found = house.get(&server, "/api/v1/users?search=Jane%20example.com&pageSize=100");
    assert_eq!(found["pagination"]["totalCount"], 1);
}
