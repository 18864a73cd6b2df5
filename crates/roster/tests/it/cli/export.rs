//! `roster export`: and what it writes is read back by `roster import` without changing anything.

use std::{io::Read, os::unix::fs::PermissionsExt};

use insta::assert_snapshot;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use roster_sheet::{Cell, xlsx::Book};
use serde_json::{Value, json};

use super::user::Office;

impl Office {
    fn export(&self, arguments: &[&str]) -> String {
        let output = self.binary.command([&["export", "--org", &self.org], arguments].concat()).output();
        let output = output.expect("the binary starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What an import of a file says of it: last, or, where it fails, all of it.
    fn imported(&self, flags: &[&str]) -> String {
        let output = self.binary.command([&["import", "--org", &self.org], flags].concat()).output();
        let output = output.expect("the binary starts");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        match output.status.success() {
            true => said.lines().last().expect("a line").to_owned(),
            false => panic!("{said}"),
        }
    }

    fn all(&self) -> String {
        self.export(&["--format", "ndjson", "--status", "ALL"])
    }
}

/// Text of this pattern, as the directory keeps it: without white space around it, and with something in it.
fn text(pattern: &'static str) -> impl Strategy<Value = String> {
    pattern
        .prop_map(|text: String| text.trim().to_owned())
        .prop_filter("blank", |text| !text.is_empty() && text.encode_utf16().count() <= 60)
}

/// Somebody with a number: what is unique is made of it.
fn person(payors: [String; 2]) -> impl Strategy<Value = Value> {
    let odd = || {
        text("[-=+@'\"\\\\,;|_<>&%#?!.() a-cA-C0-2äß語\u{1f600}\u{301}]{1,12}|_x0041_|=1\\+1|'=a|TRUE|1e5|0{3}[0-9]")
    };
    let maybe = |text: BoxedStrategy<String>| prop::option::weighted(0.7, text);
    let role = prop::sample::select(vec!["TECHNICIAN", "CLINICIAN", "PATIENT", "ADMIN"]);
    let day = (1850..2020_i32, 1..=12_u8, 1..=28_u8).prop_map(|(y, m, d)| format!("{y}-{m:02}-{d:02}")).boxed();
    let moment = ("20[2-3][0-9]-0[1-9]-[12][0-8]", "T00:00:00Z|T23:00:00-05:00|T07:08:09\\.123Z|T00:00:00\\+14:00")
        .prop_map(|(day, time)| day + &time)
        .boxed();
    let some_payors = prop::sample::subsequence(payors.to_vec(), 0..=2);
    let lines = [(); 4].map(|()| maybe(odd().boxed()));
    let names = (odd(), odd(), role, any::<bool>());
    let digits = (
        maybe(text("\\+1415555[0-9]{4}|0[0-9]{5,9}|\\([0-9]{3}\\) [0-9-]{3,8}").boxed()),
        maybe(text("[0-9]{10}").boxed()),
        maybe(text("0[0-9]{4}|[0-9]{5}-0[0-9]{3}|[A-Z][0-9] [0-9][A-Z]{2}").boxed()),
        maybe(text("[-=+@']?0{0,3}").boxed()),
    );
    (names, digits, lines, maybe(day), maybe(moment), some_payors).prop_map(
        |((first, last, role, sms), (phone, npi, postal, external), [line1, line2, city, sex], birth, due, payors)| {
            json!({
                "firstName": first, "lastName": last, "role": role, "shouldSendSMS": sms, "phoneNumber": phone,
                "npiNumber": npi, "postalCode": postal, "externalId": external, "addressLine1": line1,
                "addressLine2": line2, "city": city, "sex": sex, "birthDate": birth, "recertificationDate": due,
                "providerPayors": payors,
            })
        },
    )
}

#[test]
fn what_is_exported_is_read_back_and_changes_nothing() {
    const PEOPLE: usize = 300;
    let office = Office::new();
    let payors =
        ["Aetna", "Blue, Cross"].map(|name| office.binary.last_word(["payor", "create", "--org", &office.org, name]));
    let (mut runner, mut lines) = (TestRunner::deterministic(), String::new());
    for nth in 0..PEOPLE {
        let mut person = person(payors.clone()).new_tree(&mut runner).expect("a person").current();
        let known = person.as_object_mut().expect("an object");
        known.retain(|_, value| !value.is_null());
        if let Some(id) = known.get_mut("externalId") {
            *id = format!("{}{nth}", id.as_str().expect("text")).into();
        }
        if nth % 3 == 0 {
            known.insert("email".to_owned(), format!("{}{nth}@example.com", ["", "+", "-"][nth % 9 / 3]).into());
        }
        if nth % 5 == 0 {
            known.insert("metadata".to_owned(), json!({ "=team": "'=red", "\u{1f600}": "" }));
        }
        lines.push_str(&format!("{person}\n"));
    }
    std::fs::write(office.binary.path().join("people.ndjson"), &lines).expect("a file");
    let imported = office.imported(&["people.ndjson"]);
    assert_eq!(imported, format!("created {PEOPLE}, refused 0 of {PEOPLE} lines"));
    let before = office.all();
    assert_eq!(before.lines().count(), PEOPLE);
    for file in FILES {
        office.export(&[file]);
        let word = if file.ends_with("json") { "line" } else { "row" };
        let nothing = format!("created 0, changed 0, left {PEOPLE} unchanged, refused 0 of {PEOPLE} {word}s");
        assert_eq!(office.imported(&["--match", "publicId", file]), nothing, "{file}");
        assert_eq!(office.all(), before, "{file}");
    }
}

const FILES: [&str; 3] = ["users.csv", "users.xlsx", "users.ndjson"];

#[test]
fn a_file_is_for_nobody_else_and_is_never_written_over() {
    let office = Office::new();
    office.created(&["--first-name", "Ann", "--last-name", "Lee", "--role", "HIPP_ADMIN"]);
    office.created(&["--first-name", "Bo", "--last-name", "Roe", "--role", "CLINICIAN"]);
    assert_eq!(office.export(&["all.csv"]), "");
    let path = office.binary.path().join("all.csv");
    let (written, mode) = (std::fs::read_to_string(&path), path.metadata().expect("a file").permissions().mode());
    let written = written.expect("UTF-8");
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(written.lines().count(), 3, "the operator sees everybody: {written}");
    assert_eq!(office.export(&[]), written);
    for file in ["all.csv", "."] {
        let complaint = office.binary.complaint(["export", "--org", &office.org, file]);
        assert_eq!(complaint, format!("1: roster: {file} is there already; nothing was written"));
    }
    assert_eq!(std::fs::read_to_string(&path).expect("UTF-8"), written);
    let complaint = office.binary.complaint(["export", "--org", &office.org, "none/all.csv"]);
    assert_snapshot!(complaint, @"1: roster: cannot write none/all.csv: No such file or directory (os error 2)");
    let complaint = office.binary.complaint(["export", "--org", "org_000000000000"]);
    assert_snapshot!(complaint, @"1: roster: there is no organization org_000000000000");
}

#[test]
fn a_workbook_has_days_that_are_days_and_a_header_that_stays() {
    let office = Office::new();
    let ann = ["--first-name", "=1+1", "--last-name", "Lee", "--postal-code", "02134", "--birth-date", "1990-05-17"];
    office.created(&[&ann[..], &["--recertification-date", "2027-03-15"]].concat());
    let bo = ["--first-name", "Bo", "--last-name", "Roe", "--birth-date", "1899-12-31"];
    office.created(&[&bo[..], &["--recertification-date", "2027-03-15T00:00:00+02:00"]].concat());
    office.export(&["--sort", "createdAt_asc", "users.xlsx"]);
    let file = || std::fs::File::open(office.binary.path().join("users.xlsx")).expect("a file");

    let (mut book, mut rows) = (Book::open(file()).expect("a workbook"), Vec::new());
    assert_eq!(book.sheets(), ["Users"]);
    let take = |row| {
        rows.push(row);
        true
    };
    book.rows("Users", take).expect("rows");
    let cell = |row: usize, title: &str| {
        let titles = &rows[0];
        let column = titles.cells.iter().position(|cell| cell.text() == title).expect("a column");
        rows[row].cell(column).clone()
    };
    let (text, day) = (|text: &str| Cell::Text(text.to_owned()), |text: &str| Cell::Day(text.parse().expect("a day")));
    assert!(cell(1, "firstName") == text("=1+1") && cell(1, "postalCode") == text("02134"));
    assert!(cell(1, "shouldSendSMS") == Cell::Bool(false) && cell(1, "email") == Cell::Empty);
    assert!(cell(1, "birthDate") == day("1990-05-17") && cell(1, "recertificationDate") == day("2027-03-15"));
    assert!(matches!(cell(1, "createdAt"), Cell::Day(_)) && cell(1, "deactivatedAt") == Cell::Empty);
    // Neither is a day of Excel: one comes before the first, the other has an offset.
    assert!(cell(2, "birthDate") == text("1899-12-31"));
    assert!(cell(2, "recertificationDate") == text("2027-03-15T00:00:00.000+02:00"));

    let mut sheet = String::new();
    let mut parts = zip::ZipArchive::new(file()).expect("a zip");
    parts.by_name("xl/worksheets/sheet1.xml").expect("the sheet").read_to_string(&mut sheet).expect("UTF-8");
    for part in [r#"<pane ySplit="1""#, r#"state="frozen""#, r#"<autoFilter ref="A1:W3"/>"#, "<col min="] {
        assert!(sheet.contains(part), "{part}: {sheet}");
    }
    assert!(!sheet.contains("<f>"), "no formula: {sheet}");
}

#[test]
fn filters_are_those_of_the_list() {
    let office = Office::new();
    let mut ids = Vec::new();
    for (first, role) in [("Ann", "CLINICIAN"), ("Bo", "CLINICIAN"), ("Cy", "PATIENT"), ("Di", "PATIENT")] {
        let email = format!("{first}@example.com");
        ids.push(office.created(&["--first-name", first, "--last-name", "Lee", "--role", role, "--email", &email]));
    }
    office.binary.print(["user", "deactivate", "--org", &office.org, &ids[1]]);
    for flags in [
        &[][..],
        &["--role", "CLINICIAN"],
        &["--status", "ALL", "--sort", "createdAt_asc"],
        &["--status", "DEACTIVATED"],
        &["--search", "di lee"],
        &["--email", "CY@example.com"],
        &["--sort", "updatedAt_desc", "--status", "ALL"],
    ] {
        let first_of = |text: String, between| {
            let of_line = |line: &str| line.split(between).next().expect("a cell").to_owned();
            text.lines().map(of_line).collect::<Vec<_>>()
        };
        let list = office.binary.command([&["user", "list", "--org", &office.org], flags].concat()).output();
        let listed = String::from_utf8(list.expect("the binary starts").stdout).expect("UTF-8");
        let exported = first_of(office.export(flags), ',');
        assert_eq!(exported[1..], first_of(listed, '\t'), "{flags:?}");
    }
}
