//! Users who change: how fast, what reads cost beside it, and what lists and searches cost afterwards.

use std::{fmt, thread, time::Duration};

use super::{
    Effort,
    throughput::{CONNECTIONS, plan},
};
use crate::{
    ask,
    load::{Asker, Outcome, Pace, Plan},
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    site::{Bench, Site},
};

/// Patches a second beside gets.
const BESIDE: u32 = 1_000;

/// What one run of one job gave.
struct Sample(Outcome);

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

pub(crate) fn change(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let users = effort.users;
    let [creates, names, emails, quiet, altered] = [(); 5].map(|()| bench.site(users, &[]));
    let (creates, names, emails, quiet, altered) = (creates?, names?, emails?, quiet?, altered?);
    alter(&altered, users)?;
    let plan = plan(effort, Pace::Closed);
    let load = |site: &Site, ask: &mut Asker<'_>| anyhow::Ok(Sample(site.load(&plan, ask)?));
    let key = |site: &Site| site.ground.key.clone();
    let phone = |person: &crate::people::Person| person.phone[5..].to_owned();
    let results = interleave(
        effort.rounds,
        &mut [
            Job::new("create", || load(&creates, &mut ask::create(&key(&creates)))),
            Job::new("patch of a name", || load(&names, &mut ask::patch_name(&key(&names), users))),
            Job::new("patch of an e-mail", || load(&emails, &mut ask::patch_email(&key(&emails), users))),
            Job::new("get", || load(&quiet, &mut ask::user(&key(&quiet), users, 20_000))),
            Job::new("get beside patches", || beside(&names, &plan, users)),
            Job::new("list", || load(&quiet, &mut ask::page(&key(&quiet), "pageSize=25"))),
            Job::new("list, altered", || load(&altered, &mut ask::page(&key(&altered), "pageSize=25"))),
            Job::new("list, deep", || load(&quiet, &mut ask::page(&key(&quiet), "pageSize=25&page=4000"))),
            Job::new("list, deep, altered", || load(&altered, &mut ask::page(&key(&altered), "pageSize=25&page=4000"))),
            Job::new("search", || load(&quiet, &mut ask::search(&key(&quiet), users, phone))),
            Job::new("search, altered", || {
                // Whoever left is not found, and somebody must be.
                load(&altered, &mut ask::search_all(&key(&altered), users, phone))
            }),
        ],
    )?;
    for site in [creates, names, emails, quiet, altered] {
        site.stop()?;
    }
    report.section(&format!("{CONNECTIONS} connections, {users} users"));
    let rate = |sample: &Sample| sample.0.per_second();
    let [create, name, email, get, beside, list, list_altered, deep, deep_altered, search, search_altered] =
        &results[..]
    else {
        anyhow::bail!("a job is missing")
    };
    let mut ratio = |what: &str, over: &[Sample], under: &[Sample], goal| {
        report.row(what, Spread::of_ratios(over, under, rate, rate), "", goal);
    };
    ratio("patch of a name ÷ create", name, create, Goal::AtLeast(0.8));
    ratio("patch of an e-mail ÷ create", email, create, Goal::AtLeast(0.6));
    ratio("get beside 1 000 patches a second ÷ get", beside, get, Goal::AtLeast(0.85));
    ratio("list ÷ list, 1 % deactivated and 5 % changed", list, list_altered, Goal::AtMost(1.3));
    ratio("page 4 000 ÷ the same", deep, deep_altered, Goal::AtMost(1.3));
    ratio("search ÷ the same", search, search_altered, Goal::AtMost(1.3));
    let names = [
        "create",
        "patch of a name",
        "patch of an e-mail",
        "get",
        "get beside patches",
        "list",
        "list, altered",
        "page 4 000",
        "page 4 000, altered",
        "search",
        "search, altered",
    ];
    for (what, samples) in names.into_iter().zip(&results) {
        report.row(what, Spread::of(samples.iter().map(rate)), "/s", Goal::None);
    }
    Ok(())
}

/// Changes one in twenty, and has one in a hundred leave.
fn alter(site: &Site, users: u64) -> anyhow::Result<()> {
    let key = &site.ground.key;
    let plan = |most| Plan {
        connections: CONNECTIONS,
        warm_up: Duration::ZERO,
        measured: Duration::from_secs(600),
        pace: Pace::Closed,
        most,
    };
    site.load(&plan(users / 20), &mut ask::patch_name(key, users))?;
    site.load(&plan(users / 100), &mut ask::deactivate(key, users))?;
    Ok(())
}

/// Gets as fast as they go, with patches beside them.
fn beside(site: &Site, plan: &Plan, users: u64) -> anyhow::Result<Sample> {
    let key = &site.ground.key;
    let patches = Plan {
        connections: 16,
        pace: Pace::Open(BESIDE),
        measured: plan.measured + Duration::from_millis(500),
        ..*plan
    };
    thread::scope(|scope| {
        let patching = scope.spawn(|| {
            let ask: &mut Asker<'_> = &mut ask::patch_name(key, users);
            site.load(&patches, ask)
        });
        let gets = site.load(plan, &mut ask::user(key, users, 20_000))?;
        patching.join().map_err(|_| anyhow::anyhow!("the generator of patches panicked"))??;
        Ok(Sample(gets))
    })
}
