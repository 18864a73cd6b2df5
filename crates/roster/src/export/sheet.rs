//! A workbook of users, row by row: what it holds in memory does not grow with them.

use std::{
    error::Error as StdError,
    fmt,
    fs::File,
    io::{self, BufReader, BufWriter, Write},
    sync::Weak,
};

use csv::{ByteRecord, ReaderBuilder};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::{
    columns::{self, Kind},
    must_be_wanted,
};

/// Rows that a sheet has room for, below its header.
const ROOM: u64 = (1 << 20) - 1;

/// What is said where that is not enough.
pub(super) const FULL: &str = "A workbook has room for 1048575 users: export CSV, or fewer of them";

/// Rows between two looks whether anybody still waits.
const LOOK_EVERY: u64 = 1_024;

/// Excel's calendar has a day too many before this one, and none before 1900.
const FIRST_DAY: &str = "1900-03-01";

/// There are more rows than a sheet has room for.
#[derive(Debug)]
struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FULL)
    }
}

impl StdError for Full {}

pub(super) fn is_full(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<Full>())
}

/// The workbook of so many records, each of [`columns::ALL`].
pub(super) fn of(records: File, rows: u64, asked: &Weak<()>) -> io::Result<File> {
    if rows > ROOM {
        return Err(io::Error::other(Full));
    }
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_constant_memory().map_err(told)?;
    begin(sheet, rows as u32).map_err(told)?;
    let formats = Formats::default();
    let mut records = ReaderBuilder::new().has_headers(false).from_reader(BufReader::new(records));
    let mut record = ByteRecord::new();
    let mut row = 0;
    while records.read_byte_record(&mut record)? {
        if u64::from(row) % LOOK_EVERY == 0 {
            must_be_wanted(asked)?;
        }
        row += 1;
        for (at, (column, value)) in columns::ALL.iter().zip(&record).enumerate() {
            let value = std::str::from_utf8(value).map_err(io::Error::other)?;
            if !value.is_empty() {
                cell(sheet, row, at as u16, column.kind, value, &formats).map_err(told)?;
            }
        }
    }
    let mut file = tempfile::tempfile()?;
    let mut buffered = BufWriter::new(&mut file);
    workbook.save_to_writer(&mut buffered).map_err(told)?;
    buffered.flush()?;
    drop(buffered);
    Ok(file)
}

/// What a sheet has beside its rows: a header that stays, with filters.
fn begin(sheet: &mut Worksheet, rows: u32) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    sheet.set_name("Users")?;
    sheet.set_freeze_panes(1, 0)?;
    sheet.autofilter(0, 0, rows, columns::ALL.len() as u16 - 1)?;
    for (at, column) in columns::ALL.iter().enumerate() {
        sheet.set_column_width(at as u16, column.width)?;
        sheet.write_string_with_format(0, at as u16, column.name, &bold)?;
    }
    Ok(())
}

struct Formats {
    day: Format,
    moment: Format,
}

impl Default for Formats {
    fn default() -> Self {
        let [day, moment] = ["yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"].map(|form| Format::new().set_num_format(form));
        Self { day, moment }
    }
}

fn cell(sheet: &mut Worksheet, row: u32, at: u16, kind: Kind, value: &str, formats: &Formats) -> Result<(), XlsxError> {
    let (date, format) = match kind {
        Kind::Text => (None, &formats.day),
        Kind::Flag => {
            sheet.write_boolean(row, at, value == "true")?;
            return Ok(());
        }
        Kind::Day => (Some(value), &formats.day),
        Kind::Due => (value.strip_suffix("T00:00:00.000Z"), &formats.day),
        Kind::Moment => (Some(value), &formats.moment),
    };
    // A year of more than four digits, or none that Excel knows, stays text.
    let date = date.filter(|date| *date >= FIRST_DAY).and_then(|date| ExcelDateTime::parse_from_str(date).ok());
    match date {
        Some(date) => sheet.write_datetime_with_format(row, at, date, format)?,
        None => sheet.write_string(row, at, value)?,
    };
    Ok(())
}

fn told(error: XlsxError) -> io::Error {
    match error {
        XlsxError::IoError(error) => error,
        error => io::Error::other(error),
    }
}
