//! `roster event`: what happened in an organization.

use clap::Subcommand;
use roster_directory::{EventId, OrganizationId};

use super::{found, operator_of, row};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// List events in their order: id, when, type, what it happened to
    List {
        /// The organization they happened in
        #[arg(long)]
        org: OrganizationId,
        /// Only those after this event, evt_…
        #[arg(long)]
        after: Option<EventId>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}

impl EventCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let EventCommand::List { org, after, limit } = self;
        let caller = operator_of(app, org).await?;
        let page = found(app.events(&caller, after, limit).await, || "it is an event of another organization".into())?;
        for (id, event) in page.events {
            row([&id, &event.at, &event.action.as_str(), &event.target])?;
        }
        Ok(())
    }
}
