//! The command line: a file per command. Results go to standard output, everything else to standard error; the id or key
//! that a command made is the last word it prints.

mod audit;
mod clock;
mod copy;
mod event;
mod export;
mod import;
mod key;
mod openapi;
mod org;
mod outbox;
mod payor;
mod policy;
mod serve;
mod sms;
mod user;
mod webhook;

use std::{
    env, fmt,
    io::{self, Write},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Parser, Subcommand, value_parser};
use roster_directory::OrganizationId;
use roster_store::{Location, Options, Store};

use crate::{
    app::{App, Caller, Clock, Error, Ids},
    config::{Database, environment, trimmed},
    telemetry,
};

/// A self-hosted user directory for care organizations.
#[derive(Debug, Parser)]
#[command(name = "roster", version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    database: Database,

    /// What to log, in tracing's words: error, warn, info, debug, or roster=debug
    #[arg(long, env = "ROSTER_LOG", value_name = "FILTER", global = true,
          value_parser = trimmed(telemetry::filter))]
    log: Option<String>,

    /// How to log; JSON unless standard error is a terminal
    #[arg(long, env = "ROSTER_LOG_FORMAT", value_name = "FORMAT", global = true,
          value_parser = trimmed(value_parser!(telemetry::LogFormat)))]
    log_format: Option<telemetry::LogFormat>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API
    Serve(Box<serve::Serve>),
    /// Organizations
    #[command(subcommand)]
    Org(org::Org),
    /// API keys of an organization
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Payors of an organization
    #[command(subcommand)]
    Payor(payor::PayorCommand),
    /// Users of an organization
    #[command(subcommand)]
    User(user::UserCommand),
    /// Bring a file of people: a spreadsheet, or lines of JSON. Each row goes by the rules of the API; a row that is refused
    /// is named, and the others are taken all the same
    Import(Box<import::Import>),
    /// Write the users of an organization to a file, as they are at one moment; `roster import` reads it back
    Export(Box<export::Export>),
    /// What happened in an organization
    #[command(subcommand)]
    Event(event::EventCommand),
    /// Read and export the audit trail
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Addresses that are told what happens in an organization
    #[command(subcommand)]
    Webhook(webhook::WebhookCommand),
    /// Text messages: how an organization's read, and who may be sent any
    #[command(subcommand)]
    Sms(sms::Sms),
    /// Messages that are owed, and what became of them
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// The times in the database, where the clock was wrong
    #[command(subcommand)]
    Clock(clock::ClockCommand),
    Copy(copy::Copy),
    /// Print who may create and read whom
    Policy,
    /// Print the OpenAPI document
    Openapi,
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let default_filter = if matches!(cli.command, Command::Serve(_)) { "info" } else { "warn" };
    telemetry::start_logging(cli.log.as_deref().unwrap_or(default_filter), cli.log_format)?;
    let location = cli.database.location();
    match cli.command {
        Command::Serve(serve) => {
            if environment::is_on_command_line("database") {
                warn_of_password(&location);
            }
            serve.run(&location)
        }
        Command::Copy(copy) => copy.run(),
        Command::Policy => policy::run(),
        Command::Openapi => openapi::run(),
        command => {
            if !matches!(command, Command::Org(org::Org::Create { .. })) {
                must_be_there(&location)?;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            // A command is over soon: it leaves the search index to the server. One that writes much wants large commits.
            // And nobody waits for it who cannot wait until a process that was killed is known to be dead.
            let options = Options {
                index: false,
                queue: 4_096,
                batch: 2_048,
                checkpoint_pages: 10_000,
                horizon_wait: Duration::from_secs(8),
                ..Options::default()
            };
            runtime.block_on(async {
                let store = Store::open(&location, &options).await;
                let store = store.with_context(|| format!("cannot use the database {location}"))?;
                let app = App::new(store.clone(), Clock::system(), Ids::random());
                let done = match command {
                    Command::Org(command) => command.run(&app).await,
                    Command::Key(command) => command.run(&app).await,
                    Command::Payor(command) => command.run(&app).await,
                    Command::User(command) => command.run(&app).await,
                    Command::Import(command) => command.run(&app).await,
                    Command::Export(command) => command.run(&app).await,
                    Command::Event(command) => command.run(&app).await,
                    Command::Audit(command) => command.run(&app).await,
                    Command::Webhook(command) => command.run(&app).await,
                    Command::Sms(command) => command.run(&app).await,
                    Command::Outbox(command) => command.run(&app).await,
                    Command::Clock(command) => command.run(&app).await,
                    Command::Serve(_) | Command::Copy(_) | Command::Policy | Command::Openapi => Ok(()),
                };
                store.close().await;
                done
            })
        }
    }
}

/// This program as the reader of a message can call it where they are.
fn invoked_as() -> String {
    env::args_os().next().map_or_else(|| "roster".to_owned(), |program| program.to_string_lossy().into_owned())
}

/// Only a server and the first organization begin a database: any other command on one that is not there has mistaken
/// the folder or the name.
fn must_be_there(location: &Location) -> anyhow::Result<()> {
    if let Location::Sqlite(path) = location
        && !path.exists()
    {
        bail!(
            "no database at {}; say where it is with --database sqlite:PATH, or begin one with `{} org create NAME`",
            path.display(),
            invoked_as()
        );
    }
    Ok(())
}

/// Says in the log that a password is no secret. Commands that are over at once do without.
fn warn_of_password(on_command_line: &Location) {
    if on_command_line.has_password() {
        tracing::warn!(
            "the password on the command line can be read by everybody on this machine: leave it out of the URL and set \
             PGPASSWORD or write ~/.pgpass, or put the URL into a file and name that with ROSTER_DATABASE_FILE"
        );
    }
}

/// The operator of the host, acting for an organization.
async fn operator_of(app: &App, org: OrganizationId) -> anyhow::Result<Caller> {
    found(app.operator_of(org).await, || format!("there is no organization {org}"))
}

/// Says what was not found, where the app knows only that something was not.
fn found<T>(result: Result<T, Error>, missing: impl FnOnce() -> String) -> anyhow::Result<T> {
    result.map_err(|error| match error {
        Error::NotFound => anyhow::Error::msg(missing()),
        other => other.into(),
    })
}

/// An argument that parses as a directory's type, with what is wrong with it as the message.
fn checked<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Told,
{
    text.parse().map_err(|error: T::Err| error.told())
}

/// What is wrong, for the person at the command line.
trait Told {
    fn told(self) -> String;
}

impl Told for roster_directory::Flaw {
    fn told(self) -> String {
        self.message.into_owned()
    }
}

impl Told for Vec<roster_directory::Flaw> {
    fn told(self) -> String {
        self.into_iter().map(Told::told).collect::<Vec<_>>().join("; ")
    }
}

/// Prints a line of the result. `println!` would panic where nobody reads it to its end, as in `roster policy | head -1`.
fn say(line: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// A line on standard error, for whoever watches. Nothing fails where nobody does.
fn note(line: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A line of a listing: columns separated by tabs, a dash where there is nothing.
fn row<const N: usize>(columns: [&dyn fmt::Display; N]) -> io::Result<()> {
    say(columns.map(ToString::to_string).join("\t"))
}

fn or_dash(value: Option<impl fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
