//! `roster user`: users, by the one door that may also give the roles no key can assign.

mod set;

use clap::{Args, Subcommand};
use roster_directory::{
    NewUser, OrganizationId, Query, Role, RoleSet, UserId,
    credential::{Day, RecertificationDate},
    npi::NpiNumber,
    phone::PhoneNumber,
    query::{Page, Sort},
    search::Terms,
    user::{Demographics, Email, EmailKey, ExternalId, Line, Metadata, PersonName, Reason, Status},
};

use super::{Told, checked, found, key::role, note, operator_of, or_dash, row, say};
use crate::{
    app::{App, Meant},
    intake::shown,
};

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Create a user; its id is the last word printed
    Create(Box<Create>),
    /// List users: id, role, when created, last name, first name, email
    List(List),
    /// Show all that is known of a user
    Show(Whom),
    /// Change a user: what is not given stays as it is
    Set(Box<set::Set>),
    /// A user leaves: lists do not show it, its email is free, and what it is still owed is dropped
    Deactivate {
        #[command(flatten)]
        whom: Whom,
        /// For whoever asks later; it is erased with the user
        #[arg(long, value_parser = checked::<Reason>)]
        reason: Option<Reason>,
    },
    /// A user comes back
    Restore {
        #[command(flatten)]
        whom: Whom,
        /// Another email than the one of before
        #[arg(long, value_parser = checked::<Email>)]
        email: Option<Email>,
    },
    /// Remove every value of a deactivated user from the database; its id stays in the audit trail
    Erase(Whom),
}

/// A user who is there.
#[derive(Debug, Args)]
pub(super) struct Whom {
    /// The organization it belongs to
    #[arg(long)]
    org: OrganizationId,
    /// The user's publicId, usr_…
    id: UserId,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The organization it will belong to
    #[arg(long)]
    org: OrganizationId,
    #[arg(long, value_parser = checked::<PersonName>)]
    first_name: PersonName,
    #[arg(long, value_parser = checked::<PersonName>)]
    last_name: PersonName,
    /// Unique in the organization
    #[arg(long, value_parser = checked::<Email>)]
    email: Option<Email>,
    /// Any role, also those the API cannot assign
    #[arg(long, default_value = "TECHNICIAN", value_parser = role)]
    role: Role,
    #[arg(long, value_parser = checked::<PhoneNumber>)]
    phone: Option<PhoneNumber>,
    #[arg(long, value_parser = checked::<NpiNumber>)]
    npi: Option<NpiNumber>,
    /// Greet the user by text message, and allow more
    #[arg(long)]
    sms: bool,
    /// A day, 2027-01-15, or a moment of RFC 3339, 2027-01-15T00:00:00Z
    #[arg(long, value_parser = recertification)]
    recertification_date: Option<RecertificationDate>,
    /// A payor's id, pay_…; may be given several times
    #[arg(long, value_name = "ID")]
    payor: Vec<String>,
    #[command(flatten)]
    details: Details,
    /// NAME=TEXT; may be given several times
    #[arg(long, value_name = "NAME=TEXT", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

/// What may be known of a user beyond the published create.
#[derive(Debug, Args)]
struct Details {
    #[arg(long, value_parser = checked::<Line>)]
    sex: Option<Line>,
    /// The publicId of the patient's caregiver
    #[arg(long)]
    caregiver_id: Option<UserId>,
    /// YYYY-MM-DD
    #[arg(long, value_parser = |text: &str| Day::parse(text).map_err(Told::told))]
    birth_date: Option<Day>,
    #[arg(long, value_parser = checked::<Line>)]
    address_line1: Option<Line>,
    #[arg(long, value_parser = checked::<Line>)]
    address_line2: Option<Line>,
    #[arg(long, value_parser = checked::<Line>)]
    city: Option<Line>,
    #[arg(long, value_parser = checked::<Line>)]
    state: Option<Line>,
    #[arg(long, value_parser = checked::<Line>)]
    postal_code: Option<Line>,
    /// What another system calls the user; unique among the active users of the organization
    #[arg(long, value_parser = checked::<ExternalId>)]
    external_id: Option<ExternalId>,
}

/// Which users, and in which order.
#[derive(Debug, Args)]
pub(super) struct Filter {
    /// The organization they belong to
    #[arg(long)]
    pub(super) org: OrganizationId,
    /// Only those in whose names, email or phone every word occurs
    #[arg(long, default_value = "", value_parser = |text: &str| Terms::parse(text).map_err(Told::told))]
    search: Terms,
    /// Only this role
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// ACTIVE, DEACTIVATED or ALL
    #[arg(long, default_value = "ACTIVE", value_parser = status)]
    status: StatusFilter,
    /// Only whoever has this email
    #[arg(long, value_parser = |text: &str| EmailKey::sought(text).map_err(Told::told))]
    email: Option<EmailKey>,
    /// createdAt_desc, createdAt_asc, updatedAt_desc or updatedAt_asc
    #[arg(long, default_value = "createdAt_desc", value_parser = |text: &str| Sort::parse(text).map_err(Told::told))]
    sort: Sort,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    filter: Filter,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=Page::MAX_NUMBER))]
    page: u64,
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=i64::from(Page::MAX_SIZE)))]
    page_size: u32,
}

