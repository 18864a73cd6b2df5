//! zod 3 itself, run by node: what it says about a body, Roster says in the same words.

mod bodies;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{LazyLock, mpsc},
    time::Duration,
};

use hyper::StatusCode;
use roster_directory::Role;
use serde_json::{Value, json};

use crate::roster::{Answer, Roster};

const USERS: &str = "/api/v1/users";

/// What Roster says of a body that is no JSON; zod never sees such a one.
const NOT_JSON: (&str, &str) = ("custom", "Request body is not valid JSON");

/// Where Roster does not do what `JSON.parse` and zod do, and why.
///
/// That the last of two equal keys counts is not among them: Roster reads those as JavaScript does, and
/// `equal_keys_are_read_as_javascript_reads_them` holds it to that.
fn exceptions() -> [Exception; 3] {
    let not_json = "custom : Request body is not valid JSON";
    [
        Exception {
            what: "text that cannot be stored",
            why: "PostgreSQL refuses U+0000, SQLite keeps it; no name, phone or NPI contains a control character; half \
                  a surrogate pair has no UTF-8 at all; and bytes that are not UTF-8, which node reads as U+FFFD, were \
                  meant to be something else. The same on every engine: 400.",
            bodies: vec![
                (
                    br#"{"firstName":"A\u0000B","lastName":"Doe"}"#.to_vec(),
                    "custom firstName: Control characters are not allowed",
                ),
                (
                    br#"{"firstName":"John","lastName":"D\noe"}"#.to_vec(),
                    "custom lastName: Control characters are not allowed",
                ),
                (
                    "{\"firstName\":\"J\",\"lastName\":\"Doe\",\"phoneNumber\":\"\u{85}\",\"npiNumber\":\"\\u007f\"}"
                        .into(),
                    "custom phoneNumber: Control characters are not allowed\n\
                     custom npiNumber: Control characters are not allowed",
                ),
                (br#"{"firstName":"\ud800","lastName":"Doe"}"#.to_vec(), not_json),
                (br#"{"firstName":"\ud800","firstName":"John","lastName":"Doe"}"#.to_vec(), not_json),
                (b"{\"firstName\":\"\xff\",\"lastName\":\"Doe\"}".to_vec(), not_json),
                (b"{\"firstName\":\"J\",\"lastName\":\"Doe\",\"x\":\"\xff\"}".to_vec(), not_json),
            ],
            zod_accepts: true,
        },
        Exception {
            what: "an array that is too long",
            why: "zod says so and goes on to say what is wrong with each element; Roster does not look at them, so that \
                  no answer is larger than what was sent.",
            bodies: vec![(
                format!(r#"{{"firstName":"John","lastName":"Doe","providerPayors":[{}1]}}"#, "1,".repeat(100))
                    .into_bytes(),
                "too_big providerPayors: Array must contain at most 100 element(s)",
            )],
            zod_accepts: false,
        },
        Exception {
            what: "a long text that is none of those listed",
            why: "zod repeats all of it; Roster the first hundred characters.",
            bodies: vec![(
                format!(r#"{{"firstName":"John","lastName":"Doe","role":"{}"}}"#, "x".repeat(101)).into_bytes(),
                LONG_ROLE.as_str(),
            )],
            zod_accepts: false,
        },
    ]
}

static LONG_ROLE: LazyLock<String> = LazyLock::new(|| {
    let options = "'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | \
                   'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN'";
    let received = "x".repeat(100);
    format!("invalid_enum_value role: Invalid enum value. Expected {options}, received '{received}…'")
});

struct Exception {
    what: &'static str,
    why: &'static str,
    /// Bodies, and what Roster says of them.
    bodies: Vec<(Vec<u8>, &'static str)>,
    zod_accepts: bool,
}

/// A folder with zod and the oracle, as the lock file has them.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/outside/zod");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("zod");
    std::fs::create_dir_all(&folder).expect("a folder");
    for file in ["package.json", "package-lock.json", "oracle.mjs"] {
        std::fs::copy(sources.join(file), folder.join(file)).expect("the file stands beside this one");
    }
    run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"], &folder, String::new());
    folder
});

/// Runs a program to its end and returns what it printed.
fn run<const N: usize>(program: &str, arguments: [&str; N], folder: &Path, input: String) -> String {
    let mut command = Command::new(OsStr::new(program));
    command.args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{program} is needed: {error}"));
    let mut stdin = child.stdin.take().expect("piped");
    std::thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let output = end.recv_timeout(Duration::from_secs(300)).unwrap_or_else(|_| panic!("{program} takes too long"));
    let output = output.expect("it can be waited for");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What zod says to each question: `body` or `query`, and its bytes.
fn zod<'a>(kind: &str, questions: impl IntoIterator<Item = &'a [u8]>) -> Vec<Value> {
    let mut input = String::new();
    for question in questions {
        let hex: String = question.iter().map(|byte| format!("{byte:02x}")).collect();
        input.push_str(&format!("{kind} {hex}\n"));
    }
    let output = run("node", ["oracle.mjs"], &INSTALLED, input);
    output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The issues as Roster should say them; `None` where zod has none.
fn issues_of_zod(said: &Value) -> Option<Value> {
    match said["json"].as_bool() {
        Some(_) => Some(json!([{ "code": NOT_JSON.0, "message": NOT_JSON.1, "path": [] }])),
        None => said.get("issues").cloned(),
    }
}

/// Without what zod says of the elements of an array that is too long, which is one of the exceptions.
fn without_elements(mut issues: Value) -> Value {
    let list = issues.as_array_mut().expect("issues");
    let is_too_long = |issue: &&Value| issue["message"].as_str().is_some_and(|text| text.starts_with("Array must"));
    let too_long: Vec<Value> = list.iter().filter(is_too_long).map(|issue| issue["path"][0].clone()).collect();
    list.retain(|issue| issue["path"].get(1).is_none() || !too_long.contains(&issue["path"][0]));
    issues
}

/// Asserts that both accept, or both refuse for the same reasons; says whether both accept.
fn agree(question: &[u8], zod: &Value, roster: &Answer) -> bool {
    let question = String::from_utf8_lossy(question);
    match issues_of_zod(zod).map(without_elements) {
        Some(issues) => {
            assert_eq!(roster.status, StatusCode::BAD_REQUEST, "{question}\nzod: {zod}\nRoster: {roster}");
            assert_eq!(roster.body["details"], issues, "{question}\nzod: {zod}\nRoster: {roster}");
            false
        }
        None => {
            assert_eq!(roster.status, StatusCode::OK, "{question}\nzod: {zod}\nRoster: {roster}");
            true
        }
    }
}

#[tokio::test]
#[ignore = "needs node: script/test runs it"]
async fn what_zod_says_of_a_body_roster_says() {
    let bodies = bodies::generated(800);
    let said = zod("body", bodies.iter().map(Vec::as_slice));
    assert_eq!(said.len(), bodies.len());
    let roster = Roster::new();
    let (mut accepted, mut refused) = (0, 0);
    for (body, zod) in bodies.iter().zip(&said) {
        // In an organization of its own, where every e-mail is free.
        let admin = roster.admin().await;
        let answer = admin.post_bytes(USERS, body.clone()).await;
        if !agree(body, zod, &answer) {
            refused += 1;
            continue;
        }
        accepted += 1;
        let (user, data) = (&answer.body["user"], &zod["data"]);
        for (field, otherwise) in [
            ("firstName", Value::Null),
            ("lastName", Value::Null),
            ("email", Value::Null),
            ("role", json!("TECHNICIAN")),
            ("phoneNumber", Value::Null),
            ("npiNumber", Value::Null),
            ("shouldSendSMS", json!(false)),
        ] {
            let given = data.get(field).unwrap_or(&otherwise);
            // What a form sends for nothing is kept as nothing.
            let is_blank = |text: &str| text.chars().all(|c| c.is_whitespace() || c == '\u{feff}');
            let kept_as_nothing = matches!(field, "phoneNumber" | "npiNumber") && given.as_str().is_some_and(is_blank);
            let given = if kept_as_nothing { &Value::Null } else { given };
            assert_eq!(&user[field], given, "{field} of {}", String::from_utf8_lossy(body));
        }
    }
    assert!(accepted > 100 && refused > 300, "the bodies are of both kinds: {accepted} and {refused}");
}

#[tokio::test]
#[ignore = "needs node: script/test runs it"]
async fn roster_differs_from_zod_where_the_list_says_so_and_as_it_says() {
    let roster = Roster::new();
    for Exception { what, why, bodies, zod_accepts } in exceptions() {
        let said = zod("body", bodies.iter().map(|(body, _)| body.as_slice()));
        for ((body, expected), zod) in bodies.iter().zip(said) {
            let body_text = String::from_utf8_lossy(body);
            assert_eq!(zod.get("data").is_some(), zod_accepts, "{what}: {zod} of {body_text}");
            assert_eq!(zod["json"], Value::Null, "{what}: node reads {body_text}");
            let answer = roster.admin().await.post_bytes(USERS, body.clone()).await;
            assert_eq!(lines(&answer), *expected, "{what} ({why}): {body_text}");
            assert_ne!(issues_of_zod(&zod).as_ref(), Some(&answer.body["details"]), "{what} is no exception any more");
        }
    }
}

/// `code path: message`, an issue a line.
fn lines(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer}");
    let line = |issue: &Value| {
        let path = issue["path"].as_array().expect("a list").iter().map(|step| step.as_str().expect("a string"));
        let path = path.collect::<Vec<_>>().join(".");
        format!("{} {path}: {}", issue["code"].as_str().expect("text"), issue["message"].as_str().expect("text"))
    };
    answer.body["details"].as_array().expect("a list").iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What `Request.json()` reads, or `undefined` where nothing was sent, and zod judges.
#[tokio::test]
#[ignore = "needs node: script/test runs it"]
async fn what_stands_around_a_value_and_how_large_it_is_is_no_matter_to_either() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let john = |with: &str| format!(r#"{{"firstName":"John","lastName":"Doe"{with}}}"#);
    let mut bodies: Vec<String> = ["", " ", "\u{feff}", "1e400", "-1e400", "null", "\"x\""].map(str::to_owned).to_vec();
    bodies.extend(["\u{feff}", "\u{feff}\u{feff}", "\u{feff} "].map(|mark| mark.to_owned() + &john("")));
    for value in ["1e400", "-1e400", "[1e400]", "{\"a\":1e400}", &deep(127), &deep(128), &deep(5_000)] {
        for name in ["firstName", "email", "role", "shouldSendSMS", "recertificationDate", "providerPayors", "unknown"]
        {
            bodies.push(john(&format!(",\"{name}\":{value}")));
        }
    }
    let roster = Roster::new();
    for (body, zod) in bodies.iter().zip(zod("body", bodies.iter().map(String::as_bytes))) {
        let answer = roster.admin().await.post_bytes(USERS, body.clone()).await;
        agree(body.as_bytes(), &zod, &answer);
    }
}

#[tokio::test]
#[ignore = "needs node: script/test runs it"]
async fn equal_keys_are_read_as_javascript_reads_them() {
    let bodies: Vec<&[u8]> = vec![
        br#"{"firstName":"A","lastName":"B","firstName":"C"}"#,
        br#"{"firstName":"A","lastName":"B","firstName":null}"#,
        br#"{"firstName":7,"lastName":"B","firstName":"C","lastName":" D "}"#,
        br#"{"firstName":"A","lastName":"B","first\u004eame":"C"}"#,
        br#"{"firstName":"A","lastName":"B","providerPayors":[1],"providerPayors":["x"]}"#,
        br#"{"firstName":"A","lastName":"B","role":"BOSS","role":"ADMIN","role":"CHIEF"}"#,
        br#"{"firstName":"A","lastName":"B","__proto__":{"email":"no"},"constructor":1,"toString":null}"#,
        br#"{"firstName":"A","lastName":"B","x":1,"x":"\ud800"}"#,
    ];
    let roster = Roster::new();
    for (body, zod) in bodies.iter().zip(zod("body", bodies.iter().copied())) {
        let answer = roster.admin().await.post_bytes(USERS, body.to_vec()).await;
        if agree(body, &zod, &answer) {
            assert_eq!(answer.body["user"]["firstName"], zod["data"]["firstName"], "{}", String::from_utf8_lossy(body));
            assert_eq!(answer.body["user"]["lastName"], zod["data"]["lastName"]);
        }
    }
}

#[tokio::test]
#[ignore = "needs node: script/test runs it"]
async fn what_zod_says_of_a_query_roster_says() {
    let mut queries = vec![String::new(), "page=2&pageSize=1&sort=updatedAt_asc&role=PATIENT".to_owned()];
    for name in ["page", "pageSize"] {
        for text in [
            "",
            "1",
            "0",
            "-1",
            "-0",
            "100",
            "101",
            "1.0",
            "1.5",
            "0.5",
            "-1.5",
            "100.5",
            "1e2",
            "1E2",
            "1e3",
            "1e-3",
            "+1",
            "+-1",
            "--1",
            "1+",
            ".",
            "1.",
            ".5",
            "5.e0",
            "e1",
            "1e",
            "1e+1",
            "00012",
            "abc",
            "1a",
            "1,5",
            "1_0",
            "%2B2",
            "+2+",
            "%A02",
            "%EF%BB%BF7",
            "%E3%80%803%0A",
            "%0B%0C4",
            "%C2%855",
            "Infinity",
            "-Infinity",
            "%2BInfinity",
            "infinity",
            "inf",
            "NaN",
            "nan",
            "null",
            "true",
            "undefined",
            "0x10",
            "0X1f",
            "0x",
            "-0x1",
            "0b11",
            "0B2",
            "0o17",
            "0o8",
            "1e400",
            "-1e400",
            "9007199254740991",
            "9007199254740992",
            "9007199254740993",
            "99999999999999999999",
            "%D9%A1",
            "1%00",
            "1n",
        ] {
            queries.push(format!("{name}={text}"));
        }
    }
    for role in Role::ALL {
        queries.push(format!("role={role}"));
    }
    for rest in [
        "role=",
        "role=admin",
        "role=ADMIN%20",
        "role=%F0%9F%91%8D",
        "sort=",
        "sort=createdAt_asc",
        "sort=createdAt_asc,updatedAt_desc",
        "sort=createdAt_asc,",
        "sort=createdAt_asc%0A",
        "sort=CreatedAt_asc",
        "sort=createdAt",
        "sort=createdAt_asc;updatedAt_asc",
        "search=",
        "search=%20",
        "search=%FF",
        "email=",
        "email=x",
        "page=0&page=1",
        "page=1&page=0",
        "pagesize=0",
        "Page=0",
        "page=0&pageSize=1.5&search=&role=x&sort=x&email=x",
        "&&=&a=b&c",
        "page",
        "pageSize&page=2",
        "page=%31",
        "p%61ge=0",
    ] {
        queries.push(rest.to_owned());
    }
    for length in [199, 200, 201] {
        queries.push(format!("search={}", "x".repeat(length)));
        queries.push(format!("search={}", "%F0%9F%91%8D".repeat(length / 2 + 1)));
    }

    // JavaScript's other notations are numbers to zod. The document says `integer`, and nobody means them.
    let not_decimal = ["0x10", "0X1f", "0b11", "0o17"];
    let is_exception = |query: &str| not_decimal.iter().any(|text| query.ends_with(&format!("={text}")));

    let roster = Roster::new();
    let admin = roster.admin().await;
    let mut different = Vec::new();
    for (query, zod) in queries.iter().zip(zod("query", queries.iter().map(String::as_bytes))) {
        let answer = admin.get(&format!("{USERS}?{query}")).await;
        let said = match answer.status {
            StatusCode::OK => None,
            _ => Some(answer.body["details"].clone()),
        };
        if is_exception(query) {
            assert!(zod.get("data").is_some(), "{query}: {zod}");
            assert!(lines(&answer).ends_with("Expected number, received nan"), "{query}: {answer}");
        } else if said != issues_of_zod(&zod) {
            different.push(format!("{query}: zod {zod}, Roster {}", answer.text));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}
