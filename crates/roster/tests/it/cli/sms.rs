//! `roster sms`

use insta::assert_snapshot;

use crate::binary::Binary;

/// What a listing has beside its first column.
fn value<'a>(printed: &'a str, name: &str) -> &'a str {
    let line = printed.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
    line.unwrap_or_else(|| panic!("{name} is not in {printed}"))
}

/// What was said: whose, what, by whom and under which version of the wording; and the last line.
fn consent(binary: &Binary, org: &str, user: &str) -> (Vec<[String; 4]>, String) {
    let printed = binary.print(["sms", "consent", "--org", org, user]);
    let mut lines: Vec<_> = printed.lines().collect();
    let now = lines.pop().expect("a line").strip_prefix("may be sent text messages: ").expect("the verdict").to_owned();
    let row = |line: &&str| {
        let columns: Vec<_> = line.split('\t').collect();
        let [at, whose, what, by, wording, reference] = columns[..] else { panic!("{line}") };
        assert!(at.ends_with('Z') && reference.len() == 16, "{line}");
        [whose, what, by, wording].map(str::to_owned)
    };
    (lines.iter().map(row).collect(), now)
}

fn said<const N: usize>(rows: [[&str; 4]; N]) -> Vec<[String; 4]> {
    rows.map(|row| row.map(str::to_owned)).into()
}

fn create(binary: &Binary, org: &str, more: &[&str]) -> String {
    let arguments = ["user", "create", "--org", org, "--first-name", "Ann", "--last-name", "Lee"];
    let output = binary.command(arguments.iter().chain(more)).output().expect("the binary starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").split_whitespace().next_back().expect("an id").to_owned()
}

#[test]
fn what_is_not_given_stays_as_it_is() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    assert_snapshot!(binary.print(["sms", "show", "--org", &org]), @"
    version	0
    since	-
    template	{organization} added you to its directory. Reply STOP to receive no more text messages.
    wording	-
    hourly	-
    ");
    let set = |flag: &str, text: &str| binary.print(["sms", "set", "--org", &org, flag, text]);
    let template = "Hello {firstName}, you are in the directory of {organization}.";
    let first = set("--template", template);
    assert_eq!((value(&first, "version"), value(&first, "template")), ("1", template));
    assert_eq!((value(&first, "wording"), value(&first, "hourly")), ("-", "-"));
    assert!(value(&first, "since").ends_with('Z'));
    set("--wording", "I agree to text messages about my visits.");
    let third = set("--hourly", "30");
    let all = ["version", "template", "wording", "hourly"].map(|name| value(&third, name));
    assert_eq!(all, ["3", template, "I agree to text messages about my visits.", "30"]);
    assert_eq!(binary.print(["sms", "show", "--org", &org]), third);

    let other = binary.last_word(["org", "create", "Other"]);
    assert_eq!(value(&binary.print(["sms", "show", "--org", &other]), "version"), "0");
}

#[test]
fn a_setting_that_cannot_be_is_misuse() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let set = |more: &[&str]| {
        let said = binary.complaint_of(binary.command([&["sms", "set", "--org", &org], more].concat()));
        said.lines().next().expect("a line").to_owned()
    };
    assert_snapshot!(set(&["--template", "{lastName}, hello"]), @"2: error: invalid value '{lastName}, hello' for '--template <TEXT>': Fields are {organization} and {firstName}, and no others");
    assert_snapshot!(set(&["--template", ""]), @"2: error: invalid value '' for '--template <TEXT>': String must contain at least 1 character(s)");
    assert_snapshot!(set(&["--hourly", "-1"]), @"2: error: unexpected argument '-1' found");
    assert_snapshot!(set(&[]), @"2: error: the following required arguments were not provided:");
    assert_eq!(value(&binary.print(["sms", "show", "--org", &org]), "version"), "0");
}

