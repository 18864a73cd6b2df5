//! Settings from the environment and from files: what is empty sets nothing, what is around a value is no part of it.

use std::{collections::BTreeSet, fs};

use insta::assert_snapshot;

use crate::binary::Binary;

/// Each variable that `roster serve` knows, with a value that it takes.
const SETTINGS: [(&str, &str); 33] = [
    ("ROSTER_ADDRESS_SHARE", "50"),
    ("ROSTER_ALLOW_WRITABLE_FILES", "true"),
    ("ROSTER_ANSWER_CACHE", "32"),
    ("ROSTER_CHECKPOINT_PAGES", "500"),
    ("ROSTER_DATABASE", "sqlite:roster.db"),
    ("ROSTER_DATABASE_FILE", "database"),
    ("ROSTER_DRAIN_DELAY", "0"),
    ("ROSTER_DRAIN_TIMEOUT", "10"),
    ("ROSTER_KEEP_ALIVE", "75"),
    ("ROSTER_LISTEN", "127.0.0.1:0"),
    ("ROSTER_LOG", "info"),
    ("ROSTER_LOG_FORMAT", "json"),
    ("ROSTER_MAX_CONNECTIONS", "100"),
    ("ROSTER_METRICS_LISTEN", "127.0.0.1:0"),
    ("ROSTER_NAME_SERVER", "127.0.0.1:53, [::1]:53"),
    ("ROSTER_OUTBOX_WARN", "1h"),
    ("ROSTER_PUBLIC_URL", "https://roster.example"),
    ("ROSTER_RATE_LIMIT", "1000"),
    ("ROSTER_READ_TIMEOUT", "15"),
    ("ROSTER_SMS_ACCOUNT", "AC1"),
    ("ROSTER_SMS_ASK_AFTER", "1h"),
    ("ROSTER_SMS_FROM", "+14155550100"),
    ("ROSTER_SMS_HOURLY", "200"),
    ("ROSTER_SMS_KEEP", "24h"),
    ("ROSTER_SMS_TOKEN_FILE", "token"),
    ("ROSTER_SMS_URL", "http://127.0.0.1:9"),
    ("ROSTER_TLS_CERT", "cert.pem"),
    ("ROSTER_TLS_KEY", "key.pem"),
    ("ROSTER_TRUSTED_PROXY", "10.0.0.0/8, 192.168.0.0/16"),
    ("ROSTER_WAL_LIMIT", "64"),
    ("ROSTER_WEBHOOK_INSIDE", "10.1.2.0/24"),
    ("ROSTER_WRITE_BATCH", "512"),
    ("ROSTER_WRITE_QUEUE", "2048"),
];

#[test]
fn an_empty_variable_is_as_if_it_were_not_set() {
    let binary = Binary::on("");
    let help = Binary::new().print(["serve", "--help"]);
    let known: BTreeSet<_> = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next()).collect();
    assert_eq!(known, SETTINGS.map(|(name, _)| name).into(), "all of them are tried");

    for blank in ["", " \n"] {
        let mut command = binary.command(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
        command.envs(SETTINGS.map(|(name, _)| (name, blank))).env("ROSTER_SMS_TOKEN", blank);
        let server = binary.serve_by(command, &[]);
        assert_eq!(server.request("GET", "/readyz", "", "").0, 200);
        assert!(binary.database().exists(), "it is the default that counts");
    }
}

#[test]
fn white_space_at_the_ends_of_a_setting_is_no_part_of_it() {
    let binary = Binary::on("sqlite:unused.db");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    for (name, text) in [
        ("database", "\n sqlite:roster.db\r\n"),
        ("token", " token\n"),
        ("cert.pem", &made.cert.pem()),
        ("key.pem", &made.signing_key.serialize_pem()),
    ] {
        fs::write(binary.path().join(name), text).expect("a file");
    }
    // Of a setting and its file, only one is given.
    for left_out in ["ROSTER_DATABASE", "ROSTER_DATABASE_FILE"] {
        let mut command = binary.command(["serve"]);
        command.envs(SETTINGS.map(|(name, value)| (name, format!(" \t{value}\r\n")))).env_remove(left_out);
        let server = binary.serve_by(command, &[]);
        server.signal("TERM");
        assert_eq!(server.wait().0, Some(0));
        let files = fs::read_dir(binary.path()).expect("the folder").map(|file| file.expect("a file").file_name());
        let files = files.filter_map(|name| name.into_string().ok()).filter(|name| !name.starts_with("roster.db-"));
        let files: BTreeSet<_> = files.collect();
        assert_eq!(files, ["cert.pem", "database", "key.pem", "roster.db", "token"].map(str::to_owned).into());
    }
}

