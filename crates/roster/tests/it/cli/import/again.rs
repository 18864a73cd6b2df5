//! The same people again: who is found is changed, who is not is created, and who is missing may leave.

use insta::assert_snapshot;

use super::super::user::Office;
use crate::binary::Server;

const PEOPLE: &str = "Employee ID,First,Last,Email,City,Title\n\
    1,Ann,Lee,ann@example.com,Riverbend,RBT\n\
    2,Bo,Roe,bo@example.com,Riverbend,RBT\n\
    3,Cy,Poe,cy@example.com,,BCBA\n";

impl Office {
    /// The lines that say what became of the rows.
    fn became(&self, content: &str, flags: &[&str]) -> String {
        let said = self.import_file("staff.csv", content, flags);
        let is_of_a_row = |line: &&str| !line.starts_with("column ") && !line.starts_with("read as");
        said.lines().filter(is_of_a_row).fold(String::new(), |all, line| all + line + "\n")
    }

    fn events(&self) -> usize {
        self.binary.print(["event", "list", "--org", &self.org]).lines().count()
    }
}

#[test]
fn who_is_found_is_changed_and_who_is_not_is_created() {
    let office = Office::new();
    for (by, changed) in [("externalId", "Ann,Li,ann@example.com"), ("email", "Ann,Lo,ANN@example.com")] {
        office.became(PEOPLE, &["--match", by]);
        let events = office.events();
        let again = office.became(PEOPLE, &["--match", by]);
        assert_eq!(again, "exit status: 0\ncreated 0, changed 0, left 3 unchanged, refused 0 of 3 rows\n");
        assert_eq!(office.events(), events, "nothing was written");
        let next = PEOPLE.replace("Ann,Lee,ann@example.com", changed);
        let became = office.became(&next, &["--match", by]);
        assert_eq!(
            became,
            "exit status: 0\n2 changed: USR\ncreated 0, changed 1, left 2 unchanged, refused 0 of 3 rows\n"
        );
        assert_eq!(office.events(), events + 1);
    }
    assert_snapshot!(office.users(), @"
    Lo Ann ANN@example.com
    Roe Bo bo@example.com
    Poe Cy cy@example.com
    ");
}

#[test]
fn an_empty_cell_leaves_what_is_known_unless_it_is_to_clear_it() {
    let office = Office::new();
    office.became(PEOPLE, &[]);
    let emptied = PEOPLE.replace("Riverbend,RBT", ",");
    let left = office.became(&emptied, &["--match", "email"]);
    assert!(left.contains("changed 0, left 3 unchanged"), "{left}");
    let cleared = office.became(&emptied, &["--match", "email", "--clear-empty"]);
    assert!(cleared.contains("changed 2, left 1 unchanged"), "{cleared}");
    let listed = office.binary.print(["user", "list", "--org", &office.org, "--role", "TECHNICIAN"]);
    assert_eq!(listed.lines().count(), 2, "a role is not cleared");
    let id = listed.split('\t').next().expect("an id").to_owned();
    assert!(office.show(&id).contains("city\t-\n"));
}

/// A name within `metadata` that has no column stays.
#[test]
fn columns_of_metadata_are_put_together() {
    let office = Office::new();
    let by = ["--match", "email"];
    office.became("First,Last,Email,metadata.team,metadata.desk\nAnn,Lee,ann@example.com,north,7\n", &by);
    office.became("Email,metadata.team\nann@example.com,south\n", &by);
    let listed = office.binary.print(["user", "list", "--org", &office.org]);
    let id = listed.split('\t').next().expect("an id").to_owned();
    assert!(office.show(&id).contains("metadata\tdesk=7, team=south\n"), "{}", office.show(&id));
    let cleared = office.became("Email,metadata.team\nann@example.com,\n", &["--match", "email", "--clear-empty"]);
    assert!(cleared.contains("changed 1,"), "{cleared}");
    assert!(office.show(&id).contains("metadata\tdesk=7\n"), "{}", office.show(&id));
}

/// A line says what a PATCH would: `null` clears, and what is not there stays.
#[test]
fn lines_change_users_too() {
    let office = Office::new();
    office.became(PEOPLE, &[]);
    let lines = "{\"email\":\"ann@example.com\",\"city\":null}\n{\"email\":\"bo@example.com\",\"city\":\"Lakeview\"}\n\
                 {\"email\":\"cy@example.com\"}\n{\"email\":\"di@example.com\"}\n\
                 {\"email\":\"ed@example.com\",\"firstName\":\"Ed\",\"lastName\":\"Day\"}\n{\"email\":null}\n";
    assert_snapshot!(office.import(&["--match", "email"], lines), @"
    exit status: 1
    1 changed: USR
    2 changed: USR
    5 created: USR
    line 4: the request is not valid: firstName: Required; lastName: Required
    line 6: it has no email, by which people are found
    created 1, changed 2, left 1 unchanged, refused 2 of 6 lines
    roster: 2 of 6 lines are refused
    ");
    let id = office.binary.print(["user", "list", "--org", &office.org, "--email", "bo@example.com"]);
    let id = id.split('\t').next().expect("an id");
    let line = format!("{{\"publicId\":\"{id}\",\"email\":\"bob@example.com\"}}\n{{\"publicId\":\"x\"}}\n");
    assert_snapshot!(office.import(&["--match", "publicId"], &line), @"
    exit status: 1
    1 changed: USR
    line 2: the request is not valid: publicId: Invalid publicId format
    created 0, changed 1, left 0 unchanged, refused 1 of 2 lines
    roster: 1 of 2 lines are refused
    ");
    let flags = ["--match", "email", "--clear-empty"];
    assert!(office.import(&flags, lines).ends_with("leave out --map, --mapping, --role-map and --clear-empty\n"));
}

#[test]
fn a_row_that_cannot_be_matched_is_refused() {
    let office = Office::new();
    let people = "NPI,First,Last\n1234567893,Ann,Lee\n1234567893,Bo,Roe\n,Cy,Poe\n";
    office.became("NPI,First,Last\n1234567893,Ann,Lee\n1111111112,Di,Day\n1111111112,Ed,Day\n", &[]);
    let became = office.became(&(people.to_owned() + "1111111112,Di,Dee\n"), &["--match", "npi"]);
    assert_snapshot!(became, @"
    exit status: 1
    row 3: it is about the same person as row 2: both have one npiNumber
    row 4: it has no npiNumber, by which people are found
    row 5: several users have this npiNumber: change them one by one
    created 0, changed 0, left 1 unchanged, refused 3 of 4 rows
    roster: 3 of 4 rows are refused
    ");
    let became = office.became(
        "publicId,First,Last\nusr_1234567890_abc123def,Ann,Lee\nusr_x,A,B\n,Flo,Fox\n",
        &["--match", "publicId"],
    );
    assert_snapshot!(became, @r#"
    exit status: 1
    4 created: USR
    row 2: there is none of this id
    row 3: column "publicId": Invalid publicId format
    created 1, changed 0, left 0 unchanged, refused 2 of 3 rows
    roster: 2 of 3 rows are refused
    "#);
    let none = office.became("First,Last\nAnn,Lee\n", &["--match", "email"]);
    assert!(none.ends_with("roster: no column holds email, by which people are to be found; say which one does with --map 'Title=email'\n"), "{none}");
}

/// An e-mail that one row gives up may be another's, below it and not above it.
#[test]
fn an_email_is_passed_on_downwards() {
    let office = Office::new();
    office.became(PEOPLE, &[]);
    let by = ["--match", "externalId"];
    let down = "Employee ID,Email\n1,new@example.com\n2,ann@example.com\n3,bo@example.com\n";
    let rehearsed = office.became(down, &[&by[..], &["--dry-run"]].concat());
    assert!(rehearsed.contains("change 3, leave 0 unchanged"), "{rehearsed}");
    let became = office.became(down, &by);
    assert!(became.contains("changed 3, left 0 unchanged"), "{became}");
    let up = "Employee ID,Email\n3,ann@example.com\n2,two@example.com\n";
    for flags in [&[&by[..], &["--dry-run"]].concat(), &by[..]] {
        let became = office.became(up, flags);
        assert!(became.contains("row 2: the e-mail is already in use in the organization\n"), "{became}");
    }
    assert_snapshot!(office.users(), @"
    Lee Ann new@example.com
    Roe Bo two@example.com
    Poe Cy bo@example.com
    ");
}

/// Whoever had an e-mail that somebody new has now is found by another one, in the same question to the database: rows are
/// looked up together once they come faster than they are planned.
#[test]
fn an_email_of_before_is_free_for_somebody_new() {
    let office = Office::new();
    office.became(PEOPLE, &[]);
    let moved = "Employee ID,Email\n1,new1@example.com\n2,new2@example.com\n3,new3@example.com\n";
    office.became(moved, &["--match", "externalId"]);
    let others = (0..600).map(|nth| format!("Imke,Wu,imke{nth}@example.com\n"));
    let both =
        others.chain(["ann", "new1", "bo", "new2", "cy", "new3"].map(|name| format!("A,B,{name}@example.com\n")));
    let both = both.fold("First,Last,Email\n".to_owned(), |all, row| all + &row);
    for (flags, counts) in
        [(&["--dry-run"][..], "would create 603, change 3, leave 0"), (&[], "created 603, changed 3, left 0")]
    {
        let became = office.became(&both, &[&["--match", "email"], flags].concat());
        assert!(became.contains(&format!("{counts} unchanged, ")), "{became}");
    }
}

/// Whoever was created before the kill is found by the second run.
#[test]
fn after_a_kill_the_same_file_again_creates_nobody_twice() {
    let office = Office::new();
    let rows = (0..20_000).map(|nth| format!("Imke,Wu,imke{nth}@example.com\n"));
    let people = rows.fold("First,Last,Email\n".to_owned(), |all, row| all + &row);
    std::fs::write(office.binary.path().join("staff.csv"), &people).expect("a file");
    let arguments = ["import", "--org", &office.org, "--match", "email", "staff.csv"];
    let mut killed = Server::start(&mut office.binary.command(arguments));
    killed.printed("2\tcreated\t");
    killed.signal("KILL");
    assert_eq!(killed.end().code, None, "it was killed, and did not end by itself");
    let again = office.binary.command(arguments).output().expect("the binary starts");
    let said = String::from_utf8(again.stderr).expect("UTF-8");
    let counts = said.lines().next_back().expect("a line");
    let number = |from: &str| {
        let rest = counts.split_once(from).expect("a count").1;
        rest.split([',', ' ']).next().expect("a number").parse::<u64>().expect("a number")
    };
    let (created, left) = (number("created "), number("left "));
    assert!(created > 0 && left > 0 && created + left == 20_000, "{counts}");
    let listed = office.binary.command(["user", "list", "--org", &office.org, "--page-size", "1"]).output();
    let said = String::from_utf8(listed.expect("the binary starts").stderr).expect("UTF-8");
    assert!(said.contains(", 20000 users"), "{said}");
}

#[test]
fn who_is_missing_leaves_if_they_are_few_and_all_rows_are_understood() {
    let office = Office::new();
    office.became(PEOPLE, &[]);
    // Nobody who has no external id could have had a row.
    office.created(&["--first-name", "Zoe", "--last-name", "Ash"]);
    let fewer = PEOPLE.replace("2,Bo,Roe,bo@example.com,Riverbend,RBT\n", "4,Di,Day,di@example.com,,RBT\n");
    let flags = ["--match", "externalId", "--deactivate-missing"];
    let with = |more: &[&str]| office.became(&fewer, &[&flags[..], more].concat());
    assert_snapshot!(with(&[]), @"
    exit status: 1
    3 created: USR
    created 1, changed 0, left 2 unchanged, deactivated 0, refused 0 of 3 rows
    nobody is deactivated: 1 of 4 users have no row, and more than 10% may not; if the file is whole, say so with --cap
    roster: nobody was deactivated
    ");
    let bad = office.became(&(fewer.clone() + "5,,,nobody,,\n"), &[&flags[..], &["--cap", "50%"]].concat());
    assert!(bad.contains("nobody is deactivated: 1 rows are refused"), "{bad}");
    assert_snapshot!(with(&["--cap", "25%", "--dry-run"]), @"
    exit status: 0
    - deactivate: USR
    would create 0, change 0, leave 3 unchanged, deactivate 1, refuse 0 of 3 rows
    nothing was written
    ");
    assert_snapshot!(with(&["--cap", "25%"]), @"
    exit status: 0
    - deactivated: USR
    created 0, changed 0, left 3 unchanged, deactivated 1, refused 0 of 3 rows
    ");
    assert_snapshot!(office.users(), @"
    Lee Ann ann@example.com
    Poe Cy cy@example.com
    Ash Zoe -
    Day Di di@example.com
    ");
}
