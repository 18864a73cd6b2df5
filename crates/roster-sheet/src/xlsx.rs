//! XLSX: its sheets that can be seen, and their rows.

use std::io::{Read, Seek, SeekFrom};

use calamine::{CellErrorType, DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use jiff::civil::Date;

use crate::{Cell, Error, MAX_CELL, MAX_COLUMNS, MAX_ROWS, Row, date, zip};

/// A workbook.
pub struct Book<R: Read + Seek> {
    xlsx: Xlsx<R>,
    sheets: Vec<String>,
}

impl<R: Read + Seek> Book<R> {
    /// Opens a workbook that unpacks to no more than may be unpacked.
    pub fn open(mut from: R) -> Result<Self, Error> {
        zip::must_be_small(&mut from)?;
        from.seek(SeekFrom::Start(0))?;
        let xlsx = Xlsx::new(from).map_err(told)?;
        let sheets = xlsx.sheets_metadata().iter();
        let sheets = sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
        let sheets = sheets.map(|sheet| sheet.name.clone()).collect();
        Ok(Self { xlsx, sheets })
    }

    /// The names of the sheets that can be seen, in their order.
    pub fn sheets(&self) -> &[String] {
        &self.sheets
    }

    /// The rows of a sheet that have something in them, each to be taken or, by `false`, to be the last.
    pub fn rows(&mut self, sheet: &str, mut take: impl FnMut(Row) -> bool) -> Result<(), Error> {
        let mut cells = self.xlsx.worksheet_cells_reader(sheet).map_err(told)?;
        let mut row = Row::default();
        let mut read = 0;
        loop {
            let cell = cells.next_cell().map_err(told)?;
            let number = cell.as_ref().map(|cell| u64::from(cell.get_position().0) + 1);
            if number != Some(row.number) {
                let done = std::mem::take(&mut row);
                if !done.is_empty() {
                    read += 1;
                    if read > MAX_ROWS {
                        return Err(Error::TooManyRows);
                    }
                    if !take(done) {
                        return Ok(());
                    }
                }
            }
            let (Some(cell), Some(number)) = (cell, number) else { return Ok(()) };
            row.number = number;
            let value = value(cell.get_value(), number)?;
            if value.is_empty() {
                continue;
            }
            let column = cell.get_position().1 as usize;
            if column >= MAX_COLUMNS {
                return Err(Error::TooManyColumns(number));
            }
            if row.cells.len() <= column {
                row.cells.resize(column + 1, Cell::Empty);
            }
            row.cells[column] = value;
        }
    }
}

fn value(value: &DataRef<'_>, row: u64) -> Result<Cell, Error> {
    let text = |text: &str| if text.len() > MAX_CELL { Err(Error::CellTooLong(row)) } else { Ok(Cell::of_text(text)) };
    Ok(match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(value) | DataRef::DurationIso(value) => text(value)?,
        DataRef::SharedString(value) => text(value)?,
        DataRef::Int(value) => Cell::Number(*value as f64),
        DataRef::Float(value) => Cell::Number(*value),
        DataRef::Bool(value) => Cell::Bool(*value),
        // A time of day, or a span, is no day.
        DataRef::DateTime(value) if value.is_duration() || value.as_f64() < 1.0 => Cell::Number(value.as_f64()),
        DataRef::DateTime(value) => {
            let (year, month, day, ..) = value.to_ymd_hms_milli();
            let day = Date::new(year.try_into().unwrap_or(i16::MAX), month as i8, day as i8);
            day.map_or(Cell::Number(value.as_f64()), Cell::Day)
        }
        DataRef::DateTimeIso(value) => date::iso(value).map_or_else(|| text(value), |day| Ok(Cell::Day(day)))?,
        DataRef::Error(error) => Cell::Error(match error {
            CellErrorType::Div0 => "#DIV/0!",
            CellErrorType::NA => "#N/A",
            CellErrorType::Name => "#NAME?",
            CellErrorType::Null => "#NULL!",
            CellErrorType::Num => "#NUM!",
            CellErrorType::Ref => "#REF!",
            CellErrorType::Value => "#VALUE!",
            CellErrorType::GettingData => "#GETTING_DATA",
        }),
    })
}

fn told(error: XlsxError) -> Error {
    match error {
        XlsxError::Io(error) => Error::Io(error),
        XlsxError::Password => Error::Password,
        XlsxError::WorksheetNotFound(name) => Error::NoSheet(Some(name)),
        error => Error::Damaged(error.to_string()),
    }
}
