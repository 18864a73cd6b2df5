//! `roster import`: a file of people, each row by the rules of create or PATCH.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Read, Seek, Write},
    path::PathBuf,
};

use anyhow::{Context, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use roster_directory::{OrganizationId, Role};
use roster_sheet::{Field, Format, Table, date::Order, mapping::Said, table, text::Encoding, value::Titles};
use tokio::signal::unix::{SignalKind, signal};

use super::{key::role, note, operator_of, or_dash};
use crate::{
    app::{
        App,
        import::{By, Cap, Ended, How, Outcome, Stopped, import},
    },
    intake::{Beside, Reading, Rows, Told, Writer, read_lines, read_sheet},
};

/// Users whose creation changes what is a good plan.
const MANY: u64 = 10_000;

/// Bytes of a sheet that may come through a pipe: they wait in a file.
const MOST_PIPED: u64 = 4 << 30;

/// What becomes of rows, in words.
struct Words {
    create: &'static str,
    change: &'static str,
    leave: &'static str,
    deactivate: &'static str,
    refuse: &'static str,
}

const DID: Words =
    Words { create: "created", change: "changed", leave: "left", deactivate: "deactivated", refuse: "refused" };

const WOULD: Words =
    Words { create: "would create", change: "change", leave: "leave", deactivate: "deactivate", refuse: "refuse" };

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The organization they belong to
    #[arg(long)]
    org: OrganizationId,
    /// Write nothing: say what would become of each row
    #[arg(long)]
    dry_run: bool,
    /// Change whoever has the same; whom nobody has is new. Without it, every row is somebody new
    #[arg(long = "match", value_name = "FIELD")]
    by: Option<Match>,
    /// An empty cell removes what is known; else it leaves that as it is. Names, role and shouldSendSMS stay in any case
    #[arg(long, requires = "by")]
    clear_empty: bool,
    /// Deactivate the users whom no row is about, though they have what rows are matched by
    #[arg(long, requires = "by")]
    deactivate_missing: bool,
    /// The largest share of them that may be deactivated so: a file that was cut short is noticed
    #[arg(long, requires = "deactivate_missing", value_name = "SHARE", default_value_t = Cap::DEFAULT,
          value_parser = Cap::parse)]
    cap: Cap,
    /// What a column holds, as 'Work Email=email'; nothing, as 'Notes='. May be given several times
    #[arg(long = "map", value_name = "TITLE=FIELD", value_parser = Said::parse)]
    maps: Vec<Said>,
    /// A file with what columns hold, as --save-mapping writes it
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Write down what the columns hold, to be given again
    #[arg(long, value_name = "FILE")]
    save_mapping: Option<PathBuf>,
    /// What a title means, as 'Wizard=CLINICIAN'. May be given several times
    #[arg(long = "role-map", value_name = "TITLE=ROLE", value_parser = title)]
    role_maps: Vec<(String, Role)>,
    /// Write the file again, with what became of each row beside it: the rows that are refused can be mended there
    #[arg(long, value_name = "FILE")]
    result: Option<PathBuf>,
    /// The sheet of a workbook; else the first one with a header
    #[arg(long, value_name = "NAME")]
    sheet: Option<String>,
    /// utf-8, utf-16le, utf-16be or windows-1252; else what the file looks like
    #[arg(long)]
    encoding: Option<Encoding>,
    /// What stands between values; else what the file looks like
    #[arg(long)]
    delimiter: Option<Delimiter>,
    /// How days are written that are all numbers; else as in the organization's country
    #[arg(long, value_name = "ORDER")]
    dates: Option<Dates>,
    /// CSV, XLSX, or a JSON object on each line as it would be sent to POST /api/v1/users; - for standard input
    #[arg(default_value = "-")]
    file: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Match {
    Email,
    #[value(name = "externalId")]
    ExternalId,
    Npi,
    #[value(name = "publicId")]
    PublicId,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Delimiter {
    Comma,
    Semicolon,
    Tab,
    Bar,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Dates {
    /// 03/15/2027
    Mdy,
    /// 15/03/2027
    Dmy,
}

impl Import {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let caller = operator_of(app, self.org).await?;
        let told_to_end = told_to_end()?;
        let by = self.by.map(Match::by);
        let (table, rows) = self.open(app).await?;
        let (word, columns) = (if table.is_some() { "row" } else { "line" }, table.as_deref());
        if let Some(table) = columns {
            self.say_columns(table, by)?;
        }
        let mut result = match &self.result {
            Some(path) => {
                let doing = || format!("cannot write {}", path.display());
                let is_given = fs::canonicalize(path)
                    .ok()
                    .is_some_and(|path| fs::canonicalize(&self.file).is_ok_and(|file| file == path));
                ensure!(!is_given, "the result would be written over {}: give it another name", self.file.display());
                let file = BufWriter::new(File::create(path).with_context(doing)?);
                Some(Writer::begin(file, columns).with_context(doing)?)
            }
            None => None,
        };
        let mut printed = BufWriter::new(io::stdout());
        let mut otherwise: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        let missing = self.deactivate_missing.then_some(self.cap);
        let how = How { by, is_rehearsal: self.dry_run, missing };
        let ended = import(app, &caller, how, rows, told_to_end, |done| {
            let told = Told::of(&done, self.dry_run, columns, self.org);
            if !matches!(done.outcome, Outcome::Unchanged(_) | Outcome::Refused(_)) {
                writeln!(printed, "{}\t{}\t{}", or_dash(told.row), told.status, or_dash(told.id))?;
            }
            for (what, texts) in [("warning: ", &told.warnings), ("", &told.errors)] {
                texts.iter().for_each(|text| note(format_args!("{word} {}: {what}{text}", or_dash(told.row))));
            }
            for said in done.beside.iter().flat_map(|beside: &Beside| &beside.said) {
                otherwise.entry((said.field, said.why)).or_insert((told.row.unwrap_or_default(), 0)).1 += 1;
            }
            match &mut result {
                Some(result) => result.write(&told, done.beside.as_ref()),
                None => Ok(()),
            }
        })
        .await;
        printed.flush()?;
        if let (Some(result), Some(path)) = (result, &self.result) {
            result.end().with_context(|| format!("cannot write {}", path.display()))?;
        }
        for ((field, why), (first, count)) in otherwise {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            note(format_args!("{word} {first}{more}: warning: {field}: {why}"));
        }
        if ended.counts.created >= MANY
            && !self.dry_run
            && let Err(error) = app.store().analyze().await
        {
            let error = anyhow::Error::new(error);
            note(format_args!("warning: who was created is there, but the database was not analyzed: {error:#}"));
        }
        self.conclude(ended, word)
    }

    /// The file, as it is read: what table it has, if it is a sheet, and its rows.
    async fn open(&self, app: &App) -> anyhow::Result<(Option<Box<Table>>, Rows)> {
        let doing = || format!("cannot read {}", self.file.display());
        let is_piped = self.file.as_os_str() == "-" || !fs::metadata(&self.file).with_context(doing)?.is_file();
        let mut from: Box<dyn BufRead + Send> = match self.file.as_os_str() == "-" {
            true => Box::new(BufReader::new(io::stdin())),
            false => Box::new(BufReader::with_capacity(1 << 16, File::open(&self.file).with_context(doing)?)),
        };
        let format = Format::of(from.fill_buf().with_context(doing)?).with_context(doing)?;
        if format == Format::JsonLines {
            ensure!(
                self.maps.is_empty() && self.mapping.is_none() && self.role_maps.is_empty() && !self.clear_empty,
                "lines of JSON have no columns and no titles: leave out --map, --mapping, --role-map and --clear-empty"
            );
            return Ok((None, read_lines(from, self.by.is_some())));
        }
        let file = match is_piped {
            true => kept(from).with_context(doing)?,
            false => File::open(&self.file).with_context(doing)?,
        };
        let (table, mut rows) = read_sheet(file, format == Format::Xlsx, self.options()?, self.reading(app).await?);
        match table.await {
            Ok(table) => Ok((Some(table), rows)),
            Err(_) => match rows.recv().await {
                Some(Err(error)) => Err(error).with_context(doing),
                _ => bail!("{}: it ended before it began", doing()),
            },
        }
    }

    fn options(&self) -> anyhow::Result<table::Options> {
        let mut said = Vec::new();
        if let Some(path) = &self.mapping {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            said = Said::parse_all(&text).map_err(|why| anyhow!("{}: {why}", path.display()))?;
        }
        said.extend(self.maps.iter().cloned());
        let delimiter = self.delimiter.map(|delimiter| match delimiter {
            Delimiter::Comma => b',',
            Delimiter::Semicolon => b';',
            Delimiter::Tab => b'\t',
            Delimiter::Bar => b'|',
        });
        Ok(table::Options { said, encoding: self.encoding, delimiter, sheet: self.sheet.clone() })
    }

    async fn reading(&self, app: &App) -> anyhow::Result<Reading> {
        let caller = operator_of(app, self.org).await?;
        let payors = app.store().payors(self.org).await?;
        let year = app.clock().now()?.to_string().get(..4).and_then(|year| year.parse().ok()).unwrap_or(i16::MAX);
        let mut titles = Titles::default();
        self.role_maps.iter().for_each(|(title, role)| titles.add(title, *role));
        let dates = self.dates.map(|dates| match dates {
            Dates::Mdy => Order::MonthFirst,
            Dates::Dmy => Order::DayFirst,
        });
        Ok(Reading::of(&caller.identity.organization, year, payors, dates, titles, self.clear_empty))
    }

    /// Says how the file is read and what its columns hold.
    fn say_columns(&self, table: &Table, by: Option<By>) -> anyhow::Result<()> {
        let above = if table.above > 0 {
            format!(", below rows that are passed over ({})", table.above)
        } else {
            String::new()
        };
        note(format_args!("read as {}; the header is row {}{above}", table.read_as, table.header_row));
        for sheet in &table.other_sheets {
            note(format_args!("the sheet {sheet:?} is not read; read it with --sheet"));
        }
        for (title, field) in table.titles.iter().zip(&table.mapping.columns) {
            if let Some(field) = field {
                note(format_args!("column {title:?}: {field}"));
            }
        }
        for title in table.mapping.unknown(&table.titles) {
            let is_said = self.maps.iter().any(|said| said.field.is_none() && said.title.eq_ignore_ascii_case(title));
            if !is_said {
                note(format_args!(
                    "column {title:?}: not known, and not imported; say what it holds with --map '{title}=…'"
                ));
            }
        }
        if let Some(by) = by {
            let field = Field::parse(by.as_str()).filter(|field| table.mapping.column(field).is_none());
            if let Some(field) = field {
                bail!(
                    "no column holds {field}, by which people are to be found; say which one does with --map 'Title={field}'"
                );
            }
        }
        if let Some(path) = &self.save_mapping {
            let saved = table.mapping.saved(&table.titles);
            fs::write(path, saved).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn conclude(&self, ended: Ended<roster_sheet::Error>, word: &str) -> anyhow::Result<()> {
        let (counts, rows) = (ended.counts, ended.counts.rows());
        let said = if self.dry_run { WOULD } else { DID };
        let mut line = format!("{} {}", said.create, counts.created);
        if self.by.is_some() {
            line.push_str(&format!(
                ", {} {}, {} {} unchanged",
                said.change, counts.changed, said.leave, counts.unchanged
            ));
        }
        if self.deactivate_missing {
            line.push_str(&format!(", {} {}", said.deactivate, counts.deactivated));
        }
        note(format_args!("{line}, {} {} of {rows} {word}s", said.refuse, counts.refused));
        if self.dry_run {
            note("nothing was written");
        }
        if let Some(kept) = ended.kept {
            note(kept);
        }
        let failed = match ended.stopped {
            None => None,
            Some(Stopped::Told) => Some(anyhow!("told to end: what comes after {word} {} was not begun", ended.begun)),
            Some(Stopped::Unread(error)) => Some(error.into()),
            Some(Stopped::Failed(row, error)) => Some(anyhow::Error::new(error).context(format!("{word} {row}"))),
            Some(Stopped::Unknown(row)) => Some(anyhow!("it is not known what became of {word} {row}")),
            Some(Stopped::Untold(error)) => {
                Some(anyhow::Error::new(error).context("what became of the rows cannot be written"))
            }
        };
        match failed {
            Some(error) if self.dry_run => Err(error.context("stopped")),
            Some(error) => Err(error.context(format!("stopped; what was done stays, and is listed by {word}"))),
            None if counts.refused > 0 => bail!("{} of {rows} {word}s are refused", counts.refused),
            None if ended.kept.is_some() => bail!("nobody was deactivated"),
            None => Ok(()),
        }
    }
}

impl Match {
    fn by(self) -> By {
        match self {
            Match::Email => By::Email,
            Match::ExternalId => By::ExternalId,
            Match::Npi => By::Npi,
            Match::PublicId => By::PublicId,
        }
    }
}

/// `Title=ROLE`.
fn title(text: &str) -> Result<(String, Role), String> {
    let (title, name) = text.rsplit_once('=').ok_or("a title is mapped as 'Title=ROLE'")?;
    Ok((title.trim().to_owned(), role(name.trim())?))
}

/// What comes through a pipe, in a file without a name: a sheet is read more than once.
fn kept(mut from: impl Read) -> anyhow::Result<File> {
    let mut file = tempfile::tempfile()?;
    let bytes = io::copy(&mut from.by_ref().take(MOST_PIPED + 1), &mut file)?;
    ensure!(bytes <= MOST_PIPED, "it is larger than {} GiB", MOST_PIPED >> 30);
    file.rewind()?;
    Ok(file)
}

/// Waits for ctrl-C, or for whoever ends processes otherwise.
fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
