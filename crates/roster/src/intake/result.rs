//! The result of an import: the file that was given, with what became of each row beside it.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    io::{self, Write},
};

use roster_directory::{Issue, OrganizationId, UserId};
use roster_sheet::{Field, Table, field::is_not_taken, guard};
use serde_json::value::{RawValue, to_raw_value};

use super::{Beside, Content, Said};
use crate::app::{
    Error,
    import::{Done, Outcome, Refusal},
};

/// The columns of Roster's own.
const OWN: [&str; 5] = ["_row", "_status", "_publicId", "_errors", "_warnings"];

/// What became of a row, in words.
pub(crate) struct Told {
    pub(crate) row: Option<u64>,
    pub(crate) status: &'static str,
    pub(crate) id: Option<UserId>,
    /// What is wrong, without anybody's data.
    pub(crate) errors: Vec<String>,
    /// The same, with the values that are wrong: for whoever gave them, and for no log.
    shown: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// What was read otherwise than it stands there, with what it was read as.
    said: Vec<String>,
}

impl Told {
    /// In the words of the file's own columns, if it has any.
    pub(crate) fn of(done: &Done<Beside>, is_rehearsal: bool, table: Option<&Table>, org: OrganizationId) -> Self {
        let (status, id) = match (&done.outcome, is_rehearsal) {
            (Outcome::Created(id), false) => ("created", *id),
            (Outcome::Created(id), true) => ("create", *id),
            (Outcome::Changed(id), false) => ("changed", Some(*id)),
            (Outcome::Changed(id), true) => ("change", Some(*id)),
            (Outcome::Unchanged(id), _) => ("unchanged", Some(*id)),
            (Outcome::Deactivated(id), false) => ("deactivated", Some(*id)),
            (Outcome::Deactivated(id), true) => ("deactivate", Some(*id)),
            (Outcome::Refused(_), _) => ("refused", None),
        };
        let (mut errors, mut shown) = (Vec::new(), Vec::new());
        match (&done.outcome, table) {
            (Outcome::Refused(Refusal::Rule(Error::Invalid(issues))), Some(table)) => {
                for issue in issues {
                    let (error, value) = in_its_column(issue, table, done.beside.as_ref());
                    shown.push(value.map_or_else(|| error.clone(), |value| format!("{error}; found {value:?}")));
                    errors.push(error);
                }
            }
            (Outcome::Refused(refusal), _) => {
                errors.push(refusal.to_string());
                shown.push(refusal.to_string());
            }
            _ => {}
        }
        let mut warnings: Vec<String> = done.warnings.iter().map(|warning| self::shown(warning, org)).collect();
        if let Some(beside) = &done.beside {
            let unknown = beside.unknown.named().iter().filter(|name| !is_own(name) && !is_not_taken(name));
            warnings.extend(unknown.map(|name| format!("there is no field {name}; ignored")));
            if beside.unknown.more() > 0 {
                warnings.push(format!("more names are no fields ({}); ignored", beside.unknown.more()));
            }
        }
        let said = done.beside.iter().flat_map(|beside| &beside.said).map(Said::shown).collect();
        Self { row: done.row, status, id, errors, shown, warnings, said }
    }

    fn own(&self) -> [String; 5] {
        [
            self.row.map_or_else(String::new, |row| row.to_string()),
            self.status.to_owned(),
            self.id.map_or_else(String::new, |id| id.to_string()),
            self.shown.join("; "),
            self.warnings.iter().chain(&self.said).map(String::as_str).collect::<Vec<_>>().join("; "),
        ]
    }
}

/// What was taken all the same, in words.
pub(crate) fn shown(warning: &roster_directory::user::Warning, org: OrganizationId) -> String {
    use roster_directory::user::Warning;
    match warning {
        Warning::UnknownPayor { id, .. } => format!("{id} is no payor of {org}; skipped"),
        Warning::NpiCheckDigit => "the NPI is not well-formed or fails its check digit".to_owned(),
        Warning::PhoneUnreachable => "no text message can reach this phone number".to_owned(),
    }
}

