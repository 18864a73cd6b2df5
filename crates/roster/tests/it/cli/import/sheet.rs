//! Sheets: how they are read, what is said of them, and the result.

use insta::assert_snapshot;

use super::super::user::Office;

impl Office {
    fn result(&self) -> String {
        let result = std::fs::read_to_string(self.binary.path().join("result.csv")).expect("it was written");
        result
            .strip_prefix('\u{feff}')
            .expect("Excel is told that it is UTF-8")
            .replace("\r\n", "\n")
            .replace(&self.org, "ORG")
    }
}

/// Titles above the header, Windows-1252, semicolons, an empty row, a name in one column, payors by name.
const STAFF: &[u8] = b"Sunrise ABA;;;;;;;\r\n\
    Name;Work Email;Title;Cell;RBT expires;Insurances;OK to text;Shoe size\r\n\
    N\xfa\xf1ez, Jos\xe9;jose@example.com;RBT;(415) 555-0101;03/15/2027;aetna, Cigna;yes;9\r\n\
    ;;;;;;;\r\n\
    Ada Okafor;ada@example.com;Wizard;;15-Mar-27;N/A;maybe;\r\n\
    Cher;nobody;BCBA;;13/45/2027;;;\r\n\
    Bo Roe;JOSE@example.com;Front desk;+14155550103;2027-03-04;;;=1+1\r\n\
    Ann Lee;ann@example.com;Parent;;03/04/27;;;\r\n";

