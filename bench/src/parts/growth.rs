//! What a directory costs as it fills: one connection, p50, from ten thousand users to a thousand times as many.

use std::time::Duration;

use super::{Effort, FEW_USERS, start::starts};
use crate::{
    ask,
    load::{Asker, Outcome, Pace, Plan},
    people::Person,
    process::resident_mib,
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    site::{Bench, Site},
};

/// One thing that is asked of all databases.
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
    /// The page of the one user with an e-mail, another each time.
    Email,
    /// Page 1 and the exact total of what few users have in them.
    Search(fn(&Person) -> String),
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

/// As many are asked for in all databases, so that the cache of ready answers holds them in all.
const KNOWN: u64 = 5_000;

/// What is drawn, and what by.
const DRAWN: [(&str, &str); 6] = [
    ("create", "create"),
    ("get by id, of 5000 users", "get"),
    ("page 1", "page 1"),
    ("last page, role PATIENT", "last page, by role"),
    ("one user by e-mail", "by e-mail"),
    ("search, 7 digits of a phone", "search"),
];

const KINDS: [Kind; 17] = [
    Kind { name: "create", ask: Ask::Create, goal: Goal::AtMost(1.1) },
    Kind { name: "get by id, of 5000 users", ask: Ask::Get(KNOWN), goal: Goal::AtMost(2.0) },
    Kind { name: "get by id, of all users", ask: Ask::Get(u64::MAX), goal: Goal::AtMost(2.0) },
    Kind { name: "page 1", ask: Ask::Page(EVERYBODY, First, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "middle page", ask: Ask::Page(EVERYBODY, Middle, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "last page", ask: Ask::Page(EVERYBODY, Last, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "page 1, role PATIENT", ask: Ask::Page(PATIENTS, First, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "middle page, role PATIENT", ask: Ask::Page(PATIENTS, Middle, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "last page, role PATIENT", ask: Ask::Page(PATIENTS, Last, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "page 1, role ADMIN", ask: Ask::Page(ADMINS, First, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "last page, role ADMIN", ask: Ask::Page(ADMINS, Last, Admin), goal: Goal::AtMost(2.0) },
    Kind { name: "page 1, a CLINICIAN's key", ask: Ask::Page(EVERYBODY, First, Clinician), goal: Goal::AtMost(2.0) },
    Kind { name: "middle page, a CLINICIAN's key", ask: Ask::Page(EVERYBODY, Middle, Clinician), goal: Goal::None },
    Kind { name: "last page, a CLINICIAN's key", ask: Ask::Page(EVERYBODY, Last, Clinician), goal: Goal::AtMost(2.0) },
    Kind { name: "one user by e-mail", ask: Ask::Email, goal: Goal::AtMost(2.0) },
    Kind {
        name: "search, 7 digits of a phone",
        ask: Ask::Search(|person| person.phone[5..].to_owned()),
        goal: Goal::None,
    },
    Kind { name: "search, all of an e-mail before the @", ask: Ask::Search(local_part), goal: Goal::None },
];

fn local_part(person: &Person) -> String {
    person.email.split('@').next().unwrap_or_default().to_owned()
}

/// Microseconds that a search with few hits may take, page and exact total together.
const SEARCH_US: f64 = 5_000.0;

pub(crate) fn growth(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let sizes: Vec<u64> = std::iter::successors(Some(FEW_USERS), |users| Some(users * 10))
        .take_while(|users| *users <= effort.users)
        .collect();
    let sites = sizes.iter().map(|users| bench.site(*users, &[])).collect::<anyhow::Result<Vec<_>>>()?;
    let mut jobs: Vec<Job<'_, Outcome>> = Vec::new();
    for kind in &KINDS {
        for site in &sites {
            jobs.push(Job::new(format!("{}, {}", kind.name, site.ground.users), || kind.measure(site, effort)));
        }
    }
    let results = interleave(effort.rounds, &mut jobs)?;
    drop(jobs);
    let of = |kind: usize, size: usize| &results[kind * sizes.len() + size];
    let (largest, most) = (sizes.len() - 1, sizes[sizes.len() - 1]);

    report.section(&format!("growth: one connection, p50 at {most} users ÷ at {FEW_USERS}"));
    let p50 = |outcome: &Outcome| outcome.quantile_us(0.5);
    for (nth, kind) in KINDS.iter().enumerate() {
        let ratio = Spread::of_ratios(of(nth, largest), of(nth, 0), p50, p50);
        report.row(kind.name, ratio, "", kind.goal);
    }
    report.section("the same in microseconds");
    for (nth, kind) in KINDS.iter().enumerate() {
        for (size, users) in sizes.iter().enumerate() {
            let goal = match kind.ask {
                Ask::Search(_) => Goal::AtMost(SEARCH_US),
                _ => Goal::None,
            };
            let spread = Spread::of(of(nth, size).iter().map(p50));
            report.row(format!("{}, {users} users", kind.name), spread, "µs", goal);
        }
    }

    report.section("memory after all of it, and start to the first user answered");
    let mut memory = Vec::new();
    for site in sites {
        let resident = resident_mib(site.server.pid())?;
        report.row(format!("memory, {} users", site.ground.users), Spread::of([resident]), "MiB", Goal::AtMost(200.0));
        memory.push(resident);
        let ground = site.stop()?;
        let (start, _) = starts(bench, &ground)?;
        report.row(format!("start, {} users", ground.users), start, "ms", Goal::AtMost(30.0));
    }

    let by_size = |values: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        sizes.iter().enumerate().map(|(size, users)| (*users as f64, values(size))).collect()
    };
    let lines: Vec<_> = DRAWN
        .iter()
        .filter_map(|(name, label)| Some((*label, KINDS.iter().position(|kind| kind.name == *name)?)))
        .map(|(label, kind)| (label, by_size(&|size| Spread::of(of(kind, size).iter().map(p50)).median)))
        .collect();
    report.lines("growth", "One request, by users in the organization (p50, µs; both scales logarithmic)", &lines);
    let memory = [("Roster", by_size(&|size| memory[size]))];
    report.lines("memory", "Memory after reads, searches and creates, by users (MiB)", &memory);
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
        let (key, users) = (&site.ground.key, site.ground.users);
        match &self.ask {
            Ask::Get(many) => load(&mut ask::user(key, users, *many)),
            Ask::Create => load(&mut ask::create(key)),
            Ask::Email => load(&mut ask::found(key, users, |person| format!("email={}", person.email))),
            Ask::Search(term) => load(&mut ask::search(key, users, *term)),
            Ask::Page(query, place, reader) => {
                let key = match reader {
                    Admin => key,
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
