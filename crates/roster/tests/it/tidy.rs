//! The small promises of the house, read from its source. Each rule is shown something that breaks it, too.

mod portable;
mod source;

use std::{collections::BTreeSet, fs, path::Path};

use source::{Source, root, rust_files, words};

/// Lines a Rust file may have.
const MOST_LINES: usize = 600;

/// Words of SQL that are written in lower case.
const SQL: [&str; 24] = [
    "ALTER",
    "BEGIN",
    "COMMIT",
    "CONFLICT",
    "CREATE",
    "DELETE",
    "DROP",
    "EXISTS",
    "FROM",
    "GROUP",
    "HAVING",
    "INSERT",
    "INTO",
    "JOIN",
    "LIMIT",
    "ORDER",
    "PRAGMA",
    "RETURNING",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "UPDATE",
    "VALUES",
    "WHERE",
];

/// What is wrong with one file.
type Rule = fn(&Source) -> Vec<String>;

/// Crates that are values and rules only.
const PURE: [&str; 2] = ["crates/roster-directory/src/", "crates/roster-sheet/src/"];

const RULES: [(&str, Rule); 8] = [
    ("a file opens with a sentence that says what it is for", opens_with_a_sentence),
    ("a file is short enough to be read", is_short),
    ("values and rules have no files, sockets, clock or runtime", is_pure),
    ("the store knows nothing of HTTP", store_knows_no_http),
    ("only http/ knows status codes", only_http_knows_status_codes),
    ("SQL is written in lower case", sql_is_in_lower_case),
    ("nothing is unwrapped outside tests", nothing_is_unwrapped),
    ("no lint is switched off for good", no_lint_is_allowed),
];

