//! `roster outbox`: messages that are owed.

use clap::Subcommand;
use roster_directory::{OrganizationId, outbox::State};
use roster_store::outbox::Filter;

use super::{operator_of, row};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// List messages that are owed, oldest first: id, organization, kind, user, since when
    List {
        /// Only this organization's
        #[arg(long)]
        org: Option<OrganizationId>,
        /// How many at most
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
}

impl Outbox {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let Outbox::List { org, limit } = self;
        if let Some(org) = org {
            operator_of(app, org).await?;
        }
        let filter = Filter { organization: org, state: Some(State::Owed), ..Filter::default() };
        for owed in app.store().messages(filter, limit).await? {
            let (id, content, at) = (owed.message.id, owed.message.content, owed.message.at);
            row([&id, &owed.organization, &content.kind().as_str(), &content.about(), &at])?;
        }
        Ok(())
    }
}
