//! `roster org`: organizations.

use clap::{ArgGroup, Args, Subcommand};
use roster_directory::{
    Organization, OrganizationId,
    organization::{Alteration, Country, OrganizationName, TimeZone},
};

use super::{checked, operator_of, row, say};
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
    /// Show an organization
    Show {
        /// Its id, org_…
        org: OrganizationId,
    },
    Set(Set),
}

/// Change an organization; what is not given stays as it is
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["name", "country", "time_zone"]))]
pub(super) struct Set {
    /// Its id, org_…
    org: OrganizationId,
    /// What it calls itself, at most 200 characters
    #[arg(long, value_parser = checked::<OrganizationName>)]
    name: Option<OrganizationName>,
    /// By whose plan phone numbers without a + are read: two letters, as US (ISO 3166-1)
    #[arg(long, value_parser = checked::<Country>)]
    country: Option<Country>,
    /// Whose calendar day counts: a name of the IANA database, as America/New_York
    #[arg(long, value_name = "ZONE", value_parser = checked::<TimeZone>)]
    time_zone: Option<TimeZone>,
}

impl Org {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            Org::Create { name } => {
                let caller = app.create_organization(name).await?;
                say(format_args!("created organization {}", caller.organization()))?;
            }
            Org::Show { org } => show(&operator_of(app, org).await?.identity.organization)?,
            Org::Set(Set { org, name, country, time_zone }) => {
                let caller = operator_of(app, org).await?;
                show(&app.alter_organization(&caller, Alteration { name, country, time_zone }).await?)?;
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

fn show(organization: &Organization) -> anyhow::Result<()> {
    row([&"publicId", &organization.id])?;
    row([&"name", &organization.name.as_str()])?;
    row([&"country", &organization.country])?;
    row([&"timeZone", &organization.time_zone])?;
    row([&"createdAt", &organization.created_at])?;
    Ok(())
}
