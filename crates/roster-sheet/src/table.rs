//! A file read to its rows: which kind it is, where its table begins, and what its columns stand for.

use std::{
    io::{BufReader, Read, Seek, SeekFrom},
    ops::ControlFlow,
};

use crate::{
    Error, Mapping, Row,
    csv::Rows,
    mapping::Said,
    text::{self, Encoding},
    xlsx::Book,
};

/// Rows with something in them among which the header is looked for: what stands above it are titles.
pub const HEADER_WITHIN: usize = 20;

/// Columns that must be known for a row to be a header, unless none has so many.
const SURELY_A_HEADER: usize = 2;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Values with commas, semicolons or tabs between them.
    Csv,
    /// A workbook of Excel, since 2007.
    Xlsx,
    /// A JSON object on each line.
    JsonLines,
}

impl Format {
    /// The kind of a file that begins like this.
    pub fn of(begin: &[u8]) -> Result<Self, Error> {
        match begin {
            [0x1f, 0x8b, ..] => return Err(Error::OtherKind("gzip")),
            [b'P', b'K', 3, 4, ..] => return Ok(Format::Xlsx),
            [0xd0, 0xcf, 0x11, 0xe0, ..] => {
                return Err(Error::OtherKind("a spreadsheet of an old Excel (XLS), or one with a password"));
            }
            [b'%', b'P', b'D', b'F', ..] => return Err(Error::OtherKind("a PDF")),
            [0xff, 0xfe, b'{', 0, ..] | [0xfe, 0xff, 0, b'{', ..] | [0, b'{', ..] | [b'{', 0, ..] => {
                return Err(Error::OtherKind("JSON in UTF-16"));
            }
            _ => {}
        }
        let text = begin.strip_prefix("\u{feff}".as_bytes()).unwrap_or(begin).trim_ascii_start();
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        match first {
            [] => Err(Error::NoRows),
            [b'[', rest @ ..] if matches!(rest.trim_ascii_start(), [] | [b'{' | b']', ..]) => {
                Err(Error::OtherKind("one JSON array"))
            }
            [b'{'] => Err(Error::OtherKind("JSON over several lines")),
            [b'{', ..] => Ok(Format::JsonLines),
            [b'<', ..] => Err(Error::OtherKind("HTML or XML")),
            _ => Ok(Format::Csv),
        }
    }
}

/// How a sheet is to be read, where it does not say so itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What columns stand for.
    pub said: Vec<Said>,
    /// The encoding of CSV.
    pub encoding: Option<Encoding>,
    /// What stands between the values of CSV.
    pub delimiter: Option<u8>,
    /// The name of the sheet.
    pub sheet: Option<String>,
}

/// A table that was found, before its rows are read.
#[derive(Debug, Clone)]
pub struct Table {
    /// How it was read, in words: an encoding and a delimiter, or the name of a sheet.
    pub read_as: String,
    /// Sheets that can be seen and are not read.
    pub other_sheets: Vec<String>,
    /// The row that the titles stand in.
    pub header_row: u64,
    /// Rows above it that have something in them.
    pub above: usize,
    /// The titles of its columns.
    pub titles: Vec<String>,
    /// What the columns stand for.
    pub mapping: Mapping,
}

/// Who is told what stands in a file.
pub trait Sink {
    /// A table begins. Once, and before its rows.
    fn table(&mut self, table: Table) -> ControlFlow<()>;

    /// A row, with something in it.
    fn row(&mut self, row: Row) -> ControlFlow<()>;
}