#[test]
fn a_sheet_is_read_as_people_have_it_and_says_what_it_took_for_what() {
    let office = Office::new();
    office.binary.print(["payor", "create", "--org", &office.org, "Aetna"]);
    let said = office.import_file("staff.csv", STAFF, &["--result", "result.csv"]);
    assert_snapshot!(said, @r#"
    exit status: 1
    3 created: USR
    8 created: USR
    read as CSV in windows-1252 with semicolons; the header is row 2, below rows that are passed over (1)
    column "Name": name
    column "Work Email": email
    column "Title": role
    column "Cell": phoneNumber
    column "RBT expires": recertificationDate
    column "Insurances": providerPayors
    column "OK to text": shouldSendSMS
    column "Shoe size": not known, and not imported; say what it holds with --map 'Shoe size=…'
    row 3: warning: Cigna is no payor of ORG; skipped
    row 5: column "Title": No role is known by this title. Write one of ADMIN, BILLING_MANAGER, SCHEDULING_MANAGER, CLINICIAN, TECHNICIAN, PATIENT, CAREGIVER, CLINICAL_ADMIN, PAYROLL_ADMIN, or say what the title means with --role-map 'Title=ROLE'
    row 5: column "OK to text": Write yes or no
    row 6: column "Name": Write the first and the last name
    row 6: column "RBT expires": Write a day as 03/15/2027, or as 2027-03-15
    row 6: column "Work Email": Valid email is required
    row 7: it is about the same person as row 3: both have one email
    row 8: warning: recertificationDate: month and day could be the other way round; say --dates mdy or --dates dmy
    created 2, refused 3 of 5 rows
    roster: 3 of 5 rows are refused
    "#);
    // Who has payors may come after who has none, where these are asked for over the wire.
    let mut users: Vec<_> = office.users().lines().map(str::to_owned).collect();
    users.sort_unstable();
    assert_eq!(users, ["Lee Ann ann@example.com", "Núñez José jose@example.com"]);
    let result = office.result();
    let ids: Vec<_> = result.split(',').filter(|cell| cell.starts_with("usr_")).map(str::to_owned).collect();
    assert_eq!(ids.len(), 2);
    assert_snapshot!(ids.iter().fold(result, |result, id| result.replace(id, "USR")), @r#"
    Name,Work Email,Title,Cell,RBT expires,Insurances,OK to text,Shoe size,_row,_status,_publicId,_errors,_warnings
    "Núñez, José",jose@example.com,RBT,(415) 555-0101,03/15/2027,"aetna, Cigna",yes,9,3,created,USR,,Cigna is no payor of ORG; skipped
    Ada Okafor,ada@example.com,Wizard,,15-Mar-27,N/A,maybe,,5,refused,,"column ""Title"": No role is known by this title. Write one of ADMIN, BILLING_MANAGER, SCHEDULING_MANAGER, CLINICIAN, TECHNICIAN, PATIENT, CAREGIVER, CLINICAL_ADMIN, PAYROLL_ADMIN, or say what the title means with --role-map 'Title=ROLE'; found ""Wizard""; column ""OK to text"": Write yes or no; found ""maybe""",
    Cher,nobody,BCBA,,13/45/2027,,,,6,refused,,"column ""Name"": Write the first and the last name; found ""Cher""; column ""RBT expires"": Write a day as 03/15/2027, or as 2027-03-15; found ""13/45/2027""; column ""Work Email"": Valid email is required; found ""nobody""",
    Bo Roe,JOSE@example.com,Front desk,'+14155550103,2027-03-04,,,'=1+1,7,refused,,it is about the same person as row 3: both have one email,
    Ann Lee,ann@example.com,Parent,,03/04/27,,,,8,created,USR,,"recertificationDate: read as March 4, 2027"
    "#);
    let id = &ids[0];
    assert!(office.show(id).contains("recertificationDay\t2027-03-15\n"), "{}", office.show(id));
    assert!(
        office.show(id).contains("Aetna\n") && office.show(id).contains("role\tTECHNICIAN\n"),
        "{}",
        office.show(id)
    );
}

/// Only what was refused is done again, and what a spreadsheet program would have run is text again.
#[test]
fn a_result_that_was_mended_is_given_again() {
    let office = Office::new();
    let people =
        "First name,Last name,Phone,Email\nAnn,Lee,+14155550100,ann@example.com\nBo,,+14155550101,bo@example.com\n";
    office.import_file("staff.csv", people, &["--result", "result.csv"]);
    let mended = office.result().replace("Bo,,", "Bo,Roe,");
    assert!(mended.contains("'+14155550101"), "{mended}");
    let said = office.import_file("mended.csv", mended, &["--result", "result.csv"]);
    assert!(said.contains("created 1, refused 0 of 1 rows"), "{said}");
    assert_eq!(office.users(), "Lee Ann ann@example.com\nRoe Bo bo@example.com\n");
    let id = office.result().split(',').find(|cell| cell.starts_with("usr_")).expect("an id").to_owned();
    assert!(office.show(&id).contains("phoneNumber\t+14155550101\n"));
    let header = office.result().lines().next().expect("a header").to_owned();
    assert_eq!(header, "First name,Last name,Phone,Email,_row,_status,_publicId,_errors,_warnings");
    // The same with lines.
    let lines = "{\"firstName\":\"Cy\",\"lastName\":\"Poe\"}\n{\"firstName\":\"Di\"}\nnot json\n";
    office.import_file("staff.ndjson", lines, &["--result", "result.ndjson"]);
    let result = std::fs::read_to_string(office.binary.path().join("result.ndjson")).expect("it was written");
    let rows: Vec<serde_json::Value> = result.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&rows[0]["_status"], &rows[0]["firstName"]), (&"created".into(), &"Cy".into()));
    assert_eq!((&rows[1]["_row"], &rows[1]["_status"]), (&"2".into(), &"refused".into()));
    assert_eq!(rows[2]["_line"], "not json");
    let mended = result.replace("\"firstName\":\"Di\"", "\"firstName\":\"Di\",\"lastName\":\"Day\"");
    let said = office.import_file("mended.ndjson", mended, &[]);
    assert_snapshot!(said, @r#"
    exit status: 1
    2 created: USR
    line 3: the request is not valid: firstName: Required; lastName: Required
    created 1, refused 1 of 2 lines
    roster: 1 of 2 lines are refused
    "#);
}

#[test]
fn two_columns_for_one_field_are_refused_until_somebody_says_which() {
    let office = Office::new();
    let people = "First,Last,Work Email,Personal Email\nAnn,Lee,ann@example.com,lee@example.com\n";
    let said = office.import_file("staff.csv", people, &[]);
    assert_snapshot!(said, @r#"
    exit status: 1
    roster: cannot read staff.csv: the columns "Work Email" and "Personal Email" both look like email; say which one is with --map 'Work Email=email', or leave one out with --map 'Personal Email='
    "#);
    let flags = ["--map", "Work Email=email", "--map", "Personal Email=metadata.home", "--save-mapping", "columns"];
    assert!(office.import_file("staff.csv", people, &flags).starts_with("exit status: 0"));
    assert_eq!(office.users(), "Lee Ann ann@example.com\n");
    let saved = std::fs::read_to_string(office.binary.path().join("columns")).expect("it was written");
    assert_eq!(saved, "First=firstName\nLast=lastName\nWork Email=email\nPersonal Email=metadata.home\n");
    let again = office.import_file("staff.csv", people.replace("ann@", "anna@"), &["--mapping", "columns"]);
    assert!(
        again.contains("column \"Personal Email\": metadata.home\n") && again.starts_with("exit status: 0"),
        "{again}"
    );
    let wrong = office.import_file("staff.csv", people, &["--map", "Home=email"]);
    assert!(wrong.ends_with("roster: cannot read staff.csv: the columns \"Work Email\" and \"Personal Email\" both look like email; say which one is with --map 'Work Email=email', or leave one out with --map 'Personal Email='\n"), "{wrong}");
}

#[test]
fn titles_mean_what_the_organization_says() {
    let office = Office::new();
    let people = "First,Last,Title\nAnn,Lee,Wizard\nBo,Roe,rbt\n";
    let flags = ["--role-map", "wizard=CLINICIAN", "--role-map", "RBT=PATIENT"];
    assert!(office.import_file("staff.csv", people, &flags).starts_with("exit status: 0"));
    let listed = office.binary.print(["user", "list", "--org", &office.org, "--sort", "createdAt_asc"]);
    let roles: Vec<_> = listed.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    assert_eq!(roles, ["CLINICIAN", "PATIENT"]);
}

#[test]
fn days_are_read_as_in_the_country_or_as_is_said() {
    let office = Office::new();
    let people = "First,Last,DOB\nAnn,Lee,03/04/45\n";
    let born = |flags: &[&str]| {
        let said = office.import_file("staff.csv", people, &[&["--result", "result.csv"], flags].concat());
        let id = office.result().split(',').find(|cell| cell.starts_with("usr_")).expect("an id").to_owned();
        let shown = office.show(&id);
        let day = shown.lines().find_map(|line| line.strip_prefix("birthDate\t")).expect("a day").to_owned();
        (day, said.contains("the other way round"))
    };
    assert_eq!(born(&[]), ("1945-03-04".to_owned(), true));
    assert_eq!(born(&["--dates", "dmy"]), ("1945-04-03".to_owned(), false));
    office.binary.print(["org", "set", &office.org, "--country", "GB"]);
    assert_eq!(born(&[]), ("1945-04-03".to_owned(), true));
}

#[test]
fn a_workbook_comes_by_a_file_or_by_a_pipe() {
    let office = Office::new();
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../roster-sheet/tests/files");
    let book = std::fs::read(files.join("exceljs.xlsx")).expect("the file");
    let said = office.import_file("staff.xlsx", &book, &[]);
    assert!(
        said.contains("read as the sheet \"Staff\"; the header is row 1\n") && said.contains("created 2,"),
        "{said}"
    );
    let file = std::fs::File::open(office.binary.path().join("staff.xlsx")).expect("the file");
    let mut command =
        office.binary.command(["import", "--org", &office.org, "--match", "externalId", "--result", "result.csv"]);
    let output = command.stdin(file).output().expect("the binary starts");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.ends_with("created 0, changed 0, left 2 unchanged, refused 0 of 2 rows\n"), "{said}");
    assert!(office.result().contains(",0018,3,unchanged,usr_"), "{}", office.result());
    let said = office.import_file("staff.xlsx", &book, &["--sheet", "Other"]);
    assert!(said.ends_with("roster: cannot read staff.xlsx: there is no sheet \"Other\"\n"), "{said}");
}

#[test]
fn a_result_is_not_written_over_what_was_given() {
    let office = Office::new();
    let people = "First,Last\nAnn,Lee\n";
    let said = office.import_file("staff.csv", people, &["--result", "./staff.csv"]);
    assert!(said.ends_with("roster: the result would be written over staff.csv: give it another name\n"), "{said}");
    assert_eq!(std::fs::read_to_string(office.binary.path().join("staff.csv")).expect("it is there"), people);
    assert_eq!(office.users(), "");
}
