//! Who waits for whom: a session of another program holds what Roster wants, for as long as the test wants it to.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    time::Instant,
};

use roster_directory::{OrganizationId, Role};

use super::rows::number;
use crate::{
    api::together,
    binary::PATIENCE,
    outbox::{claim_sms, store, texted},
    postgres::{Cluster, program},
    roster::Roster,
};

/// A transaction of `psql`, which ends, undone, when dropped.
pub(super) struct Session {
    psql: Child,
    says: Option<ChildStdin>,
}

impl Session {
    /// Begins a transaction, and returns when these statements were done.
    pub(super) fn holding(url: &str, statements: &str) -> Self {
        let mut psql = Command::new(program("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--set=ON_ERROR_STOP=1", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let mut says = psql.stdin.take().expect("piped");
        writeln!(says, "begin;\n{statements};\n\\echo held").expect("psql listens");
        let lines = BufReader::new(psql.stdout.take().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.into_iter().any(|line| line == "held"), "{statements}");
        Self { psql, says: Some(says) }
    }

    pub(super) fn commit(mut self) {
        writeln!(self.says.as_mut().expect("piped"), "commit;").expect("psql listens");
        drop(self.says.take());
        assert!(self.psql.wait().expect("it ends").success());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.says.take());
        drop(self.psql.wait());
    }
}

/// A directory on a database of its own.
pub(super) fn directory() -> (std::sync::Arc<Cluster>, String, Roster) {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let roster = Roster::at(&url);
    (cluster, url, roster)
}

/// Waits until so many statements in this database wait for a lock.
pub(super) async fn waited_for(url: &str, many: i64) {
    let (url, started) = (url.to_owned(), Instant::now());
    let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                   and datname = current_database()";
    let watch = move || {
        while number(&url, waiting) < many {
            assert!(started.elapsed() < PATIENCE, "never {many}");
        }
    };
    tokio::task::spawn_blocking(watch).await.expect("they wait");
}

async fn commit_once_waited_for(session: Session, url: &str, many: i64) {
    waited_for(url, many).await;
    session.commit();
}

/// Both see the same messages due; one gets them, the other finds that they are not due any more.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn of_two_who_wait_for_the_same_messages_one_gets_them() {
    let (_cluster, url, roster) = directory();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 3).await;
    let session = Session::holding(&url, "select 1 from outbox for update");
    let claims = async { together::all((1..=2).map(|token| claim_sms(&roster, token, 0, 10))).await };
    let (claimed, ()) = tokio::join!(claims, commit_once_waited_for(session, &url, 2));
    let mut counts: Vec<usize> = claimed.iter().map(Vec::len).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 3]);
}

/// A person clicks while the old is cleared away.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_message_that_is_retried_while_it_is_being_forgotten_stays() {
    let (_cluster, url, roster) = directory();
    let org = roster.organization("Example").await;
    texted(&roster, &org, 2).await;
    let settle = "update outbox set queue = '', state = 2, due_at = 0, attempts = 1; \
                  insert into attempt select organization, id, 1, 0, 1, 200, 1, '' from outbox";
    Session::holding(&url, settle).commit();
    let retry = "update outbox set queue = 'sms', state = 0 where id = (select min(id) from outbox)";
    let session = Session::holding(&url, retry);
    let forget = async { store(&roster).forget(roster.app().clock().steady(), 10).await.expect("an answer") };
    let (forgotten, ()) = tokio::join!(forget, commit_once_waited_for(session, &url, 1));
    assert_eq!(forgotten, 1);
    assert_eq!(number(&url, "select count(*) from outbox where queue = 'sms'"), 1);
    assert_eq!(number(&url, "select count(*) from attempt a join outbox m on m.id = a.message"), 1);
    assert_eq!(number(&url, "select count(*) from attempt"), 1);
}

async fn numbers(roster: &Roster, org: OrganizationId, after: u64) -> Vec<(u64, String)> {
    let events = store(roster).events(org, after, 100).await.expect("events");
    events.into_iter().map(|event| (event.number, event.target)).collect()
}

/// What was placed early may be committed late: it is told then, behind what was read before.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn an_event_that_is_committed_late_is_told_late() {
    let (_cluster, url, roster) = directory();
    let org = roster.organization("Example").await;
    let late = "insert into audit (organization, place, lane, actor, action, target, fields, request) \
                select id, 1, 1, 'cli', 'payor.created', 'pay_aaaaaaaaaaaa', '', 'r' from organization";
    let session = Session::holding(&url, late);
    let user = org.user("Jane", "Doe", Role::Patient).await;
    let organization = org.id().to_string();
    assert_eq!(numbers(&roster, org.id(), 0).await, [(1, organization.clone()), (2, user.clone())]);
    session.commit();
    let payor = "pay_aaaaaaaaaaaa".to_owned();
    assert_eq!(numbers(&roster, org.id(), 2).await, [(3, payor.clone())]);
    assert_eq!(numbers(&roster, org.id(), 0).await, [(1, organization), (2, user), (3, payor)]);
}

/// Whoever gives numbers does it alone.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn of_many_who_read_the_feed_one_at_a_time_gives_numbers() {
    let (_cluster, url, roster) = directory();
    let org = roster.organization("Example").await;
    for round in 0..3 {
        // The first round finds no row of the organization's in the feed, and waits for whoever is making it.
        let hold = match round {
            0 => "insert into feed select id, 0 from organization",
            _ => "select 1 from feed for update",
        };
        for _ in 0..3 {
            org.user("Jane", "Doe", Role::Patient).await;
        }
        let session = Session::holding(&url, hold);
        let readers = async { together::all((0..4).map(|_| numbers(&roster, org.id(), 0))).await };
        let (read, ()) = tokio::join!(readers, commit_once_waited_for(session, &url, 4));
        let expected: Vec<u64> = (1..=1 + 3 * (round + 1)).collect();
        for read in &read {
            assert_eq!(read.iter().map(|(number, _)| *number).collect::<Vec<_>>(), expected);
        }
        assert!(read.windows(2).all(|pair| pair[0] == pair[1]), "all read the same");
    }
}

/// What turns up while somebody waits to give numbers does not change those that another gives.
#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn what_has_a_number_keeps_it() {
    let (_cluster, url, roster) = directory();
    let org = roster.organization("Example").await;
    assert_eq!(numbers(&roster, org.id(), 0).await.len(), 1);
    org.user("Jane", "Doe", Role::Patient).await;
    let session = Session::holding(&url, "select 1 from feed for update");
    let second = async {
        waited_for(&url, 1).await;
        let earlier = "insert into audit (organization, place, lane, actor, action, target, fields, request) \
                       select id, 1, 1, 'cli', 'payor.created', 'pay_aaaaaaaaaaaa', '', 'r' from organization";
        Session::holding(&url, earlier).commit();
        numbers(&roster, org.id(), 1).await
    };
    let (first, second, ()) =
        tokio::join!(numbers(&roster, org.id(), 1), second, commit_once_waited_for(session, &url, 2));
    assert_eq!(first, second);
    assert_eq!(first.len(), 2);
}
