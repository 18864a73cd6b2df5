//! Creates, gets and lists at 64 connections, as shares of what limits them; creates at a fixed rate.

use std::{fmt, process::Command, time::Duration};

use super::Effort;
use crate::{
    ask, echo,
    load::{self, Pace, Plan},
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    server::Server,
    site::{Bench, Site},
    sqlite,
};

pub(super) const CONNECTIONS: usize = 64;

/// What one run of one job gave.
struct Sample {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    p999_us: f64,
    cpu_us: f64,
    shown: String,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl From<load::Outcome> for Sample {
    fn from(outcome: load::Outcome) -> Self {
        Self {
            per_second: outcome.per_second(),
            p50_us: outcome.quantile_us(0.5),
            p99_us: outcome.quantile_us(0.99),
            p999_us: outcome.quantile_us(0.999),
            cpu_us: outcome.server_cpu_us(),
            shown: outcome.to_string(),
        }
    }
}

impl From<sqlite::Outcome> for Sample {
    fn from(outcome: sqlite::Outcome) -> Self {
        Self {
            per_second: outcome.per_second,
            cpu_us: outcome.cpu_us,
            p50_us: outcome.latency.value_at_quantile(0.5) as f64 / 1e3,
            p99_us: outcome.latency.value_at_quantile(0.99) as f64 / 1e3,
            p999_us: outcome.latency.value_at_quantile(0.999) as f64 / 1e3,
            shown: outcome.to_string(),
        }
    }
}

type Number = fn(&Sample) -> f64;

/// What is told of latencies, and by which name.
const QUANTILES: [(&str, Number); 3] =
    [("p50", |sample| sample.p50_us), ("p99", |sample| sample.p99_us), ("p99.9", |sample| sample.p999_us)];

/// Shares of the limits.
pub(crate) fn shares(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let plan = plan(effort, Pace::Closed);
    let single = Plan { connections: 1, ..plan };
    let create_afresh = |flags: &[&str]| created_afresh(bench, &plan, flags);
    let alone = |batch, checkpoint_pages| {
        let plan = sqlite::Plan { batch, checkpoint_pages, warm_up: plan.warm_up, measured: plan.measured };
        anyhow::Ok(Sample::from(sqlite::run(&plan, bench.temporary_folder()?.path())?))
    };
    let reads = bench.site(effort.users, &[])?;
    let creates = bench.site(effort.users, &[])?;
    // Without ready answers every get is the engine's.
    let engine = bench.roster.serve(&reads.ground.database, &["--answer-cache".to_owned(), "0".to_owned()])?;
    let echo = Server::that_says_where(Command::new(std::env::current_exe()?).arg("echo"))?;
    let load = |site: &Site, ask: &mut load::Asker<'_>| anyhow::Ok(Sample::from(site.load(&plan, ask)?));
    let key = &reads.ground.key;
    let load_at = |plan: &Plan, server: &Server, ask: &mut load::Asker<'_>| {
        anyhow::Ok(Sample::from(load::run(plan, server.address, server.pid(), ask)?))
    };
    let echoed = |plan: &Plan| load_at(plan, &echo, &mut ask::create_at("/api/v1/users", key, echo::EXPECTED));

    let results = interleave(
        effort.rounds,
        &mut [
            Job::new("create", || create_afresh(&[])),
            Job::new("create, 1 a commit", || create_afresh(&["--write-batch", "1"])),
            Job::new("sqlite, 64 a commit", || alone(64, 1_000)),
            Job::new("sqlite, 64, 250 pages", || alone(64, 250)),
            Job::new("sqlite, 1 a commit", || alone(1, 1_000)),
            Job::new("create, many users", || load(&creates, &mut ask::create(&creates.ground.key))),
            Job::new("fixed body", || load(&reads, &mut ask::fixed(key))),
            Job::new("get", || load(&reads, &mut ask::user(key, effort.users, 20_000))),
            Job::new("list", || load(&reads, &mut ask::page(key, "pageSize=25"))),
            Job::new("search", || {
                load(&reads, &mut ask::search(key, effort.users, |person| person.phone[5..].to_owned()))
            }),
            Job::new("get from the engine", || load_at(&plan, &engine, &mut ask::user(key, effort.users, 20_000))),
            Job::new("echo", || echoed(&plan)),
            Job::new("create, one connection", || created_afresh(bench, &single, &[])),
            Job::new("echo, one connection", || echoed(&single)),
        ],
    )?;
    engine.stop()?;
    drop(echo);
    reads.stop()?;
    creates.stop()?;

