//! Databases that cannot be used, each refused in one clear line; and one that two processes use at once.

mod changed;
mod locked;
mod wal;

use insta::assert_snapshot;
use rusqlite::Connection;

use crate::binary::Binary;

/// `roster serve` on a database that it must refuse.
fn refused(binary: &Binary) -> String {
    binary.complaint(["serve", "--listen", "127.0.0.1:0"])
}

#[test]
fn a_database_newer_than_the_binary_is_refused() {
    let binary = Binary::new();
    binary.organization_with_admin();
    let insert = "insert into schema_migration values (99, '0099_tomorrow.sql', x'00')";
    Connection::open(binary.database()).expect("the file").execute(insert, []).expect("a row");
    assert_snapshot!(refused(&binary), @"1: roster: cannot use the database sqlite:DIR/roster.db: the database has schema 15, and this Roster (0.1.0) knows schemas up to 14: start the newer Roster it was last used with");
    assert_snapshot!(binary.complaint(["org", "list"]), @"1: roster: cannot use the database sqlite:DIR/roster.db: the database has schema 15, and this Roster (0.1.0) knows schemas up to 14: start the newer Roster it was last used with");
}

#[test]
fn a_database_of_another_build_is_refused() {
    let binary = Binary::new();
    binary.organization_with_admin();
    let update = "update schema_migration set sha256 = x'00'";
    Connection::open(binary.database()).expect("the file").execute(update, []).expect("a row");
    assert_snapshot!(refused(&binary), @"1: roster: cannot use the database sqlite:DIR/roster.db: the database was made by another build of migration 0001_directory.sql: this Roster cannot tell what it contains");
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let binary = Binary::new();
    let theirs = Connection::open(binary.database()).expect("a file");
    theirs.execute_batch("create table recipe (name text)").expect("a table");
    drop(theirs);
    let before = std::fs::read(binary.database()).expect("the file");
    assert_snapshot!(refused(&binary), @"1: roster: cannot use the database sqlite:DIR/roster.db: DIR/roster.db is another program's SQLite database");
    assert_eq!(std::fs::read(binary.database()).expect("the file"), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    for text in ["not a database\n", &"not a database\n".repeat(1_000)] {
        let binary = Binary::new();
        std::fs::write(binary.database(), text).expect("written");
        assert_eq!(
            refused(&binary),
            "1: roster: cannot use the database sqlite:DIR/roster.db: DIR/roster.db is not an SQLite database"
        );
        assert_eq!(std::fs::read_to_string(binary.database()).expect("the file"), text);
    }
}

#[test]
fn a_database_cut_short_is_refused() {
    let binary = Binary::new();
    binary.organization_with_admin();
    let bytes = std::fs::read(binary.database()).expect("the file");
    std::fs::write(binary.database(), &bytes[..bytes.len() / 2]).expect("written");
    let complaint = refused(&binary);
    assert!(complaint.starts_with("1: roster: cannot use the database sqlite:DIR/roster.db: "), "{complaint}");
    assert!(complaint.contains("malformed"), "{complaint}");
}

#[test]
fn a_folder_that_does_not_exist_is_not_made() {
    let binary = Binary::new();
    let database = format!("sqlite:{}/missing/roster.db", binary.path().display());
    assert_snapshot!(
        binary.complaint(["serve", "--listen", "127.0.0.1:0", "--database", &database]), @"1: roster: cannot use the database sqlite:DIR/missing/roster.db: cannot open the database file DIR/missing/roster.db: No such file or directory (os error 2)");
    assert!(!binary.path().join("missing").exists());
}

#[test]
fn a_folder_is_no_database() {
    let binary = Binary::new();
    std::fs::create_dir(binary.database()).expect("a folder");
    assert_snapshot!(refused(&binary), @"1: roster: cannot use the database sqlite:DIR/roster.db: cannot open the database file DIR/roster.db: Is a directory (os error 21)");
}

#[test]
fn a_database_that_cannot_be_named_is_a_misuse() {
    let binary = Binary::new();
    assert_snapshot!(binary.complaint(["org", "list", "--database", "roster.db"]), @"
    2: error: invalid value for '--database <URL>': a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE

    For more information, try '--help'.
    ");
}

#[test]
#[cfg(unix)]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    assert_eq!(server.create(&key, "jane@example.com").0, 200);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(binary.path()).expect("the folder") {
        let entry = entry.expect("a file");
        names.push(entry.file_name().into_string().expect("UTF-8"));
        assert_eq!(entry.metadata().expect("a mode").permissions().mode() & 0o777, 0o600, "{names:?}");
    }
    names.sort();
    assert_eq!(names, ["roster.db", "roster.db-shm", "roster.db-wal"]);
}

