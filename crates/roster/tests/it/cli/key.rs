//! `roster key`

use std::time::Instant;

use insta::assert_snapshot;

use crate::binary::{Binary, PATIENCE, Server};

#[test]
fn key_create_prints_the_key_last_and_says_that_it_is_shown_once() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let output = binary.run(["key", "create", "--org", &org, "--role", "clinician", "--name", "front desk"]);
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"The key is shown this once: keep it where secrets are kept.");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let words: Vec<_> = printed.split_whitespace().collect();
    let ["created", "key", id, token] = words[..] else { panic!("{printed}") };
    assert!(token.starts_with(&format!("roster_{}_", id.strip_prefix("key_").expect("an id"))), "{printed}");

    let server = binary.serve(&[]);
    let (status, me) = server.request("GET", "/api/v1/me", token, "");
    assert_eq!(status, 200, "{me}");
    assert!(me.to_string().contains("CLINICIAN"), "{me}");
}

#[test]
fn a_key_can_have_any_role() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let policy = binary.print(["policy"]);
    let roles: Vec<_> = policy.lines().skip(1).map(|line| line.split('\t').next().expect("a role")).collect();
    assert_eq!(roles.len(), 12);
    for role in &roles {
        binary.last_word(["key", "create", "--org", &org, "--role", role, "--name", role]);
    }
    let listed = states(&binary, &org);
    assert!(roles.iter().all(|role| listed.contains(&(role.to_string(), role.to_string(), "live".to_owned()))));
}

#[test]
fn a_key_ends_when_it_was_said_to() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let create = |name: &str, expires: &str| {
        binary.last_word(["key", "create", "--org", &org, "--role", "ADMIN", "--name", name, "--expires", expires])
    };
    let long = create("long", "90d");
    let ended = create("ended", "1s");
    let server = binary.serve(&[]);
    let started = Instant::now();
    while opens(&server, &ended) {
        assert!(started.elapsed() < PATIENCE, "it never ends");
    }
    assert!(opens(&server, &long));
    let mut listed = states(&binary, &org);
    listed.sort();
    assert_eq!(listed, [row("ended", "expired"), row("long", "live")]);
    let lines = binary.print(["key", "list", "--org", &org]);
    assert!(lines.lines().all(|line| line.split('\t').nth(4).is_some_and(|end| end.ends_with('Z'))), "{lines}");
    for token in [&long, &ended] {
        assert!(!lines.contains(token.rsplit('_').next().expect("a secret")), "a list shows no key");
    }
}

#[test]
fn a_revoked_key_opens_nothing_more() {
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    assert!(opens(&server, &key));
    let id = id_of(&key);
    assert_eq!(binary.print(["key", "revoke", "--org", &org, &id]), format!("revoked key {id}\n"));
    assert!(!opens(&server, &key));
    assert_eq!(states(&binary, &org), [row("test", "revoked")]);
    assert_eq!(binary.print(["key", "revoke", "--org", &org, &id]), format!("revoked key {id}\n"), "again is no fault");
}

#[test]
fn a_key_is_revoked_and_rotated_by_its_own_organization_only() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let other = binary.last_word(["org", "create", "Other"]);
    let id = id_of(&key);
    for (command, missing) in [("revoke", "key"), ("rotate", "live key")] {
        let complaint = binary.complaint(["key", command, "--org", &other, &id]);
        assert_eq!(complaint, format!("1: roster: the organization has no {missing} {id}"), "{command}");
    }
    assert!(opens(&binary.serve(&[]), &key));
}

#[test]
fn rotating_makes_a_key_like_the_old_one_which_works_for_the_grace() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let server = binary.serve(&[]);
    let old =
        binary.last_word(["key", "create", "--org", &org, "--role", "CLINICIAN", "--name", "n", "--expires", "9d"]);
    let new = binary.last_word(["key", "rotate", "--org", &org, &id_of(&old)]);
    assert_eq!((opens(&server, &old), opens(&server, &new)), (true, true), "a day's grace, unless said otherwise");
    let newer = binary.last_word(["key", "rotate", "--org", &org, &id_of(&new), "--grace", "0s"]);
    assert_eq!((opens(&server, &new), opens(&server, &newer)), (false, true));
    let mut listed = states(&binary, &org);
    listed.sort();
    let clinician = |state: &str| ("n".to_owned(), "CLINICIAN".to_owned(), state.to_owned());
    assert_eq!(listed, [clinician("expired"), clinician("live"), clinician("live")]);
    let complaint = binary.complaint(["key", "rotate", "--org", &org, &id_of(&new)]);
    assert_eq!(complaint, format!("1: roster: the organization has no live key {}", id_of(&new)));
}

fn opens(server: &Server, key: &str) -> bool {
    match server.request("GET", "/api/v1/users", key, "").0 {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

fn id_of(key: &str) -> String {
    format!("key_{}", key.split('_').nth(1).expect("an id"))
}

/// Name, role and state of each key.
fn states(binary: &Binary, org: &str) -> Vec<(String, String, String)> {
    let listed = binary.print(["key", "list", "--org", org]);
    let row = |line: &str| {
        let columns: Vec<_> = line.split('\t').collect();
        let [id, role, state, _, _, "WRITE", "-", name] = columns[..] else { panic!("{line}") };
        assert!(id.starts_with("key_"), "{line}");
        (name.to_owned(), role.to_owned(), state.to_owned())
    };
    listed.lines().map(row).collect()
}

fn row(name: &str, state: &str) -> (String, String, String) {
    (name.to_owned(), "ADMIN".to_owned(), state.to_owned())
}

#[test]
fn a_key_ends_after_a_year_unless_it_is_said_to_end_never() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    binary.last_word(["key", "create", "--org", &org, "--role", "ADMIN", "--name", "year"]);
    binary.last_word(["key", "create", "--org", &org, "--role", "ADMIN", "--name", "never", "--expires", "never"]);
    let listed = binary.print(["key", "list", "--org", &org]);
    let moment = |name: &str, column: usize| {
        let line = listed.lines().find(|line| line.ends_with(name)).expect("a key");
        line.split('\t').nth(column).expect("a column").to_owned()
    };
    assert_eq!(moment("never", 4), "-");
    let days = |text: &str| text.parse::<jiff::Timestamp>().expect("a moment").as_millisecond() / 86_400_000;
    assert_eq!(days(&moment("year", 4)) - days(&moment("year", 3)), 365);
}
