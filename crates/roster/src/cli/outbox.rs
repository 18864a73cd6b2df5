//! `roster outbox`: messages that are owed, and what became of them.

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
    /// List messages, oldest first: id, organization, kind, what it is about, since when, state, attempts, next attempt
    List {
        /// Only this organization's
        #[arg(long)]
        org: Option<OrganizationId>,
        /// Only those in this state: owed, sending, delivered, failed, unknown, dropped or all
        #[arg(long, default_value = "owed", value_parser = state)]
        state: AnyState,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show a message, and every attempt at it: when, what it came to, status, milliseconds, why
    Show {
        /// The organization that owes it
        #[arg(long)]
        org: OrganizationId,
        /// The message's id, msg_…
        id: MessageId,
    },
    /// Owe a message once more: one that failed or was dropped, or of which nobody knows whether it arrived. It may
    /// arrive twice
    Retry {
        /// The organization that owes it
        #[arg(long)]
        org: OrganizationId,
        /// The message's id, msg_…
        id: MessageId,
    },
    /// Owe a message no more
    Drop {
        /// The organization that owes it
        #[arg(long)]
        org: OrganizationId,
        /// The message's id, msg_…
        id: MessageId,
    },
}

/// A state, or all of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnyState(Option<State>);

impl Outbox {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let none = |id: MessageId| move || format!("the organization has no message {id}");
        match self {
            Outbox::List { org, state, limit } => {
                if let Some(org) = org {
                    operator_of(app, org).await?;
                }
                let filter = Filter { organization: org, state: state.0, ..Filter::default() };
                for message in app.store().messages(filter, limit).await? {
                    line(&message)?;
                }
            }
            Outbox::Show { org, id } => {
                let caller = operator_of(app, org).await?;
                let (message, attempts) = found(app.message(&caller, id).await, none(id))?;
                line(&message)?;
                attempts.iter().try_for_each(attempt)?;
            }
            Outbox::Retry { org, id } => {
                let caller = operator_of(app, org).await?;
                found(app.retry_message(&caller, id).await, none(id))?;
                say(format_args!("owed once more {id}"))?;
            }
            Outbox::Drop { org, id } => {
                let caller = operator_of(app, org).await?;
                found(app.drop_message(&caller, id).await, none(id))?;
                say(format_args!("dropped {id}"))?;
            }
        }
        Ok(())
    }
}

/// A message as a line.
pub(super) fn line(stored: &StoredMessage) -> std::io::Result<()> {
    let (id, content, at) = (stored.message.id, &stored.message.content, stored.message.at);
    let waits = matches!(stored.state, State::Owed | State::Sending);
    let next = or_dash(waits.then_some(stored.due_at));
    let about = or_dash(Some(content.about()).filter(|about| !about.is_empty()));
    let (kind, state) = (content.kind().as_str(), stored.state.as_str());
    row([&id, &stored.organization, &kind, &about, &at, &state, &stored.attempts, &next])
}

fn attempt(attempt: &Attempt) -> std::io::Result<()> {
    row([&attempt.at, &attempt.outcome.as_str(), &or_dash(attempt.status), &attempt.millis, &attempt.note])
}

fn state(text: &str) -> Result<AnyState, String> {
    if text == "all" {
        return Ok(AnyState(None));
    }
    let names = || State::ALL.map(State::as_str).join(", ");
    State::parse(text).map(|state| AnyState(Some(state))).ok_or_else(|| format!("one of {}, all", names()))
}
