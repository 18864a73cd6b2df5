//! A migration that is killed at every statement, and run again.
//!
//! SQLite: nothing outside of the process changes but by a call to the system. So the process is killed at each call that
//! writes, which is more often than at each statement. PostgreSQL has its own test of this, `postgres/killed_upgrade.rs`.

use std::process::Command;

use rusqlite::Connection;

use crate::{binary::Binary, process::sqlite::of_schema};

/// Two users of an organization of two, and what is owed to one, as schema 1 keeps them.
const ROWS: &str = "
    insert into users (place, organization, id, first_name, last_name, email, email_key, phone, role, sms, created_at)
        values (68719476736, 1, 'usr_1736937000_abc123def', 'Ann', 'Lee', 'Ann@example.com', 'ann@example.com', null, 1, 0, 0),
               (68719476737, 1, 'usr_1736937000_abc123dee', 'José', 'O’Brien', null, null, '+14155550123', 1, 0, 0);
    insert into role_count (organization, role, users) values (1, 1, 2);
    update organization set users = 2;
    insert into outbox (organization, id, kind, user_id, created_at)
        values (1, 'msg_abc123def456', 'sms.welcome', 'usr_1736937000_abc123def', 1736937000123);";

/// Calls that change a file.
const WRITES: &str = "pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,unlink,unlinkat,rename";

/// Runs `arguments`, and kills the process at its `nth` call that changes a file. Says whether there was one.
fn killed_at(binary: &Binary, nth: usize, arguments: &[&str]) -> bool {
    let mut strace = Command::new("strace");
    strace.env_clear().current_dir(binary.path()).args(["-f", "-qq", "-o", "/dev/null"]);
    strace.args(["-e", &format!("trace={WRITES}"), "-e", &format!("inject={WRITES}:signal=KILL:when={nth}")]);
    strace.arg(env!("CARGO_BIN_EXE_roster")).args(arguments).args(["--database", binary.database_url()]);
    let output = strace.output().expect("strace starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || output.status.code().is_none(), "{nth}: {:?}: {log}", output.status);
    !output.status.success()
}

/// The schema, which migrations made it, and what is in it; and whether the file is sound.
fn schema(binary: &Binary) -> Vec<String> {
    let file = Connection::open(binary.database()).expect("the file");
    let sound: String = file.query_row("pragma integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(sound, "ok");
    let sql = "select name || coalesce(sql, '') from sqlite_schema
               union all select id || kind || about || state from outbox
               union all select id || first_name || coalesce(email, '') from users
               union all select number || name || hex(sha256) from schema_migration order by 1";
    let mut rows = file.prepare(sql).expect("a statement");
    rows.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("text")
}

#[test]
#[ignore = "needs strace: script/test runs it"]
fn an_upgrade_of_sqlite_that_is_killed_at_any_write_is_made_up_for_by_the_next_start() {
    let before = of_schema(1, ROWS);
    let old = || {
        let old = Binary::new();
        std::fs::copy(before.database(), old.database()).expect("a copy");
        old
    };
    let expected = {
        let old = old();
        old.print(["org", "list"]);
        schema(&old)
    };
    for nth in 1.. {
        let old = old();
        if !killed_at(&old, nth, &["org", "list"]) {
            assert!(nth > 50, "an upgrade writes more often than {nth} times");
            break;
        }
        let found = old.print(["user", "list", "--org", "org_000000000001", "--search", "jose obrien"]);
        assert!(found.starts_with("usr_1736937000_abc123dee\t"), "{nth}: {found}");
        let taken = ["user", "create", "--org", "org_000000000001", "--first-name", "A", "--last-name", "B", "--email"];
        let output = old.command(taken).arg("ann@EXAMPLE.com").output().expect("the binary starts");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the e-mail is already in use"), "{nth}");
        assert_eq!(schema(&old), expected, "{nth}");
    }
}

#[test]
#[ignore = "needs strace: script/test runs it"]
fn a_new_sqlite_file_whose_making_is_killed_at_any_write_is_made_by_the_next_start() {
    let expected = {
        let new = Binary::new();
        new.last_word(["org", "create", "Example"]);
        schema(&new)
    };
    for nth in 1.. {
        let new = Binary::new();
        if !killed_at(&new, nth, &["org", "create", "Example"]) {
            assert!(nth > 50, "a new database needs more writes than {nth}");
            break;
        }
        assert!(new.last_word(["org", "create", "Example"]).starts_with("org_"), "{nth}");
        assert_eq!(schema(&new), expected, "{nth}");
    }
}
