//! What was measured, as a Markdown table: on standard output, and kept in bench/results.

use std::{fmt::Write, fs, path::Path, process::Command};

use crate::{rounds::Spread, site::Bench};

/// What a number should be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// It is shown for orientation.
    None,
}

/// Rows, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<String>,
    missed: usize,
}

impl Report {
    pub(crate) fn row(&mut self, what: impl AsRef<str>, measured: Spread, unit: &str, goal: Goal) {
        let (goal, met) = match goal {
            Goal::AtLeast(least) => (format!("≥ {least}"), Some(measured.median >= least)),
            Goal::AtMost(most) => (format!("≤ {most}"), Some(measured.median <= most)),
            Goal::None => (String::new(), None),
        };
        let verdict = match met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "",
        };
        self.missed += usize::from(met == Some(false));
        let space = if unit.is_empty() { "" } else { " " };
        self.rows.push(format!("| {} | {measured}{space}{unit} | {goal} | {verdict} |", what.as_ref()));
    }

    /// A line across the table.
    pub(crate) fn section(&mut self, title: &str) {
        self.rows.push(format!("| **{title}** | | | |"));
    }

    /// Prints the table and keeps it.
    pub(crate) fn publish(&self, name: &str, bench: &Bench) -> anyhow::Result<()> {
        let mut text = machine(&bench.folder);
        writeln!(text, "\n| what | median [least–most] | goal | met |\n| --- | --- | --- | --- |")?;
        for row in &self.rows {
            writeln!(text, "{row}")?;
        }
        writeln!(text, "\n{} of the goals missed.", self.missed)?;
        print!("{text}");

        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        fs::create_dir_all(&folder)?;
        let free = (1..).map(|n| folder.join(format!("{name}-{n:03}.md"))).find(|path| !path.exists());
        Ok(fs::write(free.expect("there is always another number"), text)?)
    }
}

/// What it was measured on.
fn machine(folder: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let value_of = |text: String, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let output = |command: &mut Command| {
        let output = command.output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cores} cores ({}), {} memory, Linux {}, {}, {}; commit {}; load before {}\n",
        value_of(read("/proc/cpuinfo"), "model name"),
        value_of(read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
        output(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder)),
        output(Command::new("rustc").arg("--version")),
        output(Command::new("git").args(["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty"])),
        read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
    )
}