#[test]
fn an_address_in_use_is_refused() {
    let binary = Binary::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    let complaint = binary.complaint(["serve", "--listen", &address]).replace(&address, "ADDRESS");
    assert_snapshot!(complaint, @"1: roster: cannot listen on ADDRESS: Address already in use (os error 98); name another port with --listen");
    let complaint = binary.complaint(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", &address]);
    assert_snapshot!(complaint.replace(&address, "ADDRESS"), @"1: roster: cannot listen on ADDRESS: Address already in use (os error 98); name another port with --metrics-listen");
}

#[test]
fn two_servers_on_one_file_see_each_others_users_at_once() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let servers = [binary.serve(&[]), binary.serve(&[])];
    for nth in 0..40 {
        let (one, other) = (&servers[nth % 2], &servers[(nth + 1) % 2]);
        let (status, created) = one.create(&key, &format!("user{nth}@example.com"));
        assert_eq!(status, 200, "{created}");
        let id = created["user"]["publicId"].as_str().expect("an id");
        assert_eq!(other.request("GET", &format!("/api/v1/users/{id}"), &key, "").0, 200);
        let (_, list) = other.request("GET", "/api/v1/users", &key, "");
        assert_eq!((&list["data"][0]["publicId"], &list["pagination"]["totalCount"]), (&id.into(), &(nth + 1).into()));
        assert_eq!(other.create(&key, &format!("USER{nth}@example.com")).0, 400, "the e-mail is taken there too");
    }
}

/// Users that were shown are kept in memory: what another process makes of them is shown at once all the same.
#[test]
fn what_another_process_altered_is_listed_at_once() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&[]);
    assert_eq!(server.create(&key, "jane@example.com").0, 200);
    let other = Connection::open(binary.database()).expect("the file");
    for city in ["Springfield", "Shelbyville", "Ogdenville"] {
        other.execute("update users set city = ?1", [city]).expect("one row");
        for query in ["", "?role=TECHNICIAN", "?search=jane"] {
            let (_, list) = server.request("GET", &format!("/api/v1/users{query}"), &key, "");
            assert_eq!(list["data"][0]["city"], city, "{query}");
        }
    }
}

#[test]
fn two_servers_on_one_file_write_at_the_same_time() {
    let binary = Binary::new();
    let (_, key) = binary.organization_with_admin();
    let servers = [binary.serve(&[]), binary.serve(&[])];
    std::thread::scope(|scope| {
        for client in 0..8 {
            let (server, key) = (&servers[client % 2], &key);
            scope.spawn(move || {
                for nth in 0..25 {
                    let (status, answer) = server.create(key, &format!("user{client}.{nth}@example.com"));
                    assert_eq!(status, 200, "{answer}");
                }
            });
        }
    });
    for server in servers {
        let (_, list) = server.request("GET", "/api/v1/users", &key, "");
        assert_eq!(list["pagination"]["totalCount"], 200);
    }
}

