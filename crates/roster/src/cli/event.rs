//! `roster event`: what happened in an organization, in its order.

use clap::Subcommand;
use roster_directory::{EventId, OrganizationId};

use super::{found, operator_of, row};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum EventCommand {
    /// List events, oldest first: when, type, what it happened to, id
    List {
        /// The organization they happened in
        #[arg(long)]
        org: OrganizationId,
        /// Only those after this one, evt_…
        #[arg(long, value_name = "ID")]
        cursor: Option<EventId>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        page_size: u32,
    },
}

impl EventCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let EventCommand::List { org, cursor, page_size } = self;
        let caller = operator_of(app, org).await?;
        let page = app.events(&caller, cursor, page_size).await;
        let missing =
            || format!("the organization has no event {}", cursor.map(|id| id.to_string()).unwrap_or_default());
        for (id, event) in found(page, missing)?.events {
            row([&event.at, &event.action.as_str(), &event.target, &id])?;
        }
        Ok(())
    }
}