#[test]
fn every_file_keeps_every_rule() {
    let files = rust_files();
    assert!(files.len() > 40, "only {} files were found", files.len());
    let mut broken = Vec::new();
    for file in &files {
        for (rule, check) in RULES {
            broken.extend(check(file).into_iter().map(|what| format!("{}: {rule}: {what}", file.path)));
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn opens_with_a_sentence(file: &Source) -> Vec<String> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//! ").is_some_and(|sentence| sentence.trim().len() > 10);
    if says { Vec::new() } else { vec![first.to_owned()] }
}

fn is_short(file: &Source) -> Vec<String> {
    let lines = file.text.lines().count();
    if lines <= MOST_LINES { Vec::new() } else { vec![format!("{lines} lines")] }
}

fn is_pure(file: &Source) -> Vec<String> {
    if !PURE.iter().any(|path| file.path.starts_with(path)) {
        return Vec::new();
    }
    let words = words(&file.code);
    let mut found = one_of(&words, &["tokio", "async", "await", "SystemTime", "Instant", "File", "TcpStream"]);
    for path in ["std::fs", "std::net", "std::env", "std::thread", "std::process", "Timestamp::now", "Zoned::now"] {
        if file.code.contains(path) {
            found.push(path.to_owned());
        }
    }
    found
}

fn store_knows_no_http(file: &Source) -> Vec<String> {
    if !file.path.starts_with("crates/roster-store/") {
        return Vec::new();
    }
    one_of(&words(&file.code), &["axum", "hyper", "http", "StatusCode"])
}

fn only_http_knows_status_codes(file: &Source) -> Vec<String> {
    let knows = ["crates/roster/src/http.rs", "crates/roster/src/cli/serve.rs"].contains(&file.path.as_str())
        || file.path.starts_with("crates/roster/src/http/")
        || file.path.starts_with("bench/peers/") // a program of its own
        || !file.path.contains("/src/");
    if knows { Vec::new() } else { one_of(&words(&file.code), &["StatusCode"]) }
}

fn sql_is_in_lower_case(file: &Source) -> Vec<String> {
    if !file.path.starts_with("crates/roster-store/src/") {
        return Vec::new();
    }
    file.strings.iter().flat_map(|string| one_of(&words(string), &SQL)).collect()
}

fn nothing_is_unwrapped(file: &Source) -> Vec<String> {
    if !file.path.contains("/src/") {
        return Vec::new();
    }
    let product = file.code.split("#[cfg(test)]").next().unwrap_or_default();
    product.lines().filter(|line| line.contains(".unwrap()")).map(|line| line.trim().to_owned()).collect()
}

fn no_lint_is_allowed(file: &Source) -> Vec<String> {
    let allows = |line: &&str| line.contains("#[allow(") || line.contains("#![allow(");
    file.code.lines().filter(allows).map(|line| line.trim().to_owned()).collect()
}

fn one_of(words: &BTreeSet<&str>, forbidden: &[&str]) -> Vec<String> {
    forbidden.iter().filter(|word| words.contains(*word)).map(|word| (*word).to_owned()).collect()
}

/// A rule that notices nothing would be kept by anything.
#[test]
fn every_rule_notices_what_breaks_it() {
    let long = "//! A file that goes on.\n".to_owned() + &"fn f() {}\n".repeat(MOST_LINES);
    let breaking: [(Rule, &str, &str); 14] = [
        (opens_with_a_sentence, "crates/roster/src/x.rs", "use std::fmt;\n"),
        (opens_with_a_sentence, "crates/roster/tests/it/x.rs", "//!\nuse std::fmt;\n"),
        (is_short, "crates/roster/tests/it/x.rs", &long),
        (is_pure, "crates/roster-directory/src/x.rs", "use std::fs;"),
        (is_pure, "crates/roster-directory/src/x.rs", "use std::time::{Duration, SystemTime};"),
        (is_pure, "crates/roster-directory/src/x.rs", "pub async fn f() {}"),
        (is_pure, "crates/roster-sheet/src/x.rs", "use std::fs::File;"),
        (store_knows_no_http, "crates/roster-store/src/x.rs", "use hyper::Request;"),
        (only_http_knows_status_codes, "crates/roster/src/app/users.rs", "use hyper::StatusCode;"),
        (sql_is_in_lower_case, "crates/roster-store/src/x.rs", "const Q: &str = \"select 1 FROM user\";"),
        (sql_is_in_lower_case, "crates/roster-store/src/x.rs", "f(r#\"insert INTO \"user\"\"#)"),
        (nothing_is_unwrapped, "crates/roster/src/x.rs", "fn f() { g().unwrap() }\n#[cfg(test)]\nmod tests {}"),
        (no_lint_is_allowed, "crates/roster/src/x.rs", "#[allow(dead_code)]\nfn f() {}"),
        (no_lint_is_allowed, "crates/roster/tests/it/x.rs", "#![allow(clippy::all)]"),
    ];
    for (rule, path, text) in breaking {
        assert!(!rule(&Source::new(path, text)).is_empty(), "{path} passed: {text}");
    }
    let unharmed: [(Rule, &str, &str); 5] = [
        (is_pure, "crates/roster-directory/src/x.rs", "// async is for others: std::fs too\nfn f() {}"),
        (store_knows_no_http, "crates/roster-store/src/x.rs", "const A: &str = \"http\"; // hyper"),
        (sql_is_in_lower_case, "crates/roster-store/src/x.rs", "/// SELECT\nconst UPDATE: char = '\"'; // \"FROM\""),
        (nothing_is_unwrapped, "crates/roster/src/x.rs", "#[cfg(test)]\nmod tests { fn f() { g().unwrap() } }"),
        (no_lint_is_allowed, "crates/roster/src/x.rs", "const A: &str = \"#[allow(\";"),
    ];
    for (rule, path, text) in unharmed {
        assert_eq!(rule(&Source::new(path, text)), Vec::<String>::new(), "{path}: {text}");
    }
}

/// `include_str!` would not notice a migration that nobody lists.
#[test]
fn every_migration_in_the_folder_is_run() {
    let store = root().join("crates/roster-store");
    let engines = fs::read_dir(store.join("migrations")).expect("the migrations");
    for engine in engines.map(|entry| entry.expect("an entry").file_name()) {
        let engine = engine.to_str().expect("UTF-8");
        let folder = fs::read_dir(store.join("migrations").join(engine)).expect("an engine's migrations");
        let mut there: Vec<_> =
            folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        there.sort();
        for (number, name) in (1..).zip(&there) {
            assert!(name.starts_with(&format!("{number:04}_")) && name.ends_with(".sql"), "{engine}: {name}");
        }

        let schema = fs::read_to_string(store.join(format!("src/{engine}/schema.rs"))).expect("the engine's schema");
        let strings = Source::new("schema.rs", &schema).strings;
        let named: Vec<_> = strings.iter().filter(|s| s.ends_with(".sql") && !s.contains('/')).collect();
        let included: Vec<_> =
            strings.iter().filter_map(|s| s.strip_prefix(&format!("../../migrations/{engine}/"))).collect();
        assert!(named.iter().copied().eq(&there), "{engine}: {named:?} are named, {there:?} are there");
        assert!(included.iter().copied().eq(&there), "{engine}: {included:?} are included, {there:?} are there");
    }
}

#[test]
fn every_migration_is_in_lower_case() {
    let migrations = source::files(&root().join("crates/roster-store/migrations"), "sql");
    assert!(!migrations.is_empty());
    for path in migrations {
        let text = fs::read_to_string(&path).expect("a migration");
        let code: String = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
        assert_eq!(one_of(&words(&code), &SQL), Vec::<String>::new(), "{}", path.display());
    }
}

/// Links, and paths in backticks that begin at a folder of the repository.
#[test]
fn what_the_documents_point_to_is_there() {
    let mut documents = source::files(&root().join("docs"), "md");
    let beside = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "SECURITY.md"].map(|name| root().join(name));
    documents.extend(beside.into_iter().filter(|path| path.exists()));
    let mut dangling = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).expect("a document");
        let folder = document.parent().expect("a folder");
        for target in pointers(&text) {
            let from = if target.in_backticks { root() } else { folder.to_owned() };
            if !from.join(target.path).exists() {
                dangling.push(format!("{}: {}", document.display(), target.path));
            }
        }
    }
    assert!(dangling.is_empty(), "{dangling:#?}");
}

