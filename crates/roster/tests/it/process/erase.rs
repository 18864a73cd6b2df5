//! What is left of somebody who was erased: their id in the audit trail and the feed, and no byte more in any file.

use rusqlite::Connection;

use crate::{
    binary::Binary,
    wire::{get, request},
};

/// What they ever were, and with what they were asked for: each piece occurs nowhere else.
const VALUES: [&str; 20] = [
    "Xanthippe",
    "Quetzalcoatl",
    "Wilhelmina",
    "Zzyzxroad",
    "canary.bird",
    "canary.nest",
    "canary.egg",
    "8005550199",
    "8005550188",
    "1987654320",
    "Lepidoptera",
    "2031-12-24",
    "1918-07-13",
    "1 Canary Wharf",
    "Ornithopolis",
    "90219-7777",
    "HR-CANARY-1",
    "plumage-name",
    "plumage-text",
    "flew-the-nest",
];

#[test]
fn no_byte_of_who_was_erased_is_in_the_files_sqlite() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let mut wire = server.wire();
    let mut ask = |method: &str, path: &str, body: &str, status: u16| {
        let answer = wire.send(request(method, path, &key, body)).answer();
        assert_eq!(answer.status, status, "{method} {path} {answer}");
        answer.body
    };
    for nth in 0..50 {
        let body = format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"user{nth}@example.com"}}"#);
        ask("POST", "/api/v1/users", &body, 200);
    }
    let created = ask(
        "POST",
        "/api/v1/users",
        r#"{"firstName":"Xanthippe","lastName":"Quetzalcoatl","email":"canary.bird@example.com","phoneNumber":"+18005550199",
            "npiNumber":"1987654320","shouldSendSMS":true,"sex":"Lepidoptera","birthDate":"1918-07-13","role":"PATIENT",
            "recertificationDate":"2031-12-24T00:00:00Z","addressLine1":"1 Canary Wharf","city":"Ornithopolis",
            "postalCode":"90219-7777","externalId":"HR-CANARY-1","metadata":{"plumage-name":"plumage-text"}}"#,
        200,
    );
    let id = created.split("\"publicId\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id").to_owned();
    let path = format!("/api/v1/users/{id}");
    // More than one page of the list, and answers that are kept.
    for nth in 50..100 {
        let body = format!(r#"{{"firstName":"Jane","lastName":"Doe","email":"user{nth}@example.com"}}"#);
        ask("POST", "/api/v1/users", &body, 200);
    }
    ask("PATCH", &path, r#"{"firstName":"Wilhelmina","lastName":"Zzyzxroad","email":"canary.nest@example.com"}"#, 200);
    ask("PATCH", &path, r#"{"phoneNumber":"+18005550188","shouldSendSMS":false}"#, 200);
    ask("PATCH", &path, r#"{"shouldSendSMS":true}"#, 200);
    for (nth, (act, body)) in (0..).zip([
        ("deactivate", r#"{"reason":"flew-the-nest"}"#),
        ("restore", r#"{"email":"canary.egg@example.com"}"#),
        ("deactivate", r#"{"reason":"flew-the-nest"}"#),
    ]) {
        let kept = request("POST", &format!("{path}/{act}"), &key, body);
        let kept = kept.replacen("\r\n", &format!("\r\nIdempotency-Key: key-{nth}\r\n"), 1);
        let mut wire = server.wire();
        assert_eq!(wire.send(kept).answer().status, 200);
    }

    let file = Connection::open(binary.database()).expect("the file");
    let checkpoint = || {
        let busy: i64 = file.query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0)).expect("an answer");
        assert_eq!(busy, 0);
    };
    checkpoint();
    let found = |name: &str| {
        let bytes = std::fs::read(binary.path().join(name)).unwrap_or_default();
        let found = VALUES.iter().filter(|value| bytes.windows(value.len()).any(|some| some == value.as_bytes()));
        found.copied().collect::<Vec<_>>()
    };
    let before = found("roster.db");
    assert!(before.contains(&"Zzyzxroad") && before.contains(&"canary.egg"), "they were there: {before:?}");

    ask("DELETE", &path, "", 204);
    ask("DELETE", &path, "", 404);
    checkpoint();
    for name in ["roster.db", "roster.db-wal", "roster.db-shm"] {
        assert_eq!(found(name), [""; 0], "{name}");
    }
    let copy = binary.path().join("backup.db");
    file.execute("vacuum into ?1", [copy.to_str().expect("UTF-8")]).expect("a backup");
    assert_eq!(found("backup.db"), [""; 0]);

    // Of the id only what must be known of it.
    let tables: Vec<String> = {
        let mut names =
            file.prepare("select name from sqlite_schema where type = 'table' and sql like '%text%'").expect("tables");
        let names = names.query_map([], |row| row.get(0)).expect("names");
        names.collect::<Result<_, _>>().expect("names")
    };
    let mut with_id: Vec<String> = Vec::new();
    for table in tables {
        let mut statement = file.prepare(&format!("select * from {table}")).expect("a table");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let is_there = (0..columns)
                .any(|n| row.get_ref(n).is_ok_and(|value| value.as_str().is_ok_and(|text| text.contains(&id))));
            if is_there && !with_id.contains(&table) {
                with_id.push(table.clone());
            }
        }
    }
    with_id.sort();
    assert_eq!(with_id, ["altered", "audit"]);
    let heard = wire_events(&server, &key);
    assert!(heard.contains("user.erased") && heard.contains(&id));
    for value in VALUES {
        assert!(!heard.contains(value), "{value}");
    }
}

fn wire_events(server: &crate::binary::Server, key: &str) -> String {
    let mut heard = String::new();
    let mut wire = server.wire();
    let mut path = "/api/v1/events?pageSize=100".to_owned();
    for _ in 0..10 {
        let answer = wire.send(get(&path, key)).answer();
        heard.push_str(&answer.body);
        let events = answer.json();
        let Some(last) = events["data"].as_array().and_then(|events| events.last()) else { break };
        path = format!("/api/v1/events?pageSize=100&cursor={}", last["publicId"].as_str().expect("an id"));
    }
    heard
}