impl UserCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            UserCommand::Create(create) => create.run(app).await,
            UserCommand::List(list) => list.run(app).await,
            UserCommand::Show(Whom { org, id }) => show(app, org, id).await,
            UserCommand::Set(set) => set.run(app).await,
            UserCommand::Deactivate { whom: Whom { org, id }, reason } => {
                let caller = operator_of(app, org).await?;
                found(app.deactivate_user(&caller, id, &Meant::Any, reason, None).await, || none(id))?;
                say(format_args!("deactivated user {id}"))?;
                Ok(())
            }
            UserCommand::Restore { whom: Whom { org, id }, email } => {
                let caller = operator_of(app, org).await?;
                found(app.restore_user(&caller, id, &Meant::Any, email, None).await, || none(id))?;
                say(format_args!("restored user {id}"))?;
                Ok(())
            }
            UserCommand::Erase(Whom { org, id }) => {
                let caller = operator_of(app, org).await?;
                found(app.erase_user(&caller, id, &Meant::Any).await, || none(id))?;
                say(format_args!("erased user {id}"))?;
                Ok(())
            }
        }
    }
}

fn none(id: UserId) -> String {
    format!("the organization has no user {id}")
}

/// Which users are listed.
#[derive(Debug, Clone, Copy)]
struct StatusFilter(Option<Status>);

