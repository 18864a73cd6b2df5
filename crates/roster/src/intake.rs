//! A file of people on its way in, read to what its rows say: what the doors of the import share.

mod person;
mod result;

use std::{
    io::{BufRead, Read, Seek},
    ops::ControlFlow,
};

use roster_sheet::{
    Cell, Error, Row, Table,
    lines::Lines,
    table::{self, Sink, read_csv, read_xlsx},
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    app::import::Incoming,
    http::{self, MAX_BYTES, Unknown},
};

pub(crate) use person::{Reading, Said};
pub(crate) use result::{Told, Writer, shown};

/// Rows that are read before they can be begun.
const READ_AHEAD: usize = 1_024;

/// What stood in a row.
pub(crate) enum Content {
    /// A sheet's.
    Cells(Vec<Cell>),
    /// A line's.
    Line(Vec<u8>),
}

/// What is known of a row beside what it says.
pub(crate) struct Beside {
    pub(crate) content: Content,
    pub(crate) said: Vec<Said>,
    /// Names that are no fields.
    pub(crate) unknown: Unknown,
}

/// Rows, as they are read.
pub(crate) type Rows = mpsc::Receiver<Result<Incoming<Beside>, Error>>;

/// Reads lines with a JSON object each, on a thread: it may wait for a terminal or a pipe, and whoever ends the import does
/// not.
pub(crate) fn read_lines(from: impl BufRead + Send + 'static, may_be_there: bool) -> Rows {
    let (sender, rows) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        let _watch = Watch(sender.clone());
        let mut lines = Lines::of(from, MAX_BYTES);
        while let Some(line) = lines.next_line().transpose() {
            if line.as_ref().is_ok_and(|(_, line)| result::is_done_line(line)) {
                continue;
            }
            let row = line.map(|(row, line)| {
                let (given, unknown) = http::line(&line, may_be_there);
                Incoming { row, given, beside: Beside { content: Content::Line(line), said: Vec::new(), unknown } }
            });
            let is_last = row.is_err();
            if sender.blocking_send(row).is_err() || is_last {
                break;
            }
        }
    });
    rows
}

/// Reads a sheet, on a thread: first what table it has, and then its rows.
pub(crate) fn read_sheet(
    from: impl Read + Seek + Send + 'static,
    is_xlsx: bool,
    options: table::Options,
    reading: Reading,
) -> (oneshot::Receiver<Box<Table>>, Rows) {
    let (sender, rows) = mpsc::channel(READ_AHEAD);
    let (table, told) = oneshot::channel();
    std::thread::spawn(move || {
        let _watch = Watch(sender.clone());
        let mut sink = Aside { table: Some(table), rows: sender.clone(), reading, columns: None };
        let read = match is_xlsx {
            true => read_xlsx(from, &options, &mut sink),
            false => read_csv(from, &options, &mut sink),
        };
        if let Err(error) = read {
            // Nobody may listen any more.
            let _ = sender.blocking_send(Err(error));
        }
    });
    (told, rows)
}

/// Tells of a reader that panicked: its file would look as if it had ended there, and whoever comes after that row would be
/// missing.
struct Watch(mpsc::Sender<Result<Incoming<Beside>, Error>>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.blocking_send(Err(Error::Damaged("the reader failed at it".to_owned())));
        }
    }
}

/// Takes a table's rows apart, and passes on what they say.
struct Aside {
    table: Option<oneshot::Sender<Box<Table>>>,
    rows: mpsc::Sender<Result<Incoming<Beside>, Error>>,
    reading: Reading,
    columns: Option<Table>,
}

impl Sink for Aside {
    fn table(&mut self, table: Table) -> ControlFlow<()> {
        self.columns = Some(table.clone());
        match self.table.take().map(|told| told.send(Box::new(table))) {
            Some(Ok(())) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        let Some(table) = &self.columns else { return ControlFlow::Break(()) };
        if person::is_done(table, &row) {
            return ControlFlow::Continue(());
        }
        let person::Person { given, said } = self.reading.read(table, &row);
        let beside = Beside { content: Content::Cells(row.cells), said, unknown: Unknown::default() };
        match self.rows.blocking_send(Ok(Incoming { row: row.number, given, beside })) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::read_lines;

    /// Panics after some bytes.
    struct Panics(Cursor<&'static [u8]>);

    impl Read for Panics {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(into)? {
                0 => panic!("as a parser might"),
                read => Ok(read),
            }
        }
    }

    #[test]
    fn a_file_whose_reader_panics_does_not_look_as_if_it_had_ended() {
        let from = Panics(Cursor::new(b"{\"firstName\":\"Ann\",\"lastName\":\"Lee\"}\n"));
        let mut rows = read_lines(BufReader::new(from), false);
        assert!(rows.blocking_recv().is_some_and(|row| row.is_ok_and(|row| row.row == 1)));
        assert!(rows.blocking_recv().is_some_and(|row| row.is_err()));
        assert!(rows.blocking_recv().is_none());
    }
}
