//! `roster org`

use insta::assert_snapshot;

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

#[test]
fn org_set_alters_what_is_given_and_org_show_shows_it() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Sunrise"]);
    let shown = |printed: String| {
        let lines = printed.lines().map(|line| line.split_once('\t').expect("two columns"));
        let lines: Vec<_> = lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let names: Vec<_> = lines.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["publicId", "name", "country", "timeZone", "createdAt"]);
        [1, 2, 3].map(|nth| lines[nth].1.clone())
    };
    assert_eq!(shown(binary.print(["org", "show", &org])), ["Sunrise", "US", "America/New_York"]);
    let set = shown(binary.print(["org", "set", &org, "--country", "GB", "--time-zone", "europe/london"]));
    assert_eq!(set, ["Sunrise", "GB", "Europe/London"]);
    assert_eq!(shown(binary.print(["org", "set", &org, "--name", "Moonlight"])), ["Moonlight", "GB", "Europe/London"]);
    assert_eq!(shown(binary.print(["org", "show", &org])), ["Moonlight", "GB", "Europe/London"]);
}

#[test]
fn org_set_says_what_it_does_not_take() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Sunrise"]);
    let first_line = |arguments| binary.complaint(arguments).lines().next().expect("a line").to_owned();
    assert_snapshot!(first_line(["org", "set", &org, "--country", "UK"]), @"2: error: invalid value 'UK' for '--country <COUNTRY>': Must be an ISO 3166-1 country code of two letters, such as US");
    assert_snapshot!(first_line(["org", "set", &org, "--time-zone", "London"]), @"2: error: invalid value 'London' for '--time-zone <ZONE>': Must be an IANA time zone, such as America/New_York");
    assert!(binary.complaint(["org", "set", &org]).starts_with("2: "));
    assert_snapshot!(binary.complaint(["org", "show", "org_aaaaaaaaaaaa"]), @"1: roster: there is no organization org_aaaaaaaaaaaa");
}

/// The country is altered in one statement, whatever the number of users: which number a text message reaches is read when
/// it is asked for.
#[test]
fn phones_of_before_are_read_again_when_the_country_changes() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Sunrise"]);
    let lines: String = (0..3_000)
        .map(|nth| format!("{{\"firstName\":\"Ann\",\"lastName\":\"Lee\",\"phoneNumber\":\"020 7946 {nth:04}\"}}\n"))
        .collect();
    let file = binary.path().join("users.jsonl");
    std::fs::write(&file, lines).expect("a file");
    let import = ["import", "--org", &org, file.to_str().expect("UTF-8")];
    let ids = binary.print(import);
    let ids: Vec<_> = ids.lines().filter_map(|line| line.split_whitespace().next_back()).collect();
    assert_eq!(ids.len(), 3_000);
    let reached = |id: &str| {
        let shown = binary.print(["user", "show", "--org", &org, id]);
        shown.lines().find_map(|line| line.strip_prefix("phoneForSMS\t").map(str::to_owned)).expect("a line")
    };
    let some = [ids[0], ids[1_499], ids[2_999]];
    assert_eq!(some.map(reached), ["-", "-", "-"]);
    binary.print(["org", "set", &org, "--country", "GB"]);
    assert_eq!(some.map(reached), ["+442079460000", "+442079461499", "+442079462999"]);
    binary.print(["org", "set", &org, "--country", "US"]);
    assert_eq!(some.map(reached), ["-", "-", "-"]);
}

#[test]
fn a_blank_phone_is_none_at_all_here_too() {
    let binary = Binary::new();
    let org = binary.last_word(["org", "create", "Sunrise"]);
    let names = ["--first-name", "Ann", "--last-name", "Lee"];
    let [first, ann, last, lee] = names;
    let id = binary.last_word(["user", "create", "--org", &org, "--phone", " ", "--npi", "", first, ann, last, lee]);
    let shown = binary.print(["user", "show", "--org", &org, &id]);
    assert!(shown.contains("phoneNumber\t-\n") && shown.contains("npiNumber\t-\n"), "{shown}");
}
