//! The OpenAPI document, as Spectral, Redocly and openapi-spec-validator judge it.

use std::{path::Path, process::Command};

use serde_json::json;

use super::program::{self, broken_document, document};
use crate::binary::Binary;

fn spectral(document: &Path) -> Command {
    let mut command = program::command(program::npm("spectral"), 120);
    command.arg("lint").arg("--ruleset").arg(program::here().join("openapi/spectral.yaml"));
    command.args(["--fail-severity", "hint"]).arg(document);
    command
}

fn redocly(document: &Path) -> Command {
    let mut command = program::command(program::npm("redocly"), 120);
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    command.args(["lint", "--format", "json", "--config"]).arg(program::here().join("openapi/redocly.yaml"));
    command.arg(document);
    command
}

fn validator(document: &Path) -> Command {
    let mut command = program::command(program::pip("openapi-spec-validator"), 120);
    command.arg(document);
    command
}

#[test]
#[ignore = "needs node and npm: script/test runs it"]
fn spectral_finds_nothing() {
    let binary = Binary::new();
    let verdict = program::verdict(&mut spectral(&document(&binary)));
    assert!(verdict.content && verdict.said.contains("No results"), "{}", verdict.said);
}

#[test]
#[ignore = "needs node and npm: script/test runs it"]
fn spectral_would_find_a_field_that_allows_null() {
    let binary = Binary::new();
    let document = broken_document(&binary, |document| {
        let email = "/components/schemas/CreateUserRequest/properties/email/type";
        *document.pointer_mut(email).expect("an e-mail") = json!(["string", "null"]);
    });
    let verdict = program::verdict(&mut spectral(&document));
    assert!(!verdict.content && verdict.said.contains("request-fields-refuse-null"), "{}", verdict.said);
}

#[test]
#[ignore = "needs node and npm: script/test runs it"]
fn redocly_finds_nothing() {
    let binary = Binary::new();
    let verdict = program::verdict(&mut redocly(&document(&binary)));
    assert!(verdict.content && verdict.said.contains(r#""problems": []"#), "{}", verdict.said);
}

#[test]
#[ignore = "needs node and npm: script/test runs it"]
fn redocly_would_find_an_example_that_is_none() {
    let binary = Binary::new();
    let document = broken_document(&binary, |document| {
        document["components"]["schemas"]["CreateUserResponse"]["properties"]["message"]["examples"] = json!([7]);
    });
    let verdict = program::verdict(&mut redocly(&document));
    assert!(!verdict.content && verdict.said.contains("no-invalid-schema-examples"), "{}", verdict.said);
}

#[test]
#[ignore = "needs python: script/test runs it"]
fn the_spec_validator_finds_nothing() {
    let binary = Binary::new();
    let verdict = program::verdict(&mut validator(&document(&binary)));
    assert!(verdict.content, "{}", verdict.said);
}

#[test]
#[ignore = "needs python: script/test runs it"]
fn the_spec_validator_would_find_a_parameter_without_a_place() {
    let binary = Binary::new();
    let document = broken_document(&binary, |document| {
        let parameter = &mut document["paths"]["/v1/users"]["get"]["parameters"][0];
        parameter.as_object_mut().expect("a parameter").remove("in");
    });
    let verdict = program::verdict(&mut validator(&document));
    assert!(!verdict.content, "{}", verdict.said);
}
