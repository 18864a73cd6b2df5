//! `roster audit list` and `roster audit export`

use serde_json::Value;

use crate::binary::Binary;

#[test]
fn the_trail_is_listed_and_exported_and_says_so() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    binary.last_word(["key", "create", "--org", &org, "--role", "ADMIN", "--name", "=HYPERLINK(1)"]);
    for name in ["Doe", "Dove", "Dow"] {
        binary.last_word(["user", "create", "--org", &org, "--first-name", "Jane", "--last-name", name]);
    }
    let listed = binary.print(["audit", "list", "--org", &org]);
    let actions: Vec<&str> = listed.lines().map(|line| line.split('\t').nth(2).expect("an action")).collect();
    let expected =
        ["audit.read", "user.created", "user.created", "user.created", "key.created", "organization.created"];
    assert_eq!(actions, expected);
    assert!(!listed.contains("Dove"), "{listed}");
    let created = binary.print(["audit", "list", "--org", &org, "--action", "user.created", "--page-size", "2"]);
    assert_eq!(created.lines().count(), 2);

    // Oldest first, and the same in both formats.
    let json = binary.print(["audit", "export", "--org", &org, "--format", "jsonl", "--action", "user.created"]);
    let json: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(json.len(), 3);
    let csv = binary.print(["audit", "export", "--org", &org, "--action", "user.created"]);
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some("publicId,createdAt,actor,actorName,action,target,fields,roleBefore,roleAfter,requestId")
    );
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 3);
    for (line, entry) in lines.into_iter().zip(&json) {
        let columns: Vec<&str> = line.split(',').collect();
        assert_eq!(
            (columns[0], columns[1]),
            (entry["publicId"].as_str().expect("an id"), entry["createdAt"].as_str().expect("a moment"))
        );
        assert!(line.contains(entry["target"].as_str().expect("an id")), "{line}");
    }
    let reads = binary.print(["audit", "list", "--org", &org, "--action", "audit.read"]);
    assert_eq!(reads.lines().count(), 5, "{reads}");
    let complaint = binary.complaint(["audit", "list", "--org", &org, "--action", "user.deleted"]);
    assert!(complaint.starts_with("2: "), "{complaint}");
}