#[test]
fn the_schedule_that_is_published_is_the_one_that_is_kept() {
    let text = fs::read_to_string(root().join("docs/webhooks.md")).expect("a document");
    let row = text.lines().find_map(|line| line.strip_prefix("| later by | ")).expect("the schedule");
    let millis = |cell: &str| {
        let (number, unit) = cell.trim().split_once(' ').expect("a number and a unit");
        let unit = [("s", 1_000), ("min", 60_000), ("h", 3_600_000)].into_iter().find(|(name, _)| *name == unit);
        number.parse::<i64>().expect("a number") * unit.expect("a unit").1
    };
    let published: Vec<_> = row.trim_end_matches('|').split('|').map(millis).collect();
    assert_eq!(published, roster_directory::outbox::WEBHOOK_SCHEDULE);
}

struct Pointer<'a> {
    path: &'a str,
    in_backticks: bool,
}

fn pointers(text: &str) -> Vec<Pointer<'_>> {
    let mut found = Vec::new();
    for link in text.split("](").skip(1) {
        let target = link.split([')', ' ']).next().unwrap_or_default();
        let path = target.split('#').next().unwrap_or_default();
        if !path.is_empty() && !target.contains(':') {
            found.push(Pointer { path, in_backticks: false });
        }
    }
    for line in text.lines() {
        for path in line.split('`').skip(1).step_by(2) {
            let ours = ["crates/", "docs/", "script/", "bench/", ".ci/"].iter().any(|folder| path.starts_with(folder));
            if ours && !path.contains(['*', '<', '{', '…', ' ']) {
                found.push(Pointer { path, in_backticks: true });
            }
        }
    }
    found
}

#[test]
fn pointers_are_found_in_a_document() {
    let text =
        "See [a](docs/a.md#top), [b](https://example.com), [c](#c), `crates/x/src`, `crates/*` and `script/test`.";
    let found: Vec<_> = pointers(text).into_iter().map(|pointer| (pointer.path, pointer.in_backticks)).collect();
    assert_eq!(found, [("docs/a.md", false), ("crates/x/src", true), ("script/test", true)]);
    assert!(!Path::new(&root()).join("crates/x/src").exists());
}
