//! Searches: page 1 and the exact total come together. One connection, p50.

use std::time::Duration;

use super::Effort;
use crate::{
    ask,
    load::{Outcome, Pace, Plan},
    people::Person,
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    site::Bench,
};

/// The terms that somebody is looked for by.
type Term = fn(&Person) -> String;

/// Milliseconds: the page may take 10 and the total 20, and one answer has both.
const FEW_HITS: Goal = Goal::AtMost(10.0);

const KINDS: [(&str, Term, Goal); 9] = [
    ("6 characters of an e-mail", |person| end(local_part(person), 6), FEW_HITS),
    ("13 characters of an e-mail", |person| end(local_part(person), 13), FEW_HITS),
    ("all of an e-mail before the @", |person| local_part(person).to_owned(), FEW_HITS),
    ("7 digits of a phone", |person| end(&person.phone, 7), FEW_HITS),
    ("a phone as it is written", |person| written(&person.phone), FEW_HITS),
    ("first and last name", |person| format!("{} {}", person.first_name, person.last_name), FEW_HITS),
    ("last name", |person| person.last_name.clone(), Goal::None),
    ("first name", |person| person.first_name.to_owned(), Goal::None),
    ("2 characters of a last name", |person| end(&person.last_name, 2), Goal::None),
];

/// Those that are measured again where more users are not in the index yet.
const AGAIN: usize = 6;

/// Users of a chunk that the search index takes at once (crates/roster-store/src/sqlite/index.rs).
const CHUNK: u64 = 8_192;

pub(crate) fn search(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let site = bench.site(effort.users, &[])?;
    let mut measure = |title: &str, kinds: &[(&str, Term, Goal)]| -> anyhow::Result<()> {
        let mut jobs: Vec<Job<'_, Outcome>> = kinds
            .iter()
            .map(|(name, term, _)| {
                let site = &site;
                Job::new(*name, move || {
                    let plan = plan(Duration::from_secs_f64(effort.seconds / 3.0), u64::MAX);
                    site.load(&plan, &mut ask::search(&site.ground.key, effort.users, *term))
                })
            })
            .collect();
        let results = interleave(effort.rounds, &mut jobs)?;
        report.section(title);
        for ((name, term, goal), outcomes) in kinds.iter().zip(results) {
            let mut hits = Vec::new();
            for nth in 1..=5 {
                let nth = nth * effort.users / 7;
                let query = ask::search_query(&term(&Person::nth(nth)));
                hits.push(site.pagination(&site.ground.key, &query, "totalCount")? as f64);
            }
            let what = format!("{name} (finds about {:.0})", Spread::of(hits).median);
            report.row(what, Spread::of(outcomes.iter().map(|outcome| outcome.quantile_us(0.5) / 1e3)), "ms", *goal);
        }
        Ok(())
    };
    measure(&format!("search among {} users: page 1 and total, p50", effort.users), &KINDS)?;

    // As many more as can be without filling the chunk, which the indexer would then take; none to warm up.
    let unindexed = effort.users % CHUNK;
    let more = (CHUNK - unindexed).saturating_sub(400);
    let creates = Plan { connections: 64, warm_up: Duration::ZERO, ..plan(Duration::from_secs(600), more) };
    site.load(&creates, &mut ask::create(&site.ground.key))?;
    let title = format!("the same with about {} users not in the index yet, the most there can be", unindexed + more);
    measure(&title, &KINDS[..AGAIN])?;
    site.stop().map(drop)
}

fn plan(measured: Duration, most: u64) -> Plan {
    Plan { connections: 1, warm_up: Duration::from_millis(300), measured, pace: Pace::Closed, most }
}

fn local_part(person: &Person) -> &str {
    person.email.split('@').next().unwrap_or_default()
}

/// The last `len` characters.
fn end(text: &str, len: usize) -> String {
    text[text.len().saturating_sub(len)..].to_owned()
}

/// `+14155550123` as `(415)555-0123`.
fn written(phone: &str) -> String {
    format!("({}){}-{}", &phone[2..5], &phone[5..8], &phone[8..])
}
