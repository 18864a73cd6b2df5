//! Measures Roster beside its limits, on this machine, by hand: `cargo run --profile dist -p roster-bench -- all`.

#![forbid(unsafe_code)]

mod ask;
mod echo;
mod in_process;
mod load;
mod parts;
mod people;
mod plot;
mod process;
mod report;
mod rounds;
mod seed;
mod server;
mod site;
mod sqlite;

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use load::{Asker, Outcome, Pace, Plan};
use parts::{
    Effort, change::change, growth::growth, instructions, mixed::mixed, organizations::organizations, peers::peers,
    search::search, start::start, throughput, waiting::waiting,
};
use report::Report;
use rounds::{Job, Spread, interleave};
use site::Bench;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures Roster beside its limits.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All that follows up to the peers, into docs/: an hour, and 40 GB of disk
    #[command(mut_arg("users", |users| users.default_value("10000000")))]
    Everything(Effort),
    /// Roster beside its limits: shares, fixed rates, mixed load, start, search and waiting messages, as one table
    All(Effort),
    /// Of them: creates, gets and lists as shares of their limits
    Shares(Effort),
    /// Of them: creates at a fixed rate
    OpenLoop(Effort),
    /// Of them: start to first answer, memory, size
    Start(Effort),
    /// Of them: searches
    Search(Effort),
    /// Of them: gets and creates beside each other, each at a rate of its own
    Mixed(Effort),
    /// Users who change: patches, reads beside them, lists and searches afterwards
    Change(Effort),
    /// Ten thousand users, and ten times as many, up to --users
    Growth(Effort),
    /// As many users in one organization and in organizations of a thousand
    Organizations(Effort),
    /// Of them: creates while messages wait for a gateway
    Waiting(Effort),
    /// Roster beside the servers one would pick instead, which are installed for it
    #[command(mut_arg("users", |users| users.default_value("100000")))]
    Peers(Effort),
    /// Creates, each durable before it is answered, on a new database (or one of --users)
    Create(Load),
    /// Patches of a name, of anybody
    Patch(Load),
    /// Get by id, over 20 000 random ids
    Get(Load),
    /// One page of the list
    List {
        #[command(flatten)]
        load: Load,
        /// Its query string
        #[arg(long, default_value = "")]
        query: String,
    },
    /// The same server answering a fixed body
    Fixed(Load),
    /// SQLite alone, writing what creates write
    Sqlite {
        /// Users a commit
        #[arg(long, default_value_t = 64)]
        batch: u64,
        /// Pages of the log at which it is moved into the database
        #[arg(long, default_value_t = 1_000)]
        checkpoint_pages: u32,
        /// Seconds measured
        #[arg(long, default_value_t = 3.0)]
        seconds: f64,
        /// Times
        #[arg(long, default_value_t = 1)]
        rounds: usize,
    },
    /// Instructions that a create, a get and a list take, counted by valgrind and compared with bench/instructions.txt
    Instructions {
        /// Keep what was counted as what the next ones are compared with
        #[arg(long)]
        keep: bool,
    },
    /// The ceiling of HTTP: a server that parses a create and writes it back
    #[command(hide = true)]
    Echo,
    /// Requests without a server, one after the other: what `instructions` counts
    #[command(hide = true)]
    InProcess { what: in_process::What, requests: u32 },
    /// Make the database of so many users, and print where it is
    Seed {
        /// How many
        users: u64,
        /// A database of PostgreSQL to fill instead, which must be empty
        #[arg(long, value_name = "URL")]
        into: Option<roster_store::Location>,
    },
}

/// How a server is loaded.
#[derive(Debug, Args)]
struct Load {
    /// Keep-alive connections
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Seconds measured, after a warm-up of one
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Times
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Requests a second, sent when they are due; without it, each when the one before was answered
    #[arg(long)]
    rate: Option<u32>,
    /// Users in the database: 0 for a new one, otherwise one that is kept (default: 1000000 for reads, 0 for creates)
    #[arg(long)]
    users: Option<u64>,
    /// Another server's address: it is loaded as it is, with --key, and stays
    #[arg(long, requires = "key", requires = "pid")]
    at: Option<std::net::SocketAddr>,
    /// A key to it
    #[arg(long)]
    key: Option<String>,
    /// The process whose times are counted as its own
    #[arg(long)]
    pid: Option<u32>,
    /// Flags for `roster serve`, after `--`
    #[arg(last = true)]
    flags: Vec<String>,
}

impl Load {
    fn plan(&self) -> Plan {
        Plan {
            connections: self.connections,
            warm_up: Duration::from_secs(1),
            measured: Duration::from_secs_f64(self.seconds),
            pace: self.rate.map_or(Pace::Closed, Pace::Open),
            most: u64::MAX,
        }
    }

