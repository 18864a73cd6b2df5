//! `roster org`: organizations.

use clap::Subcommand;
use roster_directory::organization::OrganizationName;

use super::{checked, row, say};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum Org {
    /// Make an organization; its id is the last word printed
    Create {
        /// What it calls itself, at most 200 characters
        #[arg(value_parser = checked::<OrganizationName>)]
        name: OrganizationName,
    },
    /// List organizations: id, when created, name
    List,
}

impl Org {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            Org::Create { name } => {
                let caller = app.create_organization(name).await?;
                say(format_args!("created organization {}", caller.organization()))?;
            }
            Org::List => {
                for organization in app.store().organizations().await? {
                    row([&organization.id, &organization.created_at, &organization.name.as_str()])?;
                }
            }
        }
        Ok(())
    }
}
