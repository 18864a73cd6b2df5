//! `roster payor`

use crate::binary::Binary;

#[test]
fn payor_create_prints_the_id_last_and_payor_list_lists_it_to_its_organization() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let other = binary.last_word(["org", "create", "Other"]);
    let printed = binary.print(["payor", "create", "--org", &org, "Blue Shield of California"]);
    let id = printed.strip_prefix("created payor ").expect("what was done").trim_end().to_owned();
    assert!(id.starts_with("pay_") && id.len() == 16, "{id}");

    let listed = binary.print(["payor", "list", "--org", &org]);
    let columns: Vec<_> = listed.trim_end().split('\t').collect();
    assert_eq!((columns[0], columns[2]), (&*id, "Blue Shield of California"));
    assert_eq!(binary.print(["payor", "list", "--org", &other]), "");
}

#[test]
fn a_payors_name_is_in_an_organization_once() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let other = binary.last_word(["org", "create", "Other"]);
    binary.last_word(["payor", "create", "--org", &org, "Blue Größe"]);
    for name in ["Blue Größe", "BLUE GRÖSSE", "  blue gro\u{308}ße "] {
        let complaint = binary.complaint(["payor", "create", "--org", &org, name]);
        assert_eq!(complaint, "1: roster: the name is already in use in the organization", "{name}");
    }
    binary.last_word(["payor", "create", "--org", &org, "Blue Grosse"]);
    binary.last_word(["payor", "create", "--org", &other, "Blue Größe"]);
    assert_eq!(binary.print(["payor", "list", "--org", &org]).lines().count(), 2);
}

#[test]
fn of_those_who_add_one_name_at_once_one_succeeds() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let made: Vec<bool> = std::thread::scope(|scope| {
        let creates: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| binary.run(["payor", "create", "--org", &org, "Aetna"]).status.success()))
            .collect();
        creates.into_iter().map(|create| create.join().expect("it ends")).collect()
    });
    assert_eq!(made.iter().filter(|made| **made).count(), 1);
    assert_eq!(binary.print(["payor", "list", "--org", &org]).lines().count(), 1);
}
