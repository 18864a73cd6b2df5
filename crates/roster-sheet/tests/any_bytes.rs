//! Whatever bytes a file has, it is read or refused, and nobody panics.

use std::{
    io::{Cursor, Read, Write},
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use roster_directory::Role;
use roster_sheet::{
    Row, Table,
    date::{self, Century, Order},
    lines::Lines,
    table::{Options, Sink, read_csv, read_xlsx},
    value::{self, Titles},
};

/// How long each reader is tried: for a moment, or where the long suite runs, for a minute.
fn patience() -> Duration {
    Duration::from_secs(if std::env::var_os("ROSTER_TEST_LONG").is_some() { 60 } else { 2 })
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    /// Bytes of a file with some changed, removed, doubled or put in.
    fn spoil(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            let end = (at + 1 + self.below(40)).min(bytes.len());
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                3 => {
                    let odd: [&[u8]; 8] =
                        [b"\"", b",", b"\r", b"\0", b"\xff\xfe", b"'=", "\u{feff}".as_bytes(), b"9e99"];
                    drop(bytes.splice(at..at, odd[self.below(odd.len())].to_vec()));
                }
                _ => bytes.truncate(end),
            }
        }
        bytes
    }
}

/// Reads each value as each kind of value.
#[derive(Default)]
struct Everything {
    rows: u64,
}

impl Sink for Everything {
    fn table(&mut self, table: Table) -> ControlFlow<()> {
        assert!(table.mapping.known() > 0 && table.mapping.columns.len() == table.titles.len());
        ControlFlow::Continue(())
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        self.rows += 1;
        for cell in &row.cells {
            let text = cell.text();
            for order in [Order::MonthFirst, Order::DayFirst] {
                date::read(&text, order, Century::NotAfter(2026));
            }
            let role: Option<Role> = Titles::default().role(&text);
            let _ =
                (value::digits(cell), value::yes_or_no(cell), value::both_names(&text), value::several(&text), role);
            value::us_postal_code(&text);
        }
        ControlFlow::Continue(())
    }
}

/// Tries files again and again, each time spoiled otherwise.
fn try_all(files: &[&str], mut read: impl FnMut(&[u8], &mut Random, &mut Everything)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    let files: Vec<_> = files.iter().map(|file| std::fs::read(folder.join(file)).expect("the file is there")).collect();
    let (mut random, mut everything, until) = (Random(17), Everything::default(), Instant::now() + patience());
    let mut tried = 0;
    while Instant::now() < until {
        let file = &files[random.below(files.len())];
        read(file, &mut random, &mut everything);
        tried += 1;
    }
    assert!(tried > 20 && everything.rows > 20, "{tried} files, {} rows", everything.rows);
}

#[test]
fn spoiled_text_is_read_or_refused() {
    try_all(&["excel-german.csv", "excel-unicode-text.txt", "numbers.csv"], |bytes, random, everything| {
        let bytes = random.spoil(bytes);
        let mut lines = Lines::of(&bytes[..], 64);
        while let Ok(Some(_)) = lines.next_line() {}
        let _ = read_csv(Cursor::new(bytes), &Options::default(), everything);
    });
}

const BOOKS: [&str; 3] = ["exceljs.xlsx", "openpyxl.xlsx", "xlsxwriter-1904.xlsx"];

#[test]
fn spoiled_workbooks_are_read_or_refused() {
    try_all(&BOOKS, |bytes, random, everything| {
        let _ = read_xlsx(Cursor::new(random.spoil(bytes)), &Options::default(), everything);
    });
}

/// The parts of a workbook are spoiled before they are packed: what is spoiled afterwards seldom unpacks.
#[test]
fn workbooks_with_spoiled_parts_are_read_or_refused() {
    try_all(&BOOKS, |bytes, random, everything| {
        let mut whole = zip::ZipArchive::new(Cursor::new(bytes)).expect("it is whole");
        let mut again = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for index in 0..whole.len() {
            let mut part = whole.by_index(index).expect("it is whole");
            let (name, mut content) = (part.name().expect("it has a name").into_owned(), Vec::new());
            part.read_to_end(&mut content).expect("it unpacks");
            if name.ends_with(".xml") && random.below(4) == 0 {
                content = random.spoil(&content);
            }
            again.start_file(name, zip::write::SimpleFileOptions::default()).expect("it is written to memory");
            again.write_all(&content).expect("it is written to memory");
        }
        let again = again.finish().expect("it is written to memory").into_inner();
        let _ = read_xlsx(Cursor::new(again), &Options::default(), everything);
    });
}
