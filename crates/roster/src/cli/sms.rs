//! `roster sms`: how an organization's text messages read, and who may be sent any.

use clap::Subcommand;
use roster_directory::{
    OrganizationId, UserId,
    phone::PhoneNumber,
    sms::{ConsentWording, Setting, Template},
};

use super::{checked, found, operator_of, or_dash, row, say};
use crate::{app::App, deliver::phone};

#[derive(Debug, Subcommand)]
pub(super) enum SmsCommand {
    /// Show how the organization's text messages read: version, when set, limit an hour, template, consent wording
    Show {
        /// The organization they come from
        #[arg(long)]
        org: OrganizationId,
    },
    /// Change how they read. What is not given stays as it is; each change is a new version, and consents name theirs
    Set {
        /// The organization they come from
        #[arg(long)]
        org: OrganizationId,
        /// What a new user is greeted with; {organization} and {firstName} are filled in
        #[arg(long, value_parser = checked::<Template>)]
        template: Option<Template>,
        /// What people agree to when shouldSendSMS is set, as the form says it
        #[arg(long, value_parser = checked::<ConsentWording>)]
        wording: Option<ConsentWording>,
        /// Text messages an hour at most; never more than the server allows
        #[arg(long, value_name = "N")]
        hourly: Option<u32>,
    },
    /// Show what is known of whether a user may be sent any: when, yes or no, by whom, wording's version, reference
    Consent {
        /// The organization of the user
        #[arg(long)]
        org: OrganizationId,
        /// The user's id, usr_…
        user: UserId,
    },
    /// Write down that the holder of a number wants no text messages, from no organization here
    Stop {
        /// The number
        #[arg(value_parser = number)]
        number: String,
    },
    /// Write down that the holder of a number wants text messages again
    Start {
        /// The number
        #[arg(value_parser = number)]
        number: String,
    },
}

impl SmsCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            SmsCommand::Show { org } => {
                let caller = operator_of(app, org).await?;
                let versioned = app.sms_setting(&caller).await?;
                let version = versioned.as_ref().map_or(0, |versioned| versioned.version);
                let set_at = or_dash(versioned.as_ref().map(|versioned| versioned.setting.at));
                let setting = versioned.map(|versioned| versioned.setting).unwrap_or_default();
                let wording = or_dash(setting.wording.as_ref().map(|wording| wording.as_str()));
                row([&version, &set_at, &or_dash(setting.hourly), &setting.template.as_str(), &wording])?;
            }
            SmsCommand::Set { org, template, wording, hourly } => {
                let caller = operator_of(app, org).await?;
                let before = app.sms_setting(&caller).await?;
                let version = before.as_ref().map_or(0, |before| before.version);
                let before = before.map(|before| before.setting).unwrap_or_default();
                let setting = Setting {
                    template: template.unwrap_or(before.template),
                    wording: wording.or(before.wording),
                    hourly: hourly.or(before.hourly),
                    at: before.at,
                };
                app.set_sms(&caller, setting).await?;
                say(format_args!("set version {}", version + 1))?;
            }
            SmsCommand::Consent { org, user } => {
                let caller = operator_of(app, org).await?;
                let history = app.consent_of(&caller, user).await;
                let history = found(history, || format!("the organization has no user {user}"))?;
                let yes = |given: bool| if given { "yes" } else { "no" };
                for consent in &history.said_of_user {
                    row([&consent.at, &yes(consent.given), &consent.by, &consent.wording, &consent.reference])?;
                }
                for stop in &history.said_by_phone {
                    row([&stop.at, &yes(!stop.stopped), &stop.by, &"-", &stop.reference])?;
                }
                say(format_args!("may be sent text messages: {}", yes(history.may_be_sent)))?;
            }
            SmsCommand::Stop { number } => {
                app.record_stop(&number, true, "cli", app.ids().request().as_str()).await?;
                say(format_args!("no more text messages to {number}"))?;
            }
            SmsCommand::Start { number } => {
                app.record_stop(&number, false, "cli", app.ids().request().as_str()).await?;
                say(format_args!("text messages again to {number}"))?;
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<String, String> {
    let given = PhoneNumber::parse(text).map_err(|flaw| flaw.message.into_owned())?;
    phone::e164(&given).ok_or_else(|| "a number that a text message can reach, as +14155550123".to_owned())
}
