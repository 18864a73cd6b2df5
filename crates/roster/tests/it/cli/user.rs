//! `roster user`

mod change;

use std::process::Output;

use insta::assert_snapshot;

use crate::binary::Binary;

pub(super) struct Office {
    pub(super) binary: Binary,
    pub(super) org: String,
    key: String,
}

impl Office {
    pub(super) fn new() -> Self {
        let binary = Binary::new();
        let (org, key) = binary.organization_with_admin();
        Self { binary, org, key }
    }

    fn create(&self, flags: &[&str]) -> Output {
        let flags = [&["user", "create", "--org", &self.org], flags].concat();
        self.binary.command(flags).output().expect("the binary starts")
    }

    /// Creates a user without a complaint and returns its id.
    pub(super) fn created(&self, flags: &[&str]) -> String {
        let output = self.create(flags);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        printed.strip_prefix("created user ").expect("what was done").trim_end().to_owned()
    }

    pub(super) fn users(&self) -> String {
        let listed = self.binary.print(["user", "list", "--org", &self.org, "--sort", "createdAt_asc"]);
        listed.lines().map(|line| line.split('\t').skip(3).collect::<Vec<_>>().join(" ") + "\n").collect()
    }

    pub(super) fn show(&self, id: &str) -> String {
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
