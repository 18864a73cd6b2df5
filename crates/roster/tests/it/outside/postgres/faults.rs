//! Faults at every request of an act: whatever happens on the way, one answer, and one of everything in the database.

mod outbox;

use std::{
    collections::BTreeMap,
    fmt::Debug,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use hyper::StatusCode;
use roster::app::{Error, NewKey};
use roster_directory::{KeyId, Role};
use serde_json::json;

use super::{
    between::Between,
    proxy::{Act, DETAIL, Proxy},
    rows::{assert_whole, lines, number},
};
use crate::{
    binary::Binary,
    postgres::Cluster,
    roster::{Organization, Roster},
};

const FAULTS: [Act; 5] = [Act::Fail("40001"), Act::Fail("40P01"), Act::CutBefore, Act::CutAfter, Act::CutAndHold];

/// Requests of an act that a loop looks for at most: many more than any has.
const MANY: usize = 60;

impl Between {
    /// The `nth` request from now on, the first being 1, meets a fault; and all are made on new connections, where every
    /// statement is still to be prepared.
    fn arm(&self, nth: usize, fault: Act) -> impl FnOnce() -> bool {
        assert!(nth < MANY, "{fault:?}: it does not end");
        self.proxy.cut();
        let met = self.proxy.on_nth(nth, fault);
        move || {
            self.proxy.pass();
            met.load(Ordering::SeqCst)
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_create_is_answered_once_and_done_once_whatever_fault_it_meets() {
    let between = Between::new();
    let org = between.roster.organization("Example Organization").await;
    let payor = org.payor("Aetna").await;
    let mut users = 0;
    for fault in FAULTS {
        for nth in 1.. {
            // A key that nobody has looked up before.
            let client = org.key(Role::Admin).await;
            let was_met = between.arm(nth, fault);
            let answer = client
                .post(
                    "/api/v1/users",
                    json!({
                        "firstName": "Jane", "lastName": "Doe", "email": format!("jane{users}@example.com"),
                        "phoneNumber": "+14155550100", "shouldSendSMS": true, "providerPayors": [payor]
                    }),
                )
                .await;
            let was_met = was_met();
            assert_eq!(answer.status, StatusCode::OK, "{fault:?} at {nth}: {answer}");
            users += 1;
            let ids = assert_whole(&between.database, true);
            assert_eq!(ids.len(), users, "{fault:?} at {nth}");
            let id = answer.body["user"]["publicId"].as_str().expect("an id");
            assert!(ids.contains(id), "{fault:?} at {nth}");
            let get = client.get(&format!("/api/v1/users/{id}")).await;
            assert_eq!(get.status, StatusCode::OK, "{fault:?} at {nth}: {get}");
            if !was_met {
                assert!(nth > 8, "the epoch, the key, the payors and the users, prepared and run, make 8: {nth}");
                break;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_taken_email_is_told_whatever_fault_the_create_meets() {
    let between = Between::new();
    let client = between.roster.admin().await;
    client.create(json!({"firstName": "Jane", "lastName": "Doe", "email": "jane@example.com"})).await;
    for fault in FAULTS {
        for nth in 1.. {
            let was_met = between.arm(nth, fault);
            let second = json!({"firstName": "Second", "lastName": "Try", "email": "JANE@example.com"});
            let answer = client.post("/api/v1/users", second).await;
            let was_met = was_met();
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{fault:?} at {nth}: {answer}");
            assert_eq!(answer.body["details"][0]["message"], "Email is already in use", "{fault:?} at {nth}");
            assert_eq!(assert_whole(&between.database, false).len(), 1, "{fault:?} at {nth}");
            if !was_met {
                break;
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn users_are_read_whatever_fault_that_meets() {
    let between = Between::new();
    let client = between.roster.admin().await;
    let id = client.create(json!({"firstName": "Jane", "lastName": "Doe"})).await;
    for path in ["/api/v1/users?page=1", "/api/v1/users?search=jane", &format!("/api/v1/users/{id}")] {
        for fault in FAULTS {
            for nth in 1.. {
                let was_met = between.arm(nth, fault);
                let answer = client.get(path).await;
                let was_met = was_met();
                assert_eq!(answer.status, StatusCode::OK, "{path}: {fault:?} at {nth}: {answer}");
                assert!(answer.text.contains(&id), "{path}: {fault:?} at {nth}: {answer}");
                if !was_met {
                    break;
                }
            }
        }
    }
}

/// What is done to a directory beside creating users.
#[derive(Debug, Clone, Copy)]
enum Deed {
    CreateKey,
    RevokeKey,
    RotateKey,
    CreatePayor,
    CreateOrganization,
}

impl Deed {
    const ALL: [Deed; 5] =
        [Deed::CreateKey, Deed::RevokeKey, Deed::RotateKey, Deed::CreatePayor, Deed::CreateOrganization];

    async fn does(self, roster: &Roster, org: &Organization<'_>, key: KeyId) -> Result<(), Error> {
        let app = roster.app();
        match self {
            Deed::CreateKey => {
                app.create_key(&org.operator, NewKey::lasting(Role::Admin, another_name()), None).await.map(drop)
            }
            Deed::RevokeKey => app.revoke_key(&org.operator, key).await,
            Deed::RotateKey => app.rotate_key(&org.operator, key, 0, None).await.map(drop),
            Deed::CreatePayor => app.create_payor(&org.operator, another_name()).await.map(drop),
            Deed::CreateOrganization => app.create_organization(name()).await.map(drop),
        }
    }
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>() -> T {
    "Example".parse().expect("a name")
}

/// One that nothing has yet.
fn another_name<T: FromStr<Err: Debug>>() -> T {
    static NAMED: AtomicU32 = AtomicU32::new(0);
    format!("Name {}", NAMED.fetch_add(1, Ordering::Relaxed)).parse().expect("a name")
}

/// How many there are of all that is not a user, and what was done to them.
fn picture(database: &str) -> BTreeMap<String, i64> {
    let rows = lines(
        database,
        "select 'audit ' || action, count(*) from audit group by action union all \
         select 'keys', count(*) from api_key union all \
         select 'keys revoked', count(revoked_at) from api_key union all \
         select 'keys that end', count(expires_at) from api_key union all \
         select 'payors', count(*) from payor union all \
         select 'organizations', count(*) from organization",
    );
    let parse =
        |row: &String| row.rsplit_once('|').map(|(what, count)| (what.to_owned(), count.parse().expect("a count")));
    rows.iter().filter_map(parse).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn every_other_change_is_made_once_whatever_fault_it_meets() {
    let between = Between::new();
    let org = between.roster.organization("Example Organization").await;
    for deed in Deed::ALL {
        // Done without a fault, it changes the picture so.
        let key = org.key(Role::Admin).await.key_id();
        let expected = change(&between, async || deed.does(&between.roster, &org, key).await).await;
        for fault in FAULTS {
            for nth in 1.. {
                let client = org.key(Role::Admin).await;
                assert_eq!(client.get("/api/v1/me").await.status, StatusCode::OK);
                let mut was_met = false;
                let changed = change(&between, async || {
                    let armed = between.arm(nth, fault);
                    let done = deed.does(&between.roster, &org, client.key_id()).await;
                    was_met = armed();
                    done
                });
                assert_eq!(changed.await, expected, "{deed:?}: {fault:?} at {nth}");
                let ends_the_key = matches!(deed, Deed::RevokeKey | Deed::RotateKey);
                let status = if ends_the_key { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
                assert_eq!(client.get("/api/v1/me").await.status, status, "{deed:?}: {fault:?} at {nth}");
                if !was_met {
                    assert!(nth > 7, "{deed:?} has begin, three statements or more, and commit: {nth}");
                    break;
                }
            }
        }
    }
}

/// By how much each number of the picture rises while something is done.
async fn change(between: &Between, act: impl AsyncFnOnce() -> Result<(), Error>) -> Vec<(String, i64)> {
    let before = picture(&between.database);
    act().await.expect("it is done");
    let risen = picture(&between.database).into_iter().map(|(what, count)| {
        let before = before.get(&what).copied().unwrap_or_default();
        (what, count - before)
    });
    risen.filter(|(_, by)| *by != 0).collect()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn a_create_that_meets_faults_for_ever_is_told_so() {
    let between = Between::new();
    let client = between.roster.admin().await;
    // Of a connection that is lost nobody knows what the server had heard.
    let (busy, unknown) = (StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT);
    for (fault, status) in [(Act::Fail("40001"), busy), (Act::Fail("40P01"), busy), (Act::CutBefore, unknown)] {
        between.proxy.decide(move |request| if request.adds_users() { fault } else { Act::Pass });
        let started = Instant::now();
        let answer = client.post("/api/v1/users", json!({"firstName": "Jane", "lastName": "Doe"})).await;
        println!("{fault:?} for ever: {status} after {:?}", started.elapsed());
        assert_eq!(answer.status, status, "{fault:?}: {answer}");
        assert_eq!(answer.header("retry-after"), if status == busy { "1" } else { "" });
        let tries = between.proxy.requests().iter().filter(|request| request.adds_users()).count();
        assert!(tries > 5, "{fault:?}: it was tried {tries} times");
        // What is under way when time is up must not slip through.
        between.proxy.cut();
        between.proxy.pass();
    }
    assert_eq!(assert_whole(&between.database, false).len(), 0);
    client.create(json!({"firstName": "Jane", "lastName": "Doe"})).await;
    assert_eq!(number(&between.database, "select count(*) from users"), 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: script/test runs it"]
async fn connections_that_only_read_are_given_up() {
    let between = Between::new();
    let client = between.roster.admin().await;
    let jane = json!({"firstName": "Jane", "lastName": "Doe"});
    let name = between.database.rsplit('/').next().expect("a name");
    // As an operator does who moves the database elsewhere.
    lines(&between.database, &format!("alter database {name} set default_transaction_read_only = on"));
    between.proxy.cut();
    let answer = client.post("/api/v1/users", jane.clone()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer}");
    assert_eq!(client.get("/api/v1/users").await.status, StatusCode::OK);

    let reset = format!("begin read write; alter database {name} reset default_transaction_read_only; commit");
    lines(&between.database, &reset);
    // Nobody cuts the connections, which still only read.
    client.create(jane).await;
}

/// The server's DETAIL quotes rows, and rows are people.
#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn what_the_server_quotes_of_a_row_is_not_logged() {
    let cluster = Cluster::shared();
    let proxy = Proxy::before(cluster.port());
    let binary = Binary::on(&proxy.url(&cluster.database()));
    let (_, key) = binary.organization_with_admin();
    let server = binary.serve(&["--log", "trace"]);
    for (code, status) in [("23502", 500), ("53100", 503), ("57P01", 503), ("40001", 503)] {
        proxy.decide(move |request| if request.adds_users() { Act::Fail(code) } else { Act::Pass });
        assert_eq!(server.create(&key, "jane@example.com").0, status, "{code}");
    }
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(log.contains("the database failed: made up by the test (23502)"), "the log says why: {log}");
    assert!(
        DETAIL.split([' ', ',', '(', ')', '.']).filter(|word| word.len() > 8).all(|word| !log.contains(word)),
        "{log}"
    );
}
