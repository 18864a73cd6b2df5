//! The demo's curl line, pasted into a shell.

use std::process::Command;

use crate::{binary::Binary, cli::demo::Greeting};

#[test]
#[ignore = "needs sh and curl: script/test runs it"]
fn the_demos_curl_line_works_when_pasted() {
    let binary = Binary::new();
    let mut server = binary.serve(&["--demo"]);
    let greeting = Greeting::of(&mut server);
    let output = Command::new("sh").args(["-c", &greeting.curl]).output().expect("sh starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!((answer["message"].as_str(), &*said), (Some("User created successfully"), ""), "{answer}");
    let id = answer["user"]["publicId"].as_str().expect("an id");
    assert_eq!(server.request("GET", &format!("/api/v1/users/{id}"), &greeting.key, "").0, 200);
}
