//! What stands in the database, asked by `psql`: whatever Roster says of it.

use std::collections::BTreeSet;

use crate::postgres::psql;

/// A line for each row.
pub(super) fn lines(url: &str, sql: &str) -> Vec<String> {
    psql(url, sql).lines().map(str::to_owned).collect()
}

pub(super) fn number(url: &str, sql: &str) -> i64 {
    psql(url, sql).trim().parse().expect("a number")
}

/// No user without its one audit entry, and, where `with_all`, its one message and its one payor, and nothing of these
/// without a user; the counts are those of the rows. Returns the ids.
pub(super) fn assert_whole(url: &str, with_all: bool) -> BTreeSet<String> {
    let users = lines(url, "select id from users order by id collate \"C\"");
    let of = |sql: &str| lines(url, &format!("select id from ({sql}) t (id) order by id collate \"C\""));
    assert_eq!(of("select target from audit where action = 'user.created'"), users, "one audit entry each");
    if with_all {
        assert_eq!(of("select about from outbox"), users, "one message each");
        assert_eq!(of("select user_id from user_payor"), users, "one payor each");
    }
    let counted = "select organization, bucket, sum(users) from role_count group by 1, 2 having sum(users) > 0";
    let rows = "select organization, bucket, count(*) from users group by 1, 2";
    assert_eq!(lines(url, &format!("({counted}) except ({rows})")), [""; 0], "the counts are right");
    assert_eq!(lines(url, &format!("({rows}) except ({counted})")), [""; 0], "the counts are right");
    let ids: BTreeSet<String> = users.iter().cloned().collect();
    assert_eq!(ids.len(), users.len());
    ids
}
