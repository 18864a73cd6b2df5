//! A canary user: nothing of her, and no key, is in logs, metrics or, where keys are concerned, the files.

use std::collections::HashSet;

use crate::{
    binary::Binary,
    wire::{get, request},
};

/// What must not be found, whole or in part: each piece occurs nowhere else.
const CANARIES: [&str; 7] =
    ["Xanthippe", "Quetzalcoatl", "canary.bird", "8005550199", "1987654320", "pay_canarycanary", "Lepidoptera"];

const CANARY: &str = r#"{"firstName":"Xanthippe","lastName":"Quetzalcoatl","email":"canary.bird@example.com",
    "phoneNumber":"+18005550199","npiNumber":"1987654320","shouldSendSMS":true,
    "providerPayors":["pay_canarycanary"]}"#;

#[test]
fn no_person_and_no_key_is_in_what_the_server_writes() {
    for level in ["debug", "trace"] {
        let binary = Binary::new();
        let (_, key) = binary.organization_with_admin();
        let mut server = binary.serve(&["--log", level, "--metrics-listen", "127.0.0.1:0"]);
        let metrics = server.metrics_address();
        let mistyped = format!("{}{}", &key[..key.len() - 1], if key.ends_with('x') { "y" } else { "x" });

        let post = |key: &str, body: &str| request("POST", "/api/v1/users", key, body);
        let mut wire = server.wire();
        for (request, status) in [
            (post(&key, CANARY), 200),
            (post(&key, CANARY), 400), // taken
            (post(&key, &CANARY.replace("@", "@@")), 400),
            (post(&key, &CANARY.replace("\"+18005550199\"", "[\"8005550199\"]")), 400),
            (post(&key, &CANARY.replace(":true", ":Lepidoptera")), 400), // not JSON
            (post(&key, "Xanthippe Quetzalcoatl"), 400),
            (post(&key, CANARY).replace("application/json", "text/Lepidoptera"), 415),
            (post(&mistyped, CANARY), 401),
            (post("Lepidoptera", CANARY), 401),
            (get("/api/v1/users?search=Xanthippe&email=canary.bird@example.com", &key), 200),
            (get("/api/v1/users?role=Lepidoptera&sort=Quetzalcoatl", &key), 400),
            (get("/api/v1/users/usr_1234567890_abc123def?who=Xanthippe", &key), 404),
            (get("/api/v1/users/Xanthippe", &key), 400),
            (get("/api/v1/users/%ff%00Xanthippe", &key), 400),
            (get("/Xanthippe/Quetzalcoatl", &key), 404),
            (get("/docs/Lepidoptera.js", &key), 404),
            ("LEPIDOPTERA /api/v1/users HTTP/1.1\r\nHost: Lepidoptera\r\nReferer: Xanthippe\r\n\r\n".to_owned(), 405),
            (get("/api/v1/users", &key).replace("Host", "X-Request-Id: Lepidoptera Xanthippe\r\nHost"), 200),
        ] {
            let answer = wire.send(&request).answer();
            assert_eq!(answer.status, status, "{request}\n{answer}");
            if answer.status == 413 || answer.header("connection") == Some("close") {
                wire = server.wire();
            }
        }
        // What never becomes a request.
        for broken in [
            format!("GET /api/v1/users?search=Xanthippe HTTP/9\r\nAuthorization: Bearer {key}\r\n\r\n"),
            format!("GET /Xanthippe HTTP/1.1\r\nAuthorization: Bearer {key}\r\nLepidoptera\r\n\r\n"),
        ] {
            assert_eq!(server.wire().send(broken).answer().status, 400);
        }
        let whole = post(&key, CANARY);
        server.wire().send(&whole[..whole.len() - 5]);

        let counted = super::metrics::scrape(metrics);
        server.signal("TERM");
        let ended = server.end();
        assert_eq!(ended.code, Some(0));
        assert!(ended.log.lines().count() > 8, "{level} logs what happens: {}", ended.log);
        for (place, text) in [("stderr", &ended.log), ("stdout", &ended.printed), ("metrics", &counted)] {
            for canary in CANARIES {
                assert!(!text.to_lowercase().contains(&canary.to_lowercase()), "{canary} is in {place}:\n{text}");
            }
            for secret in [secret_of(&key), secret_of(&mistyped)] {
                assert!(pieces(secret).all(|piece| !text.contains(piece)), "a piece of a key is in {place}:\n{text}");
            }
        }
    }
}

