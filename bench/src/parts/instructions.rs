//! Instructions a request takes: no clock is asked, so a busy machine counts the same as a quiet one.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, ensure};

use crate::in_process::What;

/// Requests of the shorter run and of the longer one: what both do besides is in neither's difference.
const REQUESTS: [u32; 2] = [200, 1_200];

/// How far a count may be above what was kept: what the machine's own libraries make of it, and who woke whom when.
const TOLERANCE: f64 = 1.1;

/// Counts, and compares with what was kept; an error if something takes more.
pub(crate) fn count(keep: bool) -> anyhow::Result<()> {
    let kept_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let kept = fs::read_to_string(&kept_in).unwrap_or_default();
    let mut counted = String::new();
    let mut more = Vec::new();
    for what in What::ALL {
        let [few, many] = REQUESTS.map(|requests| run(what, requests));
        let each = many?.saturating_sub(few?) / u64::from(REQUESTS[1] - REQUESTS[0]);
        let before = kept.lines().find_map(|line| line.strip_prefix(what.name())?.trim().parse::<u64>().ok());
        println!("{}: {each} instructions, {} kept", what.name(), before.unwrap_or_default());
        counted.push_str(&format!("{} {each}\n", what.name()));
        if before.is_none_or(|before| each as f64 > before as f64 * TOLERANCE) {
            more.push(what.name());
        }
    }
    if keep {
        return Ok(fs::write(kept_in, counted)?);
    }
    ensure!(
        more.is_empty(),
        "{} takes more instructions than was kept in bench/instructions.txt: find out why; if it is owed, run this \
         with --keep and commit what it writes",
        more.join(", ")
    );
    Ok(())
}

fn run(what: What, requests: u32) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["in-process", what.name(), &requests.to_string()])
        .output()
        .context("cannot run valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed under valgrind: {said}", what.name());
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected.with_context(|| format!("valgrind counted nothing: {said}"))
}
