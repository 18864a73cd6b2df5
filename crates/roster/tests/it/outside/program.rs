//! Running somebody else's program: where `script/test` puts it, and for how long it may take.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::binary::Binary;

/// This folder.
pub(super) fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/outside")
}

/// A program that npm installed in `node/`.
pub(super) fn npm(name: &str) -> PathBuf {
    here().join("node/node_modules/.bin").join(name)
}

/// A program that pip installed in the virtual environment.
pub(super) fn pip(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp is within the target folder");
    target.join("outside-venv/bin").join(name)
}

/// A command that is killed, with all it started, after so many seconds.
pub(super) fn command(program: impl AsRef<OsStr>, seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command.arg("--kill-after=5").arg(seconds.to_string()).arg(program);
    command
}

/// What a program said, and whether it was content.
pub(super) struct Verdict {
    pub(super) content: bool,
    pub(super) said: String,
}

/// Runs a command to its end.
pub(super) fn verdict(command: &mut Command) -> Verdict {
    let output = command.output().expect("`timeout` is on the machine");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Verdict { content: output.status.success(), said }
}

/// The document, as the command line prints it, in a file.
pub(super) fn document(binary: &Binary) -> PathBuf {
    let output = binary.run(["openapi"]);
    let path = binary.path().join("openapi.json");
    std::fs::write(&path, output.stdout).expect("a temporary file");
    path
}

/// The document, broken by a change to it.
pub(super) fn broken_document(binary: &Binary, change: impl FnOnce(&mut Value)) -> PathBuf {
    let path = document(binary);
    let mut document = serde_json::from_slice(&std::fs::read(&path).expect("just written")).expect("JSON");
    change(&mut document);
    std::fs::write(&path, document.to_string()).expect("a temporary file");
    path
}
