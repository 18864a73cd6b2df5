//! CSV, with whatever stands between its values.

use std::io::{self, Cursor, Read};

use crate::{Cell, Error, MAX_CELL, MAX_COLUMNS, MAX_ROW, MAX_ROWS, Row, guard};

/// Bytes of the beginning by which the delimiter is found.
const SAMPLE: usize = 64 << 10;

/// Rows of the beginning by which it is found.
const SAMPLE_ROWS: usize = 50;

/// Bytes that are read at once.
const BLOCK: usize = 64 << 10;

/// What may stand between values.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads rows one after the other.
pub struct Rows<R> {
    reader: csv::Reader<Bounded<io::Chain<Cursor<Vec<u8>>, R>>>,
    record: csv::ByteRecord,
    delimiter: u8,
    /// The row that was read last.
    number: u64,
    /// Rows before the text that is read.
    before: u64,
    /// Line ends inside cells so far: there are fewer rows than lines by that.
    inside: u64,
    /// Rows with something in them so far.
    read: u64,
}

impl<R: Read> Rows<R> {
    /// Of a text in UTF-8. Without a delimiter it is found.
    pub fn of(mut text: R, delimiter: Option<u8>) -> Result<Self, Error> {
        let mut begin = Vec::with_capacity(SAMPLE);
        text.by_ref().take(SAMPLE as u64).read_to_end(&mut begin)?;
        let said = said_by_excel(&begin);
        let delimiter = delimiter.or(said.map(|(delimiter, _)| delimiter)).unwrap_or_else(|| found_in(&begin));
        if let Some((_, length)) = said {
            begin.drain(..length);
        }
        let bounded = Bounded { from: Cursor::new(begin).chain(text), left: 0, last: Vec::new(), last_at: 0 };
        let reader = builder(delimiter).buffer_capacity(BLOCK).from_reader(bounded);
        let before = u64::from(said.is_some());
        Ok(Self { reader, record: csv::ByteRecord::new(), delimiter, number: before, before, inside: 0, read: 0 })
    }

    /// What stands between values.
    pub fn delimiter(&self) -> char {
        self.delimiter.into()
    }

    /// The next row that has something in it.
    pub fn next_row(&mut self) -> Result<Option<Row>, Error> {
        loop {
            // A part of what follows may have been read with it.
            self.reader.get_mut().left = MAX_ROW + BLOCK;
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return Ok(None),
                Ok(true) => {}
                Err(_) if self.reader.get_ref().left == 0 => return Err(Error::RowTooLong(self.number + 1)),
                Err(error) => return Err(Error::Io(error.into())),
            }
            self.count();
            let row = self.row()?;
            if row.is_empty() {
                continue;
            }
            self.read += 1;
            if self.read > MAX_ROWS {
                return Err(Error::TooManyRows);
            }
            return Ok(Some(row));
        }
    }

    /// Finds the number of the row that was read. The parser counts lines, and passes over those with nothing on them.
    fn count(&mut self) {
        let position = self.reader.position();
        let ended_by = self.reader.get_ref().byte_at(position.byte().saturating_sub(1));
        let last_line = position.line() - u64::from(ended_by == Some(b'\n'));
        let inside =
            self.record.iter().map(|cell| cell.iter().filter(|byte| **byte == b'\n').count() as u64).sum::<u64>();
        self.inside += inside;
        // Where lines end as on an old Mac, nothing is counted.
        self.number = (self.number + 1).max((last_line + self.before).saturating_sub(self.inside));
    }

    fn row(&self) -> Result<Row, Error> {
        let filled = self.record.iter().rposition(|cell| !cell.trim_ascii().is_empty()).map_or(0, |last| last + 1);
        if filled > MAX_COLUMNS {
            return Err(Error::TooManyColumns(self.number));
        }
        let mut cells = Vec::with_capacity(filled);
        for cell in self.record.iter().take(filled) {
            if cell.len() > MAX_CELL {
                return Err(Error::CellTooLong(self.number));
            }
            // It was looked at before: what is not valid now was changed while it was read.
            let text = std::str::from_utf8(cell).map_err(|_| Error::NotIn("UTF-8"))?;
            cells.push(Cell::of_text(guard::back(text)));
        }
        Ok(Row { number: self.number, cells })
    }
}

fn builder(delimiter: u8) -> csv::ReaderBuilder {
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter).has_headers(false).flexible(true);
    builder
}

/// `sep=;`, as Excel writes and reads it: what is said, and how many bytes the line has.
fn said_by_excel(begin: &[u8]) -> Option<(u8, usize)> {
    let rest = begin.strip_prefix(b"sep=")?;
    let (delimiter, rest) = rest.split_first()?;
    let end = if rest.starts_with(b"\r\n") { 2 } else { 1 };
    (DELIMITERS.contains(delimiter) && matches!(rest.first(), Some(b'\r' | b'\n'))).then_some((*delimiter, 5 + end))
}

