//! What an XLSX unpacks to, before anybody unpacks it: a small file can be made that unpacks to terabytes.

use std::io::{Read, Seek};

use crate::{Error, MAX_PART, MAX_UNPACKED};

/// Parts that it may have. Excel makes some dozen.
const MAX_PARTS: usize = 4_096;

/// Bytes that are unpacked at once.
const BLOCK: usize = 64 << 10;

/// What stands before a number for which calamine reserves memory, unasked.
const COUNT: &[u8] = b"uniqueCount";

/// Unpacks all of it, and keeps nothing: what it says of its size may be untrue.
pub(crate) fn must_be_small(from: impl Read + Seek) -> Result<(), Error> {
    let damaged = |error: zip::result::ZipError| Error::Damaged(error.to_string());
    let mut archive = zip::ZipArchive::new(from).map_err(damaged)?;
    if archive.len() > MAX_PARTS {
        return Err(Error::TooLarge);
    }
    let mut all = 0;
    let mut block = vec![0; BLOCK];
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(damaged)?;
        let name = part.name().map_err(damaged)?.to_ascii_lowercase();
        let is_xml = name.ends_with(".xml") || name.ends_with(".rels");
        let most = if name.contains("worksheets/") { MAX_UNPACKED } else { MAX_PART };
        let (mut bytes, mut reserved) = (0, Reserved::default());
        loop {
            let read = part.read(&mut block).map_err(|error| Error::Damaged(error.to_string()))?;
            if read == 0 {
                break;
            }
            if is_xml && bytes == 0 && is_utf_16(&block[..read]) {
                return Err(Error::Damaged("it is XML in UTF-16".to_owned()));
            }
            bytes += read as u64;
            all += read as u64;
            if bytes > most || all > MAX_UNPACKED {
                return Err(Error::TooLarge);
            }
            reserved.look_at(&block[..read]);
        }
        if reserved.most > bytes {
            return Err(Error::Damaged("it says that it has more texts than it has bytes".to_owned()));
        }
    }
    Ok(())
}

/// In which the words below would not be found. Nobody writes XLSX so.
fn is_utf_16(begin: &[u8]) -> bool {
    matches!(begin, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, ..] | [_, 0, ..])
}

/// The largest number that stands behind [`COUNT`], in whatever pieces it comes.
#[derive(Default)]
struct Reserved {
    most: u64,
    /// How many bytes of the word were seen.
    seen: usize,
    /// The number, as far as it was seen behind the word.
    number: Option<u64>,
}

impl Reserved {
    fn look_at(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.seen == COUNT.len() {
                match (byte, self.number) {
                    (b'0'..=b'9', number) => {
                        let number =
                            number.unwrap_or_default().saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                        self.number = Some(number);
                        self.most = self.most.max(number);
                        continue;
                    }
                    (b'=' | b'"' | b'\'' | b'+' | b' ' | b'\t' | b'\r' | b'\n', None) => continue,
                    _ => (self.seen, self.number) = (0, None),
                }
            }
            // No beginning of the word is found again inside it but its first letter.
            self.seen = match *byte == COUNT[self.seen] {
                true => self.seen + 1,
                false => usize::from(*byte == COUNT[0]),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Reserved;

    #[test]
    fn a_number_is_found_in_pieces() {
        let check = |text: &str, expect: u64| {
            for pieces in [1, 3, text.len()] {
                let mut reserved = Reserved::default();
                text.as_bytes().chunks(pieces).for_each(|piece| reserved.look_at(piece));
                assert_eq!(reserved.most, expect, "{text}");
            }
        };
        check(r#"<sst count="9" uniqueCount="12">"#, 12);
        check("<sst uniqueCount = '99999999999999999999999'>", u64::MAX);
        check("uuniqueCount=\"7\" uniqueCounter=\"9\" uniqueuniqueCount=\"8\"", 8);
        check("<si><t>5</t></si>", 0);
    }
}
