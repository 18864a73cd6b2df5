//! `roster outbox`

use crate::binary::Binary;

#[test]
fn a_message_is_owed_to_whoever_wants_it_and_has_a_phone() {
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let (other, _) = binary.organization_with_admin();
    let user = |first: &str, more: &[&str]| {
        let arguments = ["user", "create", "--org", &org, "--first-name", first, "--last-name", "Lee"];
        let output = binary.command(arguments.iter().chain(more)).output().expect("the binary starts");
        assert!(output.status.success());
        String::from_utf8(output.stdout).expect("UTF-8").split_whitespace().last().expect("an id").to_owned()
    };
    let wants = user("Ann", &["--phone", "+14155550100", "--sms"]);
    user("Ben", &["--phone", "+14155550101"]);
    user("Cleo", &["--sms"]);
    let server = binary.serve(&[]);
    let body = r#"{"firstName":"Dan","lastName":"Lee","phoneNumber":"+14155550102","shouldSendSMS":true}"#;
    let (_, created) = server.request("POST", "/api/v1/users", &key, body);
    let by_api = created["user"]["publicId"].as_str().expect("an id");

    let listed = binary.print(["outbox", "list"]);
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.iter().map(|row| (row[1], row[3])).collect::<Vec<_>>(), [(&*org, &*wants), (&*org, by_api)]);
    for row in &rows {
        assert!(row[0].starts_with("msg_") && row[2] == "sms.welcome" && row[4].ends_with('Z'), "{row:?}");
    }
    assert!(!listed.contains("415555"), "a listing shows no numbers");
    assert_eq!(binary.print(["outbox", "list", "--org", &org]), listed);
    assert_eq!(binary.print(["outbox", "list", "--org", &other]), "");
    assert_eq!(binary.print(["outbox", "list", "--limit", "1"]).lines().count(), 1);
}
