//! What all commands have in common: where results go, where settings come from, how misuse is told.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::binary::Binary;

const COMMANDS: [&[&str]; 24] = [
    &["serve"],
    &["org", "create"],
    &["org", "show"],
    &["org", "set"],
    &["key", "create"],
    &["payor", "create"],
    &["user", "create"],
    &["event", "list"],
    &["webhook", "create"],
    &["webhook", "list"],
    &["webhook", "pause"],
    &["webhook", "rotate"],
    &["webhook", "test"],
    &["webhook", "deliveries"],
    &["webhook", "replay"],
    &["sms", "show"],
    &["sms", "set"],
    &["sms", "consent"],
    &["sms", "stop"],
    &["outbox", "list"],
    &["outbox", "show"],
    &["outbox", "retry"],
    &["policy"],
    &["openapi"],
];

#[test]
fn version_and_help_are_results() {
    let binary = Binary::new();
    assert_eq!(binary.print(["--version"]), format!("roster {}\n", env!("CARGO_PKG_VERSION")));
    for command in COMMANDS {
        let output = binary.command([command, &["--help"]].concat()).output().expect("the binary starts");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success() && printed.contains("Usage: roster "), "{command:?}: {printed}");
        assert_eq!(output.stderr, b"");
    }
    assert!(!binary.database().exists(), "asking for help makes no database");
}

