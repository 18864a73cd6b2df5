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
