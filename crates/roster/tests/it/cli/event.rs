//! `roster event`

use insta::assert_snapshot;

use crate::binary::Binary;

#[test]
fn events_are_listed_oldest_first_and_the_last_word_is_where_to_go_on() {
    let binary = Binary::new();
    let (org, _) = binary.organization_with_admin();
    let list = |more: &[&str]| {
        let output = binary.command([&["event", "list", "--org", &org], more].concat()).output().expect("it starts");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let user = |role: &str| {
        binary.last_word(["user", "create", "--org", &org, "--first-name", "A", "--last-name", "B", "--role", role])
    };
    // The operator of the host sees everybody's.
    let (first, second) = (user("HIPP_ADMIN"), user("PATIENT"));
    let listed = list(&[]);
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == 4 && row[0].ends_with('Z')), "{listed}");
    let told: Vec<_> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(told, ["organization.created", "key.created", "user.created", "user.created"]);
    assert_eq!((rows[0][2], rows[2][2], rows[3][2]), (&*org, &*first, &*second));

    let last = listed.split_whitespace().next_back().expect("an id");
    assert!(last.starts_with("evt_"), "{last}");
    assert_eq!(list(&["--cursor", last]), "");
    assert_eq!(list(&["--page-size", "2"]) + &list(&["--cursor", rows[1][3]]), listed);
}

#[test]
fn an_event_of_another_organization_is_none_to_go_on_from() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let other = binary.last_word(["org", "create", "Other"]);
    let event = binary.last_word(["event", "list", "--org", &org]);
    let complaint = binary.complaint(["event", "list", "--org", &other, "--cursor", &event]);
    assert_eq!(complaint, format!("1: roster: the organization has no event {event}"));
    let complaint = binary.complaint(["event", "list", "--org", &org, "--cursor", "evt_1"]);
    assert_snapshot!(complaint.lines().next().expect("a line"), @"2: error: invalid value 'evt_1' for '--cursor <ID>': such an id is evt_, twelve of a-z and 0-9, _ and twelve digits");
}
