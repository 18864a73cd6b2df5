//! `roster user set`: changes a user, by the rules of `PATCH /api/v1/users/{publicId}`.

use clap::{Args, ValueEnum};
use roster_directory::{
    Role,
    credential::RecertificationDate,
    npi::NpiNumber,
    phone::PhoneNumber,
    user::{Email, Given, Metadata, Patch, PersonName},
};

use super::{
    super::key::role, Details, Whom, checked, found, metadata, none, note, operator_of, pair, recertification, say,
};
use crate::{
    app::{App, Meant},
    intake::shown,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Set {
    #[command(flatten)]
    whom: Whom,
    #[arg(long, value_parser = checked::<PersonName>)]
    first_name: Option<PersonName>,
    #[arg(long, value_parser = checked::<PersonName>)]
    last_name: Option<PersonName>,
    #[arg(long, value_parser = checked::<Email>)]
    email: Option<Email>,
    /// Any role, also those the API cannot assign
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    #[arg(long, value_parser = checked::<PhoneNumber>)]
    phone: Option<PhoneNumber>,
    #[arg(long, value_parser = checked::<NpiNumber>)]
    npi: Option<NpiNumber>,
    /// Whether the user may be texted: true or false
    #[arg(long, action = clap::ArgAction::Set)]
    sms: Option<bool>,
    /// A day, 2027-01-15, or a moment of RFC 3339, 2027-01-15T00:00:00Z
    #[arg(long, value_parser = recertification)]
    recertification_date: Option<RecertificationDate>,
    /// A payor's id, pay_…; may be given several times. They replace those of before
    #[arg(long, value_name = "ID")]
    payor: Option<Vec<String>>,
    #[command(flatten)]
    details: Details,
    /// NAME=TEXT; may be given several times. They replace those of before
    #[arg(long, value_name = "NAME=TEXT", value_parser = pair)]
    metadata: Option<Vec<(String, String)>>,
    /// What is not known any more; may be given several times, or once with commas
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    clear: Vec<Field>,
}

/// What can be cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Field {
    Email,
    Phone,
    Npi,
    RecertificationDate,
    Payors,
    Sex,
    CaregiverId,
    BirthDate,
    #[value(name = "address-line1")]
    AddressLine1,
    #[value(name = "address-line2")]
    AddressLine2,
    City,
    State,
    PostalCode,
    ExternalId,
    Metadata,
}

impl Set {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        let Whom { org, id } = self.whom;
        let caller = operator_of(app, org).await?;
        let acted = found(app.update_user(&caller, id, &Meant::Any, &self.patch()?).await, || none(id))?;
        for warning in &acted.warnings {
            note(format_args!("warning: {}", shown(warning, org)));
        }
        say(format_args!("changed user {id}"))?;
        Ok(())
    }

    fn patch(self) -> anyhow::Result<Patch> {
        let (clear, details) = (self.clear, self.details);
        let clears = |field| clear.contains(&field);
        fn given<T>(value: Option<T>, is_cleared: bool) -> Given<T> {
            value.map(Some).or(is_cleared.then_some(None))
        }
        let metadata = match self.metadata {
            Some(pairs) => Some(metadata(pairs)?),
            None => clears(Field::Metadata).then(Metadata::default),
        };
        Ok(Patch {
            first_name: self.first_name,
            last_name: self.last_name,
            email: given(self.email, clears(Field::Email)),
            role: self.role,
            // As a form's blank field over HTTP.
            phone: given(self.phone, clears(Field::Phone)).map(|phone| phone.and_then(PhoneNumber::unless_blank)),
            npi: given(self.npi, clears(Field::Npi)).map(|npi| npi.and_then(NpiNumber::unless_blank)),
            should_send_sms: self.sms,
            recertification: given(self.recertification_date, clears(Field::RecertificationDate)),
            payors: self.payor.or(clears(Field::Payors).then(Vec::new)),
            sex: given(details.sex, clears(Field::Sex)),
            caregiver: given(details.caregiver_id, clears(Field::CaregiverId)),
            birth_date: given(details.birth_date, clears(Field::BirthDate)),
            address_line1: given(details.address_line1, clears(Field::AddressLine1)),
            address_line2: given(details.address_line2, clears(Field::AddressLine2)),
            city: given(details.city, clears(Field::City)),
            state: given(details.state, clears(Field::State)),
            postal_code: given(details.postal_code, clears(Field::PostalCode)),
            external_id: given(details.external_id, clears(Field::ExternalId)),
            metadata,
        })
    }
}
