//! Start to first answer, memory, and the size of the binary.

use std::time::{Duration, Instant};

use super::Effort;
use crate::{
    ask,
    load::{Pace, Plan},
    people::id_of,
    process::resident_mib,
    report::{Goal, Report},
    rounds::Spread,
    site::{Bench, Ground},
};

/// Starts that the median is of.
const STARTS: usize = 7;

pub(crate) fn start(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    report.section(&format!("start and memory, {} users", effort.users));
    let ground = bench.ground(effort.users)?;
    let (start, idle) = starts(bench, &ground)?;
    report.row("start of the process to the first user answered", start, "ms", Goal::AtMost(30.0));
    report.row("idle memory", idle, "MiB", Goal::AtMost(25.0));

    let site = bench.site(0, &[])?;
    let plan = Plan {
        connections: 64,
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(600),
        pace: Pace::Closed,
        most: 100_000,
    };
    let outcome = site.load(&plan, &mut ask::create(&site.ground.key))?;
    let memory = resident_mib(site.server.pid())?;
    eprintln!("  {} creates: {memory:.0} MiB", outcome.answers);
    report.row("memory after 100000 creates", Spread::of([memory]), "MiB", Goal::AtMost(110.0));
    site.stop()?;

    let bytes = std::fs::metadata(&bench.roster.binary)?.len();
    report.row("size of the binary", Spread::of([bytes as f64 / 1e6]), "MB", Goal::AtMost(25.0));
    Ok(())
}

/// Milliseconds from the start of a process to the first user answered, and MiB of it then.
pub(super) fn starts(bench: &Bench, ground: &Ground) -> anyhow::Result<(Spread, Spread)> {
    let mut starts = Vec::new();
    let mut idle = Vec::new();
    for _ in 0..STARTS {
        let begin = Instant::now();
        let server = bench.roster.serve(&ground.database, &[])?;
        server.body_of(&ground.key, &format!("/api/v1/users/{}", id_of(0)))?;
        starts.push(begin.elapsed().as_secs_f64() * 1e3);
        idle.push(resident_mib(server.pid())?);
        server.stop()?;
    }
    Ok((Spread::of(starts), Spread::of(idle)))
}
