//! What was measured, as a Markdown table and drawings: on standard output, kept in bench/results, and put into docs/
//! where that is asked for.

use std::{fmt::Write, fs, path::Path, process::Command};

use anyhow::Context;

use crate::{plot, rounds::Spread, site::Bench};

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
    rows: Vec<Row>,
    missed: usize,
    /// Names and SVGs.
    drawings: Vec<(String, String)>,
    /// A table for docs/performance.md itself.
    summary: Option<String>,
}

enum Row {
    Section(String),
    /// With a verdict on it.
    Judged(String),
    /// For orientation.
    Other(String),
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
        let what = what.as_ref();
        self.rows.push(match met {
            Some(_) => Row::Judged(format!("| {what} | {measured}{space}{unit} | {goal} | {verdict} |")),
            None => Row::Other(format!("| {what} | {measured}{space}{unit} |")),
        });
    }

    /// A line across the table.
    pub(crate) fn section(&mut self, title: &str) {
        self.rows.push(Row::Section(title.to_owned()));
    }

    /// Draws a bar for each, the first in colour.
    pub(crate) fn bars(&mut self, name: &str, title: &str, bars: &[(&str, Spread)]) {
        self.drawings.push((name.to_owned(), plot::bars(title, bars)));
    }

    /// Draws a line for each, through its points.
    pub(crate) fn lines(&mut self, name: &str, title: &str, lines: &[(&str, Vec<(f64, f64)>)]) {
        self.drawings.push((name.to_owned(), plot::lines(title, lines)));
    }

    /// Draws bars in panels side by side, with the same names in each.
    pub(crate) fn panels(&mut self, name: &str, title: &str, names: &[&str], panels: &[(&str, Vec<Spread>)]) {
        self.drawings.push((name.to_owned(), plot::panels(title, names, panels)));
    }

    /// Says what stands in docs/performance.md, in front of the pages with all that was measured.
    pub(crate) fn summary(&mut self, table: String) {
        self.summary = Some(table);
    }

    /// Prints the table, and keeps it and what was drawn; `into_docs` also where readers look.
    pub(crate) fn publish(&self, name: &str, bench: &Bench, into_docs: bool) -> anyhow::Result<()> {
        let text = self.text(&bench.folder);
        print!("{text}");
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = here.join("results");
        fs::create_dir_all(&folder)?;
        let free = (1..).map(|n| format!("{name}-{n:03}")).find(|name| !folder.join(format!("{name}.md")).exists());
        let free = free.expect("there is always another number");
        fs::write(folder.join(format!("{free}.md")), &text)?;
        for (drawing, svg) in &self.drawings {
            fs::write(folder.join(format!("{free}-{drawing}.svg")), svg)?;
        }
        if into_docs {
            let docs = here.join("../docs");
            put(&docs.join("performance").join(format!("{name}.md")), name, &text)?;
            if let Some(table) = &self.summary {
                put(&docs.join("performance.md"), name, table)?;
            }
            for (drawing, svg) in &self.drawings {
                fs::write(docs.join("img").join(format!("{drawing}.svg")), svg)?;
            }
        }
        Ok(())
    }

    /// What has a goal first; what is for orientation after it, folded away.
    fn text(&self, folder: &Path) -> String {
        let mut text = machine(folder);
        text += "\n| what | median [least–most] | goal | met |\n| --- | --- | --- | --- |\n";
        let judged = self.rows.iter().filter_map(|row| match row {
            Row::Judged(row) => Some(row.as_str()),
            _ => None,
        });
        judged.for_each(|row| text.extend([row, "\n"]));
        write!(text, "\n{} of the goals missed.\n\n<details><summary>All of it</summary>\n", self.missed)
            .expect("writing to a string does not fail");
        text += "\n| what | median [least–most] |\n| --- | --- |\n";
        for row in &self.rows {
            match row {
                Row::Section(title) => text.extend(["| **", title, "** | |\n"]),
                Row::Other(row) => text.extend([row, "\n"]),
                Row::Judged(row) => text.extend(row.split_inclusive('|').take(3).chain(["\n"])),
            }
        }
        text + "\n</details>\n"
    }
}

/// Puts the text into a page, between the marks of that name.
fn put(page: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let filled = fs::read_to_string(page).map_err(anyhow::Error::from).and_then(|old| filled(&old, name, text));
    fs::write(page, filled.with_context(|| format!("{} cannot take what was measured", page.display()))?)?;
    Ok(())
}

/// The page with the text between the marks of that name.
fn filled(page: &str, name: &str, text: &str) -> anyhow::Result<String> {
    let (begin, end) = (format!("<!-- measured: {name} -->\n"), format!("<!-- end of {name} -->"));
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = parts.with_context(|| format!("it has no place for {name}"))?;
    Ok([before, &begin, text, &end, after].concat())
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

#[cfg(test)]
mod tests {
    use super::filled;

    #[test]
    fn what_was_measured_replaces_what_was_there() {
        let page = "a\n<!-- measured: x -->\nold\n<!-- end of x -->\nb\n";
        assert_eq!(filled(page, "x", "new\n").expect("it has a place"), page.replace("old", "new"));
        assert!(filled(page, "y", "new\n").is_err());
    }
}
