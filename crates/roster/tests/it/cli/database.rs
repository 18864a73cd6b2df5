//! `--database` and `ROSTER_DATABASE`: where the directory is.

use insta::assert_snapshot;

use crate::binary::Binary;

#[test]
fn a_url_that_is_none_is_a_misuse_and_is_not_repeated() {
    let complaint = |url: &str| {
        let binary = Binary::on("sqlite:roster.db");
        let mut by_variable = binary.command(["org", "list"]);
        by_variable.env("ROSTER_DATABASE", url);
        let said = binary.complaint_of(by_variable);
        assert!(said.contains("'--database <URL>' (from ROSTER_DATABASE)"), "{said}");
        let said = said.replace(" (from ROSTER_DATABASE)", "");
        assert_eq!(binary.complaint(["org", "list", "--database", url]), said, "however it is given");
        let copied = binary.complaint(["copy", "--from", url, "--to", "sqlite:to.db"]);
        assert_eq!(copied.replace("--from", "--database"), said, "whatever it is for");
        assert!(!said.contains("s3cret"), "{said}");
        let what = said.strip_prefix("2: error: invalid value for '--database <URL>': ").expect(&said);
        what.lines().next().expect("a line").to_owned()
    };
    assert_snapshot!(complaint("postgres://u:s3cret@h/d?sslmode=maybe"), @"sslmode is disable, prefer, require, verify-ca or verify-full");
    assert_snapshot!(complaint("postgres://u:s3cret@h/d?pool_size=1"), @"pool_size is a number from 2 to 1000");
    assert_snapshot!(complaint("postgres://u:s3cret@h/d?nonsense=1"), @"not a PostgreSQL URL: unknown option `nonsense`");
    assert_snapshot!(complaint("postgres://u:s3cret@h:port/d"), @"not a PostgreSQL URL: invalid value for option `port`");
    assert_snapshot!(complaint("postgres://u:s3@cret@h/d"), @"a `@` or a `?` that is part of a name or a password is written %40 or %3F");
    assert_snapshot!(complaint("postgres://u:x?s3cret=@h/d"), @"a `@` or a `?` that is part of a name or a password is written %40 or %3F");
    assert_snapshot!(complaint("postgres://u:s3cret@/d"), @"a PostgreSQL URL names a host, and as many ports as hosts or one");
    assert_snapshot!(complaint("postgres://u:s3cret@h/d?sslrootcert=ca.pem"), @"with sslrootcert, sslmode is require, verify-ca or verify-full");
    assert_snapshot!(complaint("postgres:u:s3cret@h/d"), @"a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE");
    assert_snapshot!(complaint("mysql://u:s3cret@h/d"), @"a database is sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE");
    let binary = Binary::new();
    for flag in ["--help", "-h"] {
        let mut help = binary.command(["serve", flag]);
        let said = help.env("ROSTER_DATABASE", "postgres://u:s3cret@h/d").output().expect("it starts");
        assert!(said.status.success());
        assert!(!String::from_utf8_lossy(&said.stdout).contains("s3cret"), "{flag} shows what is set");
    }
}

/// Made by mistake it would look as if everybody were lost. (PostgreSQL's databases are made by others.)
#[test]
fn only_a_server_and_the_first_organization_begin_a_database_of_sqlite() {
    let binary = Binary::on("sqlite:here.db");
    for command in [
        &["org", "list"][..],
        &["key", "list", "--org", "org_aaaaaaaaaaaa"],
        &["key", "create", "--org", "org_aaaaaaaaaaaa", "--role", "ADMIN", "--name", "x"],
        &["import", "--org", "org_aaaaaaaaaaaa", "staff.ndjson"],
        &["outbox", "list"],
    ] {
        let complaint = binary.complaint_of(binary.command(command));
        let complaint = complaint.replace(env!("CARGO_BIN_EXE_roster"), "roster");
        insta::allow_duplicates!(
            assert_snapshot!(complaint, @"1: roster: no database at here.db; say where it is with --database sqlite:PATH, or begin one with `roster org create NAME`")
        );
    }
    assert!(!binary.path().join("here.db").exists());
    binary.print(["org", "create", "Example"]);
    assert_eq!(binary.print(["org", "list"]).lines().count(), 1);
}
