//! A file of people, as people have them: its cells, its columns, and its values as they are written.
//!
//! Nothing here knows the database, a clock or the network: bytes come in, and rows go out. Whoever reads a file decides
//! what a row means for the directory.

#![forbid(unsafe_code)]

pub mod cell;
pub mod error;

pub mod csv;
pub mod lines;
pub mod text;
pub mod xlsx;
mod zip;

pub mod field;
pub mod mapping;
pub mod table;

pub mod date;
pub mod guard;
pub mod value;

pub use cell::{Cell, Row};
pub use error::Error;
pub use field::Field;
pub use mapping::Mapping;
pub use table::{Format, Table};

/// Rows that a sheet may have: five times as many as Excel can hold.
pub const MAX_ROWS: u64 = 5_000_000;

/// Columns that a sheet may have.
pub const MAX_COLUMNS: usize = 256;

/// Bytes that a cell may have. Excel's own limit is 32 767 characters.
pub const MAX_CELL: usize = 128 << 10;

/// Bytes that a row of CSV may have: so that one quotation mark that is never closed does not swallow the file.
pub const MAX_ROW: usize = 1 << 20;

/// Bytes that an XLSX may unpack to, all its parts together.
pub const MAX_UNPACKED: u64 = 512 << 20;

/// Bytes that a part of an XLSX may unpack to, if it is no sheet: those are held in memory.
pub const MAX_PART: u64 = 128 << 20;
