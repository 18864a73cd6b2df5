//! After much was written at once the planner knows what the tables hold, without autovacuum.

use super::rows::number;
use crate::{
    binary::Binary,
    copy::copy,
    postgres::{Cluster, new_database},
};

/// As many as an import has to create before it tells the planner.
const MANY: usize = 10_000;

/// Users as the planner knows them; -1: nobody has looked.
fn known(url: &str) -> i64 {
    number(url, "select reltuples::bigint from pg_class where relname = 'users'")
}

/// Users `from` to `to`, a line each.
fn import(binary: &Binary, org: &str, users: std::ops::Range<usize>) {
    let line = |n| format!("{{\"firstName\":\"Jane\",\"lastName\":\"Doe\",\"email\":\"jane{n}@example.com\"}}\n");
    std::fs::write(binary.path().join("many.ndjson"), users.map(line).collect::<String>()).expect("written");
    binary.print(["import", "--org", org, "many.ndjson"]);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn an_import_of_many_and_a_copy_tell_the_planner_how_many_there_are() {
    let cluster = Cluster::start(&["fsync=off", "autovacuum=off"]);
    let (url, there) = (cluster.database(), new_database(&cluster.url()));
    let binary = Binary::on(&url);
    let (org, _) = binary.organization_with_admin();
    import(&binary, &org, 0..10);
    assert_eq!(known(&url), -1, "a few are no reason to look");
    import(&binary, &org, 10..10 + MANY);
    assert_eq!(known(&url), 10 + MANY as i64);
    copy(&binary, &url, &there);
    assert_eq!(known(&there), 10 + MANY as i64);
}
