//! `roster copy`: moving house, from one database into another.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use clap::Args;
use roster_store::{Location, Progress};

use super::{note, row, warn_of_password};
use crate::config::LocationParser;

/// Rows between two lines of progress that no person watches.
const EVERY: u64 = 100_000;

/// Copy everything into another, empty database: SQLite to PostgreSQL, back, or between two of a kind
///
/// Organizations, keys, payors, users, audit entries, webhooks, consents and messages, with their ids, moments and
/// order. Keys go on working. All of it is copied or nothing: the destination is written in one transaction, which is committed once what
/// it holds hashes to what was read, and once the source turns out not to have changed meanwhile. So stop every server
/// on the source first, and start one on the destination afterwards. A copy that was interrupted can simply be run
/// again. Prints how many of what were copied, and the hash.
#[derive(Debug, Args)]
pub(super) struct Copy {
    /// The database to copy from; it is only read
    #[arg(long, value_name = "URL", value_parser = LocationParser)]
    from: Location,
    /// The database to copy to; made if it is a file that is not there
    #[arg(long, value_name = "URL", value_parser = LocationParser)]
    to: Location,
}

impl Copy {
    pub(super) fn run(self) -> anyhow::Result<()> {
        [&self.from, &self.to].into_iter().for_each(warn_of_password);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let mut teller = Teller::new();
        let copied = runtime.block_on(roster_store::copy(&self.from, &self.to, |progress| teller.tell(progress)))?;
        for (name, count) in copied.counts {
            row([&name, &count])?;
        }
        row([&"sha256", &copied.sha256])?;
        Ok(())
    }
}

/// Says how far it is: to a person at most once a second, else at the first rows and every so many.
struct Teller {
    terminal: bool,
    last: Option<(Progress, Instant)>,
}

impl Teller {
    fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), last: None }
    }

    fn tell(&mut self, progress: Progress) {
        let now = Instant::now();
        let due = match (self.last, progress) {
            (Some((Progress::Sent(then), _)), Progress::Sent(rows)) if !self.terminal => rows >= then + EVERY,
            (Some((Progress::Compared(then), _)), Progress::Compared(rows)) if !self.terminal => rows >= then + EVERY,
            (Some((_, then)), _) if self.terminal => now - then >= Duration::from_secs(1),
            _ => true,
        };
        if due {
            self.last = Some((progress, now));
            match progress {
                Progress::Sent(rows) => note(format_args!("copying: {rows} rows")),
                Progress::Compared(rows) => note(format_args!("comparing: {rows} rows")),
            }
        }
    }
}
