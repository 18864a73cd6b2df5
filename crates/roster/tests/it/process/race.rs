//! Many clients at once: one e-mail exists at most once, whatever races.

use std::sync::Barrier;

use crate::{
    binary::Binary,
    wire::{Wire, request},
};

const CLIENTS: usize = 64;

#[test]
fn of_64_clients_racing_for_one_email_exactly_one_gets_it() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let mut wires: Vec<_> = (0..CLIENTS).map(|_| server.wire()).collect();
    for round in 0..8 {
        let start = Barrier::new(CLIENTS);
        let post = |(nth, wire): (usize, &mut Wire<_>)| {
            let email = spelled(nth, &format!("jane.doe{round}@example.com"));
            let body = format!(r#"{{"firstName":"Client","lastName":"Number {nth}","email":"{email}"}}"#);
            start.wait();
            wire.send(request("POST", "/api/v1/users", &key, &body)).answer()
        };
        let answers: Vec<_> = std::thread::scope(|scope| {
            let clients: Vec<_> =
                wires.iter_mut().enumerate().map(|client| scope.spawn(move || post(client))).collect();
            clients.into_iter().map(|client| client.join().expect("an answer")).collect()
        });

        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, CLIENTS - 1), "round {round}");
        for answer in lost {
            assert_eq!(answer.to_string(), TAKEN);
        }
        let path = format!("/api/v1/users?email=JANE.DOE{round}@EXAMPLE.COM");
        let (_, found) = server.request("GET", &path, &key, "");
        assert_eq!(found["data"].as_array().map(Vec::len), Some(1), "{found}");
        assert_eq!(found["data"][0]["publicId"], won[0].json()["user"]["publicId"]);
    }
    let (_, all) = server.request("GET", "/api/v1/users", &key, "");
    assert_eq!(all["pagination"]["totalCount"], 8, "{all}");
}

const TAKEN: &str = r#"400 {"error":"Validation error","details":[{"code":"custom","message":"Email is already in use","path":["email"]}]}"#;

/// The same e-mail, with some letters in upper case: which, depends on `nth`.
fn spelled(nth: usize, email: &str) -> String {
    let upper = |(place, c): (usize, char)| if nth >> (place % 6) & 1 == 1 { c.to_ascii_uppercase() } else { c };
    email.chars().enumerate().map(upper).collect()
}