/// An issue by the title of its column, and what stands there.
fn in_its_column(issue: &Issue, table: &Table, beside: Option<&Beside>) -> (String, Option<String>) {
    let name = match issue.path.as_slice() {
        [metadata, name, ..] if metadata == "metadata" => format!("metadata.{name}"),
        [name, ..] => name.clone(),
        [] => return (issue.message.to_string(), None),
    };
    let column_of = |name: &str| Field::parse(name).and_then(|field| table.mapping.column(&field));
    let both = || column_of("name").filter(|_| ["firstName", "lastName"].contains(&&*name));
    let Some(column) = column_of(&name).or_else(both) else { return (format!("{name}: {}", issue.message), None) };
    let value = match beside.map(|beside| &beside.content) {
        Some(Content::Cells(cells)) => cells.get(column).map(|cell| cell.text().into_owned()),
        _ => None,
    };
    let value = value.filter(|value| !value.is_empty());
    (format!("column {:?}: {}", table.titles[column], issue.message), value)
}

/// Writes the result as it comes.
pub(crate) enum Writer<W: Write> {
    /// Of a sheet with this table.
    Csv(Box<csv::Writer<W>>, Box<Table>),
    /// Of lines.
    Lines(W),
}

impl<W: Write> Writer<W> {
    /// Of the file whose table this is, or of lines.
    pub(crate) fn begin(mut to: W, table: Option<&Table>) -> io::Result<Self> {
        let Some(table) = table else { return Ok(Writer::Lines(to)) };
        // So that Excel takes it for UTF-8.
        to.write_all("\u{feff}".as_bytes())?;
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(to);
        let titles = kept(table).map(|column| guard::out(&table.titles[column]));
        csv.write_record(titles.map(|title| title.into_owned()).chain(OWN.map(str::to_owned)))?;
        Ok(Writer::Csv(Box::new(csv), Box::new(table.clone())))
    }

    /// A row, with what became of it.
    pub(crate) fn write(&mut self, told: &Told, beside: Option<&Beside>) -> io::Result<()> {
        match self {
            Writer::Csv(csv, table) => {
                let cells = match beside.map(|beside| &beside.content) {
                    Some(Content::Cells(cells)) => cells.as_slice(),
                    _ => &[],
                };
                let cell = |column: usize| cells.get(column).map_or(String::new(), |cell| cell.text().into_owned());
                let texts = kept(table).map(cell).chain(told.own());
                Ok(csv.write_record(texts.map(|text| guard::out(&text).into_owned()))?)
            }
            Writer::Lines(to) => {
                serde_json::to_writer(&mut *to, &line(told, beside))?;
                to.write_all(b"\n")
            }
        }
    }

    /// Nothing follows.
    pub(crate) fn end(self) -> io::Result<()> {
        match self {
            Writer::Csv(mut csv, _) => csv.flush(),
            Writer::Lines(mut to) => to.flush(),
        }
    }
}

/// The columns that are not Roster's own: what stood in those is written anew.
fn kept(table: &Table) -> impl Iterator<Item = usize> {
    (0..table.titles.len()).filter(|column| !is_own(&table.titles[*column]))
}

/// A line as it was, with what became of it. A line that is no object stands there as text.
fn line(told: &Told, beside: Option<&Beside>) -> BTreeMap<String, Box<RawValue>> {
    let text = |text: &str| to_raw_value(text).expect("text is JSON");
    let mut all = BTreeMap::new();
    if let Some(Beside { content: Content::Line(line), .. }) = beside {
        match serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(line) {
            Ok(was) => all.extend(was.into_iter().filter(|(name, _)| !is_own(name))),
            Err(_) => drop(all.insert("_line".to_owned(), text(&String::from_utf8_lossy(line)))),
        }
    }
    let own = OWN.iter().zip(told.own()).filter(|(_, value)| !value.is_empty());
    all.extend(own.map(|(name, value)| ((*name).to_owned(), text(&value))));
    all
}

/// Whether Roster wrote a column or a name of this kind beside the others.
fn is_own(name: &str) -> bool {
    OWN.contains(&name) || name == "_line"
}

/// Whether a result that is given again says that this row was done.
pub(super) fn is_done(status: &str) -> bool {
    matches!(status, "created" | "changed" | "unchanged" | "deactivated")
}

/// The same of a line.
pub(super) fn is_done_line(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Marked<'a> {
        #[serde(rename = "_status", borrow)]
        status: Option<Cow<'a, str>>,
    }
    const NAME: &[u8] = b"\"_status\"";
    // Few lines have it, and none is read twice for it.
    line.windows(NAME.len()).any(|bytes| bytes == NAME)
        && serde_json::from_slice::<Marked<'_>>(line)
            .is_ok_and(|line| line.status.is_some_and(|status| is_done(&status)))
}
