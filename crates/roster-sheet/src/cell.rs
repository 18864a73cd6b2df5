//! Cells and rows, whatever kind of file they stood in.

use std::{borrow::Cow, fmt};

use jiff::civil::Date;

/// What stands in a cell.
#[derive(Clone, PartialEq, Default)]
pub enum Cell {
    /// Nothing, or only white space.
    #[default]
    Empty,
    /// Text, without white space around it.
    Text(String),
    /// A number that the program which wrote the file took for one.
    Number(f64),
    /// A yes or a no.
    Bool(bool),
    /// A day, whatever the time beside it.
    Day(Date),
    /// What a formula gives that fails, as `#REF!`.
    Error(&'static str),
}

/// The white space that is cut off: JavaScript's, which the API cuts off too, and what has no width.
fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{2060}')
}

impl Cell {
    /// A cell with this text.
    pub fn of_text(text: &str) -> Self {
        match text.trim_matches(is_space) {
            "" => Cell::Empty,
            text => Cell::Text(text.to_owned()),
        }
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, Cell::Empty)
    }

    /// What a person sees in it. A number is written out: none of its digits is lost to an exponent.
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Cell::Empty => "".into(),
            Cell::Text(text) => text.into(),
            Cell::Number(number) => format!("{number}").into(),
            Cell::Bool(true) => "TRUE".into(),
            Cell::Bool(false) => "FALSE".into(),
            Cell::Day(day) => day.to_string().into(),
            Cell::Error(error) => (*error).into(),
        }
    }
}

/// What stands in it is somebody's: only what kind of thing it is shows.
impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cell::Empty => "Empty",
            Cell::Text(_) => "Text(***)",
            Cell::Number(_) => "Number(***)",
            Cell::Bool(_) => "Bool(***)",
            Cell::Day(_) => "Day(***)",
            Cell::Error(error) => error,
        })
    }
}

/// A row that has something in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// The number that a spreadsheet program shows beside it, from 1.
    pub number: u64,
    /// Its cells, from the first column on. Columns after the last one are empty.
    pub cells: Vec<Cell>,
}

impl Row {
    /// The cell in this column.
    pub fn cell(&self, column: usize) -> &Cell {
        self.cells.get(column).unwrap_or(&Cell::Empty)
    }

    /// Whether nothing stands in it.
    pub fn is_empty(&self) -> bool {
        self.cells.iter().all(Cell::is_empty)
    }
}

#[cfg(test)]
mod tests {
    use super::Cell;

    #[test]
    fn white_space_of_all_kinds_is_cut_off() {
        assert_eq!(Cell::of_text("\u{a0} Ann Lee\u{2007}\t"), Cell::Text("Ann Lee".to_owned()));
        assert_eq!(Cell::of_text(" \u{a0}\u{200b}\r\n"), Cell::Empty);
    }

    #[test]
    fn a_number_is_written_out() {
        for (number, text) in [
            (14_155_550_100.0, "14155550100"),
            (1_234_567_893.0, "1234567893"),
            (0.5, "0.5"),
            (1e21, "1000000000000000000000"),
        ] {
            assert_eq!(Cell::Number(number).text(), text);
        }
    }
}
