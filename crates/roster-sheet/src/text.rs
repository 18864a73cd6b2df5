//! Which encoding a text is in, and reading it as UTF-8.

use std::{
    io::{self, Read, Seek, SeekFrom},
    str::FromStr,
};

use encoding_rs::{CoderResult, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use crate::Error;

/// Bytes that are read at once.
const BLOCK: usize = 64 << 10;

/// How the characters of a text are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// With or without a byte order mark.
    Utf8,
    /// Little endian, as Excel's "Unicode text" is.
    Utf16Le,
    /// Big endian.
    Utf16Be,
    /// What Excel on Windows writes as "CSV" in much of the world. Any bytes at all are valid in it.
    Windows1252,
}

impl Encoding {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.of().name()
    }

    fn of(self) -> &'static encoding_rs::Encoding {
        match self {
            Encoding::Utf8 => UTF_8,
            Encoding::Utf16Le => UTF_16LE,
            Encoding::Utf16Be => UTF_16BE,
            Encoding::Windows1252 => WINDOWS_1252,
        }
    }
}

impl FromStr for Encoding {
    type Err = String;

    /// Takes the labels that browsers take (WHATWG Encoding), of these four encodings.
    fn from_str(label: &str) -> Result<Self, String> {
        let found = encoding_rs::Encoding::for_label(label.as_bytes());
        [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Windows1252]
            .into_iter()
            .find(|encoding| found == Some(encoding.of()))
            .ok_or_else(|| "an encoding is utf-8, utf-16le, utf-16be or windows-1252".to_owned())
    }
}

/// Finds out how a text is encoded, by all of it: a file may have its first accent on its last line.
pub fn detect(from: &mut (impl Read + Seek)) -> Result<Encoding, Error> {
    from.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK];
    let first = fill(from, &mut block)?;
    if let Some(encoding) = by_its_beginning(&block[..first]) {
        return Ok(encoding);
    }
    let valid = is_valid_from(from, &mut block, first)?;
    Ok(if valid { Encoding::Utf8 } else { Encoding::Windows1252 })
}

/// Whether all of a text is valid in this encoding.
pub fn must_be(from: &mut (impl Read + Seek), encoding: Encoding) -> Result<(), Error> {
    if encoding == Encoding::Windows1252 {
        return Ok(());
    }
    from.seek(SeekFrom::Start(0))?;
    let mut block = vec![0; BLOCK];
    let mut decoder = encoding.of().new_decoder_with_bom_removal();
    let mut text = vec![0; 3 * BLOCK + 16];
    loop {
        let read = fill(from, &mut block)?;
        let (result, _, _, malformed) = decoder.decode_to_utf8(&block[..read], &mut text, read < BLOCK);
        debug_assert_eq!(result, CoderResult::InputEmpty);
        if malformed {
            return Err(Error::NotIn(encoding.as_str()));
        }
        if read < BLOCK {
            return Ok(());
        }
    }
}

/// The text, from its beginning, as UTF-8 without a byte order mark.
pub fn decoded<R: Read + Seek>(mut from: R, encoding: Encoding) -> Result<DecodeReaderBytes<R, Vec<u8>>, Error> {
    from.seek(SeekFrom::Start(0))?;
    Ok(DecodeReaderBytesBuilder::new().encoding(Some(encoding.of())).bom_override(true).strip_bom(true).build(from))
}

fn by_its_beginning(begin: &[u8]) -> Option<Encoding> {
    match begin {
        [0xef, 0xbb, 0xbf, ..] => Some(Encoding::Utf8),
        [0xff, 0xfe, ..] => Some(Encoding::Utf16Le),
        [0xfe, 0xff, ..] => Some(Encoding::Utf16Be),
        // Without a mark: a table begins with a letter, a digit or a quotation mark.
        [0, other, ..] if *other != 0 => Some(Encoding::Utf16Be),
        [other, 0, ..] if *other != 0 => Some(Encoding::Utf16Le),
        _ => None,
    }
}

fn is_valid_from(from: &mut impl Read, block: &mut [u8], mut filled: usize) -> Result<bool, Error> {
    loop {
        let at_end = filled < block.len();
        match std::str::from_utf8(&block[..filled]) {
            Ok(_) if at_end => return Ok(true),
            Ok(_) => filled = 0,
            // A character that goes on in the next block.
            Err(error) if error.error_len().is_none() && !at_end => {
                block.copy_within(error.valid_up_to()..filled, 0);
                filled -= error.valid_up_to();
            }
            Err(_) => return Ok(false),
        }
        filled += fill(from, &mut block[filled..])?;
    }
}

/// Reads until the block is full, or the text ends.
fn fill(from: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn check(bytes: &[u8], expect: Encoding, text: &str) {
        let mut file = Cursor::new(bytes);
        let encoding = detect(&mut file).expect("it is read");
        assert_eq!(encoding, expect, "{text}");
        must_be(&mut file, encoding).expect("it is valid");
        let mut read = String::new();
        decoded(file, encoding).expect("it is read").read_to_string(&mut read).expect("UTF-8");
        assert_eq!(read, text);
    }

    #[test]
    fn the_encoding_is_found_and_read() {
        check(b"", Encoding::Utf8, "");
        check("José".as_bytes(), Encoding::Utf8, "José");
        check("\u{feff}José".as_bytes(), Encoding::Utf8, "José");
        check(b"Jos\xe9 \x93Pepe\x94", Encoding::Windows1252, "José “Pepe”");
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        check(&utf_16("\u{feff}José"), Encoding::Utf16Le, "José");
        check(&utf_16("First,José"), Encoding::Utf16Le, "First,José");
        let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        check(&utf_16("\u{feff}José"), Encoding::Utf16Be, "José");
        check(&utf_16("First"), Encoding::Utf16Be, "First");
    }

    /// By all of it, with characters on the border of two blocks, and the first accent at the very end.
    #[test]
    fn all_of_the_text_is_looked_at() {
        for before in BLOCK - 3..=BLOCK + 1 {
            let text = "a".repeat(before) + "é\u{1f44d}" + &"b".repeat(BLOCK);
            check(text.as_bytes(), Encoding::Utf8, &text);
            let mut bytes = text.clone().into_bytes();
            bytes.push(0xe9);
            assert_eq!(detect(&mut Cursor::new(&bytes)).expect("it is read"), Encoding::Windows1252);
            assert!(must_be(&mut Cursor::new(&bytes), Encoding::Utf8).is_err());
        }
    }

    #[test]
    fn an_encoding_has_the_names_that_browsers_know() {
        assert_eq!("UTF8".parse(), Ok(Encoding::Utf8));
        assert_eq!("latin1".parse(), Ok(Encoding::Windows1252));
        assert_eq!("utf-16".parse(), Ok(Encoding::Utf16Le));
        assert!("koi8-r".parse::<Encoding>().is_err() && "x".parse::<Encoding>().is_err());
    }
}
