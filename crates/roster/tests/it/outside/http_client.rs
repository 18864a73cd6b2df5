//! A client of the standard library of Python, which sends all of a request before it reads the answer.

use super::program;
use crate::binary::Binary;

const SEND_MUCH: &str = r#"
import http.client, sys
host, key = sys.argv[1:]
for method, path, key, status in [("POST", "/api/v1/users", key, 413), ("POST", "/api/v1/users", "wrong", 401),
                                  ("PUT", "/api/v1/users", key, 405), ("POST", "/nowhere", key, 404)]:
    for body in [b" " * 3_000_000, iter([b" " * 30_000] * 100)]:
        connection = http.client.HTTPConnection(host)
        headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.will_close) == (status, True), (method, path, answer.status)
"#;

#[test]
#[ignore = "needs python: script/test runs it"]
fn every_refusal_of_a_large_body_reaches_python() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    let mut command = program::command(program::pip("python"), 60);
    command.arg("-c").arg(SEND_MUCH).arg(server.address.to_string()).arg(key);
    let verdict = program::verdict(&mut command);
    assert!(verdict.content, "{}", verdict.said);
}