/// Reads CSV.
pub fn read_csv(mut from: impl Read + Seek, options: &Options, sink: &mut dyn Sink) -> Result<(), Error> {
    let encoding = match options.encoding {
        Some(encoding) => encoding,
        None => text::detect(&mut from)?,
    };
    text::must_be(&mut from, encoding)?;
    from.seek(SeekFrom::Start(0))?;
    let mut rows = Rows::of(BufReader::new(text::decoded(from, encoding)?), options.delimiter)?;
    let between = match rows.delimiter() {
        ',' => "commas",
        ';' => "semicolons",
        '\t' => "tabs",
        _ => "vertical bars",
    };
    let mut head = Vec::new();
    while head.len() < HEADER_WITHIN {
        match rows.next_row()? {
            Some(row) => head.push(row),
            None => break,
        }
    }
    let found = Header::find(&head, options)?;
    let table = found.table(&head, format!("CSV in {} with {between}", encoding.as_str()), Vec::new());
    if sink.table(table).is_break() {
        return Ok(());
    }
    for row in head.drain(..).skip(found.index + 1) {
        if sink.row(row).is_break() {
            return Ok(());
        }
    }
    while let Some(row) = rows.next_row()? {
        if sink.row(row).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads the first sheet of a workbook that has a header, or the one that is named.
pub fn read_xlsx(from: impl Read + Seek, options: &Options, sink: &mut dyn Sink) -> Result<(), Error> {
    let mut book = Book::open(from)?;
    let sheets = book.sheets().to_vec();
    let named = options.sheet.as_ref();
    if let Some(name) = named.filter(|name| !sheets.contains(name)) {
        return Err(Error::NoSheet(Some(name.clone())));
    }
    let mut why_not = Error::NoSheet(None);
    for (index, sheet) in sheets.iter().enumerate().filter(|(_, sheet)| named.is_none_or(|name| name == *sheet)) {
        let mut head = Vec::new();
        book.rows(sheet, |row| {
            head.push(row);
            head.len() < HEADER_WITHIN
        })?;
        let found = match Header::find(&head, options) {
            Ok(found) => found,
            // The first sheet is often one that says what the others are.
            Err(error @ (Error::NoHeader | Error::NoRows)) => {
                if index == 0 || matches!(why_not, Error::NoSheet(_) | Error::NoRows) {
                    why_not = error;
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        let others = sheets.iter().filter(|other| *other != sheet).cloned().collect();
        if sink.table(found.table(&head, format!("the sheet {sheet:?}"), others)).is_break() {
            return Ok(());
        }
        let header = head[found.index].number;
        return book.rows(sheet, |row| row.number <= header || sink.row(row).is_continue());
    }
    Err(why_not)
}

/// Which row the header is, and what its columns stand for.
struct Header {
    index: usize,
    titles: Vec<String>,
    mapping: Mapping,
}

impl Header {
    /// The first row with enough titles that are known; where none has enough, the first with any.
    fn find(head: &[Row], options: &Options) -> Result<Self, Error> {
        if head.is_empty() {
            return Err(Error::NoRows);
        }
        let titles_of = |row: &Row| row.cells.iter().map(|cell| one_line(&cell.text())).collect::<Vec<_>>();
        let mut first_known = None;
        for (index, row) in head.iter().enumerate() {
            let titles = titles_of(row);
            let known = match Mapping::of(&titles, &options.said) {
                Ok(mapping) => mapping.known(),
                // Two columns for one field: it is a header, and what is wrong is said.
                Err(_) => SURELY_A_HEADER,
            };
            if known >= SURELY_A_HEADER || (known > 0 && first_known.is_none()) {
                first_known = Some(index);
            }
            if known >= SURELY_A_HEADER {
                break;
            }
        }
        let index = first_known.ok_or(Error::NoHeader)?;
        let titles = titles_of(&head[index]);
        let mapping = Mapping::of(&titles, &options.said)?;
        let is_there = |said: &&Said| !titles.iter().any(|title| title.eq_ignore_ascii_case(&said.title));
        match options.said.iter().find(is_there) {
            Some(missing) if missing.field.is_some() => Err(Error::NoColumn(missing.title.clone())),
            _ => Ok(Self { index, titles, mapping }),
        }
    }

    fn table(&self, head: &[Row], read_as: String, other_sheets: Vec<String>) -> Table {
        Table {
            read_as,
            other_sheets,
            header_row: head[self.index].number,
            above: self.index,
            titles: self.titles.clone(),
            mapping: self.mapping.clone(),
        }
    }
}

/// A title that was broken over several lines, on one.
fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[derive(Default)]
    struct Seen(String);

    impl Sink for Seen {
        fn table(&mut self, table: Table) -> ControlFlow<()> {
            let unknown: Vec<_> = table.mapping.unknown(&table.titles).collect();
            self.0 =
                format!("{}; header {}, {} above, unknown {unknown:?}", table.read_as, table.header_row, table.above);
            ControlFlow::Continue(())
        }

        fn row(&mut self, row: Row) -> ControlFlow<()> {
            let cells: Vec<_> = row.cells.iter().map(|cell| cell.text().into_owned()).collect();
            self.0.push_str(&format!("; {}: {}", row.number, cells.join("|")));
            ControlFlow::Continue(())
        }
    }

    fn check(text: &str, expect: &str) {
        let mut seen = Seen::default();
        let read = read_csv(Cursor::new(text), &Options::default(), &mut seen);
        assert_eq!(seen.0 + &read.err().map_or_else(String::new, |error| format!("; refused: {error}")), expect);
    }

    #[test]
    fn the_header_is_found_below_titles() {
        check(
            "Sunrise ABA,,\r\n\"Staff, as of May\",,\r\n\"First\nName\",Last Name,Shoe size\r\nAnn,Lee,9\r\n",
            "CSV in UTF-8 with commas; header 3, 2 above, unknown [\"Shoe size\"]; 4: Ann|Lee|9",
        );
        check("Email\na@example.com\n", "CSV in UTF-8 with commas; header 1, 0 above, unknown []; 2: a@example.com");
    }

    #[test]
    fn what_has_no_header_is_refused() {
        check("1,2\n3,4\n", &format!("; refused: {}", Error::NoHeader));
        check("\n\n", &format!("; refused: {}", Error::NoRows));
    }
}
