//! `roster webhook`

use insta::assert_snapshot;
use serde_json::json;

use crate::binary::Binary;

const URL: &str = "https://hooks.example.com/roster";

/// Makes a webhook, and returns its id and its secret.
fn create(binary: &Binary, org: &str) -> (String, String) {
    let printed = binary.print(["webhook", "create", "--org", org, URL]);
    let words: Vec<_> = printed.split_whitespace().collect();
    let ["created", "webhook", id, secret] = words[..] else { panic!("{printed}") };
    assert!(id.starts_with("whk_") && id.len() == 16, "{printed}");
    assert!(secret.starts_with("whsec_") && secret.len() == 38, "{printed}");
    (id.to_owned(), secret.to_owned())
}

/// The columns of each line.
fn rows(printed: &str) -> Vec<Vec<&str>> {
    printed.lines().map(|line| line.split('\t').collect()).collect()
}

#[test]
fn webhook_create_prints_the_secret_last_and_says_that_it_is_shown_once() {
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let flags = ["--event", "user.created", "--event", "payor.created", "--description", "Payroll"];
    let create = [&["webhook", "create", "--org", &org, URL], &flags[..]].concat();
    let output = binary.command(create).output().expect("the binary starts");
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"The secret is shown this once: give it to the receiver.");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    let id = printed.split_whitespace().nth(2).expect("an id");

    let listed = binary.print(["webhook", "list", "--org", &org]);
    let rows = rows(&listed);
    let [listed_id, state, at, events, url, description] = rows[0][..] else { panic!("{listed}") };
    assert_eq!((listed_id, state, events), (id, "active", "user.created,payor.created"));
    assert_eq!((url, description, at.ends_with('Z')), (URL, "Payroll", true));
    assert!(!listed.contains("whsec_"), "a list shows no secret");

    let (_, shown) = binary.serve(&[]).request("GET", &format!("/api/v1/webhooks/{id}"), &key, "");
    assert_eq!(shown["events"], json!(["user.created", "payor.created"]));
}

#[test]
fn a_webhook_is_paused_resumed_rotated_and_deleted() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let (id, secret) = create(&binary, &org);
    let state = || rows(&binary.print(["webhook", "list", "--org", &org])).first().map(|row| row[1].to_owned());
    let on = |command: &str| binary.print(["webhook", command, "--org", &org, &id]);
    assert_eq!(on("pause"), format!("paused webhook {id}\n"));
    assert_eq!(state().as_deref(), Some("paused"));
    assert_eq!(on("pause"), format!("paused webhook {id}\n"), "again is no fault");
    assert_eq!(on("resume"), format!("resumed webhook {id}\n"));
    assert_eq!(state().as_deref(), Some("active"));

    let output = binary.run(["webhook", "rotate", "--org", &org, &id]);
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"The secret is shown this once: give it to the receiver.");
    let rotated = String::from_utf8(output.stdout).expect("UTF-8");
    let new = rotated.strip_prefix(&format!("rotated webhook {id} ")).expect("what was done").trim_end();
    assert!(new.starts_with("whsec_") && new.len() == 38 && new != secret, "{rotated}");

    assert_eq!(on("delete"), format!("deleted webhook {id}\n"));
    assert_eq!(state(), None);
}

#[test]
fn a_webhook_is_tried_told_once_more_and_shows_what_it_was_told() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let (id, _) = create(&binary, &org);
    let event = binary.last_word(["event", "list", "--org", &org, "--page-size", "1"]);
    let test = binary.print(["webhook", "test", "--org", &org, &id]);
    let test = test.strip_prefix("created delivery ").expect("what was done").trim_end();
    let replay = binary.last_word(["webhook", "replay", "--org", &org, &id, &event]);

    let listed = binary.print(["webhook", "deliveries", "--org", &org, &id]);
    let rows = rows(&listed);
    assert_eq!(rows[0][..5], [&*replay, "webhook.event", &event, "owed", "0"]);
    assert_eq!(rows[1][..5], [test, "webhook.test", "-", "owed", "0"]);
    assert!(rows.iter().all(|row| row.len() == 7 && row[5..].iter().all(|at| at.ends_with('Z'))), "{listed}");
    let one = binary.print(["webhook", "deliveries", "--org", &org, &id, "--page-size", "1", "--state", "owed"]);
    assert_eq!(one.lines().collect::<Vec<_>>(), [listed.lines().next().expect("a line")]);
    assert_eq!(binary.print(["webhook", "deliveries", "--org", &org, &id, "--state", "failed"]), "");

    let last = event.split_at(event.len() - 12).0.to_owned() + "000000000099";
    let complaint = binary.complaint(["webhook", "replay", "--org", &org, &id, &last]);
    assert_eq!(complaint, format!("1: roster: the organization has no event {last} to be told of"));
}

#[test]
fn a_webhook_is_dealt_with_by_its_own_organization_only() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let other = binary.last_word(["org", "create", "Other"]);
    let (id, _) = create(&binary, &org);
    let missing = format!("1: roster: the organization has no webhook {id}");
    for command in ["pause", "resume", "rotate", "delete", "test", "deliveries"] {
        assert_eq!(binary.complaint(["webhook", command, "--org", &other, &id]), missing, "{command}");
    }
    let event = binary.last_word(["event", "list", "--org", &other, "--page-size", "1"]);
    assert_eq!(binary.complaint(["webhook", "replay", "--org", &other, &id, &event]), missing);
    assert_eq!(binary.print(["webhook", "list", "--org", &other]), "");
    assert_eq!(rows(&binary.print(["webhook", "list", "--org", &org]))[0][1], "active");
}

#[test]
fn an_organization_has_twenty_webhooks() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    for _ in 0..20 {
        create(&binary, &org);
    }
    let complaint = binary.complaint(["webhook", "create", "--org", &org, URL]);
    assert_snapshot!(complaint, @"1: roster: an organization may have 20 webhooks");
}

#[test]
fn what_is_wrong_with_a_webhook_is_said() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let create = |more: &[&str]| {
        let said = binary.complaint_of(binary.command([&["webhook", "create", "--org", &org], more].concat()));
        said.lines().next().expect("a line").to_owned()
    };
    assert_snapshot!(create(&["ftp://hooks.example.com/"]), @"2: error: invalid value 'ftp://hooks.example.com/' for '<URL>': The url must begin with https://");
    assert_snapshot!(create(&["http://localhost/"]), @"1: roster: the request is not valid: url: The url leads inside, where the operator of this server allows no webhook");
    binary.print(["webhook", "create", "--org", &org, "http://localhost/", "--webhook-inside", "127.0.0.0/8"]);
    assert_snapshot!(create(&[URL, "--event", "user.eaten"]), @"2: error: invalid value 'user.eaten' for '--event <TYPE>': one of organization.created, organization.updated, payor.created, key.created, key.revoked, key.rotated, user.created, user.updated, user.deactivated, user.restored, user.erased, webhook.created, webhook.paused, webhook.resumed, webhook.disabled, webhook.deleted, webhook.secret_rotated, sms.setting_changed, message.retried, message.dropped");
    assert_snapshot!(create(&[URL, "--description", &"x".repeat(201)]).replace(&"x".repeat(201), "x…"), @"2: error: invalid value 'x…' for '--description <TEXT>': String must contain at most 200 character(s)");
}
