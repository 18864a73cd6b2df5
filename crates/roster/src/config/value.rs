//! How the text of a setting becomes its value: white space at its ends goes, and a secret may come from a file.

use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::{
    Arg, Command,
    builder::{PathBufValueParser, PossibleValue, TypedValueParser},
    error::ErrorKind,
};
use roster_store::Location;

/// The most bytes that a file with a secret has.
const MOST_BYTES: u64 = 64 * 1024;

/// What is kept from logs: the text of a password or a token.
#[derive(Clone)]
pub struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A parser that is given the text without white space at its ends. Files, and editors, put a line feed there.
pub(crate) fn trimmed<P: TypedValueParser>(parser: P) -> Trimmed<P> {
    Trimmed(parser)
}

/// See [`trimmed`].
#[derive(Clone)]
pub(crate) struct Trimmed<P>(P);

impl<P: TypedValueParser> TypedValueParser for Trimmed<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<P::Value, clap::Error> {
        self.0.parse_ref(command, arg, value.to_str().map_or(value, |text| text.trim().as_ref()))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

/// The path of a file. Control characters in it are a mistake.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    trimmed(PathBufValueParser::new().try_map(|path| match path.to_string_lossy().contains(char::is_control) {
        true => Err("a path has no control characters"),
        false => Ok(path),
    }))
}

/// Reads a location. clap would quote what it cannot read, and there may be a password in it.
#[derive(Clone)]
pub(crate) struct LocationParser;

impl TypedValueParser for LocationParser {
    type Value = Location;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Location, clap::Error> {
        let parsed = value.to_str().ok_or_else(|| "not UTF-8".to_owned()).and_then(|text| text.trim().parse());
        parsed.map_err(|why| invalid(command, arg, &why))
    }
}

/// Reads a secret, and never quotes it.
#[derive(Clone)]
pub(crate) struct SecretParser;

impl TypedValueParser for SecretParser {
    type Value = Secret;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Secret, clap::Error> {
        match value.to_str().map(str::trim) {
            Some(text) if !text.is_empty() => Ok(Secret(text.to_owned())),
            _ => Err(invalid(command, arg, "there is nothing in it")),
        }
    }
}

/// A parser that is given what the named file holds. It must be one that does not quote that.
#[derive(Clone)]
pub(crate) struct FromFile<P>(pub(crate) P);

impl<P: TypedValueParser> TypedValueParser for FromFile<P> {
    type Value = P::Value;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<P::Value, clap::Error> {
        let path = path().parse_ref(command, arg, value)?;
        let text =
            read(&path).map_err(|why| invalid(command, arg, &format!("cannot read {}: {why}", path.display())))?;
        self.0.parse_ref(command, arg, text.as_ref())
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MOST_BYTES { Err(format!("it is longer than {MOST_BYTES} bytes")) } else { Ok(text) }
}

/// A complaint that does not quote the value.
fn invalid(command: &Command, arg: Option<&Arg>, why: &str) -> clap::Error {
    let arg = arg.map(|arg| format!(" for '{arg}'")).unwrap_or_default();
    let text = format!("invalid value{arg}: {why}\n\nFor more information, try '--help'.\n");
    clap::Error::raw(ErrorKind::ValueValidation, text).with_cmd(command)
}
