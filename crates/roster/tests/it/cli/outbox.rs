//! `roster outbox`

use insta::assert_snapshot;

use crate::binary::Binary;

fn create(binary: &Binary, org: &str, first: &str, more: &[&str]) -> String {
    let arguments = ["user", "create", "--org", org, "--first-name", first, "--last-name", "Lee"];
    let output = binary.command(arguments.iter().chain(more)).output().expect("the binary starts");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("UTF-8").split_whitespace().last().expect("an id").to_owned()
}

/// The id of the message that greets a new user.
fn owed(binary: &Binary, org: &str) -> String {
    create(binary, org, "Ann", &["--phone", "+14155550100", "--sms"]);
    let listed = binary.print(["outbox", "list", "--org", org]);
    listed.lines().last().and_then(|line| line.split('\t').next()).expect("a message").to_owned()
}

/// The first column of each line of a list.
fn listed(binary: &Binary, state: &str) -> Vec<String> {
    let printed = binary.print(["outbox", "list", "--state", state]);
    printed.lines().map(|line| line.split('\t').next().expect("an id").to_owned()).collect()
}

#[test]
fn a_message_is_owed_to_whoever_wants_it_and_has_a_phone() {
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let (other, _) = binary.organization_with_admin();
    let wants = create(&binary, &org, "Ann", &["--phone", "+14155550100", "--sms"]);
    create(&binary, &org, "Ben", &["--phone", "+14155550101"]);
    create(&binary, &org, "Cleo", &["--sms"]);
    let server = binary.serve(&[]);
    let body = r#"{"firstName":"Dan","lastName":"Lee","phoneNumber":"+14155550102","shouldSendSMS":true}"#;
    let (_, created) = server.request("POST", "/api/v1/users", &key, body);
    let by_api = created["user"]["publicId"].as_str().expect("an id");

    let listed = binary.print(["outbox", "list"]);
    let rows: Vec<Vec<_>> = listed.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows.iter().map(|row| (row[1], row[3])).collect::<Vec<_>>(), [(&*org, &*wants), (&*org, by_api)]);
    for row in &rows {
        assert!(row[0].starts_with("msg_") && row[2] == "sms.welcome" && row[4].ends_with('Z'), "{row:?}");
        // Nothing sends it as long as there is no gateway.
        assert_eq!((row.len(), row[5], row[6], row[7]), (8, "owed", "0", row[4]), "{row:?}");
    }
    assert!(!listed.contains("415555"), "a listing shows no numbers");
    assert_eq!(binary.print(["outbox", "list", "--org", &org]), listed);
    assert_eq!(binary.print(["outbox", "list", "--org", &other]), "");
    assert_eq!(binary.print(["outbox", "list", "--limit", "1"]).lines().count(), 1);
}

#[test]
fn a_message_is_shown_with_what_it_is_about() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let user = create(&binary, &org, "Ann", &["--phone", "+14155550100", "--sms"]);
    let listed = binary.print(["outbox", "list"]);
    let columns: Vec<_> = listed.trim_end().split('\t').collect();
    let (id, at) = (columns[0], columns[4]);
    let shown = binary.print(["outbox", "show", "--org", &org, id]);
    let shown = shown.replace(id, "MESSAGE").replace(&user, "USER").replace(at, "AT");
    assert_snapshot!(shown, @"
    id	MESSAGE
    kind	sms.welcome
    about	USER
    webhook	-
    since	AT
    state	owed
    due	AT
    gatewayId	-
    ");
}

#[test]
fn what_was_dropped_can_be_owed_again_and_what_is_owed_need_not_be() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let id = owed(&binary, &org);
    let complaint = binary.complaint(["outbox", "retry", "--org", &org, &id]);
    assert_eq!(complaint, format!("1: roster: cannot retry {id}: it is owed already, and will be tried by itself"));

    for _ in 0..2 {
        assert_eq!(binary.print(["outbox", "drop", "--org", &org, &id]), format!("dropped message {id}\n"));
        assert_eq!((listed(&binary, "owed"), listed(&binary, "dropped")), (vec![], vec![id.clone()]));
    }
    assert_eq!(binary.print(["outbox", "retry", "--org", &org, &id]), format!("retried message {id}\n"));
    assert_eq!((listed(&binary, "owed"), listed(&binary, "dropped")), (vec![id.clone()], vec![]));
    let events = binary.print(["event", "list", "--org", &org]);
    let told: Vec<_> = events.lines().filter_map(|line| line.split('\t').nth(1)).skip(2).collect();
    assert_eq!(told, ["message.dropped", "message.retried"], "who let go of it and who asked is remembered");
}

#[test]
fn a_message_of_another_organization_is_not_there() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let other = binary.last_word(["org", "create", "Other"]);
    let id = owed(&binary, &org);
    let missing = format!("the organization has no message {id}");
    assert_eq!(binary.complaint(["outbox", "show", "--org", &other, &id]), format!("1: roster: {missing}"));
    for command in ["retry", "drop"] {
        let complaint = binary.complaint(["outbox", command, "--org", &other, &id]);
        assert_eq!(complaint, format!("1: roster: cannot {command} {id}: {missing}"));
    }
    assert_eq!(listed(&binary, "owed"), [id]);
}
