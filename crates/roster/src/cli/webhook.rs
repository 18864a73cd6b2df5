//! `roster webhook`: the addresses that hear of what happens in an organization.

use clap::{Args, Subcommand};
use roster_directory::{
    EventId, MessageId, OrganizationId, Webhook, WebhookId,
    audit::Action,
    outbox::{Content, State},
    webhook::{Description, WebhookUrl},
};
use roster_store::outbox::Filter;

use super::{
    checked, found, note, operator_of, or_dash,
    outbox::{next_due, state},
    row, say,
};
use crate::{
    app::{App, NewWebhook},
    deliver::address::Inside,
};

#[derive(Debug, Subcommand)]
pub(super) enum WebhookCommand {
    /// Make a webhook, which hears of what happens from now on; its secret is the last word printed, and is never shown
    /// again
    Create {
        /// The organization it hears of
        #[arg(long)]
        org: OrganizationId,
        /// Where its receiver is: https://…
        #[arg(value_parser = checked::<WebhookUrl>)]
        url: WebhookUrl,
        /// What it hears of, for example user.created; may be given several times. Without it, of everything
        #[arg(long, value_name = "TYPE", value_parser = event_type)]
        event: Vec<Action>,
        /// What it is for, at most 200 characters
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true,
              value_parser = checked::<Description>)]
        description: Description,
        /// Networks that webhooks may reach although they are inside, separated by commas, as the server has them
        #[arg(
            long,
            env = "ROSTER_WEBHOOK_INSIDE",
            default_value = "",
            value_name = "NETWORKS",
            hide_default_value = true
        )]
        webhook_inside: Inside,
    },
    /// List webhooks: id, state, when made, what they hear of, where their receiver is, what they are for
    List {
        /// The organization they hear of
        #[arg(long)]
        org: OrganizationId,
    },
    /// Tell a webhook nothing more until it is resumed
    Pause(One),
    /// Tell a webhook again, first what happened meanwhile
    Resume(One),
    /// End a webhook; what it is still owed is dropped
    Delete(One),
    /// Make a new secret; it is the last word printed, and is never shown again. The old one signs beside it for 24 hours
    Rotate(One),
    /// Send a webhook something to try it with; the delivery's id is the last word printed
    Test(One),
    /// List what a webhook was told or is to be told, newest first: id, kind, event, state, attempts, since when, when it
    /// is tried next
    Deliveries {
        #[command(flatten)]
        one: One,
        /// Only those that are owed, delivered, failed or dropped
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        page_size: u32,
        /// Only those older than this delivery, msg_…
        #[arg(long, value_name = "ID")]
        cursor: Option<MessageId>,
    },
    /// Tell a webhook of an event once more; the delivery's id is the last word printed
    Replay {
        #[command(flatten)]
        one: One,
        /// The event's id, evt_…
        event: EventId,
    },
}

/// Which webhook.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The organization it hears of
    #[arg(long)]
    org: OrganizationId,
    /// The webhook's id, whk_…
    id: WebhookId,
}

impl WebhookCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            WebhookCommand::Create { org, url, event, description, webhook_inside } => {
                let caller = operator_of(app, org).await?;
                let new = NewWebhook { url, description, events: event };
                let webhook = app.create_webhook(&caller, new, &webhook_inside, None).await?;
                show_once("created", &webhook)?;
            }
            WebhookCommand::List { org } => {
                for webhook in app.webhooks(&operator_of(app, org).await?).await? {
                    let events: Vec<_> = webhook.events.iter().map(|action| action.as_str()).collect();
                    let events = if events.is_empty() { "everything".to_owned() } else { events.join(",") };
                    let description = or_dash(Some(webhook.description.as_str()).filter(|text| !text.is_empty()));
                    let (state, url) = (webhook.state.as_str(), webhook.url.as_str());
                    row([&webhook.id, &state, &webhook.created_at, &events, &url, &description])?;
                }
            }
            WebhookCommand::Pause(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                found(app.pause_webhook(&caller, id, None).await, || missing(id))?;
                say(format_args!("paused webhook {id}"))?;
            }
            WebhookCommand::Resume(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                found(app.resume_webhook(&caller, id, None).await, || missing(id))?;
                say(format_args!("resumed webhook {id}"))?;
            }
            WebhookCommand::Delete(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                found(app.delete_webhook(&caller, id).await, || missing(id))?;
                say(format_args!("deleted webhook {id}"))?;
            }
            WebhookCommand::Rotate(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                let webhook = found(app.rotate_webhook(&caller, id, None).await, || missing(id))?;
                show_once("rotated", &webhook)?;
            }
            WebhookCommand::Test(One { org, id }) => {
                let caller = operator_of(app, org).await?;
                let message = found(app.test_webhook(&caller, id, None).await, || missing(id))?;
                say(format_args!("created delivery {message}"))?;
            }
            WebhookCommand::Deliveries { one: One { org, id }, state, page_size, cursor } => {
                let caller = operator_of(app, org).await?;
                let filter = Filter { state, before: cursor, ..Filter::default() };
                let deliveries = found(app.deliveries(&caller, id, filter, page_size).await, || missing(id))?;
                for stored in deliveries {
                    let content = stored.message.content;
                    let event = match content {
                        Content::Event(_, event) => Some(event),
                        Content::WebhookTest(_) | Content::WelcomeSms(_) => None,
                    };
                    row([
                        &stored.message.id,
                        &content.kind().as_str(),
                        &or_dash(event),
                        &stored.state.as_str(),
                        &stored.attempts,
                        &stored.message.at,
                        &next_due(&stored),
                    ])?;
                }
            }
            WebhookCommand::Replay { one: One { org, id }, event } => {
                let caller = operator_of(app, org).await?;
                found(app.webhook(&caller, id).await, || missing(id))?;
                let message = app.replay_event(&caller, id, event, None).await;
                let message = found(message, || format!("the organization has no event {event} to be told of"))?;
                say(format_args!("created delivery {message}"))?;
            }
        }
        Ok(())
    }
}

fn show_once(done: &str, webhook: &Webhook) -> anyhow::Result<()> {
    note("The secret is shown this once: give it to the receiver.");
    say(format_args!("{done} webhook {} {}", webhook.id, webhook.secret.reveal()))?;
    Ok(())
}

fn missing(id: WebhookId) -> String {
    format!("the organization has no webhook {id}")
}

fn event_type(text: &str) -> Result<Action, String> {
    let action = Action::parse(text).filter(|action| Action::TOLD.contains(action));
    action.ok_or_else(|| format!("one of {}", Action::TOLD.map(Action::as_str).join(", ")))
}
