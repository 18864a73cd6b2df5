//! What users look like on the wire.

use roster_directory::{
    Organization, User, UserId,
    npi::NpiNumber,
    phone::PhoneNumber,
    query::Page,
    user::{Email, Line},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::super::openapi::{AssignableRole, UserRole};

/// Whom to create. Described here; read field by field (`parse.rs`), so that everything wrong is said at once.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct CreateUserRequest {
    /// User's first name
    #[schema(min_length = 1, max_length = 100)]
    first_name: String,
    /// User's last name
    #[schema(min_length = 1, max_length = 100)]
    last_name: String,
    /// User's email address (must be unique)
    #[schema(
        format = Email,
        max_length = 254,
        pattern = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
    )]
    email: Option<String>,
    /// Role to assign the new user (defaults to TECHNICIAN). The roles you may assign are further restricted by your
    /// own role; requesting a role you are not permitted to create returns 403.
    #[schema(inline)]
    role: Option<AssignableRole>,
    /// User's phone number
    #[schema(max_length = 64)]
    phone_number: Option<String>,
    /// National Provider Identifier number
    #[schema(max_length = 64)]
    npi_number: Option<String>,
    /// Whether to send SMS notifications
    #[schema(rename = "shouldSendSMS", default = false)]
    should_send_sms: Option<bool>,
    /// Recertification date for the user
    #[schema(format = DateTime)]
    recertification_date: Option<String>,
    /// Assigns the provided payors to the User, if exists
    #[schema(max_items = 100)]
    provider_payors: Option<Vec<String>>,
}

/// The user that was created, and that it was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateUserResponse<'a> {
    #[schema(example = "User created successfully")]
    message: &'static str,
    user: CreatedUser<'a>,
}

impl<'a> CreateUserResponse<'a> {
    pub(crate) fn of(user: &'a User, organization: &'a Organization) -> Self {
        let user = CreatedUser {
            public_id: user.id.as_str(),
            first_name: user.first_name.as_str(),
            last_name: user.last_name.as_str(),
            email: user.email.as_ref().map(Email::as_str),
            role: UserRole(user.role),
            phone_number: user.phone.as_ref().map(PhoneNumber::as_str),
            npi_number: user.npi.as_ref().map(NpiNumber::as_str),
            should_send_sms: user.should_send_sms,
            created_at: user.created_at.to_string(),
            organization: OrganizationRef { name: organization.name.as_str(), public_id: organization.id.as_str() },
        };
        Self { message: "User created successfully", user }
    }
}

/// The user returned immediately after creation. This shape differs from the User object returned by the list and
/// get-by-id endpoints.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedUser<'a> {
    /// User public identifier
    public_id: &'a str,
    /// User's first name
    first_name: &'a str,
    /// User's last name
    last_name: &'a str,
    /// User's email address
    #[schema(required)]
    email: Option<&'a str>,
    role: UserRole,
    /// User's phone number
    #[schema(required)]
    phone_number: Option<&'a str>,
    /// National Provider Identifier number
    #[schema(required)]
    npi_number: Option<&'a str>,
    /// Whether SMS notifications are enabled for the user
    #[serde(rename = "shouldSendSMS")]
    should_send_sms: bool,
    /// Timestamp the user was created
    #[schema(format = DateTime)]
    created_at: String,
    organization: OrganizationRef<'a>,
}

/// Organization the user was created in
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganizationRef<'a> {
    name: &'a str,
    public_id: &'a str,
}

/// The user as the list and get-by-id endpoints return it: twelve keys, always all of them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(crate) struct UserBody<'a> {
    public_id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    #[schema(required)]
    sex: Option<&'a str>,
    #[schema(required)]
    caregiver_id: Option<&'a str>,
    role: UserRole,
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
}

impl<'a> UserBody<'a> {
    pub(crate) fn of(user: &'a User) -> Self {
        let more = &user.demographics;
        let line = |line: &'a Option<Line>| line.as_ref().map(Line::as_str);
        Self {
            public_id: user.id.as_str(),
            first_name: user.first_name.as_str(),
            last_name: user.last_name.as_str(),
            sex: line(&more.sex),
            caregiver_id: more.caregiver.as_ref().map(UserId::as_str),
            role: UserRole(user.role),
            birth_date: more.birth_date.map(|day| day.to_string()),
            address_line1: line(&more.address_line1),
            address_line2: line(&more.address_line2),
            city: line(&more.city),
            state: line(&more.state),
            postal_code: line(&more.postal_code),
        }
    }
}

/// One page of users.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserPage<'a> {
    data: Vec<UserBody<'a>>,
    pagination: Pagination,
}

impl<'a> UserPage<'a> {
    pub(crate) fn of(users: &'a [User], page: Page, total: u64) -> Self {
        Self {
            data: users.iter().map(UserBody::of).collect(),
            pagination: Pagination {
                page: page.number,
                page_size: page.size,
                total_count: total,
                total_pages: page.count(total),
            },
        }
    }
}

/// Where in the list a page is. Counted at the same moment as the page was read.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    page: u64,
    page_size: u32,
    total_count: u64,
    total_pages: u64,
}

/// How a list is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct ListParams {
    /// Page number, 1-indexed
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64, default = 1)]
    page: Option<u64>,
    /// Items per page
    #[param(minimum = 1, maximum = 100, default = 25)]
    page_size: Option<u32>,
    /// Search term. Split at white space; every part must occur, ignoring case, in first name, last name or email, or
    /// in the digits of the phone number, or be the publicId
    #[param(max_length = 200)]
    search: Option<String>,
    /// Filter by role; HIPP_ADMIN users are never returned
    role: Option<UserRole>,
    /// Filter by email address: exact, ignoring case
    email: Option<String>,
    /// field_direction, comma-separated. Default: createdAt_desc
    #[param(
        pattern = "^(createdAt|updatedAt)_(asc|desc)(,(createdAt|updatedAt)_(asc|desc))*$",
        example = "createdAt_desc,updatedAt_asc"
    )]
    sort: Option<String>,
}