#[test]
fn who_said_what_is_kept_and_the_holder_of_the_number_has_the_last_word() {
    let binary = Binary::new();
    let (org, key) = binary.organization_with_admin();
    let by_cli = create(&binary, &org, &["--phone", "(415) 555-2671", "--sms"]);
    assert_eq!(consent(&binary, &org, &by_cli), (said([["user", "agreed", "cli", "0"]]), "yes".to_owned()));

    binary.print(["sms", "set", "--org", &org, "--wording", "I agree."]);
    let body = r#"{"firstName":"Dan","lastName":"Lee","phoneNumber":"+1 415 555 2671","shouldSendSMS":true}"#;
    let (_, created) = binary.serve(&[]).request("POST", "/api/v1/users", &key, body);
    let by_api = created["user"]["publicId"].as_str().expect("an id");
    let key = format!("key_{}", key.split('_').nth(1).expect("an id"));
    assert_eq!(consent(&binary, &org, by_api), (said([["user", "agreed", &key, "1"]]), "yes".to_owned()));

    // Whoever has the number is meant, in whichever form it was given.
    assert_eq!(binary.print(["sms", "stop", "415-555-2671"]), "stopped text messages to +14155552671\n");
    let stopped = said([["user", "agreed", "cli", "0"], ["phone", "stop", "cli", "-"]]);
    assert_eq!(consent(&binary, &org, &by_cli), (stopped, "no".to_owned()));
    assert_eq!(consent(&binary, &org, by_api).1, "no");
    assert_eq!(binary.print(["sms", "start", "+14155552671"]), "started text messages to +14155552671\n");
    let started = said([["user", "agreed", "cli", "0"], ["phone", "stop", "cli", "-"], ["phone", "start", "cli", "-"]]);
    assert_eq!(consent(&binary, &org, &by_cli), (started, "yes".to_owned()));
}

#[test]
fn whoever_did_not_ask_or_cannot_be_reached_is_not_sent_any() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Example"]);
    let unasked = create(&binary, &org, &["--phone", "+14155552671"]);
    assert_eq!(consent(&binary, &org, &unasked), (vec![], "no".to_owned()));
    let unreachable = create(&binary, &org, &["--phone", "+1234567890", "--sms"]);
    assert_eq!(consent(&binary, &org, &unreachable).1, "no");
    let nowhere = create(&binary, &org, &["--sms"]);
    assert_eq!(consent(&binary, &org, &nowhere).1, "no");

    let other = binary.last_word(["org", "create", "Other"]);
    let complaint = binary.complaint(["sms", "consent", "--org", &other, &unasked]);
    assert_eq!(complaint, format!("1: roster: the organization has no user {unasked}"));
}

#[test]
fn only_a_number_that_can_be_reached_is_stopped() {
    let binary = Binary::new();
    for number in ["+1234567890", "the office", "555", "", "+999 1234 5678"] {
        for command in ["stop", "start"] {
            let complaint = binary.complaint(["sms", command, number]);
            let first = complaint.lines().next().expect("a line");
            assert!(
                first.starts_with("2: ") && first.ends_with("no text message can reach this number"),
                "{complaint}"
            );
        }
    }
}

#[test]
fn a_server_whose_sms_settings_cannot_work_does_not_start_and_says_why() {
    let binary = Binary::new();
    let refused = |url: &str, account: &str, from: &str, token: Option<&str>| {
        let flags =
            ["serve", "--listen", "127.0.0.1:0", "--sms-url", url, "--sms-account", account, "--sms-from", from];
        let mut command = binary.command(flags);
        match token {
            Some(file) => command.args(["--sms-token-file", file]),
            None => command.env("ROSTER_SMS_TOKEN", "not-a-real-token"),
        };
        binary.complaint_of(command)
    };
    let url = "https://gateway.example";
    assert_snapshot!(refused("ftp://gateway.example", "AC1", "+14155550100", None), @"1: roster: the gateway's address (--sms-url, ROSTER_SMS_URL) must begin with https://");
    assert_snapshot!(refused(url, " ", "+14155550100", None), @"1: roster: the account at the gateway (--sms-account, ROSTER_SMS_ACCOUNT) must have letters and digits only");
    for from in ["Clinic", "4155550100", "MG12", "+1 415 555 0100", ""] {
        let said = refused(url, "AC1", from, None);
        assert!(
            said.starts_with("1: roster: the sender of text messages (--sms-from, ROSTER_SMS_FROM) must"),
            "{said}"
        );
    }
    assert_snapshot!(refused(url, "AC1", "+14155550100", Some("missing")), @"
    2: error: invalid value for '--sms-token-file <FILE>': cannot read missing: No such file or directory (os error 2)

    For more information, try '--help'.
    ");
}
