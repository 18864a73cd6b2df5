//! Roster beside the servers one would pick instead (`bench/peers`): creates, gets and lists at 64 connections.

use std::{
    cell::Cell,
    fmt, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use roster_directory::Role;

use super::{Effort, throughput};
use crate::{
    ask,
    load::{self, Exchange, Pace, Plan},
    people::{NPI, Person, RECERTIFICATION, mix},
    process::cpu_time,
    report::{Goal, Report},
    rounds::{Job, Spread, interleave},
    seed,
    server::{Server, target_folder},
    site::{Bench, Ground},
};

/// What can be picked.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pick {
    Roster,
    FastifySqlite,
    FastifyPg,
    FastifyPrisma,
    AxumSqlx,
    PocketBase,
    Directus,
}

impl Pick {
    const PEERS: [Self; 6] =
        [Self::FastifySqlite, Self::FastifyPg, Self::FastifyPrisma, Self::AxumSqlx, Self::PocketBase, Self::Directus];

    /// Its name, its folder, and how many times as many creates Roster should do.
    fn facts(self) -> (&'static str, &'static str, Goal) {
        match self {
            Self::Roster => ("Roster", "", Goal::None),
            Self::FastifySqlite => ("Fastify + better-sqlite3", "fastify-sqlite", Goal::AtLeast(12.0)),
            Self::FastifyPg => ("Fastify + pg", "fastify-pg", Goal::AtLeast(7.0)),
            Self::FastifyPrisma => ("Fastify + Prisma", "fastify-prisma", Goal::None),
            Self::AxumSqlx => ("axum + sqlx", "axum-sqlx", Goal::None),
            Self::PocketBase => ("PocketBase", "pocketbase", Goal::AtLeast(10.0)),
            Self::Directus => ("Directus", "directus", Goal::None),
        }
    }

    fn name(self) -> &'static str {
        self.facts().0
    }

    /// Where it is installed.
    fn folder(self) -> anyhow::Result<PathBuf> {
        Ok(target_folder()?.join("bench-peers").join(self.facts().1))
    }
}

/// What they are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Create,
    Get,
    List,
}

impl What {
    const ALL: [Self; 3] = [Self::Create, Self::Get, Self::List];

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get by id",
            Self::List => "list of 25, page 1",
        }
    }
}

struct Sample {
    outcome: load::Outcome,
    /// With its database's.
    cpu_us: f64,
    mib: f64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outcome, cpu_us, mib } = self;
        write!(f, "{outcome}; with its database's {cpu_us:.1} µs, {mib:.0} MiB")
    }
}