/// The delimiter by which the most rows have equally many values, and more than one.
fn found_in(begin: &[u8]) -> u8 {
    let score = |delimiter: u8| {
        let mut reader = builder(delimiter).from_reader(begin);
        let widths: Vec<usize> =
            reader.byte_records().map_while(Result::ok).take(SAMPLE_ROWS).map(|row| row.len()).collect();
        let of_width = |width: usize| widths.iter().filter(|other| **other == width).count() * width;
        widths.iter().filter(|width| **width > 1).map(|width| of_width(*width)).max().unwrap_or_default()
    };
    // Of equals the first.
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}

/// What lets only so many bytes through before somebody says that they may go on.
struct Bounded<R> {
    from: R,
    left: usize,
    /// What was read last, and where it stood.
    last: Vec<u8>,
    last_at: u64,
}

impl<R> Bounded<R> {
    fn byte_at(&self, position: u64) -> Option<u8> {
        self.last.get(usize::try_from(position.checked_sub(self.last_at)?).ok()?).copied()
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other("the row is too long"));
        }
        let most = into.len().min(self.left);
        let read = self.from.read(&mut into[..most])?;
        if read > 0 {
            self.left -= read;
            self.last_at += self.last.len() as u64;
            self.last.clear();
            self.last.extend_from_slice(&into[..read]);
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<(u64, Vec<String>)>, Error> {
        let mut rows = Rows::of(text.as_bytes(), None)?;
        let mut read = Vec::new();
        while let Some(row) = rows.next_row()? {
            read.push((row.number, row.cells.iter().map(|cell| cell.text().into_owned()).collect()));
        }
        Ok(read)
    }

    fn check(text: &str, expect: &[(u64, &[&str])]) {
        let expect: Vec<_> = expect
            .iter()
            .map(|(number, cells)| (*number, cells.iter().map(|cell| (*cell).to_owned()).collect()))
            .collect();
        assert_eq!(rows(text).expect("it is read"), expect, "{text:?}");
    }

    #[test]
    fn rows_have_the_numbers_that_a_spreadsheet_shows() {
        for end in ["\n", "\r\n"] {
            let text = ["a,b", "", "\"1\n2\",\"x\ny\"", ",", "3,4", "\"5\",6"].join(end);
            let expect: &[(u64, &[&str])] =
                &[(1, &["a", "b"]), (3, &["1\n2", "x\ny"]), (5, &["3", "4"]), (6, &["5", "6"])];
            check(&text, expect);
            check(&(text + end), expect);
        }
        check("a,b\r1,2\r3,4", &[(1, &["a", "b"]), (2, &["1", "2"]), (3, &["3", "4"])]);
        check("sep=;\r\na;b\r\n1,5;2\r\n", &[(2, &["a", "b"]), (3, &["1,5", "2"])]);
    }

    #[test]
    fn the_delimiter_is_found() {
        check("a;b;c\n1,5;2;\n", &[(1, &["a", "b", "c"]), (2, &["1,5", "2"])]);
        check("a\tb\n\"x, y; z\"\t2\n", &[(1, &["a", "b"]), (2, &["x, y; z", "2"])]);
        check(
            "Staff of May, June\n\na;b\n1;2\n3;4\n",
            &[(1, &["Staff of May, June"]), (3, &["a", "b"]), (4, &["1", "2"]), (5, &["3", "4"])],
        );
        check("name\nAnn Lee\n", &[(1, &["name"]), (2, &["Ann Lee"])]);
    }

    #[test]
    fn a_formula_that_was_made_harmless_is_what_it_was() {
        check("a,b\n'=1+1,'t\n", &[(1, &["a", "b"]), (2, &["=1+1", "'t"])]);
    }

    #[test]
    fn what_is_too_much_is_refused() {
        let of = |text: &str| rows(text).expect_err("it is refused");
        let open = format!("a,b\n1,2\n\"{}", "x,y\n".repeat(MAX_ROW / 2));
        assert!(matches!(of(&open), Error::RowTooLong(3)));
        assert!(matches!(of(&format!("a\n{}", "x".repeat(MAX_CELL + 1))), Error::CellTooLong(2)));
        assert!(matches!(of(&format!("a\n{}", "x,".repeat(MAX_COLUMNS + 1))), Error::TooManyColumns(2)));
        check(&format!("a\n1{}", ",".repeat(10_000)), &[(1, &["a"]), (2, &["1"])]);
    }

    /// Blocks end anywhere in a row.
    #[test]
    fn many_rows_keep_their_numbers() {
        let text: String =
            (1..=30_000).map(|n| format!("{n},\"x\ny\"\r\n{}", if n % 7 == 0 { "\r\n" } else { "" })).collect();
        let read = rows(&text).expect("it is read");
        let expect: Vec<u64> = (1..=30_000).map(|n| n + (n - 1) / 7).collect();
        assert_eq!(read.iter().map(|(number, _)| *number).collect::<Vec<_>>(), expect);
    }
}
