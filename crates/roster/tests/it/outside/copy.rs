//! Moving house between SQLite and PostgreSQL, and what may go wrong on the way.

use std::{
    io::Write,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use insta::assert_snapshot;
use rusqlite::Connection;

use crate::{
    binary::Binary,
    copy::{assert_alike, assert_empty, assert_goes_on, copy, fill, on, portrait, start_copying},
    postgres::{Cluster, new_database, program, psql},
};

/// A file with something in it, whatever the suite runs on, and an empty database of a cluster.
struct Houses {
    binary: Binary,
    cluster: Cluster,
}

const FILE: &str = "sqlite:roster.db";

impl Houses {
    fn new() -> Self {
        Self { binary: Binary::new(), cluster: Cluster::start(&["fsync=off"]) }
    }

    /// The file's URL for whoever stands elsewhere.
    fn file(&self) -> String {
        format!("sqlite:{}", self.binary.database().display())
    }

    /// An empty database, with its schema.
    fn destination(&self) -> String {
        let url = new_database(&self.cluster.url());
        self.binary.print(["--database", &url, "org", "list"]);
        url
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn there_and_back_again_everything_is_as_it_was() {
    let houses = Houses::new();
    let (binary, there) = (&houses.binary, new_database(&houses.cluster.url()));
    let keys = fill(&houses.file(), [2_345, 1_000]);
    let printed = copy(binary, FILE, &there);
    assert_eq!(copy(binary, &there, "sqlite:back.db"), printed, "the same counts, the same hash");
    let first = portrait(binary, FILE, &keys);
    assert_alike(&first, &portrait(binary, &there, &keys));
    assert_alike(&first, &portrait(binary, "sqlite:back.db", &keys));

    assert_goes_on(binary, &there, &keys);
    assert_goes_on(binary, "sqlite:back.db", &keys);
    // What was begun on PostgreSQL goes on on SQLite, and on another PostgreSQL.
    let printed = copy(binary, &there, "sqlite:later.db");
    let another = new_database(&houses.cluster.url());
    assert_eq!(copy(binary, &there, &another), printed);
    let later = portrait(binary, &there, &keys);
    assert_alike(&later, &portrait(binary, "sqlite:later.db", &keys));
    assert_alike(&later, &portrait(binary, &another, &keys));
}

/// A number stands for all before it, whatever the moments are: a receiver that has heard to it has heard of those.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn events_keep_their_numbers_wherever_they_go() {
    let houses = Houses::new();
    let (binary, there) = (&houses.binary, new_database(&houses.cluster.url()));
    fill(&houses.file(), [0, 30]);
    copy(binary, FILE, &there);
    // As if all had been committed in the reverse of the order they were placed in.
    psql(
        &there,
        "update audit set number = feed.last + 1 - audit.number from feed where feed.organization = audit.organization",
    );
    let events = |url: &str| {
        on(url, async |app| {
            let mut told = Vec::new();
            for organization in app.store().organizations().await.expect("organizations") {
                let events = app.store().events(organization.id, 0, 10_000).await.expect("events");
                told.extend(events.into_iter().map(|event| (organization.id, event)));
            }
            told
        })
    };
    let another = new_database(&houses.cluster.url());
    let printed = copy(binary, &there, "sqlite:back.db");
    assert_eq!(copy(binary, &there, &another), printed, "the same counts, the same hash");
    let again = new_database(&houses.cluster.url());
    assert_eq!(copy(binary, "sqlite:back.db", &again), printed);
    let back = format!("sqlite:{}", binary.path().join("back.db").display());
    let told = events(&there);
    assert!(told.len() > 60 && told[0].1.number == 1);
    for url in [&back, &another, &again] {
        assert!(events(url) == told, "{url} tells other events, or others' numbers");
    }
    // Where they go on from: what happens next is told next.
    for url in [&back, &another, &again] {
        binary.print(["--database", url, "payor", "create", "--org", told[0].0.as_str(), "Next"]);
        let of = |events: &[(roster_directory::OrganizationId, _)]| {
            events.iter().filter(|(organization, _)| *organization == told[0].0).count()
        };
        let now = events(url);
        assert_eq!(of(&now), of(&told) + 1);
        assert_eq!(now[of(&told)].1.number, of(&told) as u64 + 1);
    }
}

/// The database may sort text in its own way.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn how_the_database_sorts_text_changes_nothing() {
    let houses = Houses::new();
    fill(&houses.file(), [1_100, 0]);
    let cluster = houses.cluster.url();
    // Danish sorts aa after z, and so would sort ids.
    psql(
        &format!("{cluster}/postgres"),
        "create database danish template template0 locale_provider icu icu_locale 'da' encoding utf8",
    );
    let danish = format!("{cluster}/danish");
    let printed = copy(&houses.binary, FILE, &danish);
    assert_eq!(copy(&houses.binary, &danish, "sqlite:back.db"), printed);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn rows_that_belong_to_nothing_are_no_reason_to_look_away_postgres() {
    let houses = Houses::new();
    for (by_hand, told) in [
        ("sms_consent values ('org_none', 'usr_1736937000_abc123def', 0, true, 'cli', 0, '')", "consents"),
        (
            "outbox (organization, id, kind, about, place, queue, due_at) \
             values ('org_none', 'msg_1736937000_abc123def', 'sms.welcome', 'usr_1736937000_abc123def', 0, 'sms', 0)",
            "messages",
        ),
    ] {
        let there = new_database(&houses.cluster.url());
        fill(&there, [20, 0]);
        psql(&there, &format!("insert into {by_hand}"));
        let refused = houses.binary.complaint(["copy", "--from", &there, "--to", "sqlite:to.db"]);
        let missed = format!(" {told} only ");
        assert!(refused.contains(&missed) && refused.ends_with("was the database changed by hand?"), "{refused}");
        assert_empty(&houses.binary, "sqlite:to.db");
    }
}

/// A session that keeps whoever adds audit entries to a database waiting.
struct Obstacle {
    psql: Child,
    url: String,
}

impl Obstacle {
    fn on(url: &str) -> Self {
        let mut psql = Command::new(program("psql"))
            .args(["--no-psqlrc", "--quiet", url])
            .stdin(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let statement = b"begin; lock table audit in exclusive mode;\n";
        psql.stdin.as_mut().expect("piped").write_all(statement).expect("psql listens");
        let obstacle = Self { psql, url: url.to_owned() };
        obstacle
            .wait_for("select count(*) from pg_locks where mode = 'ExclusiveLock' and relation = 'audit'::regclass", 1);
        obstacle
    }

    /// Waits until so many stand before it.
    fn wait_for_waiting(&self, many: u32) {
        self.wait_for("select count(*) from pg_stat_activity where wait_event_type = 'Lock'", many);
    }

    fn wait_for(&self, count: &str, many: u32) {
        let started = Instant::now();
        while psql(&self.url, count).trim() != many.to_string() {
            assert!(started.elapsed() < Duration::from_secs(60), "never {many}: {count}");
        }
    }
}

impl Drop for Obstacle {
    fn drop(&mut self) {
        // Its transaction ends with its connection.
        drop(self.psql.stdin.take());
        drop(self.psql.wait());
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_copy_killed_half_way_leaves_nothing_and_can_be_run_again() {
    let houses = Houses::new();
    let (binary, to) = (&houses.binary, houses.destination());
    fill(&houses.file(), [1_500, 0]);
    let obstacle = Obstacle::on(&to);
    let copying = start_copying(binary, FILE, &to);
    obstacle.wait_for_waiting(1); // all users are written
    copying.signal("KILL");
    assert_eq!(copying.end().code, None);
    drop(obstacle);
    assert_empty(binary, &to);
    let printed = copy(binary, FILE, &to);
    assert_eq!(copy(binary, &to, "sqlite:back.db"), printed);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_destination_that_dies_half_way_is_said_and_has_nothing() {
    let houses = Houses::new();
    let (binary, to) = (&houses.binary, houses.destination());
    fill(&houses.file(), [1_500, 0]);
    let obstacle = Obstacle::on(&to);
    let copying = start_copying(binary, FILE, &to);
    obstacle.wait_for_waiting(1);
    houses.cluster.stop("immediate");
    let ended = copying.end();
    let told = "roster: cannot copy to postgres://roster@127.0.0.1:";
    assert!(ended.code == Some(1) && ended.log.contains(told), "{}", ended.log);
    assert!(ended.log.contains(": the database cannot be reached: "), "{}", ended.log);
    drop(obstacle);
    houses.cluster.go(&["fsync=off"]);
    assert_empty(binary, &to);
    copy(binary, FILE, &to);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_source_that_is_written_to_meanwhile_is_not_copied() {
    let houses = Houses::new();
    let (binary, to) = (&houses.binary, houses.destination());
    fill(&houses.file(), [50, 0]);
    let another = houses.destination();
    copy(binary, FILE, &another);
    let write = |from: &str| drop(binary.print(["--database", from, "org", "create", "Too late"]));
    // Whoever delivers adds no row when it takes up a message.
    let take_up = |from: &str| drop(psql(from, "update outbox set claim = 7, due_at = due_at + 60000"));
    type Act<'a> = &'a dyn Fn(&str);
    let writes: [(&str, Act<'_>); 3] = [(FILE, &write), (&another, &write), (&another, &take_up)];
    for (from, write) in writes {
        let obstacle = Obstacle::on(&to);
        let copying = start_copying(binary, from, &to);
        obstacle.wait_for_waiting(1);
        write(from);
        drop(obstacle);
        let ended = copying.end();
        assert_eq!((ended.code, ended.printed.as_str()), (Some(1), ""));
        let told = " was written to while it was copied: stop what serves it, and copy again\n";
        assert!(ended.log.ends_with(told), "{}", ended.log);
        assert_empty(binary, &to);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn whoever_opens_the_destination_waits_for_the_copy() {
    let houses = Houses::new();
    let (binary, to) = (&houses.binary, houses.destination());
    fill(&houses.file(), [50, 0]);
    let obstacle = Obstacle::on(&to);
    let copying = start_copying(binary, FILE, &to);
    obstacle.wait_for_waiting(1);
    let list = start_listing(binary, &to);
    let second = start_copying(binary, FILE, &to);
    obstacle.wait_for_waiting(3);
    drop(obstacle);
    assert_eq!(copying.end().code, Some(0));
    let list = list.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&list.stdout), binary.print(["--database", FILE, "org", "list"]));
    let second = second.end();
    assert!(second.code == Some(1) && second.log.contains("it is not empty"), "{}", second.log);
}

fn start_listing(binary: &Binary, url: &str) -> Child {
    let mut list = binary.command(["--database", url, "org", "list"]);
    list.stdout(Stdio::piped()).spawn().expect("the binary starts")
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn what_postgresql_holds_otherwise_than_sent_is_not_kept() {
    let houses = Houses::new();
    let binary = &houses.binary;
    fill(&houses.file(), [20, 0]);
    for (table, change, told) in [
        ("users", "new.search := new.search; new.city := 'Elsewhere'; return new", "some of 80 users are not the same"),
        ("user_payor", "return null", "payors of users there are 0"),
        ("audit", "new.place := new.place + (1::bigint << 20); return new", "audit entries are not the same"),
        ("api_key", "new.hash := '\\x00'; return new", "keys are not the same"),
        ("outbox", "return null", "messages there are 0"),
    ] {
        let to = houses.destination();
        let odd = format!(
            "create function odd() returns trigger language plpgsql as $$ begin {change}; end $$; \
             create trigger odd before insert on {table} for each row execute function odd()"
        );
        psql(&to, &odd);
        let refused = binary.complaint(["copy", "--from", FILE, "--to", &to]);
        let differs = " does not hold what was sent to it, and nothing was kept: ";
        assert!(refused.contains(differs) && refused.contains(told), "{refused}");
        psql(&to, "drop function odd cascade");
        assert_empty(binary, &to);
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_moment_that_postgresql_could_not_keep_is_said() {
    let houses = Houses::new();
    let (binary, to) = (&houses.binary, houses.destination());
    fill(&houses.file(), [20, 0]);
    let by_hand = Connection::open(binary.database()).expect("the file");
    by_hand.execute_batch("update users set created_at = created_at - 1 where place % 64 = 7").expect("a row");
    let refused = binary.complaint(["copy", "--from", FILE, "--to", &to]);
    assert!(refused.contains(" cannot keep both its moment (2025-01-15T10:29:59.999Z) and its place"), "{refused}");
    assert_empty(binary, &to);
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn what_cannot_be_reached_or_used_is_said() {
    let houses = Houses::new();
    let binary = &houses.binary;
    fill(&houses.file(), [0, 0]);
    let cluster = houses.cluster.url();
    let complaint = |from: &str, to: &str| {
        let said = binary.complaint(["copy", "--from", from, "--to", to]);
        said.replace(&houses.cluster.port().to_string(), "PORT")
    };
    let away = "postgres://roster@127.0.0.1:1/roster";
    assert_snapshot!(complaint(FILE, away), @"1: roster: cannot copy to postgres://roster@127.0.0.1:1/roster: the database cannot be reached: error connecting to server: Connection refused (os error 111)");
    let elsewhere = new_database(&cluster);
    let said = complaint(&elsewhere, "sqlite:to.db");
    assert_eq!(
        said.split_once(": ").map(|(_, said)| said.rsplit_once(": ").map_or(said, |(_, why)| why)),
        Some("it is no database of Roster's")
    );
    assert!(!binary.path().join("to.db").exists());
    let to = houses.destination();
    copy(binary, FILE, &to);
    assert!(complaint(FILE, &to).contains(": it is not empty (organizations: "));
    assert!(complaint(&to, &to).contains("are the same database, postgres://roster@127.0.0.1:PORT/"));
}
