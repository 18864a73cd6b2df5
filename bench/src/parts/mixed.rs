//! Gets and creates beside each other, each when it is due, as the users of a busy day make them.

use std::{fmt, thread, time::Duration};

use super::Effort;
use crate::{
    ask,
    load::{Asker, Outcome, Pace, Plan},
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    site::{Bench, Site},
};

/// A second.
const GETS: u32 = 20_000;
const CREATES: u32 = 2_000;

/// Each kind has its own.
const CONNECTIONS: usize = 32;

struct Both {
    gets: Outcome,
    creates: Outcome,
}

impl fmt::Display for Both {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gets {}; creates {}", self.gets, self.creates)
    }
}

pub(crate) fn mixed(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let site = bench.site(effort.users, &[])?;
    let results = interleave(effort.rounds, &mut [Job::new("mixed", || both(&site, effort))])?.remove(0);
    site.stop()?;
    report.section(&format!(
        "{GETS} gets and {CREATES} creates a second beside each other, {} users, latency from when they were due",
        effort.users
    ));
    for (what, of, p99_ms) in
        [("gets", (|both| &both.gets) as fn(&Both) -> &Outcome, 1.0), ("creates", |both| &both.creates, 3.0)]
    {
        for (name, quantile, goal) in
            [("p50", 0.5, Goal::None), ("p99", 0.99, Goal::AtMost(p99_ms)), ("p99.9", 0.999, Goal::None)]
        {
            let millis = results.iter().map(|both| of(both).quantile_us(quantile) / 1e3);
            report.row(format!("{what}, {name}"), Spread::of(millis), "ms", goal);
        }
    }
    Ok(())
}

/// A generator for each, on a thread of its own.
fn both(site: &Site, effort: Effort) -> anyhow::Result<Both> {
    let plan = |rate| Plan {
        connections: CONNECTIONS,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs_f64(effort.seconds),
        pace: Pace::Open(rate),
        most: u64::MAX,
    };
    let key = &site.ground.key;
    thread::scope(|scope| {
        let creates = scope.spawn(|| {
            let ask: &mut Asker<'_> = &mut ask::create(key);
            site.load(&plan(CREATES), ask)
        });
        let gets = site.load(&plan(GETS), &mut ask::user(key, effort.users, 20_000))?;
        let creates = creates.join().map_err(|_| anyhow::anyhow!("the generator of creates panicked"))??;
        Ok(Both { gets, creates })
    })
}
