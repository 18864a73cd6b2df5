//! A migration that is cut off after every statement, and run again.

use std::sync::atomic::Ordering;

use super::{
    proxy::{Act, Proxy},
    rows::lines,
    upgrade::of_schema,
};
use crate::{
    binary::Binary,
    postgres::{Cluster, psql},
};

/// Requests that a loop looks for at most: many more than an upgrade has.
const MANY: usize = 300;

/// The columns of all tables, the indexes, and which migrations made them.
fn schema(url: &str) -> Vec<String> {
    lines(
        url,
        "select concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default)
             from information_schema.columns where table_schema = 'public'
         union all select indexdef from pg_indexes where schemaname = 'public'
         union all select concat_ws(' ', number, name, encode(sha256, 'hex')) from schema_migration order by 1",
    )
}

/// Runs a command by way of a proxy, which cuts it off when the server has done its `nth` request, and refuses whatever
/// comes after that, as if the process had been killed there. Says whether there were so many.
fn cut_after(nth: usize, port: u16, database: &str, arguments: &[&str]) -> bool {
    assert!(nth < MANY, "it does not end");
    let proxy = Proxy::before(port);
    let met = proxy.on_nth_and_after(nth, Act::CutAfter);
    // It may end with a complaint, or well: the last request of all may be one that nobody has to hear of.
    Binary::on(&proxy.url(database)).command(arguments).output().expect("the binary starts");
    met.load(Ordering::SeqCst)
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn an_upgrade_of_postgresql_that_is_cut_off_at_any_statement_is_made_up_for_by_the_next_start() {
    let rows = "insert into users (organization, id, place, first_name, last_name, role, phone_digits, sms, search,
                                   email, email_key)
                    values ('org_000000000001', 'usr_1736937000_obrienobr', 3000, 'Conan', 'O''Brien', 1, '', false,
                            E'conan\\no''brien\\n\\n', 'Conan@example.com', 'conan@example.com');
                insert into role_count values ('org_000000000001', 1, 0, 1);
                insert into outbox values ('org_000000000001', 'msg_abc123def456', 1736937000123 * 1048576,
                                           'sms.welcome', 'usr_1736937000_obrienobr');";
    let (before, cluster) = of_schema(1, rows);
    let name = before.database_url().rsplit('/').next().expect("a name");
    let old = || {
        let old = cluster.database();
        let copy = old.rsplit('/').next().expect("a name");
        let server = format!("{}/postgres", cluster.url());
        psql(&server, &format!("drop database {copy}"));
        psql(&server, &format!("create database {copy} template {name}"));
        old
    };
    let expected = {
        let old = old();
        Binary::on(&old).print(["org", "list"]);
        schema(&old)
    };
    for nth in 1.. {
        let database = old();
        if !cut_after(nth, cluster.port(), &database, &["org", "list"]) {
            assert!(nth > 40, "an upgrade has more requests than {nth}");
            break;
        }
        let old = Binary::on(&database);
        let found = old.print(["user", "list", "--org", "org_000000000001", "--search", "obrien"]);
        assert!(found.starts_with("usr_1736937000_obrienobr\t"), "{nth}: {found}");
        assert_eq!(old.print(["outbox", "list"]).lines().count(), 1, "{nth}");
        assert_eq!(schema(&database), expected, "{nth}");
    }
}

#[test]
#[ignore = "needs PostgreSQL: script/test runs it"]
fn a_new_postgresql_schema_whose_making_is_cut_off_at_any_statement_is_made_by_the_next_start() {
    let cluster = Cluster::shared();
    let create = ["org", "create", "Example"];
    let expected = {
        let database = cluster.database();
        Binary::on(&database).last_word(create);
        schema(&database)
    };
    for nth in 1.. {
        let database = cluster.database();
        if !cut_after(nth, cluster.port(), &database, &create) {
            assert!(nth > 40, "a new schema has more requests than {nth}");
            break;
        }
        assert!(Binary::on(&database).last_word(create).starts_with("org_"), "{nth}");
        assert_eq!(schema(&database), expected, "{nth}");
    }
}
