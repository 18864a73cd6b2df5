//! The SQL of PostgreSQL stays within what CockroachDB, YugabyteDB and Citus take too: nothing that one
//! machine has to hand out, nothing that runs by itself, and every key led by the organization, which is what an engine
//! of many machines spreads the rows by.

use std::{collections::BTreeSet, fs};

use super::source::{files, root, rust_files, words};

/// Words that stand for something those engines lack, or do otherwise.
const FORBIDDEN: [(&str, &[&str]); 12] = [
    (
        "a sequence is one machine's to hand out: ids are made by us",
        &[
            "serial",
            "serial4",
            "serial8",
            "bigserial",
            "smallserial",
            "sequence",
            "nextval",
            "setval",
            "identity",
            "generated",
        ],
    ),
    ("a trigger runs where nobody sees it", &["trigger", "triggers"]),
    ("notifications do not leave the machine", &["listen", "unlisten", "notify", "pg_notify"]),
    ("a savepoint within a transaction that is retried as a whole has no use", &["savepoint"]),
    (
        "time is made by us: a statement that is run again must write the same",
        &[
            "current_timestamp",
            "current_date",
            "current_time",
            "localtime",
            "localtimestamp",
            "clock_timestamp",
            "statement_timestamp",
            "transaction_timestamp",
            "timeofday",
        ],
    ),
    ("randomness is made by us", &["gen_random_uuid", "gen_random_bytes", "uuid_generate_v4", "uuidv7"]),
    ("a foreign key is checked on other machines, under locks", &["foreign", "references"]),
    ("a constraint is checked at once", &["deferrable", "deferred"]),
    ("a temporary table belongs to a connection, and ours are lent", &["temp", "temporary", "unlogged"]),
    ("what is not in the server cannot be counted on", &["extension"]),
    ("types and programs of our own stay in Rust", &["domain", "function", "procedure", "plpgsql", "enum"]),
    ("truncate takes locks, and is not everywhere", &["truncate"]),
];

/// Words that are forbidden only where they are called.
const NOT_CALLED: [(&str, &[&str]); 1] =
    [("time and randomness are made by us", &["now", "random", "setseed", "statement_timestamp"])];

/// Words that begin so.
const NOT_BEGUN: [(&str, &[&str]); 1] =
    [("an advisory lock does nothing on some engines", &["pg_advisory", "pg_try_advisory"])];

/// Tables whose keys are not led by the organization, and why.
const LED_BY_ANOTHER: [(&str, &str); 9] = [
    ("organization", "it is the organization"),
    ("api_key", "a request presents the key, and the key finds the organization"),
    ("sms_stop", "who holds a number speaks to all organizations at once"),
    ("schema_migration", "a row for each migration, read at the start"),
    ("writer", "a row for each process that writes"),
    ("epoch", "one row, which all processes watch"),
    ("generation", "a row for each lane of the processes that alter users"),
    ("altered", "who was altered lately, read on by all processes"),
    ("clock", "one row, the latest moment for all"),
];