fn status(text: &str) -> Result<StatusFilter, String> {
    let status = Status::ALL.into_iter().find(|status| status.as_str() == text);
    match (status, text) {
        (None, "ALL") => Ok(StatusFilter(None)),
        (None, _) => Err("ACTIVE, DEACTIVATED or ALL".to_owned()),
        (status, _) => Ok(StatusFilter(status)),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=TEXT is wanted")?;
    let flaws = [Metadata::check_name(name), Metadata::check_value(value)].concat();
    if flaws.is_empty() { Ok((name.to_owned(), value.to_owned())) } else { Err(flaws.told()) }
}

fn metadata(pairs: Vec<(String, String)>) -> anyhow::Result<Metadata> {
    let metadata = Metadata::of_checked(pairs);
    anyhow::ensure!(metadata.iter().len() <= Metadata::MAX, "at most {} names are kept as metadata", Metadata::MAX);
    Ok(metadata)
}

/// A day begins as it does in UTC: only the day counts.
fn recertification(text: &str) -> Result<RecertificationDate, String> {
    let moment = Day::parse(text).map(|day| format!("{day}T00:00:00Z"));
    RecertificationDate::parse(moment.as_deref().unwrap_or(text)).map_err(Told::told)
}

impl Create {
    async fn run(self, app: &App) -> anyhow::Result<()> {
        let caller = operator_of(app, self.org).await?;
        let details = self.details;
        let new = NewUser {
            email: self.email,
            role: self.role,
            // As a form's blank field over HTTP.
            phone: self.phone.and_then(PhoneNumber::unless_blank),
            npi: self.npi.and_then(NpiNumber::unless_blank),
            should_send_sms: self.sms,
            recertification: self.recertification_date,
            payors: self.payor,
            demographics: Demographics {
                sex: details.sex,
                caregiver: details.caregiver_id,
                birth_date: details.birth_date,
                address_line1: details.address_line1,
                address_line2: details.address_line2,
                city: details.city,
                state: details.state,
                postal_code: details.postal_code,
            },
            external_id: details.external_id,
            metadata: metadata(self.metadata)?,
            ..NewUser::named(self.first_name, self.last_name)
        };
        let created = app.create_user(&caller, new, None).await?;
        for warning in &created.warnings {
            note(format_args!("warning: {}", shown(warning, self.org)));
        }
        say(format_args!("created user {}", created.user.id))?;
        Ok(())
    }
}

impl List {
    async fn run(self, app: &App) -> anyhow::Result<()> {
        let page = Page { number: self.page, size: self.page_size };
        let caller = operator_of(app, self.filter.org).await?;
        let query = Query { page, ..queried(self.filter, caller.identity.may_read) };
        let listing = app.list_users(&caller, query).await?;
        for user in &listing.whole {
            let email = or_dash(user.email.as_ref().map(Email::as_str));
            let (last, first) = (user.last_name.as_str(), user.first_name.as_str());
            row([&user.id, &user.role, &user.created_at, &last, &first, &email])?;
        }
        note(format_args!("page {} of {}, {} users", page.number, page.count(listing.total), listing.total));
        Ok(())
    }
}

/// Whole users by a filter.
pub(super) fn queried(filter: Filter, visible: RoleSet) -> Query {
    let Filter { org: _, search, role, status, email, sort } = filter;
    Query {
        visible,
        role,
        status: status.0,
        whole: true,
        email,
        search,
        key: sort.key,
        order: sort.order,
        page: Page::default(),
        after: None,
        after_turn: None,
    }
}

async fn show(app: &App, org: OrganizationId, id: UserId) -> anyhow::Result<()> {
    let caller = operator_of(app, org).await?;
    let user = found(app.user(&caller, id).await, || none(id))?;
    let payors = app.store().payors_of(org, id).await?;
    let payors: Vec<_> = payors.iter().map(|payor| format!("{} {}", payor.id, payor.name.as_str())).collect();
    let country = caller.identity.organization.country;
    let line = |line: &Option<Line>| or_dash(line.as_ref().map(Line::as_str));
    let more = &user.demographics;
    row([&"publicId", &user.id])?;
    row([&"firstName", &user.first_name.as_str()])?;
    row([&"lastName", &user.last_name.as_str()])?;
    row([&"email", &or_dash(user.email.as_ref().map(Email::as_str))])?;
    row([&"role", &user.role])?;
    row([&"phoneNumber", &or_dash(user.phone.as_ref().map(PhoneNumber::as_str))])?;
    row([&"phoneForSMS", &or_dash(user.phone.as_ref().and_then(|phone| phone.e164(country)))])?;
    row([&"npiNumber", &or_dash(user.npi.as_ref().map(NpiNumber::as_str))])?;
    row([&"npiCheckDigit", &or_dash(user.npi.as_ref().map(|npi| if npi.is_valid() { "right" } else { "wrong" }))])?;
    row([&"shouldSendSMS", &user.should_send_sms])?;
    row([&"recertificationDate", &or_dash(user.recertification.map(|date| date.at()))])?;
    row([&"recertificationDay", &or_dash(user.recertification.map(|date| date.day()))])?;
    row([&"providerPayors", &or_dash(Some(payors.join(", ")).filter(|payors| !payors.is_empty()))])?;
    row([&"sex", &line(&more.sex)])?;
    row([&"caregiverId", &or_dash(more.caregiver)])?;
    row([&"birthDate", &or_dash(more.birth_date)])?;
    row([&"addressLine1", &line(&more.address_line1)])?;
    row([&"addressLine2", &line(&more.address_line2)])?;
    row([&"city", &line(&more.city)])?;
    row([&"state", &line(&more.state)])?;
    row([&"postalCode", &line(&more.postal_code)])?;
    row([&"externalId", &or_dash(user.external_id.as_ref().map(ExternalId::as_str))])?;
    let metadata: Vec<_> = user.metadata.iter().map(|(name, value)| format!("{name}={value}")).collect();
    row([&"metadata", &or_dash(Some(metadata.join(", ")).filter(|metadata| !metadata.is_empty()))])?;
    row([&"status", &user.status().as_str()])?;
    row([&"createdAt", &user.created_at])?;
    row([&"updatedAt", &user.updated_at])?;
    row([&"deactivatedAt", &or_dash(user.deactivated.as_ref().map(|deactivated| deactivated.at))])?;
    let reason = user.deactivated.as_ref().and_then(|deactivated| deactivated.reason.as_ref());
    row([&"deactivationReason", &or_dash(reason.map(Reason::as_str))])?;
    Ok(())
}