#[test]
fn a_key_revoked_by_the_command_line_is_refused_by_running_servers_on_the_next_request() {
    let binary = Binary::new();
    let (org, _) = binary.organization_with_admin();
    let servers = [binary.serve(&[]), binary.serve(&[])];
    for _ in 0..5 {
        let key = binary.last_word(["key", "create", "--org", &org, "--role", "ADMIN", "--name", "short-lived"]);
        let mut wires = servers.each_ref().map(|server| server.wire());
        for wire in &mut wires {
            for _ in 0..2 {
                assert_eq!(wire.send(crate::wire::get("/api/v1/users", &key)).answer().status, 200);
            }
        }
        let id = key.strip_prefix("roster_").and_then(|rest| rest.split('_').next()).expect("a key");
        assert_eq!(binary.last_word(["key", "revoke", "--org", &org, &format!("key_{id}")]), format!("key_{id}"));
        for wire in &mut wires {
            let answer = wire.send(crate::wire::get("/api/v1/users", &key)).answer();
            assert_eq!(answer.to_string(), r#"401 {"error":"Invalid API key"}"#);
        }
    }
}

#[test]
fn messages_from_before_they_were_delivered_are_owed() {
    let old = of_schema(
        1,
        "insert into outbox (organization, id, kind, user_id, created_at)
             values (1, 'msg_abc123def456', 'sms.welcome', 'usr_1736937000_abc123def', 1736937000123);",
    );
    assert_snapshot!(old.print(["outbox", "list"]), @"msg_1736937000_abc123def	org_000000000001	sms.welcome	usr_1736937000_abc123def	2025-01-15T10:30:00.123Z	owed	0	2025-01-15T10:30:00.123Z");
}

#[test]
fn what_the_gateway_took_before_it_was_asked_what_became_of_it_is_accepted() {
    let old = of_schema(
        9,
        "insert into outbox (organization, id, kind, about, webhook, created_at, state, attempts, queue, due_at)
             values (1, 'msg_1736937000_abc123def', 'sms.welcome', 'usr_1736937000_abc123def', null, 0, 2, 2, '', 9e15),
                    (1, 'msg_1736937000_abc123dee', 'webhook.test', '', 'whk_abc123def456', 1, 2, 1, '', 9e15),
                    (1, 'msg_1736937000_abc123ddd', 'sms.welcome', 'usr_1736937000_abc123def', null, 2, 3, 1, '', 9e15);
         insert into attempt (organization, message, nth, at, outcome, status, millis, note)
             values (1, 'msg_1736937000_abc123def', 1, 0, 2, 429, 5, 'too many at once'),
                    (1, 'msg_1736937000_abc123def', 2, 0, 1, 201, 5, 'the gateway took it'),
                    (1, 'msg_1736937000_abc123dee', 1, 0, 1, 200, 5, 'answered 200');",
    );
    let states = old.print(["outbox", "list", "--state", "all"]);
    let states: Vec<_> = states.lines().map(|line| line.split('\t').nth(5).expect("a state")).collect();
    assert_eq!(states, ["accepted", "delivered", "failed"]);
    let outcomes = |message| {
        let shown = old.print(["outbox", "show", "--org", "org_000000000001", message]);
        let attempts = shown.lines().filter(|line| line.starts_with("attempt\t"));
        attempts.map(|line| line.split('\t').nth(2).expect("an outcome").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes("msg_1736937000_abc123def"), ["not sent", "accepted"]);
    assert_eq!(outcomes("msg_1736937000_abc123dee"), ["delivered"]);
}

#[test]
fn whoever_was_there_before_the_index_by_email_changed_keeps_their_email() {
    let old = of_schema(
        1,
        "insert into users (place, organization, id, first_name, last_name, email, email_key, role, sms, created_at)
             values (68719476736, 1, 'usr_1736937000_abc123def', 'Ann', 'Lee', 'Ann@example.com', 'ann@example.com', 1, 0, 0),
                    (68719476737, 1, 'usr_1736937000_abc123dee', 'Bo', 'Lee', null, null, 1, 0, 0);
         insert into role_count (organization, role, users) values (1, 1, 2);
         update organization set users = 2;",
    );
    let with = |email| {
        ["user", "create", "--org", "org_000000000001", "--first-name", "Zoe", "--last-name", "Lee", "--email", email]
    };
    assert_snapshot!(old.complaint(with("ann@EXAMPLE.com")), @"1: roster: the e-mail is already in use in the organization");
    assert!(old.last_word(with("bo@example.com")).starts_with("usr_"));
}

#[test]
fn an_organization_from_before_there_were_countries_is_in_the_united_states() {
    let old = of_schema(9, "");
    let shown = old.print(["org", "show", "org_000000000001"]);
    assert!(shown.contains("country\tUS\ntimeZone\tAmerica/New_York\n"), "{shown}");
}

#[test]
fn consents_from_before_they_were_filed_by_user_are_kept() {
    let old = of_schema(
        5,
        "insert into users (place, organization, id, first_name, last_name, phone, phone_e164, role, sms, created_at)
             values (68719476736, 1, 'usr_1736937000_abc123def', 'Ann', 'Lee', '+14155550123', '+14155550123', 1, 0, 0);
         insert into role_count (organization, role, users) values (1, 1, 1);
         update organization set users = 1;
         insert into sms_consent (organization, user_id, at, given, said_by, wording, reference)
             values (1, 'usr_1736937000_abc123def', 1736937000123, 1, 'cli', 0, 'req_1'),
                    (1, 'usr_1736937000_abc123def', 1736937000456, 0, 'cli', 0, 'req_2'),
                    (1, 'usr_1736937000_abc123dee', 1736937000123, 1, 'cli', 0, 'req_3');",
    );
    let consent = |user| old.print(["sms", "consent", "--org", "org_000000000001", user]);
    assert_snapshot!(consent("usr_1736937000_abc123def"), @r"
    2025-01-15T10:30:00.123Z	user	agreed	cli	0	req_1
    2025-01-15T10:30:00.456Z	user	withdrawn	cli	0	req_2
    may be sent text messages: no
    ");
}

#[test]
fn whoever_was_indexed_before_names_were_folded_is_found() {
    // A chunk that is finished, and of which the index says that nobody in it has any trigram.
    let old = of_schema(
        7,
        "with recursive n (n) as (select 0 union all select n + 1 from n where n < 8191)
             insert into users (place, organization, id, first_name, last_name, role, sms, created_at)
             select 68719476736 + n, 1, printf('usr_1736937000_%09d', n), 'José', 'O’Brien', 1, 0, 0 from n;
         insert into role_count (organization, role, users) values (1, 1, 8192);
         update organization set users = 8192;
         insert into search_piece (number, organization, chunk, finished) values (1, 1, 0, 1);",
    );
    let found = old.print(["user", "list", "--org", "org_000000000001", "--search", "jose obrien", "--page-size", "1"]);
    assert_snapshot!(found, @"usr_1736937000_000008191	BILLING_MANAGER	1970-01-01T00:00:00.000Z	O’Brien	José	-");
}

#[test]
fn a_secret_that_was_replaced_before_there_could_be_several_still_signs() {
    let old = of_schema(
        8,
        "insert into webhook (organization, id, url, description, events, state, secret, old_secret, old_secret_until,
                              created_at, heard_to)
             values (1, 'whk_abc123def456', 'https://hooks.example/', '', '', 0, zeroblob(24), zeroblob(24), 4102444800000, 0, 0);",
    );
    // As many as may sign beside it, with the one from before.
    let rotate = ["webhook", "rotate", "--org", "org_000000000001", "whk_abc123def456"];
    for _ in 0..9 {
        old.print(rotate);
    }
    assert_snapshot!(old.complaint(rotate), @"1: roster: Its secret was replaced ten times within 24 hours, and each of them still signs");
}

/// A database as it was after so many of the migrations, with an organization of the number 1 and these rows.
pub(crate) fn of_schema(number: u8, rows: &str) -> Binary {
    let (new, old) = (Binary::new(), Binary::new());
    new.organization_with_admin();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../roster-store/migrations/sqlite");
    let mut migrations: Vec<_> =
        std::fs::read_dir(folder).expect("it").map(|file| file.expect("a file").path()).collect();
    migrations.sort();
    let connection = Connection::open(old.database()).expect("a file");
    // What fills an index that is still empty.
    connection
        .create_scalar_function("email_hash", 2, rusqlite::functions::FunctionFlags::default(), |_| Ok(0))
        .expect("a function");
    for migration in migrations.iter().take(number.into()) {
        connection.execute_batch(&std::fs::read_to_string(migration).expect("SQL")).expect("a schema");
    }
    let other = new.database();
    connection.execute("attach database ?1 as new", [other.to_str().expect("UTF-8")]).expect("the other file");
    connection
        .execute_batch(
            "create table schema_migration (number integer primary key, name text not null, sha256 blob not null) strict;
             pragma application_id = 1380930388;
             insert into organization (number, id, name, created_at) values (1, 'org_000000000001', 'Example', 0);",
        )
        .expect("an organization");
    let ran = "insert into schema_migration select * from new.schema_migration where number <= ?1";
    connection.execute(ran, [number]).expect("what ran");
    connection.execute_batch(rows).expect("rows");
    drop(connection);
    old
}

#[test]
#[cfg(unix)]
fn a_database_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let binary = Binary::new();
    binary.organization_with_admin();
    let mode = |mode| std::fs::set_permissions(binary.database(), PermissionsExt::from_mode(mode)).expect("changed");
    mode(0o604);
    let server = binary.serve(&[]);
    server.signal("TERM");
    assert!(server.end().log.contains("others than its owner may read the database "));
    mode(0o602);
    let complaint = binary.complaint(["serve", "--listen", "127.0.0.1:0"]);
    assert!(complaint.starts_with("1: roster: others than its owner may write to the database "), "{complaint}");
    binary.serve(&["--allow-writable-files"]);
}
