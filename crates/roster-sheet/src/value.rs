//! Values as people write them: what stands for nothing, yes and no, roles by title, names in one cell, long numbers.

use std::{borrow::Cow, collections::HashMap};

use roster_directory::Role;

use crate::{Cell, Field};

/// Words that say that there is nothing.
const NOTHING: [&str; 14] =
    ["n/a", "na", "n.a.", "n.a", "#n/a", "none", "null", "nil", "unknown", "tbd", "not applicable", "-", "--", "?"];

/// Those of them that may not be somebody's name: Ms. Na and Mr. None are people.
const NOBODY: [&str; 8] = ["n/a", "n.a.", "n.a", "#n/a", "-", "--", "?", "null"];

/// Whether a cell says that there is nothing, in a column that stands for this.
pub fn is_nothing(cell: &Cell, field: &Field) -> bool {
    let text = match cell {
        Cell::Empty => return true,
        Cell::Error("#N/A" | "#NULL!") => return true,
        Cell::Text(text) => text,
        _ => return false,
    };
    let is_dash = text.chars().all(|c| matches!(c, '-' | '\u{2013}' | '\u{2014}'));
    let among = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match field {
        Field::FirstName | Field::LastName | Field::FullName => is_dash || among(&NOBODY),
        _ => is_dash || among(&NOTHING),
    }
}

