//! What a rehearsal says is what the run does, row by row: shown on files made at random, one after the other over the same
//! people, so that they collide in every way.

use std::collections::HashSet;

use super::super::user::Office;

/// Files, each rehearsed, run and compared.
const FILES: u64 = 40;

/// Rows of each.
const ROWS: usize = 14;

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// A cell of a small choice, so that rows have much in common.
    fn cell(&mut self, column: &str, ids: &[String]) -> String {
        match column {
            "First" => self.pick(&["Ann", "Bo", "Cy", "Ann", "Bo", "Cy", "Di", "Ed", "-", ""]).to_owned(),
            "Last" => self.pick(&["Lee", "Roe", "Poe", "Lee"]).to_owned(),
            "Email" => match self.below(16) {
                0 => String::new(),
                1 => "nobody".to_owned(),
                n => format!("{}{}@example.com", ["p", "P"][self.below(2)], n % 12),
            },
            "Employee ID" => match self.below(14) {
                0 => String::new(),
                n => format!("e{}", n),
            },
            "NPI" => self.pick(&["", "1234567893", "1111111112", "1234567890", "42"]).to_owned(),
            "Title" => self
                .pick(&["RBT", "BCBA", "Parent", "RBT", "BCBA", "Parent", "RBT", "Wizard", "", "HIPP_ADMIN"])
                .to_owned(),
            "Phone" => self
                .pick(&[
                    "",
                    "",
                    "",
                    "(415) 555-0100",
                    "(415) 555-0100",
                    "(415) 555-0100",
                    "(415) 555-0100",
                    "12",
                    "1.4E+10",
                ])
                .to_owned(),
            "Expires" => self
                .pick(&["", "", "", "03/04/2027", "2027-03-15", "2027-03-15", "2027-03-15", "2027-03-15", "13/13/2027"])
                .to_owned(),
            "Caregiver ID" => match self.below(12) {
                0 => "usr_1234567890_abc123def".to_owned(),
                1 if !ids.is_empty() => ids[self.below(ids.len())].clone(),
                _ => String::new(),
            },
            "metadata.team" => self.pick(&["", "north", "south"]).to_owned(),
            "publicId" => match self.below(4) {
                0 => "usr_1234567890_abc123def".to_owned(),
                1 | 2 if !ids.is_empty() => ids[self.below(ids.len())].clone(),
                _ => String::new(),
            },
            other => panic!("no column {other}"),
        }
    }
}

const COLUMNS: [&str; 11] = [
    "First",
    "Last",
    "Email",
    "Employee ID",
    "NPI",
    "Title",
    "Phone",
    "Expires",
    "Caregiver ID",
    "metadata.team",
    "publicId",
];

impl Office {
    /// What became of each row: its number, its status, its id, its errors and its warnings.
    fn outcomes(&self, flags: &[&str]) -> Vec<[String; 5]> {
        let all = [&["import", "--org", &self.org, "staff.csv", "--result", "result.csv"], flags].concat();
        let output = self.binary.command(&all).output().expect("the binary starts");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(said.contains(" rows\n"), "{all:?}: {said}");
        let result = std::fs::read(self.binary.path().join("result.csv")).expect("it was written");
        let mut reader = csv::Reader::from_reader(&result[3..]);
        let row = |record: csv::StringRecord| std::array::from_fn(|nth| record[COLUMNS.len() + nth].to_owned());
        reader.records().map(|record| row(record.expect("a record"))).collect()
    }
}

#[test]
fn what_a_rehearsal_says_is_what_the_run_does() {
    let office = Office::new();
    let mut seen = HashSet::new();
    for seed in 0..FILES {
        let mut random = Random(seed);
        let listed = office.binary.print(["user", "list", "--org", &office.org, "--page-size", "100"]);
        let ids: Vec<String> = listed.lines().filter_map(|line| Some(line.split('\t').next()?.to_owned())).collect();
        let by = [None, Some("email"), Some("externalId"), Some("npi"), Some("publicId")][random.below(5)];
        let mut flags: Vec<&str> = by.iter().flat_map(|by| ["--match", by]).collect();
        if by.is_some() && random.below(2) == 0 {
            flags.push("--clear-empty");
        }
        // Nobody leaves where a row is refused: such a file has one row.
        let ends_missing = by == Some("externalId") && random.below(2) == 0;
        if ends_missing {
            flags.extend(["--deactivate-missing", "--cap", "100%"]);
        }
        let mut file = COLUMNS.join(",") + "\n";
        if ends_missing {
            file.push_str(&format!("Ann,Lee,,e{},,,,,,,\n", 1 + random.below(12)));
        } else {
            for _ in 0..ROWS {
                let cells: Vec<_> = COLUMNS.iter().map(|column| random.cell(column, &ids)).collect();
                file.push_str(&(cells.join(",") + "\n"));
            }
        }
        std::fs::write(office.binary.path().join("staff.csv"), &file).expect("a file");
        let rehearsed = office.outcomes(&[&flags[..], &["--dry-run"]].concat());
        let done = office.outcomes(&flags);
        assert_eq!(rehearsed.len(), done.len(), "{seed} {flags:?}\n{file}");
        for (said, done) in rehearsed.iter().zip(&done) {
            let [row, status, id, errors, warnings] = said;
            let promised = match &**status {
                "create" => "created",
                "change" => "changed",
                "deactivate" => "deactivated",
                other => other,
            };
            let expect = [row, promised, if status == "create" { &done[2] } else { id }, errors, warnings];
            assert_eq!(expect, done.each_ref().map(String::as_str), "{seed} {flags:?}\n{file}");
            seen.insert((done[1].clone(), done[3].split(':').next().unwrap_or_default().to_owned()));
        }
        // Nothing is left to do. But for what was refused: its person may be there by now.
        if by.is_some_and(|by| by != "publicId") {
            for (first, again) in done.iter().zip(office.outcomes(&flags)) {
                let is_done = ["created", "changed", "unchanged"].contains(&&*first[1]);
                seen.insert((again[1].clone(), String::new()));
                assert!(!is_done || again[1] == "unchanged", "{seed} {flags:?}: {first:?}, {again:?}\n{file}");
            }
        }
    }
    // The files are worth something only if everything happened.
    for (status, error) in [
        ("created", ""),
        ("changed", ""),
        ("unchanged", ""),
        ("deactivated", ""),
        ("refused", "the e-mail is already in use in the organization"),
        ("refused", "the external id is already in use in the organization"),
        ("refused", "column \"Caregiver ID\""),
        ("refused", "column \"Title\""),
    ] {
        assert!(seen.contains(&(status.to_owned(), error.to_owned())), "{status} {error:?} did not happen: {seen:#?}");
    }
    assert!(seen.iter().any(|(_, error)| error.starts_with("it is about the same person")), "{seen:#?}");
}
