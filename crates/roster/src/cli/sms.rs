//! `roster sms`: how an organization's text messages read, and who may be sent any.

use clap::{ArgGroup, Args, Subcommand};
use roster_directory::{
    OrganizationId, UserId,
    organization::Country,
    phone::PhoneNumber,
    sms::{ConsentWording, Setting, Template},
};

use super::{checked, found, operator_of, or_dash, row, say};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum Sms {
    /// Show how the organization's text messages read
    Show {
        /// The organization that sends them
        #[arg(long)]
        org: OrganizationId,
    },
    Set(Set),
    /// Show what is kept of whether a user may be sent text messages, oldest first (when, who it was said of, what, by
    /// whom, under which version of the wording, in which request or message), and whether they may be now
    Consent {
        /// The organization the user belongs to
        #[arg(long)]
        org: OrganizationId,
        /// The user's publicId, usr_…
        id: UserId,
    },
    /// Write down that the holder of a number wants no text messages, from no organization of this server
    Stop {
        /// The number, as +14155550123; without a + it is read as one of North America
        #[arg(value_parser = number)]
        number: Number,
    },
    /// Write down that the holder of a number wants text messages again
    Start {
        /// The number, as +14155550123; without a + it is read as one of North America
        #[arg(value_parser = number)]
        number: Number,
    },
}

/// Change how the organization's text messages read; what is not given stays as it is
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true).args(["template", "wording", "hourly"]))]
pub(super) struct Set {
    /// The organization that sends them
    #[arg(long)]
    org: OrganizationId,
    /// What a new user is greeted with; {organization} and {firstName} stand for what they say
    #[arg(long, value_name = "TEXT", value_parser = checked::<Template>)]
    template: Option<Template>,
    /// The words under which people agree to text messages, as the clinic's form has them
    #[arg(long, value_name = "TEXT", value_parser = checked::<ConsentWording>)]
    wording: Option<ConsentWording>,
    /// Text messages an hour, at most; never more than the server allows. 0: none
    #[arg(long, value_name = "N")]
    hourly: Option<u32>,
}

/// A number in E.164 form.
#[derive(Debug, Clone)]
pub(super) struct Number(String);

fn number(text: &str) -> Result<Number, String> {
    let given = checked::<PhoneNumber>(text)?;
    given.e164(Country::default()).map(Number).ok_or_else(|| "no text message can reach this number".to_owned())
}

impl Sms {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            Sms::Show { org } => show(app, org).await,
            Sms::Set(set) => set.run(app).await,
            Sms::Consent { org, id } => consent(app, org, id).await,
            Sms::Stop { number } => {
                record(app, &number, true).await?;
                Ok(say(format_args!("stopped text messages to {}", number.0))?)
            }
            Sms::Start { number } => {
                record(app, &number, false).await?;
                Ok(say(format_args!("started text messages to {}", number.0))?)
            }
        }
    }
}

impl Set {
    async fn run(self, app: &App) -> anyhow::Result<()> {
        let caller = operator_of(app, self.org).await?;
        let current = app.sms_setting(&caller).await?.map(|versioned| versioned.setting).unwrap_or_default();
        let setting = Setting {
            template: self.template.unwrap_or(current.template),
            wording: self.wording.or(current.wording),
            hourly: self.hourly.or(current.hourly),
            at: current.at,
        };
        app.set_sms(&caller, setting).await?;
        show(app, self.org).await
    }
}

async fn show(app: &App, org: OrganizationId) -> anyhow::Result<()> {
    let caller = operator_of(app, org).await?;
    let versioned = app.sms_setting(&caller).await?;
    let (version, set_at) = match &versioned {
        Some(versioned) => (versioned.version, Some(versioned.setting.at)),
        None => (0, None),
    };
    let setting = versioned.map(|versioned| versioned.setting).unwrap_or_default();
    row([&"version", &version])?;
    row([&"since", &or_dash(set_at)])?;
    row([&"template", &setting.template.as_str()])?;
    row([&"wording", &or_dash(setting.wording.as_ref().map(ConsentWording::as_str))])?;
    row([&"hourly", &or_dash(setting.hourly)])?;
    Ok(())
}

async fn consent(app: &App, org: OrganizationId, id: UserId) -> anyhow::Result<()> {
    let caller = operator_of(app, org).await?;
    let history = found(app.consent_of(&caller, id).await, || format!("the organization has no user {id}"))?;
    let mut said = Vec::new();
    for consent in &history.said_of_user {
        let what = if consent.given { "agreed" } else { "withdrawn" };
        said.push((consent.at, "user", what, &consent.by, Some(consent.wording), &consent.reference));
    }
    for stop in &history.said_by_phone {
        let what = if stop.stopped { "stop" } else { "start" };
        said.push((stop.at, "phone", what, &stop.by, None, &stop.reference));
    }
    said.sort_by_key(|(at, ..)| *at);
    for (at, whose, what, by, wording, reference) in said {
        row([&at, &whose, &what, by, &or_dash(wording), reference])?;
    }
    say(format_args!("may be sent text messages: {}", if history.may_be_sent { "yes" } else { "no" }))?;
    Ok(())
}

async fn record(app: &App, number: &Number, stopped: bool) -> anyhow::Result<()> {
    Ok(app.record_stop(&number.0, stopped, "cli", app.ids().request().as_str()).await?)
}
