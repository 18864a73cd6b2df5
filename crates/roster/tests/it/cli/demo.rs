//! `roster serve --demo`: from nothing to a first answer.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use serde_json::Value;

use crate::binary::{Binary, Server};

/// What `--demo` prints, taken apart.
pub(crate) struct Greeting {
    pub(crate) text: String,
    pub(crate) key: String,
    pub(crate) curl: String,
    pub(crate) docs: String,
}

impl Greeting {
    pub(crate) fn of(server: &mut Server) -> Self {
        let text = server.printed("Read the API: ");
        let indented = |start: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix("  ").filter(|line| line.starts_with(start)));
            line.unwrap_or_else(|| panic!("no line with {start:?} in: {text}")).to_owned()
        };
        let (key, curl) = (indented("roster_"), indented("curl "));
        let docs = text.lines().find_map(|line| line.strip_prefix("Read the API: ")).expect("an address").to_owned();
        Self { text, key, curl, docs }
    }
}

#[test]
fn the_demo_prints_a_key_a_curl_line_and_where_to_read() {
    let binary = Binary::new();
    let mut server = binary.serve(&["--demo"]);
    let greeting = Greeting::of(&mut server);
    let org = binary.print(["org", "list"]);
    let org = org.split('\t').next().expect("an organization");
    let text = greeting.text.replace(&greeting.key, "KEY").replace(org, "ORG");
    assert_snapshot!(text.replace(&server.address.to_string(), "ADDRESS"), @r#"
    Added Sunrise ABA Therapy (ORG) with 60 people and 12 payors. Everybody in it is made up.

    Its ADMIN key, shown this once:

      KEY

    Create a user (paste it into another terminal):

      curl -sS http://ADDRESS/api/v1/users -H 'Authorization: Bearer KEY' -H 'Content-Type: application/json' -d '{"firstName":"Nora","lastName":"Lindgren","email":"nora.lindgren@example.com","role":"CLINICIAN","phoneNumber":"+14155550100"}'

    Read the API: http://ADDRESS/docs
    "#);

    let path = greeting.docs.strip_prefix(&format!("http://{}", server.address)).expect("an address of the server");
    assert_eq!(server.wire().send(crate::wire::get(path, "")).answer().header("location"), Some("docs/"));
    assert_eq!(server.wire().send(crate::wire::get("/", "")).answer().header("location"), Some("docs/"));
    let page = server.wire().send(crate::wire::get("/docs/", "")).answer();
    assert!(page.status == 200 && page.body.contains("swagger-ui"), "{page}");
    assert!(page.body.contains("<title>Roster API</title>"), "{page}");
}

#[test]
fn what_the_curl_line_says_works_when_sent() {
    let binary = Binary::new();
    let mut server = binary.serve(&["--demo"]);
    let curl = Greeting::of(&mut server).curl;
    // What a shell makes of it: words, of which some are in single quotes.
    let words: Vec<String> = curl
        .split('\'')
        .enumerate()
        .flat_map(|(nth, part)| if nth % 2 == 1 { vec![part] } else { part.split_whitespace().collect() })
        .map(str::to_owned)
        .collect();
    let ["curl", "-sS", address, "-H", authorization, "-H", content_type, "-d", body] =
        words.iter().map(String::as_str).collect::<Vec<_>>()[..]
    else {
        panic!("{words:?}")
    };
    let path = address.strip_prefix(&format!("http://{}", server.address)).expect("an address of the server");
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\n{authorization}\r\n{content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    let answer = server.wire().send(request).answer();
    assert_eq!((answer.status, answer.header("roster-warning")), (200, None), "{answer}");
    let (sent, user): (Value, Value) = (serde_json::from_str(body).expect("JSON"), answer.json()["user"].clone());
    for (field, value) in sent.as_object().expect("an object") {
        assert_eq!(&user[field], value, "{field}");
    }
}

#[test]
fn the_demo_has_people_in_every_role_that_the_api_shows() {
    let binary = Binary::new();
    let mut server = binary.serve(&["--demo"]);
    let key = Greeting::of(&mut server).key;
    let (_, list) = server.request("GET", "/api/v1/users?pageSize=100", &key, "");
    let mut roles = BTreeMap::<&str, u32>::new();
    for user in list["data"].as_array().expect("users") {
        *roles.entry(user["role"].as_str().expect("a role")).or_default() += 1;
    }
    assert_eq!(list["pagination"]["totalCount"], 60);
    assert_snapshot!(serde_json::to_string_pretty(&roles).expect("JSON"), @r#"
    {
      "ADMIN": 1,
      "BILLING_MANAGER": 1,
      "CAREGIVER": 15,
      "CLINICAL_ADMIN": 2,
      "CLINICAL_SUPERADMIN": 1,
      "CLINICIAN": 7,
      "HIPP_BILLING_MANAGER": 1,
      "PATIENT": 15,
      "PAYROLL_ADMIN": 1,
      "SCHEDULING_MANAGER": 2,
      "TECHNICIAN": 14
    }
    "#);
    let org = binary.print(["org", "list"]);
    let payors = binary.print(["payor", "list", "--org", org.split('\t').next().expect("an organization")]);
    assert_eq!(payors.lines().count(), 12);
}

#[test]
fn a_second_demo_adds_nothing_and_says_so() {
    let binary = Binary::new();
    let mut first = binary.serve(&["--demo"]);
    let key = Greeting::of(&mut first).key;
    drop(first);
    let before = binary.print(["org", "list"]);
    let mut second = binary.serve(&["--demo"]);
    let said = second.printed("This database").replace(env!("CARGO_BIN_EXE_roster"), "roster");
    assert_snapshot!(said, @"This database already has organizations: --demo added nothing. For a key of your own: roster org list, then roster key create --org ORG --role ADMIN --name me");
    assert_eq!(binary.print(["org", "list"]), before);
    let (_, list) = second.request("GET", "/api/v1/users", &key, "");
    assert_eq!(list["pagination"]["totalCount"], 60);
    second.signal("TERM");
    assert!(!second.end().printed.contains("roster_"), "no second key");
}

/// Where the usual port is taken, as it is by the first of these two, the demo comes up beside it.
#[test]
fn a_demo_takes_the_next_port_that_is_free() {
    let homes = [Binary::new(), Binary::new()];
    let servers = homes.each_ref().map(|home| {
        let mut server = home.serve_by(home.command(["serve", "--log-format", "json"]), &["--demo"]);
        let curl = Greeting::of(&mut server).curl;
        assert!(curl.contains(&server.address.to_string()), "{curl}");
        server
    });
    assert!(servers.iter().all(|server| server.address.ip().is_loopback()));
    assert_ne!(servers[0].address, servers[1].address);
}

#[test]
fn a_server_without_an_organization_says_what_comes_next() {
    let binary = Binary::new();
    let mut server = binary.serve(&[]);
    server.signal("TERM");
    let said = server.end().log.replace(env!("CARGO_BIN_EXE_roster"), "roster");
    let hint: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("This database")).take(4).collect();
    assert_snapshot!(hint.join("\n"), @r#"
    This database has no organization yet. Make one, and a key for it, in another terminal:

      roster org create "Our clinic"
      roster key create --org ORG --role ADMIN --name "first key"
    "#);
    binary.organization_with_admin();
    server = binary.serve(&[]);
    server.signal("TERM");
    assert!(!server.end().log.contains("no organization yet"));
}

#[test]
fn an_organization_of_ones_own_is_left_alone() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let mut server = binary.serve(&["--demo"]);
    server.printed("This database already has organizations");
    let (_, list) = server.request("GET", "/api/v1/users", &key, "");
    assert_eq!(list["pagination"]["totalCount"], 0);
}

#[test]
fn without_the_flag_nothing_is_printed_or_added() {
    let binary = Binary::new();
    let server = binary.serve(&[]);
    server.signal("TERM");
    assert_eq!(server.end().printed, "");
    assert_eq!(binary.print(["org", "list"]), "");
}
