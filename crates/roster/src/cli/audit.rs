//! `roster audit`: who did what, for those who must show it.

use std::io::{self, BufWriter, Write};

use clap::{Args, Subcommand, ValueEnum};
use roster_directory::{OrganizationId, Timestamp, audit::Action};
use roster_store::trail::{TrailEntry, TrailFilter};

use super::{operator_of, or_dash, row};
use crate::{app::App, http::AuditBody};

/// Entries that are held in memory at once.
const AT_ONCE: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// List entries, newest first: when, actor, action, what it was done to, fields, request
    List {
        #[command(flatten)]
        which: Which,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        page_size: u32,
    },
    /// Write all entries, oldest first, to standard output
    Export {
        #[command(flatten)]
        which: Which,
        /// csv, or jsonl: a JSON object a line, as GET /api/v1/audit has them
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Csv,
    Jsonl,
}

/// Which entries.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Whose trail it is
    #[arg(long)]
    org: OrganizationId,
    /// Only what this actor did: a key's id, cli or roster
    #[arg(long)]
    actor: Option<String>,
    /// Only this action: user.updated, key.revoked, …
    #[arg(long, value_parser = action)]
    action: Option<Action>,
    /// Only what was done to this: a public id
    #[arg(long)]
    target: Option<String>,
    /// From this moment on: 2027-03-15T00:00:00Z
    #[arg(long, value_parser = moment)]
    from: Option<Timestamp>,
    /// Before this moment
    #[arg(long, value_parser = moment)]
    to: Option<Timestamp>,
}

impl Which {
    fn filter(self) -> TrailFilter {
        let Which { org: _, actor, action, target, from, to } = self;
        TrailFilter { actor, action, target, from, to, after: None, oldest_first: false }
    }
}

fn action(text: &str) -> Result<Action, String> {
    Action::parse(text).ok_or_else(|| format!("one of {}", Action::ALL.map(Action::as_str).join(", ")))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let date = roster_directory::credential::RecertificationDate::parse(text);
    date.map(|date| date.at()).map_err(|_| "a moment such as 2027-03-15T00:00:00Z".to_owned())
}

impl AuditCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            AuditCommand::List { which, page_size } => {
                let caller = operator_of(app, which.org).await?;
                for TrailEntry { entry, .. } in app.read_trail(&caller, which.filter(), page_size).await? {
                    let fields = or_dash(Some(entry.fields.as_str()).filter(|fields| !fields.is_empty()));
                    row([&entry.at, &entry.actor, &entry.action, &entry.target, &fields, &entry.request])?;
                }
                Ok(())
            }
            AuditCommand::Export { which, format } => export(app, which, format).await,
        }
    }
}

/// Holds a thousand entries at a time, however many there are.
async fn export(app: &App, which: Which, format: Format) -> anyhow::Result<()> {
    let org = which.org;
    let caller = operator_of(app, org).await?;
    let mut filter = TrailFilter { oldest_first: true, ..which.filter() };
    app.note_trail_read(&caller, &filter).await?;
    let names = app.key_names(&caller).await?;
    let mut out = BufWriter::new(io::stdout());
    let mut csv = csv::Writer::from_writer(Vec::new());
    if let Format::Csv = format {
        let head = [
            "publicId",
            "createdAt",
            "actor",
            "actorName",
            "action",
            "target",
            "fields",
            "roleBefore",
            "roleAfter",
            "requestId",
        ];
        csv.write_record(head)?;
    }
    loop {
        let entries = app.store().trail(org, filter.clone(), AT_ONCE).await?;
        for entry in &entries {
            match format {
                Format::Csv => csv.write_record(columns(entry, names.get(&entry.entry.actor)))?,
                Format::Jsonl => {
                    serde_json::to_writer(&mut out, &AuditBody::of(entry, &names))?;
                    out.write_all(b"\n")?;
                }
            }
        }
        csv.flush()?;
        out.write_all(csv.get_ref())?;
        csv = csv::Writer::from_writer(Vec::new());
        let Some(last) = entries.last().filter(|_| entries.len() == AT_ONCE as usize) else { break };
        filter.after = Some(last.id);
    }
    Ok(out.flush()?)
}

/// A key's name is what somebody wrote: a spreadsheet must not take it for a formula (OWASP, "CSV Injection").
fn columns(TrailEntry { id, entry, roles }: &TrailEntry, name: Option<&String>) -> [String; 10] {
    let harmless = |text: &str| match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    [
        id.to_string(),
        entry.at.to_string(),
        entry.actor.clone(),
        name.map(|name| harmless(name)).unwrap_or_default(),
        entry.action.clone(),
        entry.target.clone(),
        entry.fields.clone(),
        roles.before.map(|role| role.to_string()).unwrap_or_default(),
        roles.after.map(|role| role.to_string()).unwrap_or_default(),
        harmless(&entry.request),
    ]
}
