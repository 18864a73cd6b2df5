//! As many users in one organization and in organizations of a thousand each: what they cost beside each other.

use super::{Effort, start::starts, throughput};
use crate::{
    ask,
    load::{Asker, Outcome, Pace, Plan},
    people::{id_of, is_hidden},
    process::resident_mib,
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    seed,
    site::{Bench, Ground, Site},
};

/// Users of one of many organizations.
const SIZE: u64 = 1_000;

/// Organizations that are asked.
const ASKED: u64 = 200;

#[derive(Clone, Copy)]
enum What {
    Create,
    Get,
    List,
}

pub(crate) fn organizations(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let many = effort.users / SIZE;
    let ground = bench.ground_of(effort.users, many)?;
    let keys = (0..ASKED.min(many))
        .map(|nth| bench.roster.key(&ground.database, &seed::organization(nth).to_string(), "ADMIN"))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let one = bench.site(effort.users, &[])?;
    let many_site = Site { server: bench.roster.serve(&ground.database, &[])?, ground };

    let mut jobs: Vec<Job<'_, Outcome>> = Vec::new();
    let kinds = [("create", What::Create), ("get by id", What::Get), ("list, page 1", What::List)];
    for (name, what) in kinds {
        for connections in [64, 1] {
            let plan = Plan { connections, ..throughput::plan(effort, Pace::Closed) };
            let (one, many_site, keys) = (&one, &many_site, &keys);
            jobs.push(Job::new(format!("{name}, {connections}, one"), move || in_one(one, &plan, what, keys.len())));
            jobs.push(Job::new(format!("{name}, {connections}, many"), move || in_many(many_site, &plan, what, keys)));
        }
    }
    let results = interleave(effort.rounds, &mut jobs)?;
    drop(jobs);

    report.section(&format!("{many} organizations of {SIZE} users beside one of {}", effort.users));
    let mut results = results.chunks(2);
    for (name, _) in kinds {
        for (connections, goal) in [(64, Goal::AtLeast(0.95)), (1, Goal::AtLeast(0.95))] {
            let Some([in_one, in_many]) = results.next() else { anyhow::bail!("a job is missing") };
            let ratio = Spread::of_ratios(in_many, in_one, Outcome::per_second, Outcome::per_second);
            report.row(format!("{name}, {connections} connections: many ÷ one"), ratio, "", goal);
            let rates = Spread::of(in_many.iter().map(Outcome::per_second));
            report.row(format!("{name}, {connections} connections, many"), rates, "/s", Goal::None);
        }
    }
    let row = |report: &mut Report, name: &str, site: Site| -> anyhow::Result<()> {
        let memory = resident_mib(site.server.pid())?;
        let ground: Ground = site.stop()?;
        let bytes = std::fs::metadata(&ground.database)?.len() as f64 / 1e6;
        report.row(format!("memory, {name}"), Spread::of([memory]), "MiB", Goal::AtMost(200.0));
        report.row(format!("database, {name}"), Spread::of([bytes]), "MB", Goal::None);
        report.row(format!("start, {name}"), starts(bench, &ground)?.0, "ms", Goal::AtMost(30.0));
        Ok(())
    };
    row(report, "one", one)?;
    row(report, "many", many_site)
}

fn in_one(site: &Site, plan: &Plan, what: What, asked: usize) -> anyhow::Result<Outcome> {
    let key = &site.ground.key;
    let ask: &mut Asker<'_> = match what {
        What::Create => &mut ask::create(key),
        What::Get => &mut ask::user(key, site.ground.users, asked as u64 * SIZE),
        What::List => &mut ask::page(key, "pageSize=25"),
    };
    site.load(plan, ask)
}

fn in_many(site: &Site, plan: &Plan, what: What, keys: &[String]) -> anyhow::Result<Outcome> {
    let users_of = |nth: u64| (nth * SIZE..(nth + 1) * SIZE).filter(|nth| !is_hidden(*nth)).map(id_of).collect();
    let ask: &mut Asker<'_> = match what {
        What::Create => &mut ask::one_of(keys.iter().map(|key| ask::create(key)).collect()),
        What::Get => {
            &mut ask::one_of(keys.iter().zip(0..).map(|(key, nth)| ask::user_of(key, users_of(nth))).collect())
        }
        What::List => &mut ask::one_of(keys.iter().map(|key| ask::page(key, "pageSize=25")).collect()),
    };
    site.load(plan, ask)
}
