//! Moving house: `roster copy` between two databases of the engine the suite runs on. Between two engines: outside.

pub(crate) mod house;

use insta::assert_snapshot;
use roster::app::NewKey;
use roster_directory::{Role, Timestamp};
use roster_store::{Options, Store};
use rusqlite::Connection;

use crate::{
    binary::{Binary, Server},
    postgres,
    roster::{NOW, Roster},
};

pub(crate) use house::{assert_alike, assert_goes_on, fill, on, portrait};

/// Where another database of the engine the suite runs on can be; on SQLite there is none yet.
fn another(binary: &Binary, name: &str) -> String {
    match postgres::cluster() {
        Some(cluster) => postgres::new_database(&cluster),
        None => format!("sqlite:{}", binary.path().join(name).display()),
    }
}

/// Copies, and returns what was printed.
pub(crate) fn copy(binary: &Binary, from: &str, to: &str) -> String {
    binary.print(["copy", "--from", from, "--to", to])
}

/// Starts copying.
pub(crate) fn start_copying(binary: &Binary, from: &str, to: &str) -> Server {
    Server::start(&mut binary.command(["copy", "--from", from, "--to", to]))
}

/// Begins a database, with nothing in it.
fn begin(binary: &Binary, url: &str) {
    // The binary itself begins one with an organization, or with a server.
    let url = match url.strip_prefix("sqlite:") {
        Some(path) => format!("sqlite:{}", binary.path().join(path).display()),
        None => url.to_owned(),
    };
    let location = url.parse().expect("a location");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&location, &Options { index: false, ..Options::default() }).await;
        store.expect("a database").close().await;
    });
}

/// The organizations of a database; of SQLite none where there is no file.
fn organizations(binary: &Binary, url: &str) -> String {
    match url.strip_prefix("sqlite:") {
        Some(path) if !binary.path().join(path).exists() => String::new(),
        _ => binary.print(["--database", url, "org", "list"]),
    }
}

/// That there is nothing in a database, by all that can be asked of one without an organization.
pub(crate) fn assert_empty(binary: &Binary, url: &str) {
    begin(binary, url);
    assert_eq!(organizations(binary, url), "");
    assert_eq!(binary.print(["--database", url, "outbox", "list"]), "");
    // The copy itself counts every table before it begins.
    begin(binary, "sqlite:nothing.db");
    assert!(copy(binary, "sqlite:nothing.db", url).starts_with("organizations\t0\n"));
}