#[test]
fn misuse_is_2() {
    let binary = Binary::new();
    let (org, _) = binary.organization_with_admin();
    for arguments in [
        &[][..],
        &["serv"],
        &["org"],
        &["org", "create"],
        &["org", "create", ""],
        &["org", "create", "two", "names"],
        &["org", "show", "nobody"],
        &["org", "set", &org],
        &["org", "set", &org, "--country", "us"],
        &["org", "set", &org, "--time-zone", "London"],
        &["org", "list", "--database", "mysql:x"],
        &["key", "create", "--org", &org, "--role", "KING", "--name", "x"],
        &["key", "create", "--org", &org, "--role", "ADMIN"],
        &["key", "create", "--org", "nobody", "--role", "ADMIN", "--name", "x"],
        &["key", "create", "--org", &org, "--role", "ADMIN", "--name", "x", "--expires", "tomorrow"],
        &["key", "create", "--org", &org, "--role", "ADMIN", "--name", "x", "--expires", "0d"],
        &["key", "revoke", "--org", &org, "key_1"],
        &["user", "create", "--org", &org, "--first-name", " ", "--last-name", "Lee"],
        &["user", "create", "--org", &org, "--first-name", "Ann", "--last-name", "Lee", "--email", "ann"],
        &["user", "list", "--org", &org, "--page", "0"],
        &["user", "list", "--org", &org, "--page-size", "101"],
        &["user", "list", "--org", &org, "--sort", "name"],
        &["user", "show", "--org", &org, "usr_1"],
        &["event", "list", "--org", &org, "--limit", "0"],
        &["event", "list", "--org", &org, "--after", "evt_1"],
        &["webhook", "create", "--org", &org],
        &["webhook", "create", "--org", &org, "nowhere"],
        &["webhook", "create", "--org", &org, "https://hooks.example/", "--event", "user.eaten"],
        &["webhook", "pause", "--org", &org, "whk_1"],
        &["webhook", "deliveries", "--org", &org, "whk_aaaaaaaaaaaa", "--state", "lost"],
        &["webhook", "replay", "--org", &org, "whk_aaaaaaaaaaaa"],
        &["sms", "set", "--org", &org],
        &["sms", "set", "--org", &org, "--hourly", "some"],
        &["sms", "stop", "nobody"],
        &["outbox", "list", "--limit", "0"],
        &["outbox", "list", "--state", "lost"],
        &["outbox", "retry", "msg_1736937000_aaaaaaaaa"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--max-connections", "0"],
        &["serve", "--read-timeout", "0"],
        &["serve", "--drain-timeout", "1.5"],
        &["serve", "--unknown"],
    ] {
        let complaint = binary.complaint_of(binary.command(arguments));
        assert!(complaint.starts_with("2: "), "{arguments:?}: {complaint}");
    }
}

#[test]
fn an_organization_that_is_not_there_is_1_and_said_in_a_sentence() {
    let binary = Binary::new();
    binary.organization_with_admin();
    const ORG: &str = "org_aaaaaaaaaaaa";
    for arguments in [
        &["key", "create", "--org", ORG, "--role", "ADMIN", "--name", "x"][..],
        &["key", "list", "--org", ORG],
        &["key", "revoke", "--org", ORG, "key_aaaaaaaaaaaa"],
        &["key", "rotate", "--org", ORG, "key_aaaaaaaaaaaa"],
        &["payor", "create", "--org", ORG, "Aetna"],
        &["payor", "list", "--org", ORG],
        &["user", "create", "--org", ORG, "--first-name", "Ann", "--last-name", "Lee"],
        &["user", "list", "--org", ORG],
        &["user", "show", "--org", ORG, "usr_1234567890_abc123def"],
        &["outbox", "list", "--org", ORG],
        &["outbox", "show", "--org", ORG, "msg_1736937000_aaaaaaaaa"],
        &["outbox", "retry", "--org", ORG, "msg_1736937000_aaaaaaaaa"],
        &["outbox", "drop", "--org", ORG, "msg_1736937000_aaaaaaaaa"],
        &["event", "list", "--org", ORG],
        &["webhook", "create", "--org", ORG, "https://hooks.example/"],
        &["webhook", "list", "--org", ORG],
        &["webhook", "pause", "--org", ORG, "whk_aaaaaaaaaaaa"],
        &["webhook", "resume", "--org", ORG, "whk_aaaaaaaaaaaa"],
        &["webhook", "delete", "--org", ORG, "whk_aaaaaaaaaaaa"],
        &["webhook", "rotate", "--org", ORG, "whk_aaaaaaaaaaaa"],
        &["webhook", "test", "--org", ORG, "whk_aaaaaaaaaaaa"],
        &["webhook", "deliveries", "--org", ORG, "whk_aaaaaaaaaaaa"],
        &["webhook", "replay", "--org", ORG, "whk_aaaaaaaaaaaa", "evt_aaaaaaaaaaaa_000000000001"],
        &["sms", "show", "--org", ORG],
        &["sms", "set", "--org", ORG, "--hourly", "1"],
        &["sms", "consent", "--org", ORG, "usr_1234567890_abc123def"],
    ] {
        let complaint = binary.complaint_of(binary.command(arguments));
        assert_eq!(complaint, "1: roster: there is no organization org_aaaaaaaaaaaa", "{arguments:?}");
    }
}

#[test]
fn a_flag_is_stronger_than_the_environment() {
    let binary = Binary::new();
    binary.print(["org", "create", "From the environment"]);
    let mut elsewhere = binary.command(["org", "create", "By a flag", "--database", "sqlite:flag.db"]);
    assert!(elsewhere.output().expect("the binary starts").status.success());
    assert!(binary.path().join("flag.db").exists());
    assert!(binary.print(["org", "list"]).contains("From the environment"));
    assert!(binary.print(["--database", "sqlite:flag.db", "org", "list"]).contains("By a flag"));

    let mut from_environment = binary.command(["serve"]);
    from_environment.env("ROSTER_LISTEN", "127.0.0.1:0").env("ROSTER_LOG_FORMAT", "json");
    assert_ne!(binary.serve_by(from_environment, &[]).address.port(), 0);
    let mut both = binary.command(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    both.env("ROSTER_LISTEN", "192.0.2.1:1").env("ROSTER_LOG_FORMAT", "text");
    assert!(binary.serve_by(both, &[]).address.ip().is_loopback());
    let mut wrong = binary.command(["serve"]);
    wrong.env("ROSTER_LISTEN", "nowhere");
    assert!(
        binary
            .complaint_of(wrong)
            .starts_with("2: error: invalid value 'nowhere' for '--listen <ADDR>' (from ROSTER_LISTEN)")
    );
}

#[test]
fn without_settings_the_database_is_in_the_folder() {
    let binary = Binary::new();
    let mut create = binary.command(["org", "create", "Example"]);
    create.env_remove("ROSTER_DATABASE");
    assert!(create.output().expect("the binary starts").status.success());
    assert!(binary.path().join("roster.db").exists());
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let binary = Binary::new();
    let (org, _) = binary.organization_with_admin();
    for arguments in [&["policy"][..], &["openapi"], &["org", "list"], &["key", "list", "--org", &org]] {
        let mut child =
            binary.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        // As `head -0` does.
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let binary = Binary::new();
    assert_snapshot!(binary.complaint(["org", "list", "--log", "roster=loud"]), @r#"
    2: error: invalid value 'roster=loud' for '--log <FILTER>': error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5

    For more information, try '--help'.
    "#);
}
