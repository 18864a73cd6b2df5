//! Why a file is not read, in words that say what to do.

use std::{fmt, io};

use crate::{MAX_CELL, MAX_COLUMNS, MAX_PART, MAX_ROW, MAX_ROWS, MAX_UNPACKED};

/// Why a file, or the rest of it, is not read.
#[derive(Debug)]
pub enum Error {
    /// It could not be read.
    Io(io::Error),
    /// It is another kind of file.
    OtherKind(&'static str),
    /// It has no rows.
    NoRows,
    /// Its rows have no header that is known.
    NoHeader,
    /// Two columns stand for one field. The titles of both, and the field's name.
    TwoColumns {
        /// The two titles.
        titles: [String; 2],
        /// What both stand for.
        field: String,
    },
    /// A column that was named is not there.
    NoColumn(String),
    /// A sheet that was named is not there, or there is no sheet at all.
    NoSheet(Option<String>),
    /// It is not valid in the encoding that it was said, or looked, to have.
    NotIn(&'static str),
    /// It is locked with a password.
    Password,
    /// The spreadsheet is damaged, or not what its name says.
    Damaged(String),
    /// It has more rows than that.
    TooManyRows,
    /// It has more columns than that, in this row.
    TooManyColumns(u64),
    /// A cell of this row is too long.
    CellTooLong(u64),
    /// The row is too long.
    RowTooLong(u64),
    /// It unpacks to too much.
    TooLarge,
    /// This line is longer than so many bytes.
    LineTooLong(u64, usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(_) => write!(f, "it could not be read"),
            Error::OtherKind(what) => {
                write!(f, "it looks like {what}; wanted is CSV, XLSX, or a JSON object on each line in UTF-8, as ")?;
                f.write_str(r#"{"firstName":"Ada","lastName":"Okafor"}"#)
            }
            Error::NoRows => write!(f, "there is nothing in it"),
            Error::NoHeader => write!(
                f,
                "no row of the first {} looks like a header: none has a title such as First name, Last name or Email; \
                 say what a column holds with --map 'Title=firstName'",
                crate::table::HEADER_WITHIN
            ),
            Error::TwoColumns { titles: [one, other], field } => write!(
                f,
                "the columns {one:?} and {other:?} both look like {field}; say which one is with --map '{one}={field}', \
                 or leave one out with --map '{other}='"
            ),
            Error::NoColumn(title) => write!(f, "there is no column {title:?}"),
            Error::NoSheet(Some(name)) => write!(f, "there is no sheet {name:?}"),
            Error::NoSheet(None) => write!(f, "there is no sheet that can be seen"),
            Error::NotIn(encoding) => {
                write!(f, "it is not valid {encoding}; save it as UTF-8, or say with --encoding what it is")
            }
            Error::Password => write!(f, "it is locked with a password; save it without one"),
            Error::Damaged(why) => write!(f, "the spreadsheet cannot be read ({why}); open it, and save it again"),
            Error::TooManyRows => write!(f, "it has more than {MAX_ROWS} rows; split it"),
            Error::TooManyColumns(row) => {
                write!(f, "row {row} has more than {MAX_COLUMNS} columns; delete those that are not needed")
            }
            Error::CellTooLong(row) => write!(f, "a cell of row {row} is longer than {MAX_CELL} bytes; shorten it"),
            Error::RowTooLong(row) => write!(
                f,
                "row {row} is longer than {MAX_ROW} bytes; perhaps a quotation mark is opened there and never closed"
            ),
            Error::TooLarge => write!(
                f,
                "it unpacks to more than {} MiB, or one of its parts to more than {} MiB; save it as CSV",
                MAX_UNPACKED >> 20,
                MAX_PART >> 20
            ),
            Error::LineTooLong(line, most) => write!(f, "line {line} is longer than {most} bytes"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}