/// What is wrong with a piece of SQL.
fn beyond_the_subset(sql: &str) -> Vec<String> {
    let sql = sql.to_lowercase();
    let words = words(&sql);
    let is_called = |word: &str| {
        sql.split_inclusive('(').filter_map(|part| part.strip_suffix('(')).any(|part| {
            let rest = part.trim_end().strip_suffix(word);
            rest.is_some_and(|rest| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    };
    let told = |found: bool, word: &str, why: &str| found.then(|| format!("{word}: {why}"));
    let mut found = Vec::new();
    for (why, forbidden) in FORBIDDEN {
        found.extend(forbidden.iter().filter_map(|word| told(words.contains(word), word, why)));
    }
    for (why, forbidden) in NOT_CALLED {
        found.extend(forbidden.iter().filter_map(|word| told(is_called(word), word, why)));
    }
    for (why, forbidden) in NOT_BEGUN {
        let begun = |start: &str| words.iter().any(|word| word.starts_with(start));
        found.extend(forbidden.iter().filter_map(|start| told(begun(start), start, why)));
    }
    found
}

/// A primary key, or what is unique beside it.
#[derive(Debug, PartialEq, Eq)]
struct Key {
    table: String,
    first: String,
}

/// The keys that a script makes.
fn keys(sql: &str) -> Vec<Key> {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    let sql = lines.collect::<Vec<_>>().join(" ").to_lowercase();
    let statements = sql.split(';').map(str::trim);
    statements
        .flat_map(
            |statement| if statement.starts_with("create table") { of_table(statement) } else { of_index(statement) },
        )
        .collect()
}

fn of_table(statement: &str) -> Vec<Key> {
    let Some((head, body)) = statement.split_once('(') else { return Vec::new() };
    let table = head.split_whitespace().next_back().unwrap_or_default();
    let body = body.rsplit_once(')').map_or(body, |(body, _)| body);
    let mut depth = 0;
    let parts = body.split(|c| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    });
    let key = |part: &str| {
        let words = words(part);
        let is_key = words.contains("primary") || words.contains("unique");
        let constrained = part.trim_start();
        let of_the_table = ["primary", "unique", "constraint"].iter().any(|word| constrained.starts_with(word));
        let first = if of_the_table { part.split_once('(').map_or("", |(_, columns)| columns) } else { part };
        is_key.then(|| Key { table: table.to_owned(), first: first_word(first) })
    };
    parts.filter_map(key).collect()
}

fn of_index(statement: &str) -> Vec<Key> {
    let made = statement.strip_prefix("create unique index").and_then(|rest| rest.split_once(" on "));
    let key = made.and_then(|(_, on)| on.split_once('('));
    key.map(|(table, columns)| Key { table: table.trim().to_owned(), first: first_word(columns) }).into_iter().collect()
}

fn first_word(text: &str) -> String {
    let word = text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next();
    word.unwrap_or_default().to_owned()
}

/// The files of the engine, and the SQL that each contains.
fn statements() -> Vec<(String, String)> {
    let is_ours = |path: &str| path.starts_with("crates/roster-store/src/postgres");
    let in_rust = rust_files().into_iter().filter(|file| is_ours(&file.path));
    let mut found: Vec<_> = in_rust.map(|file| (file.path, file.strings.join("\n;\n"))).collect();
    for path in files(&root().join("crates/roster-store/migrations/postgres"), "sql") {
        let text = fs::read_to_string(&path).expect("a migration");
        let code = text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
        found.push((path.file_name().expect("a name").to_string_lossy().into_owned(), code));
    }
    assert!(found.len() > 10, "the statements are looked for where they are");
    found
}

#[test]
fn the_sql_of_postgresql_stays_within_what_others_take() {
    for (file, sql) in statements() {
        assert_eq!(beyond_the_subset(&sql), [""; 0], "{file}");
    }
    // What the driver would say for us.
    for file in rust_files().iter().filter(|file| file.path.starts_with("crates/roster-store/src/postgres")) {
        for call in [".savepoint(", "transaction.transaction("] {
            assert!(!file.code.contains(call), "{}: {call} makes a savepoint", file.path);
        }
    }
}

#[test]
fn every_key_is_led_by_the_organization() {
    let keys: Vec<Key> = statements().iter().flat_map(|(_, sql)| keys(sql)).collect();
    let tables: BTreeSet<&str> = keys.iter().map(|key| key.table.as_str()).collect();
    assert!(tables.len() >= 10, "{tables:?}");
    let otherwise: BTreeSet<&str> =
        keys.iter().filter(|key| key.first != "organization").map(|key| key.table.as_str()).collect();
    assert_eq!(otherwise, LED_BY_ANOTHER.iter().map(|(table, _)| *table).collect());
}

/// A rule that notices nothing would be kept by anything.
#[test]
fn what_others_do_not_take_is_noticed() {
    for sql in [
        "create table t (organization text, number bigserial)",
        "create table t (organization text, number bigint generated always as identity)",
        "select nextval('numbers')",
        "create trigger t after insert on users execute function f()",
        "listen changes",
        "select pg_notify('changes', '')",
        "select pg_advisory_xact_lock(1)",
        "select pg_try_advisory_lock(1)",
        "savepoint one",
        "insert into audit (at) values (now())",
        "insert into audit (at) values (now ())",
        "insert into audit (at) values (current_timestamp)",
        "select random()",
        "select gen_random_uuid()",
        "create table t (organization text references organization (id))",
        "alter table t add foreign key (organization) references organization (id)",
        "set constraints all deferred",
        "create temp table t (a text)",
        "create extension pg_trgm",
        "create domain email as text",
        "create or replace function f() returns void language sql",
        "TRUNCATE users",
    ] {
        assert!(!beyond_the_subset(sql).is_empty(), "passed: {sql}");
    }
    for sql in [
        "select known(now), knownow(1) from t",
        "update users set created_at = $1 where organization = $2",
        "select random_number, temperature from t",
    ] {
        assert_eq!(beyond_the_subset(sql), [""; 0], "{sql}");
    }
}

#[test]
fn keys_are_found_however_they_are_written() {
    let sql = "-- primary key of nothing
        create table a (id text primary key, b numeric(1, 2), c text not null unique);
        create table if not exists b (organization text, id text, primary key (organization, id), unique (id));
        create table c (x text, constraint c_key primary key (x));
        create unique index d on b (organization, id);
        create unique index e on b (lower(id));
        create index f on b (id)";
    let found: Vec<String> = keys(sql).iter().map(|key| format!("{} {}", key.table, key.first)).collect();
    assert_eq!(found, ["a id", "a c", "b organization", "b id", "c x", "b organization", "b lower"]);
}
