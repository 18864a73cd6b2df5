//! `roster org`

use crate::binary::Binary;

#[test]
fn org_create_prints_the_id_last_and_org_list_lists_it() {
    let binary = Binary::new();
    let first = binary.print(["org", "create", "Sunrise ABA Therapy"]);
    let id = first.strip_prefix("created organization ").expect("what was done").trim_end().to_owned();
    assert!(id.starts_with("org_") && id.len() == 16, "{id}");
    let second = binary.last_word(["org", "create", "  Blue Harbor  "]);

    let listed = binary.print(["org", "list"]);
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(
        rows.iter().map(|row| (row[0], row[2])).collect::<Vec<_>>(),
        [(&*id, "Sunrise ABA Therapy"), (&*second, "Blue Harbor")]
    );
    assert!(rows.iter().all(|row| row[1].ends_with('Z')), "{listed}");
}

#[test]
fn two_organizations_may_have_one_name() {
    let binary = Binary::new();
    let ids = [(); 2].map(|()| binary.last_word(["org", "create", "Sunrise"]));
    assert_ne!(ids[0], ids[1]);
}
