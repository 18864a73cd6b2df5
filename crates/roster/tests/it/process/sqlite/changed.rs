//! A database from before users could change.

use super::of_schema;

const ROWS: &str = "
    insert into users (place, organization, id, first_name, last_name, email, email_key, role, sms, created_at)
        values (68719476736, 1, 'usr_1736937000_abc123def', 'Ann', 'Lee', 'Ann@example.com', 'ann@example.com', 1, 0, 1736937000123),
               (68719476737, 1, 'usr_1736937000_abc123dee', 'Bo', 'Lee', null, null, 4, 0, 1736937000456),
               (68719476738, 1, 'usr_1736937000_abc123ddd', 'Root', 'Lee', null, null, 7, 0, 1736937000789);
    insert into role_count (organization, role, users) values (1, 1, 1), (1, 4, 1), (1, 7, 1);
    update organization set users = 3;
    insert into audit (place, at, actor, action, target, fields, request)
        values (68719476736, 1736937000123, 'cli', 'user.created', 'usr_1736937000_abc123def', 'firstName,lastName', 'r'),
               (68719476737, 1736937000456, 'cli', 'user.created', 'usr_1736937000_abc123dee', 'firstName,lastName', 'r'),
               (68719476738, 1736937000789, 'cli', 'user.created', 'usr_1736937000_abc123ddd', 'firstName,lastName', 'r');
    update organization set audits = 3;";

const ORG: &str = "org_000000000001";

#[test]
fn whoever_was_there_before_users_could_change_is_active_and_never_changed() {
    for schema in [11, 12] {
        let old = of_schema(schema, ROWS);
        let shown = old.print(["user", "show", "--org", ORG, "usr_1736937000_abc123def"]);
        let rows = shown.lines().filter(|row| {
            ["status", "createdAt", "updatedAt", "deactivatedAt"].iter().any(|name| row.starts_with(name))
        });
        let expected = "status\tACTIVE\ncreatedAt\t2025-01-15T10:30:00.123Z\nupdatedAt\t2025-01-15T10:30:00.123Z\ndeactivatedAt\t-";
        assert_eq!(rows.collect::<Vec<_>>().join("\n"), expected);
        let listed = |flags: &[&str]| {
            let flags = [&["user", "list", "--org", ORG], flags].concat();
            let output = old.command(flags).output().expect("the binary starts");
            String::from_utf8(output.stdout).expect("UTF-8").lines().count()
        };
        assert_eq!(listed(&[]), 3);
        assert_eq!(listed(&["--status", "DEACTIVATED"]), 0);
        let key = old.last_word(["key", "create", "--org", ORG, "--role", "ADMIN", "--name", "x"]);
        let server = old.serve(&[]);
        let (_, events) = server.request("GET", "/api/v1/events", &key, "");
        let told: Vec<_> = events["data"]
            .as_array()
            .expect("events")
            .iter()
            .map(|event| event["data"]["publicId"].as_str().expect("an id"))
            .collect();
        assert_eq!(told[..2], ["usr_1736937000_abc123def", "usr_1736937000_abc123dee"], "and of no HIPP_ADMIN");
        assert!(!told.contains(&"usr_1736937000_abc123ddd"), "{told:?}");

        // And then they change as everybody does.
        let path = "/api/v1/users/usr_1736937000_abc123def";
        let (status, changed) = server.request("PATCH", path, &key, r#"{"email":"ann.lee@example.com"}"#);
        assert_eq!((status, &changed["email"]), (200, &"ann.lee@example.com".into()));
        assert_eq!(changed["createdAt"], "2025-01-15T10:30:00.123Z");
        assert_ne!(changed["updatedAt"], changed["createdAt"]);
        assert_eq!(server.create(&key, "ANN@example.com").0, 200, "it is free");
        assert_eq!(server.create(&key, "Ann.Lee@example.com").0, 400, "it is taken");
        assert_eq!(server.request("POST", &format!("{path}/deactivate"), &key, "{}").0, 200);
        let (_, list) = server.request("GET", "/api/v1/users", &key, "");
        assert_eq!(list["pagination"]["totalCount"], 2);
        assert_eq!(server.request("DELETE", path, &key, "").0, 204);
        let (_, list) = server.request("GET", "/api/v1/users?status=ALL", &key, "");
        assert_eq!(list["pagination"]["totalCount"], 2);
    }
}