    let [
        create,
        create_1,
        sqlite_64,
        sqlite_64_250,
        sqlite_1,
        create_many,
        fixed,
        get,
        list,
        search,
        engine_get,
        echo,
        create_alone,
        echo_alone,
    ] = &results[..]
    else {
        anyhow::bail!("a job is missing")
    };
    report.section(&format!("{CONNECTIONS} connections, {} users for reads", effort.users));
    let rate = |sample: &Sample| sample.per_second;
    let mut ratio = |what: &str, over: &[Sample], under: &[Sample], goal| {
        report.row(what, Spread::of_ratios(over, under, rate, rate), "", goal);
    };
    ratio("create ÷ SQLite alone, 64 a commit", create, sqlite_64, Goal::AtLeast(0.65));
    ratio("create ÷ the same, checkpoints every 250 pages as in Roster", create, sqlite_64_250, Goal::None);
    ratio("create ÷ the same server, 1 a commit", create, create_1, Goal::AtLeast(4.5));
    ratio("create ÷ a server that only parses and echoes", create, echo, Goal::AtLeast(0.22));
    ratio("create ÷ create on many users", create, create_many, Goal::AtMost(1.3));
    ratio("get by id ÷ fixed body", get, fixed, Goal::AtLeast(0.92));
    ratio("get by id from the engine ÷ fixed body", engine_get, fixed, Goal::AtLeast(0.5));
    ratio("list of 25, page 1 ÷ fixed body", list, fixed, Goal::AtLeast(0.3));
    let tail = Spread::of(create.iter().map(|sample| sample.p99_us / sample.p50_us));
    report.row("create, p99 ÷ p50", tail, "", Goal::AtMost(2.5));
    let parts = fixed.iter().zip(sqlite_64).map(|(fixed, sqlite)| fixed.cpu_us + sqlite.cpu_us);
    let cpu = Spread::of(create.iter().zip(parts).map(|(create, parts)| create.cpu_us / parts));
    report.row("server CPU of a create ÷ that of a fixed body and SQLite alone", cpu, "", Goal::AtMost(1.2));
    let parts = echo_alone.iter().zip(sqlite_1).map(|(echo, sqlite)| echo.p50_us + sqlite.p50_us);
    let single = Spread::of(create_alone.iter().zip(parts).map(|(create, parts)| create.p50_us / parts));
    report.row("create on one connection, p50 ÷ echo's and one commit's", single, "", Goal::AtMost(1.15));

    for (what, samples) in [
        ("create", create),
        ("create, 1 a commit", create_1),
        ("create on many users", create_many),
        ("SQLite alone, 64 a commit", sqlite_64),
        ("SQLite alone, 64 a commit, 250 pages", sqlite_64_250),
        ("SQLite alone, 1 a commit", sqlite_1),
        ("fixed body", fixed),
        ("get by id", get),
        ("list", list),
        ("search, 7 digits of a phone", search),
        ("get by id from the engine", engine_get),
        ("echo", echo),
        ("create, one connection", create_alone),
        ("echo, one connection", echo_alone),
    ] {
        report.row(what, Spread::of(samples.iter().map(rate)), "/s", Goal::None);
        report.row(format!("{what}, CPU"), Spread::of(samples.iter().map(|sample| sample.cpu_us)), "µs", Goal::None);
        for (name, of) in QUANTILES {
            report.row(format!("{what}, {name}"), Spread::of(samples.iter().map(of)), "µs", Goal::None);
        }
    }

    let drawn = [("create", create), ("get by id", get), ("list", list), ("search", search)];
    let rates: Vec<_> = drawn.iter().map(|(name, samples)| (*name, Spread::of(samples.iter().map(rate)))).collect();
    report.bars("throughput", "Answers a second at 64 connections", &rates);
    let mut names = Vec::new();
    let mut latencies = Vec::new();
    for (name, samples) in drawn {
        for (quantile, of) in QUANTILES {
            names.push(format!("{name}, {quantile}"));
            latencies.push(Spread::of(samples.iter().map(of)));
        }
    }
    let latencies: Vec<_> = names.iter().map(String::as_str).zip(latencies).collect();
    report.bars("latency", "Latency at 64 connections, as fast as it goes (µs)", &latencies);
    Ok(())
}

/// Creates that arrive when they want to.
pub(crate) fn open_loop(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    const RATES: [u32; 3] = [1_000, 5_000, 10_000];
    let mut jobs: Vec<Job<'_, Sample>> = RATES
        .into_iter()
        .map(|rate| {
            let plan = plan(effort, Pace::Open(rate));
            Job::new(format!("create, {rate} a second"), move || created_afresh(bench, &plan, &[]))
        })
        .collect();
    report.section("creates at a fixed rate, latency from when they were due");
    for (rate, samples) in RATES.into_iter().zip(interleave(effort.rounds, &mut jobs)?) {
        report.row(format!("{rate}/s, p50"), Spread::of(samples.iter().map(|sample| sample.p50_us)), "µs", Goal::None);
        let goal = match rate {
            5_000 => Goal::AtMost(2_000.0),
            10_000 => Goal::AtMost(4_000.0),
            _ => Goal::None,
        };
        report.row(format!("{rate}/s, p99"), Spread::of(samples.iter().map(|sample| sample.p99_us)), "µs", goal);
    }
    Ok(())
}

/// Creates on a new database, so that every round begins alike.
fn created_afresh(bench: &Bench, plan: &Plan, flags: &[&str]) -> anyhow::Result<Sample> {
    let site = bench.site(0, &flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>())?;
    let outcome = site.load(plan, &mut ask::create(&site.ground.key))?;
    site.stop()?;
    Ok(outcome.into())
}

pub(super) fn plan(effort: Effort, pace: Pace) -> Plan {
    Plan {
        connections: CONNECTIONS,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs_f64(effort.seconds),
        pace,
        most: u64::MAX,
    }
}
