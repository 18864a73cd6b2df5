//! Lines with a JSON object each.

use std::io::{BufRead, Read};

use crate::Error;

/// How spreadsheets and PowerShell begin a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The longest end of a line.
const LINE_END: &[u8] = b"\r\n";

/// The lines of a text that have something on them.
pub struct Lines<R> {
    from: R,
    number: u64,
    most: usize,
}

impl<R: BufRead> Lines<R> {
    /// Of this text. A line has `most` bytes at most.
    pub fn of(from: R, most: usize) -> Self {
        Self { from, number: 0, most }
    }

    /// The next line that has something on it, and its number.
    pub fn next_line(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        loop {
            self.number += 1;
            let mut line = Vec::with_capacity(512);
            let most = BYTE_ORDER_MARK.len() + self.most + LINE_END.len();
            if self.from.by_ref().take(most as u64).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if line.ends_with(b"\n") {
                line.truncate(line.len() - if line.ends_with(LINE_END) { LINE_END.len() } else { 1 });
            }
            if self.number == 1 && line.starts_with(BYTE_ORDER_MARK) {
                line.drain(..BYTE_ORDER_MARK.len());
            }
            if line.len() > self.most {
                return Err(Error::LineTooLong(self.number, self.most));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }
}
