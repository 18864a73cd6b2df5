//! The page at `/docs`, as a person sees it in a browser: real Chromium, without a head.

use serde_json::{Value, json};

use super::program;
use crate::binary::{Binary, Server};

/// What `node/docs_page.mjs` saw. `host` is any name: the browser is told that it is this machine, because Swagger UI
/// treats `localhost` as a special case and a reader's server has another name.
fn look(server: &Server, host: &str, key: &str) -> Value {
    let mut command = program::command("node", 120);
    command.current_dir(program::here().join("node")).arg("docs_page.mjs");
    command.args([&format!("http://{host}:{}/docs", server.address.port()), host, key]);
    if let Some(picture) = std::env::var_os("ROSTER_DOCS_PICTURE") {
        command.arg(picture);
    }
    let output = command.output().expect("`timeout` is on the machine");
    let said = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&said)
        .unwrap_or_else(|_| panic!("no report: {said}{}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
#[ignore = "needs node and chromium: script/test runs it"]
fn the_docs_page_shows_every_operation_and_asks_nobody_else() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let seen = look(&server, "roster.example", &key);

    let document: Value = serde_json::from_slice(&binary.run(["openapi"]).stdout).expect("JSON");
    let mut documented: Vec<String> = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        documented.extend(item.as_object().expect("operations").keys().map(|method| format!("{method} {path}")));
    }
    documented.sort();
    assert_eq!(seen["operations"], json!(documented), "{seen:#}");
    for nothing in ["errors", "violations", "strangers", "failed"] {
        assert_eq!(seen[nothing], json!([]), "{nothing}: {seen:#}");
    }
    // A key typed into the page, and "Execute": the page is of use behind its own content security policy.
    assert_eq!(seen["tried"], json!({ "status": "200", "organization": "Example Organization" }), "{seen:#}");
}
