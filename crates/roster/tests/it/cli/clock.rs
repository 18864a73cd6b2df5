//! `roster clock`, and what a server says at its start of what is recorded in the future

use roster_directory::Role;
use serde_json::json;

use crate::{binary::Binary, copy::house::on};

/// 2100-01-01T00:00:00Z
const FAR: i64 = 4_102_444_800_000;

#[test]
fn a_server_names_what_is_recorded_in_the_future_and_clock_repair_brings_it_back() {
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let sane = binary.print(["org", "show", &org]);
    assert_eq!(binary.print(["clock", "show"]).lines().count(), 2, "the clock, and the latest moment");
    on(binary.database_url(), async |app| {
        app.clock().set(FAR);
        let id = org.parse().expect("an id");
        let caller = app.operator_of(id).await.expect("an organization");
        let named = |name: &str| name.parse().expect("a name");
        let new = roster_directory::NewUser {
            role: Role::Patient,
            ..roster_directory::NewUser::named(named("Bea"), named("Sam"))
        };
        app.create_user(&caller, new, None).await.expect("a user");
        app.store().close().await;
    });
    let shown = binary.print(["clock", "show"]);
    assert_eq!(shown.lines().nth(2), Some(&*format!("{org}\t2100-01-01T00:00:00.000Z")), "{shown}");

    let mut server = binary.serve(&[]);
    server.signal("TERM");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0));
    for part in [
        format!("the newest change of {org} is "),
        " days ahead of the clock".to_owned(),
        "`roster clock repair`".to_owned(),
    ] {
        assert!(log.contains(&part), "{part}: {log}");
    }

    let wrong = binary.complaint(["clock", "repair", "--today", "2020-02-02"]);
    assert!(wrong.contains("not 2020-02-02: set the clock right first"), "{wrong}");
    let today = shown.split('\t').nth(1).and_then(|now| now.split('T').next()).expect("the clock").to_owned();
    let repaired = binary.print(["clock", "repair", "--today", &today]);
    assert!(repaired.starts_with(&org) && repaired.ends_with("1 users\t1 audit entries\n"), "{repaired}");
    assert_eq!(binary.print(["clock", "show"]).lines().count(), 2);
    assert_eq!(binary.print(["org", "show", &org]), sane);
    assert_eq!(binary.print(["clock", "repair", "--today", &today]), "");

    server = binary.serve(&[]);
    let (status, created) = server.create(&key, "jane@example.com");
    assert_eq!(status, 200, "{created}");
    let created_at = created["user"]["createdAt"].as_str().expect("a moment");
    assert!(!created_at.starts_with("2100-"), "{created}");
    let (_, list) = server.request("GET", "/api/v1/users?sort=createdAt_asc", &key, "");
    let names: Vec<_> = list["data"].as_array().expect("users").iter().map(|user| &user["firstName"]).collect();
    assert_eq!(names, [&json!("Bea"), &json!("Jane")]);
}
