//! On PostgreSQL: the whole suite again, and what can only happen to a database that is somewhere else.

mod analyzed;
mod away;
mod between;
mod conflicts;
mod failover;
mod faults;
mod horizon;
mod killed_upgrade;
mod load;
mod plans;
mod pooler;
mod processes;
mod proxy;
mod room;
mod round_trips;
mod rows;
mod unknown;
mod upgrade;
mod url;
mod waiting;

use std::process::Command;

use crate::postgres::{CLUSTER, Cluster};

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn the_whole_suite_passes_on_postgresql() {
    let cluster = Cluster::start(&["fsync=off", "max_connections=1000"]);
    let this = std::env::current_exe().expect("the test binary");
    let output = Command::new(this)
        .env(CLUSTER, cluster.url())
        // What needs other programs is not about the engine; what is about SQLite's file has no counterpart.
        .args(["--skip", "outside::", "--skip", "sqlite", "--skip", "tidy", "--test-threads", "3"])
        .output()
        .expect("the test binary starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("{said}"); // with --nocapture
}
