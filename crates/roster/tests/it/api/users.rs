//! `/api/v1/users`

use hyper::StatusCode;
use serde_json::Value;

use crate::roster::Answer;

mod create;
mod cursor;
mod get;
mod list;
mod search;

/// What an answer says is wrong, a line each: `code path: message`. Asserts that it is the documented 400.
fn issues(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer}");
    assert_eq!(keys(&answer.body), ["details", "error"], "{answer}");
    assert_eq!(answer.body["error"], "Validation error");
    let details = answer.body["details"].as_array().expect("a list");
    let line = |detail: &Value| {
        assert_eq!(keys(detail), ["code", "message", "path"], "{answer}");
        let path = detail["path"].as_array().expect("a list").iter();
        let path: Vec<&str> = path.map(|step| step.as_str().expect("paths are strings")).collect();
        let text = |name: &str| detail[name].as_str().expect("a string").to_owned();
        format!("{} {}: {}", text("code"), path.join("."), text("message"))
    };
    details.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The names of an object's members, sorted.
fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}