pub(crate) fn peers(bench: &Bench, effort: Effort, report: &mut Report) -> anyhow::Result<()> {
    let folder = target_folder()?.join("bench-peers");
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/setup");
    ensure!(Command::new(setup).arg(&folder).status()?.success(), "{setup} failed");
    let cluster = Cluster::new(bench).inspect_err(|error| eprintln!("no PostgreSQL: {error:#}")).ok();
    let mut picks = vec![Pick::Roster];
    for peer in Pick::PEERS {
        let is_there = peer.folder()?.join("ready").exists() && (peer != Pick::FastifyPg || cluster.is_some());
        if is_there {
            picks.push(peer);
        } else {
            println!("{} is left out: it could not be installed or started here", peer.name());
        }
    }

    // Node accepts one connection a turn of its loop, and each turn answers those it has: with 64 connections, that are
    // 2080 requests before all of them are served alike, which is several seconds of the slowest peer.
    let plan = Plan { warm_up: Duration::from_secs(6), ..throughput::plan(effort, Pace::Closed) };
    let open = |pick, users| open(bench, cluster.as_ref(), pick, users).with_context(|| format!("{pick:?}"));
    let reads = picks.iter().map(|pick| open(*pick, effort.users)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut jobs = Vec::new();
    let mut measured = Vec::new();
    for what in What::ALL {
        for (pick, site) in picks.iter().zip(&reads) {
            measured.push((what, *pick));
            let name = format!("{}, {}", what.name(), pick.name());
            jobs.push(Job::new(name, move || {
                // Creates on a new database, so that every round begins alike.
                let created_in = if what == What::Create { Some(open(*pick, 0)?) } else { None };
                let sample = created_in.as_ref().unwrap_or(site).measure(&plan, what)?;
                created_in.map_or(Ok(()), Site::stop)?;
                Ok(sample)
            }));
        }
    }
    let results = interleave(effort.rounds, &mut jobs)?;
    drop(jobs);
    reads.into_iter().try_for_each(Site::stop)?;

    let of = |what: What, pick: Pick| -> Option<&[Sample]> {
        let nth = measured.iter().position(|one| *one == (what, pick))?;
        Some(&results[nth])
    };
    let rate = |sample: &Sample| sample.outcome.per_second();
    let Plan { connections, warm_up, .. } = plan;
    let title =
        format!("Roster ÷ peer, {connections} connections, {} users for reads, {warm_up:?} to warm up", effort.users);
    report.section(&title);
    for what in What::ALL {
        let roster = of(what, Pick::Roster).context("Roster is measured")?;
        let peers: Vec<_> = picks[1..].iter().filter_map(|peer| Some((*peer, of(what, *peer)?))).collect();
        for (peer, samples) in &peers {
            let goal = if what == What::Create { peer.facts().2 } else { Goal::None };
            let ratio = Spread::of_ratios(roster, samples, rate, rate);
            report.row(format!("{} ÷ {}", what.name(), peer.name()), ratio, "", goal);
        }
        if !peers.is_empty() {
            let fastest = |round: usize| peers.iter().map(|(_, samples)| rate(&samples[round])).fold(0.0, f64::max);
            let ratio = Spread::of(roster.iter().enumerate().map(|(round, sample)| rate(sample) / fastest(round)));
            let goal = if what == What::List { Goal::AtLeast(12.0) } else { Goal::None };
            report.row(format!("{} ÷ the fastest peer", what.name()), ratio, "", goal);
        }
    }
    // A row for each peer and a column for each request, and the same as one picture.
    let mut table = "| Roster ÷ | create | get by id | list of 25, page 1 |\n| --- | --- | --- | --- |\n".to_owned();
    for peer in &picks[1..] {
        table.extend(["| ", peer.name(), " |"]);
        for what in What::ALL {
            if let (Some(roster), Some(samples)) = (of(what, Pick::Roster), of(what, *peer)) {
                table += &format!(" {} |", Spread::of_ratios(roster, samples, rate, rate));
            }
        }
        table.push('\n');
    }
    report.summary(table);
    let names: Vec<_> = picks.iter().map(|pick| pick.name()).collect();
    let rates =
        |what| picks.iter().filter_map(|pick| Some(Spread::of(of(what, *pick)?.iter().map(rate)))).collect::<Vec<_>>();
    let columns = What::ALL.map(|what| (what.name(), rates(what)));
    report.panels("peers", "Answers a second, 64 connections", &names, &columns);
    for (what, name, title) in [
        (What::Create, "peers-create", "Creates a second, each on disk before it is answered"),
        (What::Get, "peers-get", "Gets by id a second"),
        (What::List, "peers-list", "Pages of 25 with their total a second"),
    ] {
        let rates = |pick: &Pick| Some((pick.name(), Spread::of(of(what, *pick)?.iter().map(rate))));
        report.bars(name, title, &picks.iter().filter_map(rates).collect::<Vec<_>>());
    }
    for (name, title, number) in [
        ("peers-p99", "p99 of a create (µs)", (|sample| sample.outcome.quantile_us(0.99)) as fn(&Sample) -> f64),
        ("peers-memory", "Memory after the creates, its database's with it (MiB)", |sample| sample.mib),
    ] {
        let bar = |pick: &Pick| Some((pick.name(), Spread::of(of(What::Create, *pick)?.iter().map(number))));
        report.bars(name, title, &picks.iter().filter_map(bar).collect::<Vec<_>>());
    }
    for pick in picks {
        report.section(pick.name());
        for what in What::ALL {
            let samples = of(what, pick).context("all of them are measured")?;
            let mut row = |name: &str, number: &dyn Fn(&Sample) -> f64, unit| {
                report.row(format!("{}{name}", what.name()), Spread::of(samples.iter().map(number)), unit, Goal::None);
            };
            row("", &rate, "/s");
            for (name, quantile) in [(", p50", 0.5), (", p99", 0.99), (", p99.9", 0.999)] {
                row(name, &|sample| sample.outcome.quantile_us(quantile), "µs");
            }
            row(", CPU", &|sample| sample.cpu_us, "µs");
            row(", memory after it", &|sample| sample.mib, "MiB");
        }
    }
    Ok(())
}

/// A server over a database of its own, both gone when it is dropped.
struct Site {
    pick: Pick,
    users: u64,
    server: Server,
    key: String,
    /// Of the database's server, where it has one.
    database_pid: Option<u32>,
    _database: Database,
}

/// What goes after the server.
#[expect(dead_code, reason = "they are held, not read")]
enum Database {
    Sqlite(Ground),
    Elsewhere,
    Folder(tempfile::TempDir),
}

fn open(bench: &Bench, cluster: Option<&Cluster>, pick: Pick, users: u64) -> anyhow::Result<Site> {
    let port = free_port()?;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let folder = pick.folder()?;
    let serve = |program: &[&str], database: &str| {
        let mut command = bound_to_us(program);
        command.env("PORT", port.to_string()).env("DATABASE", database).env("ROSTER_DATABASE", database);
        Server::start(command.env("NODE_ENV", "production").current_dir(&folder), address)
    };
    let site =
        |server, key, database_pid, database| Ok(Site { pick, users, server, key, database_pid, _database: database });
    let program = match pick {
        Pick::Roster => {
            let crate::site::Site { server, ground } = bench.site(users, &[])?;
            return site(server, ground.key.clone(), None, Database::Sqlite(ground));
        }
        Pick::FastifyPg => {
            let cluster = cluster.context("it needs PostgreSQL")?;
            let (database, key) = cluster.database(bench, users)?;
            let server = serve(&["node", "app.js"], &database)?;
            return site(server, key, Some(cluster.server.id()), Database::Elsewhere);
        }
        Pick::PocketBase => {
            let (server, key, database) = pocketbase(bench, &folder, address, users)?;
            return site(server, key, None, Database::Folder(database));
        }
        Pick::Directus => {
            let (server, database) = directus(bench, &folder, address, users)?;
            return site(server, DIRECTUS_KEY.to_owned(), None, Database::Folder(database));
        }
        Pick::FastifySqlite | Pick::FastifyPrisma => ["node", "app.js"].as_slice(),
        Pick::AxumSqlx => ["target/release/axum-sqlx"].as_slice(),
    };
    let ground = bench.ground(users)?;
    let server = serve(program, &ground.database.display().to_string())?;
    site(server, ground.key.clone(), None, Database::Sqlite(ground))
}

impl Site {
    fn asker(&self, what: What) -> Box<dyn FnMut(&mut Exchange)> {
        let key = &self.key;
        match (self.pick, what) {
            (Pick::PocketBase, What::Create) => Box::new(ask::create_at(RECORDS, key, r#"{"collectionId":"pbc_"#)),
            (Pick::PocketBase, What::Get) => {
                let paths = (0..SOME).map(|nth| format!("{RECORDS}/{}", record_id(mix(nth) % self.users))).collect();
                Box::new(ask::any_of(paths, key, r#"{"collectionId":"pbc_"#))
            }
            (Pick::PocketBase, What::List) => {
                let path = format!("{RECORDS}?page=1&perPage=25&sort=-@rowid");
                Box::new(ask::any_of(vec![path], key, r#"{"items":[{"collectionId":"pbc_"#))
            }
            (Pick::Directus, What::Create) => Box::new(ask::create_at(ITEMS, key, r#"{"data":{"id":"#)),
            (Pick::Directus, What::Get) => {
                let paths = (0..SOME).map(|nth| format!("{ITEMS}/{}", 1 + mix(nth) % self.users)).collect();
                Box::new(ask::any_of(paths, key, r#"{"data":{"id":"#))
            }
            (Pick::Directus, What::List) => {
                let path = format!("{ITEMS}?page=1&limit=25&sort=-id&meta=total_count");
                Box::new(ask::any_of(vec![path], key, r#"{"meta":{"total_count":"#))
            }
            (_, What::Create) => Box::new(ask::create(key)),
            (_, What::Get) => Box::new(ask::user(key, self.users, SOME)),
            (_, What::List) => Box::new(ask::page(key, "pageSize=25")),
        }
    }

    fn measure(&self, plan: &Plan, what: What) -> anyhow::Result<Sample> {
        let mut ask = self.asker(what);
        let (outcome, database_cpu) = std::thread::scope(|scope| {
            let database_cpu = scope.spawn(|| {
                std::thread::sleep(plan.warm_up);
                let before = self.database_cpu()?;
                std::thread::sleep(plan.measured);
                anyhow::Ok(self.database_cpu()?.saturating_sub(before))
            });
            let outcome = load::run(plan, self.server.address, self.server.pid(), &mut *ask);
            (outcome, database_cpu.join().expect("it does not panic"))
        });
        let (outcome, database_cpu) = (outcome?, database_cpu?);
        let cpu_us = outcome.server_cpu_us() + database_cpu.as_secs_f64() * 1e6 / outcome.answers.max(1) as f64;
        let mib = self.database_processes()?.into_iter().chain([self.server.pid()]).map(proportional_mib).sum();
        Ok(Sample { outcome, cpu_us, mib })
    }

    fn database_processes(&self) -> anyhow::Result<Vec<u32>> {
        self.database_pid.map_or(Ok(Vec::new()), with_children)
    }

    /// One that has just ended counts no more.
    fn database_cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.database_processes()?.into_iter().filter_map(|pid| cpu_time(pid).ok()).sum())
    }

    /// Ours must end well; somebody else's is killed.
    fn stop(self) -> anyhow::Result<()> {
        if self.pick == Pick::Roster { self.server.stop() } else { Ok(()) }
    }
}

/// Different users that are asked for by id.
const SOME: u64 = 20_000;

/// A process and those it started.
fn with_children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut pids = vec![pid];
    for entry in fs::read_dir("/proc")? {
        let Some(child) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        // The name, in parentheses, may contain anything; after it come the state and the parent.
        let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1));
        if parent == Some(&pid.to_string()) {
            pids.push(child);
        }
    }
    Ok(pids)
}

/// Resident memory, of what processes share each one's part: `PostgreSQL` would be counted many times over otherwise.
fn proportional_mib(pid: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().map_or(0.0, |kib: f64| kib / 1024.0)
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A command that does not outlive this program, however that ends.
fn bound_to_us(program: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).args(program);
    command
}

fn finished(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A new cluster with `PostgreSQL`'s own settings, fsync included; only its log may grow more between checkpoints.
struct Cluster {
    server: Child,
    programs: PathBuf,
    port: u16,
    /// Databases so far.
    made: Cell<u32>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    fn new(bench: &Bench) -> anyhow::Result<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").context("it is not installed")?;
        let versions = versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
        let newest = versions.max().context("it is not installed")?;
        let programs = PathBuf::from(format!("/usr/lib/postgresql/{newest}/bin"));
        let folder = bench.temporary_folder()?;
        let data = folder.path().join("data");
        // It refuses to be root.
        let is_root = fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        let run = |program: &str| {
            let mut command = Command::new("setpriv");
            if is_root {
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            }
            command.args(["--pdeathsig", "QUIT"]).arg(programs.join(program)).arg("-D").arg(&data).current_dir("/");
            command
        };
        if is_root {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
            finished(Command::new("chown").arg("postgres").arg(folder.path()))?;
        }
        finished(run("initdb").args(["--auth=trust", "--username=roster"]))?;
        let port = free_port()?;
        let server = run("postgres")
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "max_wal_size=4GB"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log"))?)
            .spawn()?;
        let cluster = Self { server, programs, port, made: Cell::new(0), _folder: folder };
        let begin = Instant::now();
        while let Err(error) = cluster.sql("postgres", "select 1") {
            ensure!(begin.elapsed() < Duration::from_secs(30), "it does not answer: {error:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(cluster)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://roster@127.0.0.1:{}/{database}", self.port)
    }

    fn sql(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        finished(Command::new(self.programs.join("psql")).args([&self.url(database), "--quiet", "--command", sql]))
    }

    /// A database of so many users, or a new one with an organization in it; and a key to it.
    fn database(&self, bench: &Bench, users: u64) -> anyhow::Result<(String, String)> {
        let name = format!("roster_{}", self.made.replace(self.made.get() + 1));
        self.sql("postgres", &format!("create database {name}"))?;
        let url = self.url(&name);
        let at = format!("{url}?sslmode=disable");
        let org = if users == 0 {
            bench.roster.last_word_at(&at, &["org", "create", "Bench Organization"])?
        } else {
            // As a command, because what it prints is no part of the table.
            finished(Command::new(std::env::current_exe()?).args(["seed", &users.to_string(), "--into", &at]))?;
            self.sql(&name, "vacuum analyze")?;
            seed::organization(0).to_string()
        };
        let role = Role::Admin.as_str();
        let key = ["key", "create", "--org", &org, "--role", role, "--name", role];
        Ok((url, bench.roster.last_word_at(&at, &key)?))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It stops at once on this signal; on a KILL its children would still be there for a while.
        drop(Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status());
        let begin = Instant::now();
        while matches!(self.server.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

/// Where `PocketBase` has its users.
const RECORDS: &str = "/api/collections/people/records";

/// The id of the `n`-th of its users.
fn record_id(n: u64) -> String {
    format!("{:015x}", mix(n) >> 4)
}

/// A `PocketBase` with one collection, which is made by its API; many users are put into its database at once.
fn pocketbase(
    bench: &Bench,
    installed: &Path,
    address: SocketAddr,
    users: u64,
) -> anyhow::Result<(Server, String, tempfile::TempDir)> {
    let program = installed.join("python/bin/pocketbase").display().to_string();
    let folder = bench.temporary_folder()?;
    // It also writes into folders beside this one.
    let data = folder.path().join("data").display().to_string();
    let hooks = installed.join("pb_hooks").display().to_string();
    finished(Command::new(&program).args(["superuser", "upsert", "bench@example.com", "1234567890", "--dir", &data]))?;
    let serve = [&program, "serve", "--http", &address.to_string(), "--dir", &data, "--hooksDir", &hooks];
    let server = Server::start(&mut bound_to_us(&serve), address)?;

    let who = r#"{"identity":"bench@example.com","password":"1234567890"}"#;
    let answer = post(address, "/api/collections/_superusers/auth-with-password", "", who)?;
    let key = answer.split_once(r#""token":""#).and_then(|(_, rest)| rest.split('"').next()).context("no token")?;
    let collection = fs::read_to_string(installed.join("collection.json"))?;
    post(address, "/api/collections", key, &collection)?;

    fill(&folder.path().join("data/data.db"), users, |n| rusqlite::types::Value::from(record_id(n)))?;
    Ok((server, key.to_owned(), folder))
}

/// Where Directus has its users, and who may see them.
const ITEMS: &str = "/items/people";
const DIRECTUS_KEY: &str = "a-key-of-the-bench";

/// A Directus with one collection, which is made by its API; many users are put into its database at once.
fn directus(
    bench: &Bench,
    installed: &Path,
    address: SocketAddr,
    users: u64,
) -> anyhow::Result<(Server, tempfile::TempDir)> {
    let folder = bench.temporary_folder()?;
    let database = folder.path().join("data.db");
    let run = |what: &str| {
        let mut command = bound_to_us(&["node", "node_modules/directus/cli.js", what]);
        command
            .current_dir(installed)
            .env("NODE_ENV", "production")
            .env("LOG_LEVEL", "error")
            .env("TELEMETRY", "false");
        // It would turn away what is more than it can do at once.
        command.env("PRESSURE_LIMITER_ENABLED", "false");
        command.env("HOST", "127.0.0.1").env("PORT", address.port().to_string()).env("SECRET", "the-bench");
        command.env("DB_CLIENT", "sqlite3").env("DB_FILENAME", &database).env("ADMIN_TOKEN", DIRECTUS_KEY);
        command.env("ADMIN_EMAIL", "bench@example.com").env("ADMIN_PASSWORD", "1234567890");
        command
    };
    finished(&mut run("bootstrap"))?;
    // It syncs each commit as it comes; with a log ahead, as the others have, that costs it less.
    rusqlite::Connection::open(&database)?.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    let server = Server::start(&mut run("start"), address)?;
    post(address, "/collections", DIRECTUS_KEY, &fs::read_to_string(installed.join("collection.json"))?)?;
    fill(&database, users, |n| rusqlite::types::Value::from(1 + n as i64))?;
    Ok((server, folder))
}

/// Puts users into the table of somebody else's.
fn fill(database: &Path, users: u64, id: impl Fn(u64) -> rusqlite::types::Value) -> anyhow::Result<()> {
    let mut connection = rusqlite::Connection::open(database)?;
    let transaction = connection.transaction()?;
    for n in 0..users {
        let Person { first_name, last_name, email, role, phone, .. } = Person::nth(n);
        transaction
            .prepare_cached(
                "insert into people (id, firstName, lastName, email, role, phoneNumber, npiNumber, shouldSendSMS, \
                 recertificationDate, created) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, true, ?8, datetime())",
            )?
            .execute((id(n), first_name, last_name, email, role.as_str(), phone, NPI, RECERTIFICATION))?;
    }
    Ok(transaction.commit()?)
}

/// One request on a connection of its own: its answer, which must be a 200.
fn post(address: SocketAddr, path: &str, key: &str, body: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "{path} was answered {answer:?}");
    Ok(answer)
}
