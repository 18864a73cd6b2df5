//! A process that dies over a text message: at every step it is sent once at most, and never forgotten.

use std::sync::{Mutex, mpsc};

use super::{House, phone};
use crate::gateway::{Fault, Gateway};

/// A gateway that says when a request arrives, and answers once it is let.
fn held(fault: Fault) -> (Gateway, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (arrived, arrivals) = mpsc::channel();
    let (go, gone) = mpsc::channel();
    let (arrived, gone) = (Mutex::new(arrived), Mutex::new(gone));
    let gateway = Gateway::with(move |_, posted| {
        if posted == 0 {
            let _ = arrived.lock().expect("no panic").send(());
            let _ = gone.lock().expect("no panic").recv_timeout(crate::binary::PATIENCE);
        }
        fault
    });
    (gateway, arrivals, go)
}

#[test]
fn killed_over_a_message_that_was_taken_the_next_process_finds_out() {
    let house = House::new();
    let (gateway, arrivals, go) = held(Fault::None);
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", &phone(1));
    arrivals.recv_timeout(crate::binary::PATIENCE).expect("a request");
    assert_eq!(house.outbox("sending").len(), 1, "it was written down before it left");
    server.signal("KILL");
    server.wait();
    go.send(()).expect("it waits");
    let server = house.serve_with(&gateway, &[]);
    house.wait_for("accepted", 1);
    assert_eq!((gateway.posted(&phone(1)), gateway.taken(&phone(1)).len()), (1, 1));
    drop(server);
}

#[test]
fn killed_over_a_message_that_was_not_taken_a_person_decides() {
    let house = House::new();
    let (gateway, arrivals, go) = held(Fault::LostWithoutTaking);
    let server = house.serve_with(&gateway, &[]);
    house.texted(&server, "a@example.com", &phone(1));
    arrivals.recv_timeout(crate::binary::PATIENCE).expect("a request");
    server.signal("KILL");
    server.wait();
    go.send(()).expect("it waits");
    let server = house.serve_with(&gateway, &[]);
    let unknown = house.wait_for("unknown", 1);
    assert_eq!(gateway.posted(&phone(1)), 1);
    let shown = house.binary.print(["outbox", "show", "--org", &house.org, &unknown[0][0]]);
    assert!(shown.contains("the process that sent it ended before the answer"), "{shown}");
    drop(server);
}
