//! A Rust file taken apart: its code without comments and strings, and its strings.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// One file.
pub(super) struct Source {
    /// From the root of the repository, with slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// Without what stands in comments and strings.
    pub(super) code: String,
    /// What stands in strings, as it is written there.
    pub(super) strings: Vec<String>,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let (code, strings) = take_apart(text);
        Self { path: path.to_owned(), text: text.to_owned(), code, strings }
    }
}

/// The folder of the repository.
pub(super) fn root() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates/");
    crates.parent().expect("the repository").to_owned()
}

/// Every Rust file of the repository.
pub(super) fn rust_files() -> Vec<Source> {
    let root = root();
    let folders = ["crates", "bench"].map(|folder| root.join(folder));
    let paths = folders.iter().flat_map(|folder| files(folder, "rs"));
    paths
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below the root").to_str().expect("UTF-8");
            Source::new(&name.replace('\\', "/"), &fs::read_to_string(&path).expect("UTF-8"))
        })
        .collect()
}

/// The files below a folder whose names end so; none if it is not there.
pub(super) fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let name = path.file_name().expect("a name");
        if path.is_dir() && name != "node_modules" && name != "target" {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Its words: letters, digits and underscores that stand together.
pub(super) fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect()
}

fn take_apart(text: &str) -> (String, Vec<String>) {
    let mut code = String::with_capacity(text.len());
    let mut strings = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some((string, length)) = string_at(rest, code.chars().next_back()) {
            strings.push(string.to_owned());
            length
        } else if let Some(length) = char_at(rest) {
            length
        } else {
            code.push(next);
            next.len_utf8()
        };
        rest = &rest[skipped..];
    }
    (code, strings)
}

/// The string literal that begins here, and how long it is with its quotes.
fn string_at(text: &str, before: Option<char>) -> Option<(&str, usize)> {
    if let Some(inside) = text.strip_prefix('"') {
        let mut escaped = false;
        let end = inside.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        })?;
        return Some((&inside[..end], end + 2));
    }
    let within_a_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let hashes = text.strip_prefix('r').filter(|_| !within_a_word)?;
    let count = hashes.len() - hashes.trim_start_matches('#').len();
    let inside = hashes[count..].strip_prefix('"')?;
    let end = inside.find(&format!("\"{}", "#".repeat(count)))?;
    Some((&inside[..end], 1 + count + 1 + end + 1 + count))
}

/// How long the character literal is that begins here; a lifetime is none.
fn char_at(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    let mut chars = inside.char_indices();
    let (_, first) = chars.next()?;
    let end = if first == '\\' { inside[2..].find('\'')? + 2 } else { chars.next()?.0 };
    inside[end..].starts_with('\'').then_some(end + 2)
}
