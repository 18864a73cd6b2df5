//! `roster user set|deactivate|restore|erase`

use insta::assert_snapshot;

use super::Office;

impl Office {
    fn run(&self, command: &str, arguments: &[&str]) -> String {
        let all = [&["user", command, "--org", &self.org], arguments].concat();
        let output = self.binary.command(all).output().expect("the binary starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command} {arguments:?}: {err}");
        format!("{out}{err}")
    }

    fn complaint(&self, command: &str, arguments: &[&str]) -> String {
        let all = [&["user", command, "--org", &self.org], arguments].concat();
        self.binary.complaint_of(self.binary.command(all)).replace(&self.org, "ORG")
    }

    /// Some rows of what is shown of a user.
    fn rows(&self, id: &str, names: &[&str]) -> String {
        let shown = self.show(id);
        let rows = shown.lines().filter(|row| names.iter().any(|name| row.split('\t').next() == Some(name)));
        rows.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn user_set_changes_what_is_given_and_clears_what_is_named() {
    let office = Office::new();
    let payor = office.binary.last_word(["payor", "create", "--org", &office.org, "Aetna"]);
    let caregiver = office.created(&["--first-name", "Ada", "--last-name", "Doe", "--role", "CAREGIVER"]);
    let id = office.created(&["--first-name", "Jane", "--last-name", "Smith"]);
    let said = office.run(
        "set",
        &[
            &id,
            "--first-name",
            "Janet",
            "--last-name",
            "Smith-Lee",
            "--email",
            "janet@example.com",
            "--role",
            "HIPP_BILLING_MANAGER",
            "--phone",
            "(415) 555-0100",
            "--npi",
            "1234567893",
            "--sms",
            "true",
            "--recertification-date",
            "2027-01-15",
            "--payor",
            &payor,
            "--sex",
            "female",
            "--caregiver-id",
            &caregiver,
            "--birth-date",
            "1990-03-14",
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
            "--external-id",
            "HR-1",
            "--metadata",
            "team=north",
            "--metadata",
            "badge=7=8",
        ],
    );
    assert_eq!(said, format!("changed user {id}\n"));
    let shown = office.show(&id).replace(&payor, "PAY").replace(&caregiver, "CAREGIVER'S");
    let known: Vec<_> =
        shown.lines().filter(|row| !row.starts_with("createdAt") && !row.starts_with("updatedAt")).collect();
    assert_snapshot!(known.join("\n"), @"
    publicId	USR
    firstName	Janet
    lastName	Smith-Lee
    email	janet@example.com
    role	HIPP_BILLING_MANAGER
    phoneNumber	(415) 555-0100
    phoneForSMS	+14155550100
    npiNumber	1234567893
    npiCheckDigit	right
    shouldSendSMS	true
    recertificationDate	2027-01-15T00:00:00.000Z
    recertificationDay	2027-01-15
    providerPayors	PAY Aetna
    sex	female
    caregiverId	CAREGIVER'S
    birthDate	1990-03-14
    addressLine1	12 Alder Street
    addressLine2	Apt 3
    city	Riverbend
    state	CA
    postalCode	90000
    externalId	HR-1
    metadata	badge=7=8, team=north
    status	ACTIVE
    deactivatedAt	-
    deactivationReason	-
    ");
    office.run(
        "set",
        &[
            &id,
            "--clear",
            "email,phone,npi,recertification-date,payors,sex,caregiver-id,birth-date",
            "--clear",
            "address-line1",
            "--clear",
            "address-line2,city,state,postal-code,external-id,metadata",
            "--sms",
            "false",
        ],
    );
    let shown = office.show(&id);
    let cleared = shown.lines().filter(|row| row.ends_with("\t-")).count();
    assert_eq!(cleared, 20, "{shown}");
    assert!(shown.contains("shouldSendSMS\tfalse") && shown.contains("firstName\tJanet"), "{shown}");
}

#[test]
fn user_set_says_what_is_doubtful_and_refuses_what_create_refuses() {
    let office = Office::new();
    office.created(&[
        "--first-name",
        "John",
        "--last-name",
        "Doe",
        "--email",
        "taken@example.com",
        "--external-id",
        "HR-1",
    ]);
    let id = office.created(&["--first-name", "Jane", "--last-name", "Smith"]);
    let said = office.run("set", &[&id, "--npi", "1234567890", "--phone", "+1234567890", "--payor", "abc123"]);
    assert_snapshot!(said.replace(&office.org, "ORG").replace(&id, "USR"), @"
    changed user USR
    warning: abc123 is no payor of ORG; skipped
    warning: the NPI is not well-formed or fails its check digit
    warning: no text message can reach this phone number
    ");
    assert_snapshot!(office.complaint("set", &[&id, "--email", "TAKEN@example.com"]), @"1: roster: the e-mail is already in use in the organization");
    assert_snapshot!(office.complaint("set", &[&id, "--external-id", "HR-1"]), @"1: roster: the external id is already in use in the organization");
    assert_snapshot!(office.complaint("set", &[&id, "--caregiver-id", "usr_1234567890_abc123def"]), @"1: roster: the request is not valid: caregiverId: The organization has no such user");
    for wrong in [
        &["--first-name", " "][..],
        &["--email", "jane"],
        &["--role", "KING"],
        &["--sms", "perhaps"],
        &["--birth-date", "2019-02-29"],
        &["--clear", "first-name"],
        &["--metadata", "team"],
    ] {
        let complaint = office.complaint("set", &[&[id.as_str()], wrong].concat());
        assert!(complaint.starts_with("2: "), "{wrong:?}: {complaint}");
    }
    assert_eq!(office.rows(&id, &["firstName", "email"]), "firstName\tJane\nemail\t-");
}

#[test]
fn a_user_leaves_comes_back_and_is_erased() {
    let office = Office::new();
    let id = office.created(&[
        "--first-name",
        "Root",
        "--last-name",
        "Smith",
        "--email",
        "root@example.com",
        "--role",
        "HIPP_ADMIN",
    ]);
    assert_eq!(office.run("deactivate", &[&id, "--reason", "Moved away"]), format!("deactivated user {id}\n"));
    office.run("deactivate", &[&id]);
    assert_eq!(
        office.rows(&id, &["status", "deactivationReason"]),
        "status\tDEACTIVATED\ndeactivationReason\tMoved away"
    );
    assert!(!office.run("list", &[]).contains(&id));
    assert!(office.run("list", &["--status", "DEACTIVATED"]).contains(&id));
    assert!(office.run("list", &["--status", "ALL"]).contains(&id));
    let other = office.created(&["--first-name", "Ruth", "--last-name", "Smith", "--email", "ROOT@example.com"]);
    assert_snapshot!(office.complaint("restore", &[&id]), @"1: roster: the e-mail is already in use in the organization");
    assert_eq!(office.run("restore", &[&id, "--email", "root2@example.com"]), format!("restored user {id}\n"));
    assert_eq!(office.rows(&id, &["email", "status"]), "email\troot2@example.com\nstatus\tACTIVE");
    assert_snapshot!(office.complaint("erase", &[&id]), @"1: roster: deactivate the user first");
    office.run("deactivate", &[&id]);
    assert_eq!(office.run("erase", &[&id]), format!("erased user {id}\n"));
    for command in ["erase", "show", "restore", "deactivate", "set"] {
        let complaint = office.complaint(command, &[&id]).replace(&id, "USR");
        assert_eq!(complaint, "1: roster: the organization has no user USR", "{command}");
    }
    assert!(office.run("list", &["--status", "ALL"]).contains(&other));
    let heard = office.binary.print(["event", "list", "--org", &office.org, "--page-size", "100"]);
    let of_them: Vec<_> =
        heard.lines().filter(|line| line.contains(&id)).map(|line| line.split('\t').nth(1).unwrap_or(line)).collect();
    let expected = ["user.created", "user.deactivated", "user.restored", "user.deactivated", "user.erased"];
    assert_eq!(of_them, expected, "{heard}");
}
