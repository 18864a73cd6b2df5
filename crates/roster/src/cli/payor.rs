//! `roster payor`: whom an organization's providers can be credentialed with.

use clap::Subcommand;
use roster_directory::{OrganizationId, payor::PayorName};

use super::{checked, operator_of, row, say};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum PayorCommand {
    /// Add a payor; its id is the last word printed
    Create {
        /// The organization it pays
        #[arg(long)]
        org: OrganizationId,
        /// What it is called, at most 200 characters
        #[arg(value_parser = checked::<PayorName>)]
        name: PayorName,
    },
    /// List payors: id, when created, name
    List {
        /// The organization they pay
        #[arg(long)]
        org: OrganizationId,
    },
}

impl PayorCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            PayorCommand::Create { org, name } => {
                let payor = app.create_payor(&operator_of(app, org).await?, name).await?;
                say(format_args!("created payor {}", payor.id))?;
            }
            PayorCommand::List { org } => {
                operator_of(app, org).await?;
                for payor in app.store().payors(org).await? {
                    row([&payor.id, &payor.created_at, &payor.name.as_str()])?;
                }
            }
        }
        Ok(())
    }
}
