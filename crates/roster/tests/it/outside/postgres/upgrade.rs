//! A database that an earlier Roster made.

use std::sync::Arc;

use insta::assert_snapshot;

use crate::{
    binary::Binary,
    postgres::{Cluster, psql},
};

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn messages_from_before_they_were_delivered_are_owed() {
    let (old, _cluster) = of_schema(
        1,
        "insert into outbox values ('org_000000000001', 'msg_abc123def456', 1736937000123 * 1048576, 'sms.welcome',
                                    'usr_1736937000_abc123def');",
    );
    assert_snapshot!(old.print(["outbox", "list"]), @"msg_1736937000_abc123def	org_000000000001	sms.welcome	usr_1736937000_abc123def	2025-01-15T10:30:00.123Z	owed	0	2025-01-15T10:30:00.123Z");
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn whoever_was_there_before_names_were_folded_is_found() {
    // More of them than one statement folds.
    let (old, _cluster) = of_schema(
        2,
        r"insert into users (organization, id, place, first_name, last_name, role, phone_digits, sms, search)
              select 'org_000000000001', 'usr_1736937000_' || lpad(n::text, 9, '0'), n, 'José', 'Lee', 1, '', false,
                     E'josé\nlee\n\n' from generate_series(1, 2001) n
              union all select 'org_000000000001', 'usr_1736937000_obrienobr', 3000, 'Conan', 'O''Brien', 1, '', false,
                     E'conan\no''brien\n\n';
          insert into role_count values ('org_000000000001', 1, 0, 2002);",
    );
    let found = |search| {
        old.print(["user", "list", "--org", "org_000000000001", "--page-size", "1", "--page", "1", "--search", search])
    };
    assert_snapshot!(found("obrien"), @"usr_1736937000_obrienobr	BILLING_MANAGER	1970-01-01T00:00:00.000Z	O'Brien	Conan	-");
    let all = ["user", "list", "--org", "org_000000000001", "--page-size", "1", "--page", "2001", "--search", "jose"];
    assert_snapshot!(old.print(all), @"usr_1736937000_000000001	BILLING_MANAGER	1970-01-01T00:00:00.000Z	Lee	José	-");
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_secret_that_was_replaced_before_there_could_be_several_still_signs() {
    let (old, _cluster) = of_schema(
        3,
        "insert into webhook (organization, id, url, description, events, state, secret, old_secret, old_secret_until,
                              created_at, heard_to)
             values ('org_000000000001', 'whk_abc123def456', 'https://hooks.example/', '', '', 0, decode(repeat('00', 24), 'hex'), decode(repeat('01', 24), 'hex'), 4102444800000, 0, 0);",
    );
    // As many as may sign beside it, with the one from before.
    let rotate = ["webhook", "rotate", "--org", "org_000000000001", "whk_abc123def456"];
    for _ in 0..9 {
        old.print(rotate);
    }
    assert_snapshot!(old.complaint(rotate), @"1: roster: Its secret was replaced ten times within 24 hours, and each of them still signs");
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn what_the_gateway_took_before_it_was_asked_what_became_of_it_is_accepted() {
    let (old, _cluster) = of_schema(
        5,
        "insert into outbox (organization, id, place, kind, about, webhook, state, attempts, queue, due_at)
             select 'org_000000000001', id, n, kind, about, webhook, state, 1, '', 9000000000000000 from (values
                 (1, 'msg_1736937000_abc123def', 'sms.welcome', 'usr_1736937000_abc123def', null, 2),
                 (2, 'msg_1736937000_abc123dee', 'webhook.test', '', 'whk_abc123def456', 2),
                 (3, 'msg_1736937000_abc123ddd', 'sms.welcome', 'usr_1736937000_abc123def', null, 3)
             ) as messages (n, id, kind, about, webhook, state);
         insert into attempt select organization, id, 1, 0, 1, 201, 5, 'taken' from outbox where state = 2;",
    );
    let states = old.print(["outbox", "list", "--state", "all"]);
    let states: Vec<_> = states.lines().map(|line| line.split('\t').nth(5).expect("a state")).collect();
    assert_eq!(states, ["accepted", "delivered", "failed"]);
    for (message, outcome) in
        [("msg_1736937000_abc123def", "\taccepted\t201\t"), ("msg_1736937000_abc123dee", "\tdelivered\t201\t")]
    {
        let shown = old.print(["outbox", "show", "--org", "org_000000000001", message]);
        assert!(shown.contains(outcome), "{shown}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn an_organization_from_before_there_were_countries_is_in_the_united_states() {
    let (old, _cluster) = of_schema(3, "");
    let shown = old.print(["org", "show", "org_000000000001"]);
    assert!(shown.contains("country\tUS\ntimeZone\tAmerica/New_York\n"), "{shown}");
}

/// A database as it was after so many of the migrations, with an organization and these rows. The cluster ends when
/// nobody shares it any more.
pub(super) fn of_schema(number: usize, rows: &str) -> (Binary, Arc<Cluster>) {
    let cluster = Cluster::shared();
    let (new, old) = (cluster.database(), cluster.database());
    Binary::on(&new).organization_with_admin();
    let migrations = [
        include_str!("../../../../../roster-store/migrations/postgres/0001_directory.sql"),
        include_str!("../../../../../roster-store/migrations/postgres/0002_delivery.sql"),
        include_str!("../../../../../roster-store/migrations/postgres/0003_fold.sql"),
        include_str!("../../../../../roster-store/migrations/postgres/0004_old_secrets.sql"),
        include_str!("../../../../../roster-store/migrations/postgres/0005_writer.sql"),
    ];
    migrations.iter().take(number).for_each(|migration| drop(psql(&old, migration)));
    let ran = "select format('(%s, %L, decode(%L, ''hex''))', number, name, encode(sha256, 'hex')) \
               from schema_migration order by number";
    let ran = psql(&new, ran);
    let ran: Vec<&str> = ran.lines().take(1 + number).collect();
    psql(
        &old,
        &format!(
            "create table schema_migration (number bigint primary key, name text not null, sha256 bytea not null);
             insert into schema_migration values {};
             insert into organization (id, place, name, created_at) values ('org_000000000001', 1, 'Example', 0);
             {rows}",
            ran.join(", ")
        ),
    );
    (Binary::on(&old), cluster)
}
