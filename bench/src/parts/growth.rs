//! What a hundred times as many users cost: one connection, p50.

use std::time::Duration;

use super::{Effort, FEW_USERS};
use crate::{
    ask,
    load::{Asker, Outcome, Pace, Plan},
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    site::{Bench, Site},
};

/// One thing that is asked of both databases.
struct Kind {
    name: &'static str,
    ask: Ask,
    goal: Goal,
}

enum Ask {
    /// Users by id, of so many.
    Get(u64),
    Create,
    /// A page: the query, where in the list, and whether the key is of a role that may not read everybody.
    Page(&'static str, Place, Reader),
}

enum Place {
    First,
    Middle,
    Last,
}

enum Reader {
    Admin,
    Clinician,
}

use Place::*;
use Reader::*;

const EVERYBODY: &str = "pageSize=25";
const PATIENTS: &str = "pageSize=25&role=PATIENT";
const ADMINS: &str = "pageSize=25&role=ADMIN";

/// The first page of everybody: what the pages of the large database are compared with.
const PAGE_1: usize = 3;

/// As many are asked for in both databases, so that the cache of ready answers holds them in both.
const KNOWN: u64 = 5_000;

const KINDS: [Kind; 14] = [
    Kind { name: "get by id, of 5000 users", ask: Ask::Get(KNOWN), goal: Goal::AtMost(1.3) },
    Kind { name: "get by id, of all users", ask: Ask::Get(u64::MAX), goal: Goal::None },
    Kind { name: "create", ask: Ask::Create, goal: Goal::AtMost(1.3) },
    Kind { name: "page 1", ask: Ask::Page(EVERYBODY, First, Admin), goal: Goal::AtMost(5.0) },
    Kind { name: "last page", ask: Ask::Page(EVERYBODY, Last, Admin), goal: Goal::AtMost(5.0) },
    Kind { name: "page 1, role PATIENT", ask: Ask::Page(PATIENTS, First, Admin), goal: Goal::AtMost(5.0) },
    Kind { name: "last page, role PATIENT", ask: Ask::Page(PATIENTS, Last, Admin), goal: Goal::AtMost(5.0) },
    Kind { name: "page 1, role ADMIN", ask: Ask::Page(ADMINS, First, Admin), goal: Goal::AtMost(5.0) },
    Kind { name: "last page, role ADMIN", ask: Ask::Page(ADMINS, Last, Admin), goal: Goal::AtMost(5.0) },
    Kind { name: "page 1, a CLINICIAN's key", ask: Ask::Page(EVERYBODY, First, Clinician), goal: Goal::None },
    Kind { name: "last page, a CLINICIAN's key", ask: Ask::Page(EVERYBODY, Last, Clinician), goal: Goal::None },
    Kind { name: "middle page", ask: Ask::Page(EVERYBODY, Middle, Admin), goal: Goal::None },
    Kind { name: "middle page, role PATIENT", ask: Ask::Page(PATIENTS, Middle, Admin), goal: Goal::None },
    Kind { name: "middle page, a CLINICIAN's key", ask: Ask::Page(EVERYBODY, Middle, Clinician), goal: Goal::None },
];

pub(crate) fn growth(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let few = bench.site(FEW_USERS, &[])?;
    let many = bench.site(effort.users, &[])?;
    let mut jobs: Vec<Job<'_, Outcome>> = Vec::new();
    for kind in &KINDS {
        for site in [&few, &many] {
            jobs.push(Job::new(format!("{}, {}", kind.name, site.ground.users), || kind.measure(site, effort)));
        }
    }
    let results = interleave(effort.rounds, &mut jobs)?;
    drop(jobs);
    few.stop()?;
    many.stop()?;

    report.section(&format!("growth: one connection, p50 at {} users against {FEW_USERS}", effort.users));
    let p50 = |outcome: &Outcome| outcome.quantile_us(0.5);
    for (nth, kind) in KINDS.iter().enumerate() {
        let is_page = matches!(kind.ask, Ask::Page(..));
        let (base, of) = if is_page { (2 * PAGE_1, " ÷ page 1") } else { (2 * nth, "") };
        let ratio = Spread::of_ratios(&results[2 * nth + 1], &results[base], p50, p50);
        report.row(format!("{}{of}", kind.name), ratio, "", kind.goal);
    }
    for (nth, kind) in KINDS.iter().enumerate() {
        for (users, outcomes) in [FEW_USERS, effort.users].into_iter().zip(&results[2 * nth..]) {
            report.row(format!("{}, {users} users", kind.name), Spread::of(outcomes.iter().map(p50)), "µs", Goal::None);
        }
    }
    Ok(())
}

impl Kind {
    fn measure(&self, site: &Site, effort: Effort) -> anyhow::Result<Outcome> {
        let plan = Plan {
            connections: 1,
            warm_up: Duration::from_millis(500),
            // A third of what is given to ratios of throughput: one connection's median is steady.
            measured: Duration::from_secs_f64(effort.seconds / 3.0),
            pace: Pace::Closed,
            most: u64::MAX,
        };
        let load = |ask: &mut Asker<'_>| site.load(&plan, ask);
        match &self.ask {
            Ask::Get(many) => load(&mut ask::user(&site.ground.key, site.ground.users, *many)),
            Ask::Create => load(&mut ask::create(&site.ground.key)),
            Ask::Page(query, place, reader) => {
                let key = match reader {
                    Admin => &site.ground.key,
                    Clinician => &site.ground.clinician_key,
                };
                // Asked for anew each time: the creates between have made the list longer.
                let pages = site.pagination(key, query, "totalPages")?;
                let page = match place {
                    First => 1,
                    Middle => pages / 2,
                    Last => pages,
                };
                load(&mut ask::page(key, &format!("{query}&page={page}")))
            }
        }
    }
}
