//! `/api/v1/organization`: the organization that a key opens.

use axum::extract::State;
use roster_directory::{
    Issue, Organization,
    organization::{Alteration, Country, OrganizationName, TimeZone},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        AppState, Shared,
        auth::{Manager, Reader},
    },
    body::{Check, Fields, PatchBody, Value},
    error::ApiResult,
    json,
};
use crate::app::Caller;

/// Get your organization
///
/// For every key that may read users. `country` is the plan by which phone numbers without a `+` are read, and `timeZone`
/// says whose calendar day counts.
#[utoipa::path(
    get,
    path = "/v1/organization",
    operation_id = "getOrganization",
    tag = "organization",
    security(("BearerAuth" = [])),
    responses((status = 200, description = "OK", body = OrganizationBody))
)]
pub(crate) async fn get_organization(Reader(caller): Reader) -> ApiResult {
    Ok(json(&OrganizationBody::of(&caller.identity.organization)))
}

/// Change your organization
///
/// A JSON merge patch (RFC 7396): what is left out stays as it is. For keys of role ADMIN and HIPP_ADMIN. What changes
/// nothing writes nothing: no event, no audit entry. When the answer arrives, the change is on disk.
#[utoipa::path(
    patch,
    path = "/v1/organization",
    operation_id = "updateOrganization",
    tag = "organization",
    security(("BearerAuth" = [])),
    request_body(
        description = "What is to change",
        content(
            (UpdateOrganizationRequest = "application/json", example = json!({ "country": "GB", "timeZone": "Europe/London" })),
            (UpdateOrganizationRequest = "application/merge-patch+json", example = json!({ "name": "Sunrise ABA Therapy" }))
        )
    ),
    responses((status = 200, description = "The organization as it is now", body = OrganizationBody))
)]
pub(crate) async fn update_organization(
    State(shared): AppState,
    Manager(caller): Manager,
    body: PatchBody,
) -> ApiResult {
    let Fields { values, unknown } = Fields::read(&body.0, &["name", "country", "timeZone"])?;
    unknown.fields_in(update(&shared, &caller, alteration(&values)).await)
}

async fn update(shared: &Shared, caller: &Caller, alteration: Result<Alteration, Vec<Issue>>) -> ApiResult {
    let organization = shared.app.alter_organization(caller, alteration?).await?;
    Ok(json(&OrganizationBody::of(&organization)))
}

/// What a body asks to alter, or everything that is wrong with it. None of the fields can be cleared.
fn alteration([name, country, time_zone]: &[Value<'_>; 3]) -> Result<Alteration, Vec<Issue>> {
    let mut check = Check::default();
    let name = check.optional("name", name, OrganizationName::parse);
    let country = check.optional("country", country, Country::parse);
    let time_zone = check.optional("timeZone", time_zone, TimeZone::parse);
    check.finish()?;
    Ok(Alteration { name, country, time_zone })
}

/// The organization.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Organization)]
pub(crate) struct OrganizationBody<'a> {
    /// Organization public identifier
    #[schema(pattern = "^org_[a-z0-9]{12}$")]
    public_id: &'a str,
    /// What it calls itself
    name: &'a str,
    /// By whose plan phone numbers without a `+` are read (ISO 3166-1)
    #[schema(pattern = "^[A-Z]{2}$", example = "US")]
    country: &'a str,
    /// Whose calendar day counts (IANA)
    #[schema(example = "America/New_York")]
    time_zone: &'a str,
    #[schema(format = DateTime)]
    created_at: String,
}

impl<'a> OrganizationBody<'a> {
    fn of(organization: &'a Organization) -> Self {
        Self {
            public_id: organization.id.as_str(),
            name: organization.name.as_str(),
            country: organization.country.as_str(),
            time_zone: organization.time_zone.as_str(),
            created_at: organization.created_at.to_string(),
        }
    }
}

/// What is to change about an organization. Keys that are not listed here are ignored; `null` is not the same as leaving
/// a key out, and is refused.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct UpdateOrganizationRequest {
    /// What it calls itself
    #[schema(
        nullable = false,
        min_length = 1,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]([^\u0000-\u001f\u007f-\u009f]{0,198}[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff])?[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    name: Option<String>,
    /// By whose plan phone numbers without a `+` are read: two letters of ISO 3166-1
    #[schema(nullable = false, pattern = "^[A-Z]{2}$", example = "GB")]
    country: Option<String>,
    /// Whose calendar day counts: a name of the IANA database, in any case
    #[schema(nullable = false, example = "Europe/London")]
    time_zone: Option<String>,
}
