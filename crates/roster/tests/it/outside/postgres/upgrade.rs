//! A database that an earlier Roster made.

use insta::assert_snapshot;

use crate::{
    binary::Binary,
    postgres::{Cluster, psql},
};

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn messages_from_before_they_were_delivered_are_owed() {
    let cluster = Cluster::shared();
    let (new, old) = (cluster.database(), cluster.database());
    Binary::on(&new).organization_with_admin();
    psql(&old, include_str!("../../../../../roster-store/migrations/postgres/0001_directory.sql"));
    let hash = psql(&new, "select encode(sha256, 'hex') from schema_migration where number = 1");
    let hash = hash.trim();
    psql(
        &old,
        &format!(
            "create table schema_migration (number bigint primary key, name text not null, sha256 bytea not null);
             insert into schema_migration values (0, 'lock', ''), (1, '0001_directory.sql', decode('{hash}', 'hex'));
             insert into organization values ('org_000000000001', 1, 'Example', 0);
             insert into outbox values ('org_000000000001', 'msg_abc123def456', 1736937000123 * 1048576, 'sms.welcome',
                                        'usr_1736937000_abc123def');"
        ),
    );
    assert_snapshot!(Binary::on(&old).print(["outbox", "list"]), @"msg_1736937000_abc123def	org_000000000001	sms.welcome	usr_1736937000_abc123def	2025-01-15T10:30:00.123Z	owed	0	2025-01-15T10:30:00.123Z");
}
