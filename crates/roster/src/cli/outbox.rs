//! `roster outbox`: messages that are owed, and what became of them.

use anyhow::Context;
use clap::Subcommand;
use roster_directory::{
    MessageId, OrganizationId,
    outbox::{Attempt, State},
};
use roster_store::outbox::{Filter, StoredMessage};

use super::{found, operator_of, or_dash, row, say};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// List messages, oldest first: id, organization, kind, about what, since when, state, attempts, when it is due next
    List {
        /// Only this organization's
        #[arg(long)]
        org: Option<OrganizationId>,
        /// owed, sending, accepted, delivered, undelivered, failed, unknown, dropped, or all
        #[arg(long, default_value = "owed", value_parser = state_or_all)]
        state: Asked,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show a message, and a line for each attempt at it: when, outcome, status, milliseconds, note
    Show {
        /// The organization it belongs to
        #[arg(long)]
        org: OrganizationId,
        /// The message's id, msg_…
        id: MessageId,
    },
    /// Owe a message once more that ended in any way, or of which it is unknown whether it arrived. It may arrive twice
    Retry {
        /// The organization it belongs to
        #[arg(long)]
        org: OrganizationId,
        /// The message's id, msg_…
        id: MessageId,
    },
    /// Owe a message no more
    Drop {
        /// The organization it belongs to
        #[arg(long)]
        org: OrganizationId,
        /// The message's id, msg_…
        id: MessageId,
    },
}

impl Outbox {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            Outbox::List { org, state, limit } => {
                if let Some(org) = org {
                    operator_of(app, org).await?;
                }
                let filter = Filter { organization: org, state: state.0, ..Filter::default() };
                for stored in app.store().messages(filter, limit).await? {
                    let (id, content, at) = (stored.message.id, stored.message.content, stored.message.at);
                    let about = or_dash(Some(content.about()).filter(|about| !about.is_empty()));
                    row([
                        &id,
                        &stored.organization,
                        &content.kind().as_str(),
                        &about,
                        &at,
                        &stored.state.as_str(),
                        &stored.attempts,
                        &next_due(&stored),
                    ])?;
                }
            }
            Outbox::Show { org, id } => {
                let caller = operator_of(app, org).await?;
                let stored = found(app.message(&caller, id).await, || missing(id))?;
                let content = stored.message.content;
                row([&"id", &id])?;
                row([&"kind", &content.kind().as_str()])?;
                row([&"about", &or_dash(Some(content.about()).filter(|about| !about.is_empty()))])?;
                row([&"webhook", &or_dash(content.webhook())])?;
                row([&"since", &stored.message.at])?;
                row([&"state", &stored.state.as_str()])?;
                row([&"due", &next_due(&stored)])?;
                row([&"gatewayId", &or_dash(stored.reference.as_ref())])?;
                for attempt in &app.attempts(&caller, id).await? {
                    attempted(attempt)?;
                }
            }
            Outbox::Retry { org, id } => {
                let caller = operator_of(app, org).await?;
                let retried = found(app.retry_message(&caller, id).await, || missing(id));
                retried.with_context(|| format!("cannot retry {id}"))?;
                say(format_args!("retried message {id}"))?;
            }
            Outbox::Drop { org, id } => {
                let caller = operator_of(app, org).await?;
                let dropped = found(app.drop_message(&caller, id).await, || missing(id));
                dropped.with_context(|| format!("cannot drop {id}"))?;
                say(format_args!("dropped message {id}"))?;
            }
        }
        Ok(())
    }
}

fn missing(id: MessageId) -> String {
    format!("the organization has no message {id}")
}

pub(super) fn state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| format!("one of {}", State::ALL.map(State::as_str).join(", ")))
}

fn state_or_all(text: &str) -> Result<Asked, String> {
    let asked = if text == "all" { Ok(Asked(None)) } else { state(text).map(|state| Asked(Some(state))) };
    asked.map_err(|why| why + ", all")
}

/// One state, or all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked(Option<State>);

/// When something is done about it again by itself.
pub(super) fn next_due(stored: &StoredMessage) -> String {
    or_dash((stored.state == State::Owed).then_some(stored.due_at))
}

fn attempted(attempt: &Attempt) -> std::io::Result<()> {
    let (status, note) = (or_dash(attempt.status), or_dash(Some(&attempt.note).filter(|note| !note.is_empty())));
    row([&"attempt", &attempt.at, &attempt.outcome.as_str(), &status, &attempt.millis, &note])
}
