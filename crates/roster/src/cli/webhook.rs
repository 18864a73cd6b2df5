//! `roster webhook`: who is told what happened in an organization.

use clap::Subcommand;
use roster_directory::{
    EventId, OrganizationId, WebhookId,
    audit::Action,
    webhook::{Description, WebhookUrl},
};
use roster_store::outbox::Filter;

use super::{checked, found, operator_of, or_dash, outbox, row, say};
use crate::app::{App, NewWebhook};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Make a webhook; its secret is the last word printed, and is shown this once
    Create {
        /// The organization whose events it hears of
        #[arg(long)]
        org: OrganizationId,
        /// A type of event to hear of, as user.created; may be given several times. Without it, all
        #[arg(long = "event", value_name = "TYPE", value_parser = event_type)]
        events: Vec<Action>,
        /// What it is for
        #[arg(long, value_parser = checked::<Description>)]
        description: Option<Description>,
        /// Where its receiver is
        #[arg(value_parser = checked::<WebhookUrl>)]
        url: WebhookUrl,
    },
    /// List webhooks: id, state, when created, what they hear of, address, description
    List {
        /// The organization whose events they hear of
        #[arg(long)]
        org: OrganizationId,
    },
    /// Tell it nothing until it is resumed
    Pause(One),
    /// Tell it again, from where it was
    Resume(One),
    /// End it; what it is still owed is dropped
    Delete(One),
    /// Make a new secret; it is the last word printed. The one before is used beside it for 24 hours
    Rotate(One),
    /// Send it a test
    Test(One),
    /// List what it was told or is to be told, newest first, as `roster outbox list` does
    Deliveries {
        #[command(flatten)]
        one: One,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Tell it of an event once more
    Replay {
        #[command(flatten)]
        one: One,
        /// The event's id, evt_…
        event: EventId,
    },
}

/// One webhook of an organization.
#[derive(Debug, clap::Args)]
pub(super) struct One {
    /// The organization whose events it hears of
    #[arg(long)]
    org: OrganizationId,
    /// The webhook's id, whk_…
    id: WebhookId,
}

impl WebhookCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let none = |id: WebhookId| move || format!("the organization has no webhook {id}");
        match self {
            WebhookCommand::Create { org, events, description, url } => {
                let caller = operator_of(app, org).await?;
                let description = description.unwrap_or_else(|| Description::from_stored(""));
                let webhook = app.create_webhook(&caller, NewWebhook { url, description, events }).await?;
                eprintln!("The secret is shown this once: keep it where secrets are kept.");
                say(format_args!("created webhook {} {}", webhook.id, webhook.secret.reveal()))?;
            }
            WebhookCommand::List { org } => {
                let caller = operator_of(app, org).await?;
                for webhook in app.webhooks(&caller).await? {
                    let events: Vec<_> = webhook.events.iter().map(|event| event.as_str()).collect();
                    let events = if events.is_empty() { "all".to_owned() } else { events.join(",") };
                    let description = or_dash(Some(webhook.description.as_str()).filter(|text| !text.is_empty()));
                    let (state, url) = (webhook.state.as_str(), webhook.url.as_str());
                    row([&webhook.id, &state, &webhook.created_at, &events, &url, &description])?;
                }
            }
            WebhookCommand::Pause(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                found(app.pause_webhook(&caller, id).await, none(id))?;
                say(format_args!("paused webhook {id}"))?;
            }
            WebhookCommand::Resume(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                found(app.resume_webhook(&caller, id).await, none(id))?;
                say(format_args!("resumed webhook {id}"))?;
            }
            WebhookCommand::Delete(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                found(app.delete_webhook(&caller, id).await, none(id))?;
                say(format_args!("deleted webhook {id}"))?;
            }
            WebhookCommand::Rotate(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                let webhook = found(app.rotate_webhook(&caller, id).await, none(id))?;
                eprintln!("The secret is shown this once: keep it where secrets are kept.");
                say(format_args!("rotated webhook {id} {}", webhook.secret.reveal()))?;
            }
            WebhookCommand::Test(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                let message = found(app.test_webhook(&caller, id).await, none(id))?;
                say(format_args!("test is owed {message}"))?;
            }
            WebhookCommand::Deliveries { one: One { org, id }, limit } => {
                let caller = operator_of(app, org).await?;
                let deliveries = found(app.deliveries(&caller, id, Filter::default(), limit).await, none(id))?;
                deliveries.iter().try_for_each(outbox::line)?;
            }
            WebhookCommand::Replay { one: One { org, id }, event } => {
                let caller = operator_of(app, org).await?;
                let replayed = app.replay_event(&caller, id, event).await;
                let message = found(replayed, || format!("the organization has no webhook {id}, or no event {event}"))?;
                say(format_args!("owed once more {message}"))?;
            }
        }
        Ok(())
    }
}

fn event_type(text: &str) -> Result<Action, String> {
    Action::parse(text).ok_or_else(|| format!("one of {}", Action::ALL.map(Action::as_str).join(", ")))
}