#[test]
fn what_cannot_be_a_database_is_refused_and_leaves_no_file() {
    let binary = Binary::new();
    let refused = |url: &str| {
        let said = binary.complaint(["org", "create", "Example", "--database", url]);
        let what = said.strip_prefix("2: error: invalid value for '--database <URL>': ").expect(&said);
        let files: Vec<_> = fs::read_dir(binary.path()).expect("the folder").collect();
        assert!(files.is_empty(), "{files:?}");
        what.lines().next().expect("a line").to_owned()
    };
    assert_snapshot!(refused("sqlite:data/\nroster.db"), @"a database's address has no control characters");
    for url in ["sqlite::memory:", "sqlite:file::memory:", "sqlite:file:roster.db?mode=memory", "sqlite:r?mode=memory"]
    {
        insta::allow_duplicates!(
            assert_snapshot!(refused(url), @"a database of SQLite is a file, sqlite:PATH: none in memory, and without parameters")
        );
    }
    for url in ["sqlite:", "sqlite: ", "", " "] {
        insta::allow_duplicates!(
            assert_snapshot!(refused(url), @"a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE")
        );
    }
}

#[test]
fn a_complaint_names_the_variable_where_the_value_came_from_one() {
    let binary = Binary::on("");
    let refused = |variables: &[(&str, &str)], flags: &[&str]| {
        let mut command = binary.command([&["serve"], flags].concat());
        command.envs(variables.iter().copied());
        let said = binary.complaint_of(command);
        said.lines()
            .filter(|line| !line.is_empty() && !line.contains("--help") && !line.contains("Usage:"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_snapshot!(refused(&[("ROSTER_LISTEN", "nowhere")], &[]), @"2: error: invalid value 'nowhere' for '--listen <ADDR>' (from ROSTER_LISTEN): an address is HOST:PORT, as 0.0.0.0:8080, [::]:8080 or localhost:8080, or a port alone");
    assert_snapshot!(refused(&[("ROSTER_LISTEN", "127.0.0.1:0")], &["--listen=nowhere"]), @"2: error: invalid value 'nowhere' for '--listen <ADDR>': an address is HOST:PORT, as 0.0.0.0:8080, [::]:8080 or localhost:8080, or a port alone");
    assert_snapshot!(refused(&[("ROSTER_DATABASE", "mysql:x")], &[]), @"2: error: invalid value for '--database <URL>' (from ROSTER_DATABASE): a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE");
    assert_snapshot!(refused(&[("ROSTER_DATABASE_FILE", "none")], &[]), @"2: error: invalid value for '--database-file <FILE>' (from ROSTER_DATABASE_FILE): cannot read none: No such file or directory (os error 2)");
    fs::write(binary.path().join("file"), "sqlite:of-file.db").expect("a file");
    assert_snapshot!(refused(&[("ROSTER_DATABASE_FILE", "file"), ("ROSTER_DATABASE", "sqlite:r.db")], &[]), @"
    2: error: the argument '--database <URL>' (from ROSTER_DATABASE) cannot be used with '--database-file <FILE>' (from ROSTER_DATABASE_FILE)
    ");
    assert_snapshot!(refused(&[("ROSTER_TLS_CERT", "cert.pem")], &[]), @"
    2: error: the following required arguments were not provided:
      --tls-key <FILE> (or ROSTER_TLS_KEY)
    Set by the environment: ROSTER_TLS_CERT
    ");
    let said = refused(&[("ROSTER_TLS_CERT", "cert\u{7}.pem"), ("ROSTER_TLS_KEY", "key.pem")], &[]);
    assert!(said.ends_with("'--tls-cert <FILE>' (from ROSTER_TLS_CERT): a path has no control characters"), "{said}");
}

#[test]
fn a_secret_in_a_file_is_not_repeated() {
    let binary = Binary::on("");
    for (text, why) in [
        ("postgres://u:s3cret@h/d?sslmode=maybe", "sslmode is disable, prefer, require, verify-ca or verify-full"),
        ("s3cret", "a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"),
        ("", "a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE"),
        (&"s3cret".repeat(20_000), "cannot read url: it is longer than 65536 bytes"),
    ] {
        fs::write(binary.path().join("url"), text).expect("a file");
        let said = binary.complaint(["org", "list", "--database-file", "url"]);
        assert_eq!(said.lines().next(), Some(&*format!("2: error: invalid value for '--database-file <FILE>': {why}")));
        assert!(!said.contains("s3cret"), "{said}");
    }
    fs::write(binary.path().join("url"), "sqlite:here.db\n").expect("a file");
    binary.print(["org", "create", "Example", "--database-file", "url"]);
    assert!(binary.path().join("here.db").exists());
    // A flag is stronger than either variable.
    let mut elsewhere = binary.command(["org", "create", "Example", "--database", "sqlite:flag.db"]);
    elsewhere.env("ROSTER_DATABASE_FILE", "none").env("ROSTER_DATABASE", "sqlite:variable.db");
    assert!(elsewhere.status().expect("the binary starts").success());
    assert!(binary.path().join("flag.db").exists());
}
