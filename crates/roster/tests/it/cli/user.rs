//! `roster user`

mod change;

use std::process::Output;

use insta::assert_snapshot;

use crate::binary::{Binary, Server};

struct Office {
    binary: Binary,
    org: String,
    key: String,
}

impl Office {
    fn new() -> Self {
        let binary = Binary::new();
        let (org, key) = binary.organization_with_admin();
        Self { binary, org, key }
    }

    fn create(&self, flags: &[&str]) -> Output {
        let flags = [&["user", "create", "--org", &self.org], flags].concat();
        self.binary.command(flags).output().expect("the binary starts")
    }

    /// Creates a user without a complaint and returns its id.
    fn created(&self, flags: &[&str]) -> String {
        let output = self.create(flags);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        printed.strip_prefix("created user ").expect("what was done").trim_end().to_owned()
    }

    fn show(&self, id: &str) -> String {
        self.binary.print(["user", "show", "--org", &self.org, id]).replace(id, "USR").replace(&self.org, "ORG")
    }
}

#[test]
fn user_create_takes_all_that_is_known_and_user_show_shows_it() {
    let office = Office::new();
    let payor = office.binary.last_word(["payor", "create", "--org", &office.org, "Aetna"]);
    let id = office.created(&[
        "--first-name",
        "Jane",
        "--last-name",
        "Smith",
        "--email",
        "Jane.Smith@example.com",
        "--role",
        "clinician",
        "--phone",
        "(415) 555-0100",
        "--npi",
        "1234567893",
        "--recertification-date",
        "2027-01-15T00:00:00+02:00",
        "--payor",
        &payor,
    ]);
    let shown = office.show(&id).replace(&payor, "PAY");
    let row = |name: &str| shown.lines().find_map(|line| line.strip_prefix(name)).expect("a row").to_owned();
    let (created_at, updated_at) = (row("createdAt\t"), row("updatedAt\t"));
    assert!(created_at.ends_with('Z') && created_at == updated_at);
    assert_snapshot!(shown.replace(&created_at, "NOW").trim_end(), @"
    publicId	USR
    firstName	Jane
    lastName	Smith
    email	Jane.Smith@example.com
    role	CLINICIAN
    phoneNumber	(415) 555-0100
    phoneForSMS	+14155550100
    npiNumber	1234567893
    npiCheckDigit	right
    shouldSendSMS	false
    recertificationDate	2027-01-14T22:00:00.000Z
    recertificationDay	2027-01-15
    providerPayors	PAY Aetna
    sex	-
    caregiverId	-
    birthDate	-
    addressLine1	-
    addressLine2	-
    city	-
    state	-
    postalCode	-
    externalId	-
    metadata	-
    status	ACTIVE
    createdAt	NOW
    updatedAt	NOW
    deactivatedAt	-
    deactivationReason	-
    ");
}

#[test]
fn demographics_are_shown_by_the_api() {
    let office = Office::new();
    let caregiver = office.created(&["--first-name", "Rebecca", "--last-name", "Ellison", "--role", "CAREGIVER"]);
    let id = office.created(&[
        "--first-name",
        "Milo",
        "--last-name",
        "Ellison",
        "--role",
        "PATIENT",
        "--sex",
        "male",
        "--caregiver-id",
        &caregiver,
        "--birth-date",
        "2019-03-14",
        "--address-line1",
        "12 Alder Street",
        "--address-line2",
        "Apt 3",
        "--city",
        "Riverbend",
        "--state",
        "CA",
        "--postal-code",
        "90000",
    ]);
    let server = office.binary.serve(&[]);
    let (status, user) = server.request("GET", &format!("/api/v1/users/{id}"), &office.key, "");
    assert_eq!(status, 200);
    let user =
        serde_json::to_string_pretty(&user).expect("JSON").replace(&id, "USR").replace(&caregiver, "CAREGIVER'S");
    assert_snapshot!(user, @r#"
    {
      "addressLine1": "12 Alder Street",
      "addressLine2": "Apt 3",
      "birthDate": "2019-03-14",
      "caregiverId": "CAREGIVER'S",
      "city": "Riverbend",
      "firstName": "Milo",
      "lastName": "Ellison",
      "postalCode": "90000",
      "publicId": "USR",
      "role": "PATIENT",
      "sex": "male",
      "state": "CA"
    }
    "#);
}

#[test]
fn the_command_line_gives_roles_that_no_key_can() {
    let office = Office::new();
    let server = office.binary.serve(&[]);
    for (role, seen) in [("HIPP_ADMIN", 404), ("HIPP_BILLING_MANAGER", 200), ("CLINICAL_SUPERADMIN", 200)] {
        let body = format!(r#"{{"firstName":"Ann","lastName":"Lee","role":"{role}"}}"#);
        assert_eq!(server.request("POST", "/api/v1/users", &office.key, &body).0, 400, "{role}");
        let id = office.created(&["--first-name", "Ann", "--last-name", "Lee", "--role", role]);
        assert_eq!(server.request("GET", &format!("/api/v1/users/{id}"), &office.key, "").0, seen, "{role}");
        assert!(office.show(&id).contains(&format!("role\t{role}\n")), "the command line sees everybody");
    }
    let listed = office.binary.print(["user", "list", "--org", &office.org, "--role", "HIPP_ADMIN"]);
    assert_eq!(listed.lines().count(), 1, "{listed}");
}

#[test]
fn what_looks_wrong_is_taken_and_warned_of() {
    let office = Office::new();
    let output = office.create(&[
        "--first-name",
        "Ann",
        "--last-name",
        "Lee",
        "--phone",
        "+1234567890",
        "--npi",
        "1234567890",
        "--payor",
        "abc123",
        "--payor",
        "pay_aaaaaaaaaaaa",
    ]);
    assert!(output.status.success());
    assert_snapshot!(String::from_utf8_lossy(&output.stderr).replace(&office.org, "ORG"), @"
    warning: abc123 is no payor of ORG; skipped
    warning: pay_aaaaaaaaaaaa is no payor of ORG; skipped
    warning: the NPI is not well-formed or fails its check digit
    warning: no text message can reach this phone number
    ");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(printed.starts_with("created user usr_") && printed.lines().count() == 1, "{printed}");
}

#[test]
fn an_email_in_use_is_refused() {
    let office = Office::new();
    office.created(&["--first-name", "Ann", "--last-name", "Lee", "--email", "ann@example.com"]);
    let arguments = [
        "user",
        "create",
        "--org",
        &office.org,
        "--first-name",
        "Ann",
        "--last-name",
        "Lee",
        "--email",
        "ANN@example.com",
    ];
    assert_snapshot!(office.binary.complaint(arguments), @"1: roster: the e-mail is already in use in the organization");
}

#[test]
fn a_user_of_another_organization_is_not_there() {
    let office = Office::new();
    let id = office.created(&["--first-name", "Ann", "--last-name", "Lee"]);
    let other = office.binary.last_word(["org", "create", "Other"]);
    let complaint = office.binary.complaint(["user", "show", "--org", &other, &id]);
    assert_eq!(complaint, format!("1: roster: the organization has no user {id}"));
}

#[test]
fn user_list_filters_orders_and_pages() {
    let office = Office::new();
    let people = [("Ann", "Lee", "ADMIN"), ("Ben", "Lee", "PATIENT"), ("Cleo", "Ortiz", "PATIENT")];
    for (first, last, role) in people {
        let email = format!("{first}@example.com");
        office.created(&["--first-name", first, "--last-name", last, "--role", role, "--email", &email]);
    }
    let list = |flags: &[&str]| {
        let output = office.binary.command([&["user", "list", "--org", &office.org], flags].concat()).output();
        let output = output.expect("the binary starts");
        let firsts: Vec<_> = String::from_utf8(output.stdout)
            .expect("UTF-8")
            .lines()
            .map(|line| line.split('\t').nth(4).expect("a first name").to_owned())
            .collect();
        format!("{} | {}", firsts.join(" "), String::from_utf8_lossy(&output.stderr).trim_end())
    };
    assert_snapshot!(list(&[]), @"Cleo Ben Ann | page 1 of 1, 3 users");
    assert_snapshot!(list(&["--sort", "createdAt_asc"]), @"Ann Ben Cleo | page 1 of 1, 3 users");
    assert_snapshot!(list(&["--search", "lee"]), @"Ben Ann | page 1 of 1, 2 users");
    assert_snapshot!(list(&["--role", "patient", "--page-size", "1", "--page", "2"]), @"Ben | page 2 of 2, 2 users");
    assert_snapshot!(list(&["--email", "ANN@EXAMPLE.COM"]), @"Ann | page 1 of 1, 1 users");
}

impl Office {
    /// Imports these lines: whether all went well, what was printed and what was said, ids left out.
    fn import(&self, flags: &[&str], lines: &str) -> String {
        std::fs::write(self.binary.path().join("roster.ndjson"), lines).expect("a file");
        let flags = [&["user", "import", "--org", &self.org, "roster.ndjson"], flags].concat();
        let output = self.binary.command(flags).output().expect("the binary starts");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = printed.lines().map(|line| {
            let (line, id) = line.split_once('\t').expect("a line and an id");
            assert!(self.show(id).contains("USR"), "{id}");
            format!("{line}: USR\n")
        });
        let printed: String = lines.collect();
        format!("{}\n{printed}{}", output.status, String::from_utf8(output.stderr).expect("UTF-8"))
    }

    fn users(&self) -> String {
        let listed = self.binary.print(["user", "list", "--org", &self.org, "--sort", "createdAt_asc"]);
        listed.lines().map(|line| line.split('\t').skip(3).collect::<Vec<_>>().join(" ") + "\n").collect()
    }
}

const LINES: &str = r#"{"firstName":"Ann","lastName":"Lee","email":"ann@example.com","role":"CLINICIAN"}

{"firstName":"Bob","lastName":"Roe","email":"ANN@example.com"}
{"firstName":" ","lastName":"Roe","email":"nobody","role":"HIPP_ADMIN"}
not json
{"firstName":"Cy","lastName":"Poe"}"#;

#[test]
fn an_import_creates_whom_it_can_and_names_the_other_lines() {
    let office = Office::new();
    assert_snapshot!(office.import(&["--check"], LINES), @"
    exit status: 1
    line 4: the request is not valid: firstName: String must contain at least 1 character(s); email: Valid email is required; role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN', received 'HIPP_ADMIN'
    line 5: the request is not valid: Request body is not valid JSON
    3 of 5 lines are well-formed
    roster: 2 of 5 lines are refused
    ");
    assert_eq!(office.users(), "");
    assert_snapshot!(office.import(&[], LINES), @"
    exit status: 1
    1: USR
    6: USR
    line 3: the e-mail is already in use in the organization
    line 4: the request is not valid: firstName: String must contain at least 1 character(s); email: Valid email is required; role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN', received 'HIPP_ADMIN'
    line 5: the request is not valid: Request body is not valid JSON
    created 2 of 5 users
    roster: 3 of 5 lines are refused
    ");
    assert_snapshot!(office.users(), @"
    Lee Ann ann@example.com
    Poe Cy -
    ");
}

#[test]
fn an_import_of_many_keeps_their_order() {
    let office = Office::new();
    let line = |n: u32| format!("{{\"firstName\":\"N{n:04}\",\"lastName\":\"Many\",\"email\":\"n{n}@example.com\"}}\n");
    let lines: String = (0..5_000).map(line).collect();
    std::fs::write(office.binary.path().join("many.ndjson"), lines).expect("a file");
    let printed = office.binary.print(["user", "import", "--org", &office.org, "many.ndjson"]);
    let numbers: Vec<&str> = printed.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
    assert_eq!(numbers, (1..=5_000).map(|n| n.to_string()).collect::<Vec<_>>());
    let id = printed.lines().nth(1_234).and_then(|line| line.split('\t').nth(1)).expect("an id");
    assert!(office.show(id).contains("N1234"), "it is the line's own user");
    let listed = office.binary.print(["user", "list", "--org", &office.org, "--page", "1", "--page-size", "1"]);
    assert!(listed.contains("N4999"), "the last line's comes last: {listed}");
}

#[test]
fn an_import_reads_standard_input_and_refuses_a_line_without_end() {
    let office = Office::new();
    let endless = "x".repeat(70_000);
    let complaint = office.import(&[], &format!("{{\"firstName\":\"Ann\",\"lastName\":\"Lee\"}}\n{endless}"));
    assert_snapshot!(complaint, @"
    exit status: 1
    1: USR
    created 1 of 1 users
    roster: stopped; who was created stays, and is listed by line: line 2 is longer than 65536 bytes
    ");
    let mut command = office.binary.command(["user", "import", "--org", &office.org]);
    let file = std::fs::File::open(office.binary.path().join("roster.ndjson")).expect("the file");
    let output = command.stdin(file).output().expect("the binary starts");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1\tusr_"));
    assert_snapshot!(office.binary.complaint(["user", "import", "--org", "org_000000000000"]), @"1: roster: there is no organization org_000000000000");
    assert_snapshot!(office.binary.complaint(["user", "import", "--org", &office.org, "none.ndjson"]), @"1: roster: cannot read none.ndjson: No such file or directory (os error 2)");
}

/// A line may be as long as a body; how it ends, and what a spreadsheet puts before the first one, is not part of it.
#[test]
fn an_import_takes_lines_as_spreadsheets_end_them() {
    let office = Office::new();
    let named = |name: &str, bytes: usize| {
        let line = format!("{{\"firstName\":\"{name}\",\"lastName\":\"Lee\"}}");
        format!("{line}{}", " ".repeat(bytes.saturating_sub(line.len())))
    };
    let (first, longest) = (named("Ann", 65_536), named("Bob", 65_536));
    let lines = format!("\u{feff}{first}\r\n{longest}\r\n{longest}\n{}\r\n", named("Cy", 0));
    assert_snapshot!(office.import(&[], &lines), @"
    exit status: 0
    1: USR
    2: USR
    3: USR
    4: USR
    created 4 of 4 users
    ");
    let too_long = named("Dan", 65_537);
    for end in ["", "\n", "\r\n"] {
        let refused = office.import(&["--check"], &format!("{too_long}{end}"));
        insta::allow_duplicates!(assert_snapshot!(refused, @"
        exit status: 1
        0 of 0 lines are well-formed
        roster: stopped: line 1 is longer than 65536 bytes
        "));
    }
}

/// Standard error that cannot be written to costs nobody their place in the list.
#[test]
#[cfg(target_os = "linux")]
fn an_import_lists_whom_it_created_where_nobody_reads_its_complaints() {
    let office = Office::new();
    std::fs::write(office.binary.path().join("roster.ndjson"), LINES).expect("a file");
    let mut command = office.binary.command(["user", "import", "--org", &office.org, "roster.ndjson"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is always there");
    let output = command.stderr(full).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    let listed = String::from_utf8(output.stdout).expect("UTF-8");
    let numbers: Vec<&str> = listed.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
    assert_eq!(numbers, ["1", "6"]);
}

/// A misnamed column would otherwise be lost without a word.
#[test]
fn an_import_names_the_fields_that_it_does_not_know() {
    let lines = r#"{"firstName":"Ann","lastName":"Lee","Email":"ann@example.com","phone":"1","é":2}
{"firstName":"Bob","last_name":"Roe"}"#;
    let office = Office::new();
    assert_snapshot!(office.import(&["--check"], lines), @"
    exit status: 1
    line 1: warning: there is no field Email; ignored
    line 1: warning: there is no field phone; ignored
    line 1: warning: more names are no fields (1); ignored
    line 2: warning: there is no field last_name; ignored
    line 2: the request is not valid: lastName: Required
    1 of 2 lines are well-formed
    roster: 1 of 2 lines are refused
    ");
    assert_snapshot!(office.import(&[], lines), @"
    exit status: 1
    1: USR
    line 1: warning: there is no field Email; ignored
    line 1: warning: there is no field phone; ignored
    line 1: warning: more names are no fields (1); ignored
    line 2: warning: there is no field last_name; ignored
    line 2: the request is not valid: lastName: Required
    created 1 of 2 users
    roster: 1 of 2 lines are refused
    ");
}

#[test]
fn an_import_says_what_it_took_all_the_same() {
    let line = r#"{"firstName":"Ann","lastName":"Lee","phoneNumber":"12","npiNumber":"1234567890","providerPayors":["pay_x"]}"#;
    let office = Office::new();
    assert_snapshot!(office.import(&[], line).replace(&office.org, "ORG"), @"
    exit status: 0
    1: USR
    line 1: warning: pay_x is no payor of ORG; skipped
    line 1: warning: the NPI is not well-formed or fails its check digit
    line 1: warning: no text message can reach this phone number
    created 1 of 1 users
    ");
}

#[test]
fn a_recertification_date_may_be_a_day() {
    let office = Office::new();
    let id = office.created(&["--first-name", "Ann", "--last-name", "Lee", "--recertification-date", "2027-03-15"]);
    let shown = office.binary.print(["user", "show", "--org", &office.org, &id]);
    assert!(
        shown.contains("recertificationDate\t2027-03-15T00:00:00.000Z\nrecertificationDay\t2027-03-15\n"),
        "{shown}"
    );
    let wrong =
        ["user", "create", "--org", &office.org, "--first-name", "A", "--last-name", "L", "--recertification-date"];
    for date in ["2027-02-29", "2027-3-15", "15.3.2027", "soon"] {
        let complaint = office.binary.complaint_of(office.binary.command(wrong.iter().chain([&date])));
        assert!(complaint.starts_with("2: "), "{complaint}");
    }
}

#[test]
fn a_caregiver_is_of_the_same_organization() {
    let (office, other) = (Office::new(), Office::new());
    let stranger = other.created(&["--first-name", "Rae", "--last-name", "Poe", "--role", "CAREGIVER"]);
    for id in [&*stranger, "usr_1234567890_abc123def"] {
        let arguments =
            ["user", "create", "--org", &office.org, "--first-name", "A", "--last-name", "L", "--caregiver-id", id];
        assert_eq!(
            office.binary.complaint(arguments),
            "1: roster: the request is not valid: caregiverId: The organization has no such user"
        );
    }
    assert_eq!(office.users(), "");
}

#[test]
fn a_check_names_what_would_be_taken_all_the_same() {
    let office = Office::new();
    let lines = r#"{"firstName":"Ann","lastName":"Lee","npiNumber":"1234567890","phoneNumber":"12"}
{"firstName":"Cy","lastName":"Poe","providerPayors":["pay_aaaaaaaaaaaa"]}
"#;
    let checked = office.import(&["--check"], lines).replace(&office.org, "ORG");
    assert_snapshot!(checked, @"
    exit status: 0
    line 1: warning: the NPI is not well-formed or fails its check digit
    line 1: warning: no text message can reach this phone number
    line 2: warning: pay_aaaaaaaaaaaa is no payor of ORG; skipped
    2 of 2 lines are well-formed
    ");
    assert_eq!(office.users(), "");
}

#[test]
fn an_import_of_another_kind_of_file_stops_at_once_and_says_what_it_looks_like() {
    let office = Office::new();
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let user = "{\"firstName\":\"Ann\",\"lastName\":\"Lee\"}\n";
    for (bytes, what) in [
        (utf_16(&format!("\u{feff}{user}")), "text in UTF-16"),
        (utf_16(user), "text in UTF-16"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip"),
        (b"PK\x03\x04\x14\0\x06\0".to_vec(), "a spreadsheet (XLSX) or another ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "a spreadsheet of an old Excel (XLS)"),
        (format!("[{user},{user}]").into_bytes(), "one JSON array"),
        (format!("\u{feff} \r\n[\n{user}]").into_bytes(), "one JSON array"),
        (b"{\r\n  \"firstName\": \"Ann\"\r\n}".to_vec(), "JSON over several lines"),
        (b"firstName,lastName\r\nAnn,Lee\r\n".to_vec(), "CSV"),
        ("\u{feff}\"Vorname\";\"Nachname\"\nAnn;Lee\n".into(), "CSV"),
        (b"firstName\tlastName\nAnn\tLee\n".to_vec(), "CSV"),
    ] {
        std::fs::write(office.binary.path().join("staff"), bytes).expect("a file");
        let complaint = office.binary.complaint(["user", "import", "--org", &office.org, "staff"]);
        let wanted =
            r#"wanted is text in UTF-8 with a JSON object on each line, as {"firstName":"Ada","lastName":"Okafor"}"#;
        assert_eq!(complaint, format!("1: roster: staff looks like {what}; {wanted}"));
    }
    assert_eq!(office.users(), "");
}

/// Lines go on coming, and nobody sends an end.
#[test]
fn an_import_that_is_told_to_end_lists_whom_it_created_and_says_how_far_it_came() {
    for signal in ["INT", "TERM"] {
        let office = Office::new();
        let pipe = office.binary.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is everywhere").success());
        let writer = std::thread::spawn(move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe).expect("somebody reads");
            while std::io::Write::write_all(&mut pipe, b"{\"firstName\":\"Ann\",\"lastName\":\"Lee\"}\n").is_ok() {}
        });
        let mut import = Server::start(&mut office.binary.command(["user", "import", "--org", &office.org, "pipe"]));
        let mut listed = import.printed("1\t");
        import.signal(signal);
        let ended = import.end();
        writer.join().expect("it ends with its reader");
        listed.push_str(&ended.printed);
        let count = listed.lines().count();
        let last = listed.lines().next_back().and_then(|line| line.split('\t').next()).expect("a line");
        assert_eq!(ended.code, Some(1));
        let why = format!("told to end: what comes after line {last} was not begun");
        assert!(ended.log.contains(&why) && last == count.to_string(), "{last}, {count}: {}", ended.log);
        let users = office.binary.command(["user", "list", "--org", &office.org, "--page-size", "1"]).output();
        let said = String::from_utf8(users.expect("the binary starts").stderr).expect("UTF-8");
        assert!(said.contains(&format!(", {count} users")), "{said}");
    }
}