#[test]
fn a_copy_is_the_same_directory_and_goes_on() {
    let binary = Binary::new();
    let (first, second, third) = (binary.database_url(), another(&binary, "second.db"), another(&binary, "third.db"));
    let keys = fill(first, [1_203, 300]);
    let printed = copy(&binary, first, &second);
    assert_eq!(copy(&binary, &second, &third), printed, "the same counts, the same hash");
    let before = portrait(&binary, first, &keys);
    assert_alike(&before, &portrait(&binary, &third, &keys));
    assert_goes_on(&binary, &third, &keys);
    assert_alike(&before, &portrait(&binary, &second, &keys));

    let (counts, hash) = printed.rsplit_once("sha256\t").expect("a hash");
    assert_eq!(hash.trim_end().len(), 64);
    let messages = counts.lines().find_map(|line| line.strip_prefix("messages\t")).expect("a count");
    assert!(messages.parse::<u32>().expect("a number") > 200, "{counts}");
    let settled = |text: &str| !["messages", "consents", "payors of users"].iter().any(|name| text.starts_with(name));
    let counts: Vec<_> = counts.lines().filter(|line| settled(line)).collect();
    assert_snapshot!(counts.join("\n"), @r"
    organizations	7
    keys	8
    payors	22
    users	1563
    audit entries	1619
    attempts	22
    webhooks	2
    SMS settings	4
    opt-outs	10
    answers	0
    ");
}

#[test]
fn an_empty_directory_can_be_copied_and_a_full_one_is_not_written_over() {
    let binary = Binary::new();
    let (full, empty) = (binary.database_url().to_owned(), another(&binary, "empty.db"));
    let (_, key) = binary.organization_with_admin();
    begin(&binary, &empty);
    let refused = binary.complaint(["copy", "--from", &empty, "--to", &full]);
    let why = ": it is not empty (organizations: 1), and a copy goes into an empty database only";
    assert!(refused.starts_with("1: roster: cannot copy to ") && refused.ends_with(why), "{refused}");
    assert_eq!(binary.serve(&[]).request("GET", "/api/v1/me", &key, "").0, 200);
    assert!(copy(&binary, &empty, &another(&binary, "emptier.db")).starts_with("organizations\t0\nkeys\t0\n"));
}

#[test]
fn a_database_is_not_copied_into_itself() {
    let binary = Binary::new();
    binary.organization_with_admin();
    let url = binary.database_url();
    let refused = binary.complaint(["copy", "--from", url, "--to", url]);
    assert!(refused.starts_with("1: roster: the source and the destination are the same database, "), "{refused}");
}

#[test]
fn a_source_that_is_none_is_said_and_makes_no_destination_sqlite() {
    let binary = Binary::new();
    let to = "sqlite:to.db";
    assert_snapshot!(binary.complaint(["copy", "--from", "sqlite:typo.db", "--to", to]), @"1: roster: cannot copy from sqlite:typo.db: there is no file typo.db");
    std::fs::write(binary.path().join("letter.txt"), "Dear Sir or Madam, this is no database at all.").expect("a file");
    assert_snapshot!(binary.complaint(["copy", "--from", "sqlite:letter.txt", "--to", to]), @"1: roster: cannot copy from sqlite:letter.txt: letter.txt is no database of Roster's");
    let theirs = Connection::open(binary.path().join("theirs.db")).expect("a file");
    theirs.execute_batch("create table recipe (name text)").expect("a table");
    assert_snapshot!(binary.complaint(["copy", "--from", "sqlite:theirs.db", "--to", to]), @"1: roster: cannot copy from sqlite:theirs.db: theirs.db is no database of Roster's");
    let old = Connection::open(binary.path().join("old.db")).expect("a file");
    old.execute_batch("create table schema_migration (number, name, sha256)").expect("a table");
    assert_snapshot!(binary.complaint(["copy", "--from", "sqlite:old.db", "--to", to]), @"1: roster: cannot copy from sqlite:old.db: its schema is older than this Roster (0.1.0): migration 0001_directory.sql has not run. Any command of this Roster on it, as roster org list, brings it up to date");
    let unreachable = binary.complaint(["copy", "--from", "postgres://roster:s3cret@127.0.0.1:1/x", "--to", to]);
    assert!(
        unreachable.contains("the password on the command line can be read by everybody")
            && !unreachable.contains("s3cret")
    );
    assert_snapshot!(unreachable.lines().last().expect("a line"), @"roster: cannot copy from postgres://roster@127.0.0.1:1/x: the database cannot be reached: error connecting to server: Connection refused (os error 111)");
    assert!(!binary.path().join("to.db").exists() && !binary.path().join("typo.db").exists());
    assert_snapshot!(binary.complaint(["copy", "--from", "sqlite:typo.db"]), @"
    2: error: the following required arguments were not provided:
      --to <URL>

    Usage: roster copy --from <URL> --to <URL> --database <URL>

    For more information, try '--help'.
    ");
}

/// After a copy was killed: whether there is nothing in the destination. Else there must be everything, by its hash.
fn nothing_or_everything(binary: &Binary, from: &str, to: &str) -> bool {
    let nothing = organizations(binary, to).is_empty();
    if nothing {
        assert_empty(binary, to);
        copy(binary, from, to);
    }
    let [expected, found] =
        [(from, "expected.db"), (to, "found.db")].map(|(of, name)| copy(binary, of, &another(binary, name)));
    assert_eq!(found, expected);
    if postgres::cluster().is_none() {
        for name in ["expected.db", "found.db"] {
            std::fs::remove_file(binary.path().join(name)).expect("a file");
        }
    }
    nothing
}

#[test]
fn a_copy_that_is_killed_leaves_nothing_or_everything() {
    let binary = Binary::new();
    let from = binary.database_url();
    let keys = fill(from, [2_600, 0]);
    let mut killed_before_the_end = 0;
    for round in 0..20 {
        let to = another(&binary, &format!("{round}.db"));
        let mut copying = start_copying(&binary, from, &to);
        assert!(copying.says(["copying: ", "comparing: "][round % 2]));
        copying.signal("KILL");
        copying.end();
        killed_before_the_end += i32::from(nothing_or_everything(&binary, from, &to));
        if killed_before_the_end == 2 {
            return assert_alike(&portrait(&binary, from, &keys), &portrait(&binary, &to, &keys));
        }
    }
    panic!("it always came to its end");
}

/// What a commit writes is the log; it is killed while that grows.
#[test]
fn a_copy_that_is_killed_while_it_commits_leaves_nothing_or_everything_sqlite() {
    let binary = Binary::new();
    let from = binary.database_url();
    fill(from, [2_600, 0]);
    for round in 0..5 {
        let name = format!("{round}.db");
        let to = format!("sqlite:{name}");
        let mut copying = start_copying(&binary, from, &to);
        assert!(copying.says("comparing: "));
        let log = binary.path().join(format!("{name}-wal"));
        // As much of it as there is by chance, a little more each time; it may be over before.
        let mut looks = 0;
        while std::fs::metadata(&log).is_ok_and(|log| log.len() < 200_000 * (round + 1)) && looks < 100_000 {
            looks += 1;
        }
        copying.signal("KILL");
        copying.end();
        nothing_or_everything(&binary, from, &to);
    }
}

#[test]
fn what_the_destination_holds_otherwise_than_sent_is_not_kept_sqlite() {
    let binary = Binary::new();
    fill(binary.database_url(), [20, 0]);
    for (trigger, told) in [
        ("after insert on users when new.bucket = 5 begin update users set city = 'Elsewhere'; end", "users"),
        ("after insert on audit when new.action = 'key.created' begin delete from audit; end", "audit entries"),
        ("before insert on user_payor begin select raise(ignore); end", "payors of users"),
        ("after insert on api_key begin update api_key set hash = zeroblob(32); end", "keys"),
        ("after insert on outbox begin update outbox set created_at = created_at + 1; end", "messages"),
    ] {
        let to = "sqlite:odd.db";
        begin(&binary, to);
        let odd = Connection::open(binary.path().join("odd.db")).expect("the file");
        odd.execute_batch(&format!("create trigger odd {trigger}")).expect("a trigger");
        let refused = binary.complaint(["copy", "--from", binary.database_url(), "--to", to]);
        let differs = "roster: sqlite:odd.db does not hold what was sent to it, and nothing was kept: ";
        assert!(refused.contains(differs) && refused.contains(told), "{refused}");
        odd.execute_batch("drop trigger odd").expect("no trigger");
        assert_empty(&binary, to);
    }
}

/// What a copy would leave behind, unseen.
#[test]
fn rows_that_belong_to_nothing_are_no_reason_to_look_away_sqlite() {
    let of_nobody = |by_hand: &str| {
        let binary = Binary::new();
        fill(binary.database_url(), [20, 0]);
        Connection::open(binary.database()).expect("the file").execute(by_hand, []).expect("a row");
        let refused = binary.complaint(["copy", "--from", binary.database_url(), "--to", "sqlite:to.db"]);
        assert_empty(&binary, "sqlite:to.db");
        refused
    };
    assert_snapshot!(of_nobody("insert into user_payor (place, payor) values (7, 'pay_aaaaaaaaaaaa')"), @"
    1: copying: 7 rows
    roster: cannot copy from sqlite:DIR/roster.db: of 77 payors of users only 76 belong to something that is there: was the database changed by hand?
    ");
    assert_snapshot!(of_nobody("insert into sms_consent values ('usr_1736937000_abc123def', 99, 0, 1, 'cli', 0, '')"), @"
    1: copying: 7 rows
    roster: cannot copy from sqlite:DIR/roster.db: of 11 consents only 10 belong to something that is there: was the database changed by hand?
    ");
    assert_snapshot!(of_nobody(
        "insert into outbox (organization, id, kind, about, created_at, queue, due_at) \
         values (99, 'msg_1736937000_abc123def', 'sms.welcome', 'usr_1736937000_abc123def', 0, 'sms', 0)"
    ), @"
    1: copying: 7 rows
    roster: cannot copy from sqlite:DIR/roster.db: of 20 messages only 19 belong to something that is there: was the database changed by hand?
    ");
}

/// On SQLite no user is ever older than what happened before, wherever that came from.
#[test]
fn users_created_after_a_copy_come_after_what_was_copied_sqlite() {
    let binary = Binary::new();
    let keys = fill(binary.database_url(), [0, 0]);
    let future = NOW + 100 * 365 * 86_400_000;
    let organization = on(binary.database_url(), async |app| {
        let organization = app.store().organizations().await.expect("organizations").remove(0);
        let caller = app.operator_of(organization.id).await.expect("an operator");
        app.clock().set(future);
        app.create_key(&caller, NewKey::lasting(Role::Admin, "later".parse().expect("a name")), None)
            .await
            .expect("a key");
        organization.id
    });
    copy(&binary, binary.database_url(), "sqlite:to.db");
    assert_goes_on(&binary, "sqlite:to.db", &keys);
    let newest = ["--database", "sqlite:to.db", "user", "list", "--page-size", "1", "--org", organization.as_str()];
    let created_at = binary.print(newest).split('\t').nth(2).map(str::to_owned);
    assert_eq!(created_at, Some(Timestamp::from_millis(future).to_string()));
}

#[tokio::test]
async fn the_moments_of_changes_never_run_backwards() {
    let roster = Roster::new();
    let organization = roster.organization("Example").await;
    for (millis, payor) in [(5_000, "Aetna"), (0, "Cigna"), (7_000, "Optum"), (6_000, "Medi-Cal")] {
        roster.set_clock(NOW + millis);
        organization.key(Role::Admin).await;
        organization.payor(payor).await;
    }
    let entries = roster.app().store().audit(organization.id(), 100).await.expect("audit entries");
    let moments: Vec<_> = entries.iter().rev().map(|entry| entry.at.as_millis() - NOW).collect();
    assert_eq!(moments, [0, 5_000, 5_000, 5_000, 5_000, 7_000, 7_000, 7_000, 7_000]);
}