/// A yes or a no.
pub fn yes_or_no(cell: &Cell) -> Option<bool> {
    match cell {
        Cell::Bool(value) => Some(*value),
        Cell::Number(1.0) => Some(true),
        Cell::Number(0.0) => Some(false),
        Cell::Text(text) => match &*text.to_lowercase() {
            "yes" | "y" | "true" | "t" | "1" | "x" | "on" | "ok" | "\u{2713}" | "\u{2714}" | "ja" | "si" | "sí" => {
                Some(true)
            }
            "no" | "n" | "false" | "f" | "0" | "off" | "nein" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Titles, in small letters and digits only, and the role that they mean. None of them gives more rights than it says.
const TITLES: [(Role, &[&str]); 9] = [
    (Role::Admin, &["administrator", "sysadmin", "itadmin", "owner"]),
    (Role::BillingManager, &["billing", "biller", "billingspecialist", "billingcoordinator", "billingmanager"]),
    (
        Role::SchedulingManager,
        &[
            "scheduler",
            "scheduling",
            "schedulingcoordinator",
            "schedulingspecialist",
            "frontdesk",
            "receptionist",
            "intake",
            "intakecoordinator",
        ],
    ),
    (
        Role::Clinician,
        &[
            "bcba",
            "bcbad",
            "bcaba",
            "lba",
            "analyst",
            "behavioranalyst",
            "behaviouranalyst",
            "boardcertifiedbehavioranalyst",
            "therapist",
            "supervisor",
            "clinicalsupervisor",
            "slp",
            "ot",
            "pt",
            "psychologist",
        ],
    ),
    (
        Role::Technician,
        &[
            "rbt",
            "bt",
            "tech",
            "technician",
            "behaviortechnician",
            "behaviourtechnician",
            "registeredbehaviortechnician",
            "behaviortherapist",
            "abatherapist",
            "abatechnician",
            "paraprofessional",
        ],
    ),
    (Role::Patient, &["client", "learner", "student", "child", "kid", "member"]),
    (
        Role::Caregiver,
        &[
            "parent",
            "guardian",
            "legalguardian",
            "mother",
            "father",
            "mom",
            "dad",
            "parentguardian",
            "family",
            "caretaker",
        ],
    ),
    (Role::ClinicalAdmin, &["clinicaldirector", "clinicaldir", "clinicaladministrator", "clinicalmanager"]),
    (Role::PayrollAdmin, &["payroll", "payrollspecialist", "payrollmanager", "payrolladministrator"]),
];

/// Titles that an organization has for its roles, beside the known ones.
#[derive(Debug, Clone, Default)]
pub struct Titles(HashMap<String, Role>);

impl Titles {
    /// Adds a title: it counts for more than a known one.
    pub fn add(&mut self, title: &str, role: Role) {
        self.0.insert(folded(title), role);
    }

    /// The role that is meant: by its own name, in any case, or by a title.
    pub fn role(&self, text: &str) -> Option<Role> {
        // As files of programs have it.
        if let (true, Some(role)) = (self.0.is_empty(), Role::parse(text)) {
            return Some(role);
        }
        let folded = folded(text);
        let own = || Role::ALL.into_iter().find(|role| self::folded(role.as_str()) == folded);
        let known = || TITLES.iter().find(|(_, titles)| titles.contains(&&*folded)).map(|(role, _)| *role);
        self.0.get(&folded).copied().or_else(own).or_else(known)
    }
}

fn folded(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// What may follow a name behind a comma, and is no name.
const CREDENTIALS: [&str; 16] =
    ["bcba", "bcbad", "bcaba", "rbt", "lba", "md", "phd", "ma", "ms", "med", "jr", "sr", "ii", "iii", "iv", "rn"];

/// How a family name may begin, if it has several words.
const PARTICLES: [&str; 18] = [
    "de", "del", "della", "der", "den", "di", "da", "dos", "du", "la", "le", "van", "von", "bin", "al", "el", "st.",
    "ter",
];

/// First and last name of a cell that has both: `Ada Okafor`, or `Okafor, Ada`. None of only one word.
pub fn both_names(text: &str) -> Option<(String, String)> {
    let mut parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    while parts.len() > 1 && parts.last().is_some_and(|last| CREDENTIALS.contains(&&*folded(last))) {
        parts.pop();
    }
    let named = |first: &str, last: &str| Some((first.to_owned(), last.to_owned()));
    match parts.as_slice() {
        [last, first] => named(first, last),
        [name] => {
            let words: Vec<&str> = name.split_whitespace().collect();
            let is_particle = |word: &&str| PARTICLES.contains(&&*word.to_lowercase());
            let last_from =
                (1..words.len()).find(|at| is_particle(&words[*at])).unwrap_or(words.len().saturating_sub(1));
            let last_from = if last_from + 1 == words.len() { words.len().saturating_sub(1) } else { last_from };
            (last_from > 0).then(|| named(&words[..last_from].join(" "), &words[last_from..].join(" ")))?
        }
        _ => None,
    }
}

/// A number that is a name: a phone, an NPI, a postal code, an id.
#[derive(Debug, PartialEq, Eq)]
pub enum Digits<'a> {
    /// As it stands there, or written out.
    Whole(Cow<'a, str>),
    /// Excel wrote it with an exponent, and its last digits are lost.
    Shortened,
}

/// Reads a cell of digits. What Excel wrote as `1.415555E+10` is written out if none of its digits is lost.
pub fn digits(cell: &Cell) -> Digits<'_> {
    let text = cell.text();
    let scientific = || {
        let (mantissa, exponent) = text.split_once(['e', 'E'])?;
        let exponent: usize = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
        let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, ""));
        let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        (whole.len() == 1 && are_digits(whole) && are_digits(fraction) && (5..=30).contains(&exponent))
            .then(|| (format!("{whole}{fraction}"), exponent))
    };
    match scientific() {
        // All digits are there, or one more would not have fitted: then zeros follow.
        Some((digits, exponent)) if digits.len() == exponent + 1 => Digits::Whole(digits.into()),
        Some(_) => Digits::Shortened,
        None => Digits::Whole(text),
    }
}

/// A postal code of the United States whose leading zeros a spreadsheet took for nothing.
pub fn us_postal_code(text: &str) -> Option<String> {
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('-') {
        None if (3..=4).contains(&text.len()) && are_digits(text) => Some(format!("{text:0>5}")),
        Some((five, four))
            if (3..=4).contains(&five.len()) && four.len() == 4 && are_digits(five) && are_digits(four) =>
        {
            Some(format!("{five:0>5}-{four}"))
        }
        _ => None,
    }
}

/// The values of a cell that has several: each on a line, behind a semicolon or a bar, or, where there is neither, behind a
/// comma.
pub fn several(text: &str) -> Vec<&str> {
    let strong: &[char] = &[';', '|', '\n'];
    let parts: Vec<&str> = if text.contains(strong) { text.split(strong).collect() } else { text.split(',').collect() };
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell {
        Cell::of_text(text)
    }

    #[test]
    fn placeholders_are_nothing() {
        for word in ["", " ", "N/A", "-", "None", "\u{2014}", "TBD"] {
            assert!(is_nothing(&text(word), &Field::Email), "{word}");
        }
        for word in ["Na", "None", "Tbd"] {
            assert!(!is_nothing(&text(word), &Field::LastName), "{word}");
        }
        assert!(is_nothing(&text("-"), &Field::LastName) && is_nothing(&Cell::Error("#N/A"), &Field::Email));
        assert!(!is_nothing(&Cell::Number(0.0), &Field::Email) && !is_nothing(&Cell::Error("#REF!"), &Field::Email));
    }

    #[test]
    fn yes_and_no_have_many_forms() {
        for word in ["Yes", "y", "TRUE", "x", "1", "✓"] {
            assert_eq!(yes_or_no(&text(word)), Some(true), "{word}");
        }
        for word in ["No", "n", "false", "0"] {
            assert_eq!(yes_or_no(&text(word)), Some(false), "{word}");
        }
        assert_eq!(yes_or_no(&Cell::Number(1.0)), Some(true));
        assert_eq!(yes_or_no(&text("maybe")), None);
    }

    #[test]
    fn a_role_is_known_by_its_title() {
        let mut titles = Titles::default();
        for (title, role) in [
            ("RBT", Role::Technician),
            ("BCBA-D", Role::Clinician),
            ("Front desk", Role::SchedulingManager),
            ("Parent / Guardian", Role::Caregiver),
            ("Billing Manager", Role::BillingManager),
            ("CLINICAL_ADMIN", Role::ClinicalAdmin),
            ("clinical superadmin", Role::ClinicalSuperadmin),
        ] {
            assert_eq!(titles.role(title), Some(role), "{title}");
        }
        assert_eq!(titles.role("Wizard"), None);
        titles.add("wizard", Role::Clinician);
        titles.add("Parent", Role::Patient);
        assert_eq!((titles.role("WIZARD"), titles.role("parent")), (Some(Role::Clinician), Some(Role::Patient)));
    }

    #[test]
    fn both_names_are_found_in_one_cell() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let expect = expect.map(|(first, last)| (first.to_owned(), last.to_owned()));
            assert_eq!(both_names(text), expect, "{text}");
        };
        check("Ada Okafor", Some(("Ada", "Okafor")));
        check("Okafor, Ada", Some(("Ada", "Okafor")));
        check("Ada Okafor, BCBA", Some(("Ada", "Okafor")));
        check("Okafor, Ada, BCBA-D", Some(("Ada", "Okafor")));
        check("Mary Ann Lee", Some(("Mary Ann", "Lee")));
        check("Maria de la Cruz", Some(("Maria", "de la Cruz")));
        check("Ludwig van Beethoven", Some(("Ludwig", "van Beethoven")));
        check("Quoc Van", Some(("Quoc", "Van")));
        check("Cher", None);
        check("A, B, C", None);
        check(",", None);
    }

    #[test]
    fn digits_that_excel_took_for_a_number_are_written_out_or_lost() {
        let whole = |text: &'static str| Digits::Whole(text.into());
        assert_eq!(digits(&Cell::Number(14_155_550_100.0)), whole("14155550100"));
        assert_eq!(digits(&text("1.4155550100E10")), whole("14155550100"));
        assert_eq!(digits(&text("1.41556E+10")), Digits::Shortened);
        assert_eq!(digits(&text("+1 (415) 555-0100")), whole("+1 (415) 555-0100"));
        assert_eq!(digits(&text("12E4")), whole("12E4"));
        assert_eq!(digits(&text("E10")), whole("E10"));
    }

    #[test]
    fn a_postal_code_gets_its_zeros_back() {
        assert_eq!(us_postal_code("2134").as_deref(), Some("02134"));
        assert_eq!(us_postal_code("601").as_deref(), Some("00601"));
        assert_eq!(us_postal_code("2134-1234").as_deref(), Some("02134-1234"));
        assert!(us_postal_code("90210").is_none() && us_postal_code("AB1").is_none() && us_postal_code("12").is_none());
    }

    #[test]
    fn a_cell_may_have_several_values() {
        assert_eq!(several("Aetna; Blue Cross, Blue Shield;"), ["Aetna", "Blue Cross, Blue Shield"]);
        assert_eq!(several("Aetna, Cigna"), ["Aetna", "Cigna"]);
        assert_eq!(several("Aetna\nCigna"), ["Aetna", "Cigna"]);
    }
}