#[test]
fn no_piece_of_a_key_is_in_the_files_of_sqlite() {
    let binary = Binary::new();
    let (org, _) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let keys: Vec<String> = (0..50)
        .map(|nth| {
            let name = format!("number {nth}");
            let key = binary.last_word(["key", "create", "--org", &org, "--role", "ADMIN", "--name", &name]);
            assert_eq!(server.create(&key, &format!("user{nth}@example.com")).0, 200);
            key
        })
        .collect();
    for file in ["roster.db", "roster.db-wal", "roster.db-shm"] {
        let bytes = std::fs::read(binary.path().join(file)).expect("a file");
        let found: HashSet<&[u8]> = bytes.windows(12).collect();
        for key in &keys {
            assert!(pieces(secret_of(key)).all(|piece| !found.contains(piece.as_bytes())), "{file}");
            let id = key.split('_').nth(1).expect("an id");
            assert!(
                file != "roster.db-wal" || found.contains(id.as_bytes()),
                "keys are looked for where they would be"
            );
        }
    }
}

/// A webhook's address may carry a token in its path, and its secret signs what it is told.
#[test]
fn no_webhooks_secret_and_no_address_is_in_what_the_server_writes() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let inside = ["--webhook-inside", "127.0.0.1"];
    let mut server = binary.serve(&[&["--log", "trace", "--metrics-listen", "127.0.0.1:0"], &inside[..]].concat());
    let metrics = server.metrics_address();
    let post = |path: &str, body: &str| server.request("POST", path, &key, body);
    let body = r#"{"url":"https://127.0.0.1:9/Xanthippe","description":"Lepidoptera"}"#;
    let (status, made) = post("/api/v1/webhooks", body);
    assert_eq!(status, 200, "{made}");
    let path = format!("/api/v1/webhooks/{}", made["webhook"]["publicId"].as_str().expect("an id"));
    let (_, rotated) = post(&format!("{path}/rotate"), "{}");
    assert_eq!(post(&format!("{path}/test"), "{}").0, 200);
    assert_eq!(post("/api/v1/webhooks", &body.replace("https", "Quetzalcoatl")).0, 400);
    assert_eq!(server.request("GET", "/api/v1/webhooks", &key, "").0, 200);

    let counted = super::metrics::scrape(metrics);
    server.signal("TERM");
    let ended = server.end();
    assert!(ended.log.lines().count() >= 9, "{}", ended.log);
    for (place, text) in [("stderr", &ended.log), ("stdout", &ended.printed), ("metrics", &counted)] {
        for canary in ["Xanthippe", "Quetzalcoatl", "Lepidoptera"] {
            assert!(!text.to_lowercase().contains(&canary.to_lowercase()), "{canary} is in {place}:\n{text}");
        }
        for shown in [&made, &rotated] {
            let secret = shown["webhook"]["secret"].as_str().and_then(|secret| secret.strip_prefix("whsec_"));
            let secret = secret.expect("a secret");
            assert_eq!(secret.len(), 32);
            for start in 0..=secret.len() - 12 {
                assert!(!text.contains(&secret[start..start + 12]), "a piece of a secret is in {place}:\n{text}");
            }
        }
    }
}

/// The random digits of a key and its checksum: what follows its id.
fn secret_of(key: &str) -> &str {
    key.rsplit('_').next().expect("three parts")
}

/// Every twelve characters of it.
fn pieces(secret: &str) -> impl Iterator<Item = &str> {
    assert_eq!(secret.len(), 49);
    (0..=secret.len() - 12).map(move |start| &secret[start..start + 12])
}
