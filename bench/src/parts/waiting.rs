//! What messages that wait for a gateway cost a create: beside the same users with nothing owed.

use super::{Effort, throughput};
use crate::{
    ask,
    load::{Outcome, Pace},
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    site::{Bench, Site},
};

/// Messages that wait, one for each user.
const WAITING: u64 = 200_000;

pub(crate) fn waiting(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let plan = throughput::plan(effort, Pace::Closed);
    let creates_after = |sql: &str| -> anyhow::Result<Outcome> {
        let ground = bench.ground(WAITING)?;
        let connection = rusqlite::Connection::open(&ground.database)?;
        // Either way the file is written anew, so that neither has pages to give away.
        connection.execute_batch(&format!("{sql}; vacuum; pragma wal_checkpoint(truncate)"))?;
        drop(connection);
        let server = bench.roster.serve(&ground.database, &[])?;
        let site = Site { server, ground };
        let outcome = site.load(&plan, &mut ask::create(&site.ground.key))?;
        site.stop()?;
        Ok(outcome)
    };
    let results = interleave(
        effort.rounds,
        &mut [
            Job::new("create, messages wait", || creates_after("")),
            Job::new("create, none waits", || creates_after("delete from outbox")),
        ],
    )?;
    let ratio = Spread::of_ratios(&results[0], &results[1], Outcome::per_second, Outcome::per_second);
    report.section(&format!("{WAITING} messages that wait for a gateway"));
    report.row("create ÷ create where none waits", ratio, "", Goal::AtLeast(0.95));
    Ok(())
}
