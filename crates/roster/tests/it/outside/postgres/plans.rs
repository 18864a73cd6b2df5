//! Statements of requests, before the database has statistics of what it holds: none reads much more than it answers.

use std::{collections::BTreeMap, fs};

use serde_json::Value;

use super::rows::number;
use crate::{
    binary::Binary,
    postgres::{Cluster, psql},
};

/// Users, audit entries and messages that are there.
const MANY: usize = 200_000;

/// Rows that a statement may read of one table: what a page is after, of each role that it is put together from.
const FEW: f64 = 3_000.0;

const SEED: &str = "
insert into users (organization, id, place, first_name, last_name, email, email_key, bucket, phone_digits, sms, search, external_id)
    select 'ORG', 'usr_' || lpad(n::text, 10, '0') || '_aaaaaaaaa', n * 1048576::bigint, 'Jane' || n, 'Doe',
           'jane' || n || '@example.com', 'jane' || n || '@example.com',
           case when n % 50000 = 7 then 1 when n % 50000 = 8 then 7 when n % 20 = 0 then 2 when n % 10 = 1 then 3 when n % 7 = 0 then 6 else 5 end,
           '', false, 'jane' || n || ' doe', 'external ' || n
    from generate_series(1, MANY) n;
update users set bucket = bucket + 48, version = 2, deactivated_at = 0, former_email_key = email_key, email_key = null
    where place / 1048576 % 100 = 50;
insert into role_count (organization, bucket, lane, users) select organization, bucket, 0, count(*) from users group by 1, 2;
insert into audit (organization, place, lane, actor, action, target, fields, request, number)
    select organization, place, 0, 'cli', 'user.created', id, '', '', place / 1048576 from users;
insert into feed (organization, last) values ('ORG', MANY) on conflict (organization) do update set last = MANY;
update webhook set heard_to = MANY;
insert into outbox (organization, id, place, kind, about, webhook, queue, due_at, state)
    select 'ORG', 'msg_' || lpad(n::text, 10, '0') || '_aaaaaaaaa', n * 1048576::bigint, 'webhook.event',
           'evt_' || substr('ORG', 5) || '_' || lpad(n::text, 12, '0'), 'WHK', '', 9000000000000, 3
    from generate_series(1, MANY) n";

/// Each statement that the server has run since then, and the most rows that it read of one table.
fn read_by_each(log: &str) -> BTreeMap<String, f64> {
    let mut read = BTreeMap::new();
    for said in log.split("plan:\n").skip(1) {
        let lines = said.lines().take_while(|line| line.starts_with('\t'));
        let plan: Value = serde_json::from_str(&lines.collect::<Vec<_>>().join("\n")).expect("a plan in JSON");
        let text = plan["Query Text"].as_str().expect("its statement").split_whitespace().collect::<Vec<_>>().join(" ");
        let most = read.entry(text).or_insert(0.0);
        *most = most_read(&plan["Plan"]).max(*most);
    }
    read
}

/// The most rows that a part of a plan has read or sorted.
fn most_read(plan: &Value) -> f64 {
    let rows = |name: &str| plan[name].as_f64().unwrap_or_default();
    let each = rows("Actual Rows") + rows("Rows Removed by Filter") + rows("Rows Removed by Index Recheck");
    let below = plan["Plans"].as_array().into_iter().flatten().map(most_read);
    below.fold(each * rows("Actual Loops"), f64::max)
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn no_statement_of_a_request_reads_everything_for_want_of_statistics() {
    let cluster = Cluster::start(&[
        "fsync=off",
        "autovacuum=off",
        "shared_preload_libraries=auto_explain",
        "auto_explain.log_min_duration=0",
        "auto_explain.log_analyze=on",
        "auto_explain.log_timing=off",
        "auto_explain.log_format=json",
    ]);
    let url = cluster.database();
    let binary = Binary::on(&format!("{url}?pool_size=2"));
    let (org, admin) = binary.organization_with_admin();
    let key = |role: &str| binary.last_word(["key", "create", "--org", &org, "--role", role, "--name", role]);
    let (clinician, manager) = (key("CLINICIAN"), key("BILLING_MANAGER"));
    let hook = ["webhook", "create", "--org", &org, "https://example.com/"];
    let made = binary.print(hook);
    let hook = made.split_whitespace().find(|word| word.starts_with("whk_")).expect("its id").to_owned();
    let seed = SEED.replace("ORG", &org).replace("WHK", &hook).replace("MANY", &MANY.to_string());
    psql(&url, &seed);
    let analyzed = "select count(*) from pg_class where relname = 'users' and reltuples >= 0";
    assert_eq!(number(&url, analyzed), 0, "nobody has looked at the table");

    let log = cluster.data().parent().expect("a folder").join("log");
    let before = fs::read_to_string(&log).expect("the server's log").len();
    let server = binary.serve(&[]);
    let user = |n: usize| format!("usr_{n:010}_aaaaaaaaa");
    let paths = [
        "/users".to_owned(),
        "/users?page=12&pageSize=20".to_owned(),
        "/users?page=12&pageSize=20&sort=createdAt_asc".to_owned(),
        "/users?page=3&pageSize=100&sort=createdAt_asc".to_owned(),
        "/users?role=BILLING_MANAGER".to_owned(),
        "/users?role=PATIENT&page=12&pageSize=20".to_owned(),
        "/users?role=PATIENT&role=BILLING_MANAGER".to_owned(),
        format!("/users?cursor={}", user(100_000)),
        format!("/users?cursor={}&sort=createdAt_asc", user(100_000)),
        format!("/users?cursor={}&sort=createdAt_asc", user(MANY - 5)),
        format!("/users?cursor={}&role=BILLING_MANAGER", user(100_000)),
        "/users?email=jane77@example.com".to_owned(),
        "/users?email=jane77@example.com&role=PATIENT".to_owned(),
        format!("/users/{}", user(5)),
        "/me".to_owned(),
        "/events?pageSize=100".to_owned(),
        format!("/events?pageSize=100&cursor=evt_{}_{:012}", &org[4..], MANY / 2),
        "/webhooks".to_owned(),
        format!("/webhooks/{hook}"),
        format!("/webhooks/{hook}/deliveries?pageSize=100"),
        format!("/webhooks/{hook}/deliveries?pageSize=20&cursor=msg_{:010}_aaaaaaaaa", MANY / 2),
    ];
    for nth in 0..7 {
        // Planned for these values, and, after the fifth time, for any.
        for path in &paths {
            for key in [&admin, &clinician, &manager] {
                let (status, answer) = server.request("GET", &format!("/api/v1{path}"), key, "");
                assert!(key != &admin || status == 200, "{path}: {status} {answer}");
            }
        }
        assert_eq!(server.create(&admin, &format!("new{nth}@example.com")).0, 200);
        assert_eq!(server.create(&admin, "jane77@example.com").0, 400);
    }
    server.signal("TERM");
    drop(server.wait());
    cluster.stop("fast");

    let said = fs::read_to_string(&log).expect("the server's log");
    let read = read_by_each(&said[before..]);
    assert!(read.len() > 20, "the server tells of its plans: {read:?}");
    for (statement, rows) in &read {
        println!("{rows:>8} {statement}"); // with --nocapture
    }
    let too_many: Vec<_> = read.iter().filter(|(_, rows)| **rows > FEW).collect();
    assert!(too_many.is_empty(), "{too_many:#?}");
}
