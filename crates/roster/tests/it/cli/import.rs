//! `roster import`: lines of JSON. Sheets are in `import/`.

mod again;
mod rehearsal;
mod sheet;

use insta::assert_snapshot;

use super::user::Office;
use crate::binary::Server;

impl Office {
    /// Imports a file of this name and content: whether all went well, what was printed and what was said, ids left out.
    fn import_file(&self, name: &str, content: impl AsRef<[u8]>, flags: &[&str]) -> String {
        std::fs::write(self.binary.path().join(name), content).expect("a file");
        let flags = [&["import", "--org", &self.org, name], flags].concat();
        let output = self.binary.command(flags).output().expect("the binary starts");
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = printed.lines().map(|line| {
            let (line, id) = line.rsplit_once('\t').expect("a row, what it became, and an id");
            assert!(id == "-" || self.show(id).contains("USR"), "{id}");
            format!("{}: {}\n", line.replace('\t', " "), if id == "-" { "-" } else { "USR" })
        });
        let printed: String = lines.collect();
        let said = String::from_utf8(output.stderr).expect("UTF-8").replace(&self.org, "ORG");
        format!("{}\n{printed}{said}", output.status)
    }

    fn import(&self, flags: &[&str], lines: &str) -> String {
        self.import_file("roster.ndjson", lines, flags)
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
    assert_snapshot!(office.import(&["--dry-run"], LINES), @"
    exit status: 1
    1 create: -
    6 create: -
    line 3: it is about the same person as row 1: both have one email
    line 4: the request is not valid: firstName: String must contain at least 1 character(s); email: Valid email is required; role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN', received 'HIPP_ADMIN'
    line 5: the request is not valid: Request body is not valid JSON
    would create 2, refuse 3 of 5 lines
    nothing was written
    roster: 3 of 5 lines are refused
    ");
    assert_eq!(office.users(), "");
    assert_snapshot!(office.import(&[], LINES), @"
    exit status: 1
    1 created: USR
    6 created: USR
    line 3: it is about the same person as row 1: both have one email
    line 4: the request is not valid: firstName: String must contain at least 1 character(s); email: Valid email is required; role: Invalid enum value. Expected 'ADMIN' | 'BILLING_MANAGER' | 'SCHEDULING_MANAGER' | 'CLINICIAN' | 'TECHNICIAN' | 'PATIENT' | 'CAREGIVER' | 'CLINICAL_ADMIN' | 'PAYROLL_ADMIN', received 'HIPP_ADMIN'
    line 5: the request is not valid: Request body is not valid JSON
    created 2, refused 3 of 5 lines
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
    let printed = office.binary.print(["import", "--org", &office.org, "many.ndjson"]);
    let numbers: Vec<&str> = printed.lines().filter_map(|line| Some(line.split_once('\t')?.0)).collect();
    assert_eq!(numbers, (1..=5_000).map(|n| n.to_string()).collect::<Vec<_>>());
    let id = printed.lines().nth(1_234).and_then(|line| line.split('\t').nth(2)).expect("an id");
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
    1 created: USR
    created 1, refused 0 of 1 lines
    roster: stopped; what was done stays, and is listed by line: line 2 is longer than 65536 bytes
    ");
    let mut command = office.binary.command(["import", "--org", &office.org]);
    let file = std::fs::File::open(office.binary.path().join("roster.ndjson")).expect("the file");
    let output = command.stdin(file).output().expect("the binary starts");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1\tcreated\tusr_"));
    assert_snapshot!(office.binary.complaint(["import", "--org", "org_000000000000"]), @"1: roster: there is no organization org_000000000000");
    assert_snapshot!(office.binary.complaint(["import", "--org", &office.org, "none.ndjson"]), @"1: roster: cannot read none.ndjson: No such file or directory (os error 2)");
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
    1 created: USR
    2 created: USR
    3 created: USR
    4 created: USR
    created 4, refused 0 of 4 lines
    ");
    let too_long = named("Dan", 65_537);
    for end in ["", "\n", "\r\n"] {
        let refused = office.import(&["--dry-run"], &format!("{too_long}{end}"));
        insta::allow_duplicates!(assert_snapshot!(refused, @"
        exit status: 1
        would create 0, refuse 0 of 0 lines
        nothing was written
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
    let mut command = office.binary.command(["import", "--org", &office.org, "roster.ndjson"]);
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
    assert_snapshot!(office.import(&["--dry-run"], lines), @"
    exit status: 1
    1 create: -
    line 1: warning: there is no field Email; ignored
    line 1: warning: there is no field phone; ignored
    line 1: warning: more names are no fields (1); ignored
    line 2: warning: there is no field last_name; ignored
    line 2: the request is not valid: lastName: Required
    would create 1, refuse 1 of 2 lines
    nothing was written
    roster: 1 of 2 lines are refused
    ");
    assert_snapshot!(office.import(&[], lines), @"
    exit status: 1
    1 created: USR
    line 1: warning: there is no field Email; ignored
    line 1: warning: there is no field phone; ignored
    line 1: warning: more names are no fields (1); ignored
    line 2: warning: there is no field last_name; ignored
    line 2: the request is not valid: lastName: Required
    created 1, refused 1 of 2 lines
    roster: 1 of 2 lines are refused
    ");
}

#[test]
fn an_import_says_what_it_took_all_the_same() {
    let line = r#"{"firstName":"Ann","lastName":"Lee","phoneNumber":"12","npiNumber":"1234567890","providerPayors":["pay_x"]}"#;
    let office = Office::new();
    assert_snapshot!(office.import(&[], line), @"
    exit status: 0
    1 created: USR
    line 1: warning: pay_x is no payor of ORG; skipped
    line 1: warning: the NPI is not well-formed or fails its check digit
    line 1: warning: no text message can reach this phone number
    created 1, refused 0 of 1 lines
    ");
}

#[test]
fn a_rehearsal_names_what_would_be_taken_all_the_same() {
    let office = Office::new();
    let lines = r#"{"firstName":"Ann","lastName":"Lee","npiNumber":"1234567890","phoneNumber":"12"}
{"firstName":"Cy","lastName":"Poe","providerPayors":["pay_aaaaaaaaaaaa"]}
"#;
    let checked = office.import(&["--dry-run"], lines);
    assert_snapshot!(checked, @"
    exit status: 0
    1 create: -
    2 create: -
    line 1: warning: the NPI is not well-formed or fails its check digit
    line 1: warning: no text message can reach this phone number
    line 2: warning: pay_aaaaaaaaaaaa is no payor of ORG; skipped
    would create 2, refuse 0 of 2 lines
    nothing was written
    ");
    assert_eq!(office.users(), "");
}

#[test]
fn an_import_of_another_kind_of_file_stops_at_once_and_says_what_it_looks_like() {
    let office = Office::new();
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let user = "{\"firstName\":\"Ann\",\"lastName\":\"Lee\"}\n";
    for (bytes, what) in [
        (utf_16(&format!("\u{feff}{user}")), "JSON in UTF-16"),
        (utf_16(user), "JSON in UTF-16"),
        (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "a spreadsheet of an old Excel (XLS), or one with a password"),
        (format!("[{user},{user}]").into_bytes(), "one JSON array"),
        (format!("\u{feff} \r\n[\n{user}]").into_bytes(), "one JSON array"),
        (b"{\r\n  \"firstName\": \"Ann\"\r\n}".to_vec(), "JSON over several lines"),
    ] {
        std::fs::write(office.binary.path().join("staff"), bytes).expect("a file");
        let complaint = office.binary.complaint(["import", "--org", &office.org, "staff"]);
        let wanted = r#"wanted is CSV, XLSX, or a JSON object on each line in UTF-8, as {"firstName":"Ada","lastName":"Okafor"}"#;
        assert_eq!(complaint, format!("1: roster: cannot read staff: it looks like {what}; {wanted}"));
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
        let mut import = Server::start(&mut office.binary.command(["import", "--org", &office.org, "pipe"]));
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
