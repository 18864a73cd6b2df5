//! The server against what its document says, and against the published contract, as schemathesis tries it: thousands of
//! requests, good and bad.
//!
//! A run takes about a minute. `ROSTER_SCHEMATHESIS_CASES=20000` makes it go on, run after run with another seed and an
//! empty database, until it has sent so many requests; before a release that is the number.

use std::{ffi::OsString, path::PathBuf};

use super::program;
use crate::binary::Binary;

/// How long a run may take: schemathesis fills it.
const RUN_SECONDS: u32 = 60;

#[test]
#[ignore = "needs python: script/test runs it"]
fn schemathesis_finds_no_undocumented_answer() {
    let wanted = std::env::var("ROSTER_SCHEMATHESIS_CASES").map_or(1, |cases| cases.parse().expect("a number"));
    let mut sent = 0;
    for seed in 1.. {
        sent += run(Document::Served, seed);
        if sent >= wanted {
            break;
        }
    }
}

/// A client that was written for the contract meets no answer that the contract does not know.
#[test]
#[ignore = "needs python: script/test runs it"]
fn schemathesis_finds_no_answer_that_the_contract_does_not_know() {
    run(Document::Contract, 1);
}

/// What the requests are made from.
#[derive(Clone, Copy)]
enum Document {
    /// What the server itself says.
    Served,
    /// The Hipp Health v1 users API, as published.
    Contract,
}

impl Document {
    /// The settings, and what to test.
    fn arguments(self, address: &str) -> (&'static str, Vec<OsString>) {
        match self {
            Document::Served => ("schemathesis.toml", vec![format!("http://{address}/openapi.json").into()]),
            Document::Contract => {
                let contract = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/api/openapi/contract.json");
                ("contract.toml", vec![contract.into(), "--url".into(), format!("http://{address}/api").into()])
            }
        }
    }
}

/// One run against a server of its own. Returns how many requests were sent.
fn run(document: Document, seed: u32) -> usize {
    let binary = Binary::new();
    let server = binary.serve(&["--demo"]);
    let key = admin_key(&binary);
    let settings = program::here().join("schemathesis");

    let mut command = program::command(program::pip("st"), 3 * RUN_SECONDS);
    command.current_dir(binary.path()).env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("SCHEMATHESIS_HOOKS", settings.join("hooks.py"));
    let (file, arguments) = document.arguments(&server.address.to_string());
    command.arg("--config-file").arg(settings.join(file)).arg("run").args(arguments);
    command.arg("--header").arg(format!("Authorization: Bearer {key}"));
    command.args(["--max-time", &RUN_SECONDS.to_string(), "--seed", &seed.to_string(), "--no-color"]);
    let verdict = program::verdict(&mut command);
    assert!(verdict.content, "seed {seed}: {}", verdict.said);

    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(r#""level":"ERROR""#), "{log}");
    // It rotates keys, also its own, which then ends soon.
    let warns = |line: &str| line.contains(r#""level":"WARN""#) && !line.contains("ends soon");
    assert!(!log.lines().any(warns), "{log}");

    let sent = cases(&verdict.said).unwrap_or_else(|| panic!("how many cases? {}", verdict.said));
    assert!(sent > 100, "only {sent} cases: {}", verdict.said);
    println!("schemathesis, seed {seed}: {sent} cases");
    sent
}

/// A key of the example organization, made by the command line beside the running server.
fn admin_key(binary: &Binary) -> String {
    let organizations = String::from_utf8(binary.run(["org", "list"]).stdout).expect("UTF-8");
    let org = organizations.split_whitespace().find(|word| word.starts_with("org_")).expect("the example");
    binary.last_word(["key", "create", "--org", org, "--role", "ADMIN", "--name", "schemathesis"])
}

/// The number in "Test cases: 5178 generated, …".
fn cases(report: &str) -> Option<usize> {
    let (_, summary) = report.split_once("Test cases:")?;
    summary.split_whitespace().next()?.parse().ok()
}
