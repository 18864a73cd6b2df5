//! Files that other programs made, and what is read of them.

use std::{
    fs::File,
    io::{Cursor, Read, Seek, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use roster_sheet::{
    Cell, Error, Format, MAX_PART, Row, Table,
    table::{Options, Sink, read_csv, read_xlsx},
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files")
}

/// Everything that was read, a line to a row.
#[derive(Default)]
struct Seen(String);

impl Sink for Seen {
    fn table(&mut self, table: Table) -> ControlFlow<()> {
        let Table { read_as, other_sheets, header_row, titles, mapping, .. } = table;
        let columns = titles.iter().zip(&mapping.columns);
        let columns: Vec<_> = columns
            .map(|(title, field)| format!("{title}={}", field.as_ref().map_or(String::new(), ToString::to_string)))
            .collect();
        self.0 = format!("{read_as}\nother sheets {other_sheets:?}\nrow {header_row}: {}\n", columns.join(" | "));
        ControlFlow::Continue(())
    }

    fn row(&mut self, row: Row) -> ControlFlow<()> {
        let kind = |cell: &Cell| match cell {
            Cell::Empty => String::new(),
            Cell::Text(text) => format!("{text:?}"),
            other => other.text().into_owned(),
        };
        let cells: Vec<_> = row.cells.iter().map(kind).collect();
        self.0.push_str(&format!("{}: {}\n", row.number, cells.join(" | ")));
        ControlFlow::Continue(())
    }
}

fn read(mut from: impl Read + Seek, options: &Options) -> Result<String, Error> {
    let mut begin = [0; 64];
    let filled = from.read(&mut begin)?;
    from.rewind()?;
    let mut seen = Seen::default();
    match Format::of(&begin[..filled])? {
        Format::Csv => read_csv(from, options, &mut seen)?,
        Format::Xlsx => read_xlsx(from, options, &mut seen)?,
        Format::JsonLines => panic!("there is none among the files"),
    }
    Ok(seen.0)
}

#[test]
fn each_file_is_read_as_the_text_beside_it_says() {
    let (mut checked, mut wrong) = (0, String::new());
    for entry in folder().read_dir().expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let Some(stem) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".right")) else { continue };
        let file = File::open(path.with_file_name(stem)).expect("the file is there");
        let right = std::fs::read_to_string(&path).expect("it is text");
        let got = read(file, &Options::default()).unwrap_or_else(|error| format!("refused: {error}\n"));
        if got != right {
            wrong.push_str(&format!("{stem}\n{got}"));
        }
        checked += 1;
    }
    assert_eq!(wrong, "");
    assert_eq!(checked, 6);
}

#[test]
fn a_sheet_is_read_by_its_name_and_a_hidden_one_is_not() {
    let of = |sheet: &str| {
        let file = File::open(folder().join("openpyxl.xlsx")).expect("the file is there");
        read(file, &Options { sheet: Some(sheet.to_owned()), ..Options::default() }).map_err(|error| error.to_string())
    };
    assert!(of("Payors").expect("it is read").starts_with("the sheet \"Payors\"\n"));
    assert_eq!(of("Old staff"), Err("there is no sheet \"Old staff\"".to_owned()));
}

/// A workbook with these parts beside those that every workbook has.
fn workbook(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("it is written");
        zip.write_all(content).expect("it is written");
    }
    zip.finish().expect("it is written").into_inner()
}

#[test]
fn what_unpacks_to_too_much_is_refused_before_it_is_unpacked() {
    let bomb = workbook(&[("xl/sharedStrings.xml", &vec![b' '; MAX_PART as usize + 1])]);
    assert!(bomb.len() < 1 << 20, "it is small: {} bytes", bomb.len());
    assert!(matches!(read(Cursor::new(&bomb), &Options::default()), Err(Error::TooLarge)));

    // What it says of its size is made small.
    let mut liar = bomb.clone();
    let size = (MAX_PART as u32 + 1).to_le_bytes();
    let places: Vec<usize> = (0..liar.len() - 4).filter(|at| liar[*at..*at + 4] == size).collect();
    assert!(!places.is_empty());
    places.iter().for_each(|at| liar[*at..*at + 4].copy_from_slice(&100_u32.to_le_bytes()));
    let why = read(Cursor::new(&liar), &Options::default()).expect_err("it is refused");
    assert!(matches!(why, Error::TooLarge | Error::Damaged(_)), "{why}");
}

/// calamine would reserve as much memory as this says, and the process would end.
#[test]
fn what_says_that_it_has_more_texts_than_bytes_is_refused() {
    let texts = br#"<?xml version="1.0"?><sst count="1" uniqueCount="9000000000000000"><si><t>a</t></si></sst>"#;
    let book = workbook(&[("[Content_Types].xml", b"<Types/>"), ("xl/sharedStrings.xml", texts)]);
    let why = read(Cursor::new(&book), &Options::default()).expect_err("it is refused");
    assert!(why.to_string().contains("more texts than it has bytes"), "{why}");
}

#[test]
fn what_is_no_workbook_is_refused() {
    for (bytes, what) in [
        (&b"PK\x03\x04rest"[..], "the spreadsheet cannot be read"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it looks like a spreadsheet of an old Excel (XLS)"),
        (b"\x1f\x8b\x08", "it looks like gzip"),
        (b"%PDF-1.7", "it looks like a PDF"),
        (b"[{\"a\":1}]", "it looks like one JSON array"),
        (b"<html>", "it looks like HTML or XML"),
        (b"", "there is nothing in it"),
    ] {
        let why = read(Cursor::new(bytes), &Options::default()).expect_err("it is refused").to_string();
        assert!(why.starts_with(what), "{why}");
    }
    let empty = workbook(&[("xl/workbook.xml", b"<workbook/>")]);
    assert!(read(Cursor::new(&empty), &Options::default()).is_err());
}
