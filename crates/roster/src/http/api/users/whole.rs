//! The whole user, as `view=full` and every answer to a change show it.

use roster_directory::{
    Organization, PayorId, User, UserId,
    npi::NpiNumber,
    phone::PhoneNumber,
    user::{Email, ExternalId, Line, Metadata, Reason, Status},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use super::{
    super::role::UserRole,
    shape::{OrganizationRef, Pagination},
};

/// The whole user. Always all keys; `null` where nothing is known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WholeUser)]
pub(crate) struct WholeUserBody<'a> {
    #[schema(pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$")]
    public_id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    #[schema(required)]
    email: Option<&'a str>,
    role: UserRole,
    status: UserStatus,
    #[schema(required)]
    phone_number: Option<&'a str>,
    #[schema(required)]
    npi_number: Option<&'a str>,
    /// Whether the NPI is well-formed and its check digit right; `null` without an NPI
    #[schema(required)]
    npi_status: Option<NpiStatus>,
    #[serde(rename = "shouldSendSMS")]
    should_send_sms: bool,
    /// The instant that was given, written so that the calendar day is the one that was given
    #[schema(required, format = DateTime)]
    recertification_date: Option<String>,
    /// The publicIds of the payors the user is assigned to
    provider_payors: Vec<&'a str>,
    #[schema(required)]
    sex: Option<&'a str>,
    #[schema(required, pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$")]
    caregiver_id: Option<&'a str>,
    #[schema(required, format = Date)]
    birth_date: Option<String>,
    #[schema(required)]
    address_line1: Option<&'a str>,
    #[schema(required)]
    address_line2: Option<&'a str>,
    #[schema(required)]
    city: Option<&'a str>,
    #[schema(required)]
    state: Option<&'a str>,
    #[schema(required)]
    postal_code: Option<&'a str>,
    /// What another system calls the user: unique among the active users of the organization
    #[schema(required)]
    external_id: Option<&'a str>,
    #[schema(value_type = MetadataSchema, inline)]
    metadata: MetadataBody<'a>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When the user changed last; before it ever did, `createdAt`
    #[schema(format = DateTime)]
    updated_at: String,
    /// Since when the user does not belong to the organization any more
    #[schema(required, format = DateTime)]
    deactivated_at: Option<String>,
    /// What was said about it
    #[schema(required)]
    deactivation_reason: Option<&'a str>,
    organization: OrganizationRef<'a>,
}

impl<'a> WholeUserBody<'a> {
    pub(crate) fn of(user: &'a User, organization: &'a Organization) -> Self {
        let more = &user.demographics;
        let line = |line: &'a Option<Line>| line.as_ref().map(Line::as_str);
        let npi_status = |npi: &NpiNumber| if npi.is_valid() { NpiStatus::Valid } else { NpiStatus::Invalid };
        Self {
            public_id: user.id.as_str(),
            first_name: user.first_name.as_str(),
            last_name: user.last_name.as_str(),
            email: user.email.as_ref().map(Email::as_str),
            role: UserRole(user.role),
            status: user.status().into(),
            phone_number: user.phone.as_ref().map(PhoneNumber::as_str),
            npi_number: user.npi.as_ref().map(NpiNumber::as_str),
            npi_status: user.npi.as_ref().map(npi_status),
            should_send_sms: user.should_send_sms,
            recertification_date: user.recertification.map(|date| date.to_string()),
            provider_payors: user.payors.iter().map(PayorId::as_str).collect(),
            sex: line(&more.sex),
            caregiver_id: more.caregiver.as_ref().map(UserId::as_str),
            birth_date: more.birth_date.map(|day| day.to_string()),
            address_line1: line(&more.address_line1),
            address_line2: line(&more.address_line2),
            city: line(&more.city),
            state: line(&more.state),
            postal_code: line(&more.postal_code),
            external_id: user.external_id.as_ref().map(ExternalId::as_str),
            metadata: MetadataBody(&user.metadata),
            created_at: user.created_at.to_string(),
            updated_at: user.updated_at.to_string(),
            deactivated_at: user.deactivated.as_ref().map(|deactivated| deactivated.at.to_string()),
            deactivation_reason: user
                .deactivated
                .as_ref()
                .and_then(|deactivated| deactivated.reason.as_ref())
                .map(Reason::as_str),
            organization: OrganizationRef::of(organization),
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings only")
    }
}

/// Whether the user belongs to the organization at present.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum UserStatus {
    Active,
    Deactivated,
}

impl From<Status> for UserStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Active => UserStatus::Active,
            Status::Deactivated => UserStatus::Deactivated,
        }
    }
}

/// The verdict on an NPI's form and check digit.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum NpiStatus {
    Valid,
    Invalid,
}

/// Names and texts: what one may have.
pub(crate) struct MetadataSchema;

impl PartialSchema for MetadataSchema {
    fn schema() -> RefOr<Schema> {
        let text = |least, most| {
            let no_control = r"^[^\u0000-\u001f\u007f-\u009f]*$";
            let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).pattern(Some(no_control));
            text.min_length(Some(least)).max_length(Some(most))
        };
        let (name, value) = (text(1, Metadata::MAX_NAME), text(0, Metadata::MAX_VALUE));
        ObjectBuilder::new()
            .property_names(Some(name))
            .additional_properties(Some(value))
            .max_properties(Some(Metadata::MAX))
            .description(Some("Texts by names, which mean nothing to Roster"))
            .into()
    }
}

impl ToSchema for MetadataSchema {}

struct MetadataBody<'a>(&'a Metadata);

impl Serialize for MetadataBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.0.iter();
        let mut map = serializer.serialize_map(Some(pairs.len()))?;
        for (name, value) in pairs {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// One page of whole users.
#[derive(Serialize, ToSchema)]
pub(crate) struct WholeUserPage<'a> {
    pub(super) data: Vec<WholeUserBody<'a>>,
    pub(super) pagination: Pagination,
}