    /// Loads one server, and prints what came of it.
    fn one<A: FnMut(&mut load::Exchange)>(
        &self,
        name: &str,
        users: u64,
        ask: impl FnOnce(&str, u64) -> A,
    ) -> anyhow::Result<()> {
        let users = self.users.unwrap_or(users);
        if let (Some(address), Some(key), Some(pid)) = (self.at, &self.key, self.pid) {
            let mut ask = ask(key, users);
            let ask: &mut Asker<'_> = &mut ask;
            return report(name, self.rounds, || load::run(&self.plan(), address, pid, ask));
        }
        let bench = Bench::new()?;
        let site = bench.site(users, &self.flags)?;
        eprintln!("{name} on {users} users, {} connections, server pid {}", self.connections, site.server.pid());
        let mut ask = ask(&site.ground.key, users);
        let ask: &mut Asker<'_> = &mut ask;
        report(name, self.rounds, || site.load(&self.plan(), ask))?;
        site.stop().map(drop)
    }
}

fn report(name: &str, rounds: usize, run: impl FnMut() -> anyhow::Result<Outcome>) -> anyhow::Result<()> {
    let outcomes = interleave(rounds, &mut [Job::new(name, run)])?.remove(0);
    println!("{name}: {} a second", Spread::of(outcomes.iter().map(Outcome::per_second)));
    Ok(())
}

type Part = fn(&Bench, Effort, &mut Report) -> anyhow::Result<()>;

const ALL: [Part; 6] = [throughput::shares, throughput::open_loop, mixed, start, search, waiting];

fn part(name: &str, effort: Effort, parts: &[Part]) -> anyhow::Result<()> {
    let bench = Bench::new()?;
    let mut report = Report::default();
    parts.iter().try_for_each(|part| part(&bench, effort, &mut report))?;
    report.publish(name, &bench, effort.into_docs)
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::All(effort) => part("all", effort, &ALL),
        What::Everything(effort) => {
            let effort = Effort { into_docs: true, ..effort };
            let of = |users| Effort { users: effort.users.min(users), ..effort };
            part("all", of(1_000_000), &ALL)?;
            part("growth", effort, &[growth])?;
            part("organizations", effort, &[organizations])?;
            part("peers", of(100_000), &[peers])
        }
        What::Shares(effort) => part("shares", effort, &[throughput::shares]),
        What::OpenLoop(effort) => part("open-loop", effort, &[throughput::open_loop]),
        What::Start(effort) => part("start", effort, &[start]),
        What::Growth(effort) => part("growth", effort, &[growth]),
        What::Search(effort) => part("search", effort, &[search]),
        What::Mixed(effort) => part("mixed", effort, &[mixed]),
        What::Change(effort) => part("change", effort, &[change]),
        What::Organizations(effort) => part("organizations", effort, &[organizations]),
        What::Waiting(effort) => part("waiting", effort, &[waiting]),
        What::Peers(effort) => part("peers", effort, &[peers]),
        What::Create(load) => load.one("create", 0, |key, _| ask::create(key)),
        What::Patch(load) => load.one("patch", 100_000, ask::patch_name),
        What::Get(load) => load.one("get", 1_000_000, |key, users| ask::user(key, users, 20_000)),
        What::List { load, query } => load.one("list", 1_000_000, |key, _| ask::page(key, &query)),
        What::Fixed(load) => load.one("fixed", 1_000_000, |key, _| ask::fixed(key)),
        What::Sqlite { batch, checkpoint_pages, seconds, rounds } => {
            let folder = server::target_folder()?.join("bench-data");
            std::fs::create_dir_all(&folder)?;
            let plan = sqlite::Plan {
                batch,
                checkpoint_pages,
                warm_up: Duration::from_secs(1),
                measured: Duration::from_secs_f64(seconds),
            };
            let run = || sqlite::run(&plan, tempfile::tempdir_in(&folder)?.path());
            let outcomes = interleave(rounds, &mut [Job::new(format!("sqlite, {batch} a commit"), run)])?.remove(0);
            println!("sqlite: {} users a second", Spread::of(outcomes.iter().map(|outcome| outcome.per_second)));
            Ok(())
        }
        What::Instructions { keep } => instructions::count(keep),
        What::Echo => echo::run(),
        What::InProcess { what, requests } => in_process::run(what, requests),
        What::Seed { users, into: Some(location) } => seed::into(&location, users),
        What::Seed { users, into: None } => {
            println!("{}", seed::database(&Bench::new()?.folder, users, 1)?.display());
            Ok(())
        }
    }
}
