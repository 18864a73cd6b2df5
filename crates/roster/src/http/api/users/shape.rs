//! What users look like on the wire.

use roster_directory::{
    Organization, User, UserId,
    npi::NpiNumber,
    phone::PhoneNumber,
    query::Page,
    user::{Email, Line, Profile},
};
use roster_store::Listing;
use serde::Serialize;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

use super::{
    super::role::{AssignableRole, NewRole, UserRole},
    whole::MetadataSchema,
};

/// Whom to create. Keys that are not listed here are ignored; `null` is not the same as leaving a key out, and is
/// refused. Lengths are counted as JavaScript counts them, in UTF-16 units.
// Values never take this shape: a body is read field by field (`parse.rs`), so that everything wrong is said at once.
// The patterns leave out control characters, as `roster_directory::text` does; a name needs something to read.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct CreateUserRequest {
    /// User's first name. White space around it is removed; then it has 1 to 100 characters
    #[schema(
        min_length = 1,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]([^\u0000-\u001f\u007f-\u009f]{0,98}[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff])?[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    first_name: String,
    /// User's last name. White space around it is removed; then it has 1 to 100 characters
    #[schema(
        min_length = 1,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]([^\u0000-\u001f\u007f-\u009f]{0,98}[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff])?[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    last_name: String,
    /// User's email address (must be unique)
    ///
    /// Unique within the organization, ignoring the case of ASCII letters.
    #[schema(
        nullable = false,
        format = Email,
        max_length = 254,
        pattern = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
    )]
    email: Option<String>,
    // Described where it is made: a comment here would wrap the list of words in an `allOf`.
    #[schema(nullable = false, inline)]
    role: Option<AssignableRole>,
    /// User's phone number
    ///
    /// Kept as it is given. One that no text message can reach is named in `Roster-Warning`.
    #[schema(nullable = false, max_length = 64, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    phone_number: Option<String>,
    /// National Provider Identifier number
    ///
    /// Kept as it is given. One whose check digit is wrong is named in `Roster-Warning`.
    #[schema(nullable = false, max_length = 64, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    npi_number: Option<String>,
    /// Whether to send SMS notifications
    #[schema(nullable = false, rename = "shouldSendSMS", default = false)]
    should_send_sms: Option<bool>,
    /// Recertification date for the user
    ///
    /// RFC 3339, with `Z` or an offset; seconds, and the colon of the offset, may be left out. What counts is the calendar
    /// day as it is written.
    #[schema(nullable = false, format = DateTime, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T")]
    recertification_date: Option<String>,
    /// Assigns the provided payors to the User, if exists
    ///
    /// Public ids of payors of the organization. Others are skipped, and named in `Roster-Warning`.
    #[schema(nullable = false, max_items = 100)]
    provider_payors: Option<Vec<String>>,
    /// Roster's own, as all that follow: what the published read shape shows. Blank is as if left out
    #[schema(
        nullable = false,
        max_length = 200,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    sex: Option<String>,
    /// The publicId of the user who cares for this one
    #[schema(nullable = false, pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$")]
    caregiver_id: Option<String>,
    #[schema(nullable = false, format = Date, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    birth_date: Option<String>,
    #[schema(
        nullable = false,
        max_length = 200,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    address_line1: Option<String>,
    #[schema(
        nullable = false,
        max_length = 200,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    address_line2: Option<String>,
    #[schema(
        nullable = false,
        max_length = 200,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    city: Option<String>,
    #[schema(
        nullable = false,
        max_length = 200,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    state: Option<String>,
    #[schema(
        nullable = false,
        max_length = 200,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    postal_code: Option<String>,
    /// What another system calls the user: unique among the active users of the organization
    #[schema(
        nullable = false,
        max_length = 255,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    external_id: Option<String>,
    // Described where it is made, as the role is.
    #[schema(nullable = false, value_type = Option<MetadataSchema>, inline)]
    metadata: Option<()>,
}

/// What is to change about a user: the fields of [`CreateUserRequest`], none of which must be there.
pub(crate) struct UpdateUserRequest;

impl UpdateUserRequest {
    /// What a user always has.
    const KEPT: [&str; 4] = ["firstName", "lastName", "role", "shouldSendSMS"];
}

impl PartialSchema for UpdateUserRequest {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut request)) = CreateUserRequest::schema() else {
            unreachable!("a struct is an object")
        };
        request.required.clear();
        for (name, field) in &mut request.properties {
            let kind = match field {
                RefOr::T(Schema::Object(field)) => {
                    field.default = None;
                    &mut field.schema_type
                }
                RefOr::T(Schema::Array(field)) => &mut field.schema_type,
                _ => continue,
            };
            if !Self::KEPT.contains(&name.as_str())
                && let SchemaType::Type(of_a_new_user) = kind.clone()
            {
                *kind = SchemaType::Array(vec![of_a_new_user, Type::Null]);
            }
        }
        request.properties.insert("role".to_owned(), NewRole::schema());
        request.description = Some(
            "What is to change about a user. What is left out stays as it is; `null` clears a field that may be empty. \
             Keys that are not listed here are ignored."
                .to_owned(),
        );
        request.into()
    }
}

impl ToSchema for UpdateUserRequest {}

/// The user that was created, and that it was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateUserResponse<'a> {
    #[schema(examples("User created successfully"))]
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
            organization: OrganizationRef::of(organization),
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
    #[schema(pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$")]
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
    #[schema(pattern = "^org_[a-z0-9]{12}$")]
    public_id: &'a str,
}

impl<'a> OrganizationRef<'a> {
    pub(super) fn of(organization: &'a Organization) -> Self {
        Self { name: organization.name.as_str(), public_id: organization.id.as_str() }
    }
}

/// The user as the list and get-by-id endpoints return it. Always all twelve keys; `null` where nothing is known.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User)]
pub(crate) struct UserBody<'a> {
    #[schema(pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$")]
    public_id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    #[schema(required)]
    sex: Option<&'a str>,
    /// The publicId of the user who cares for this one
    #[schema(required, pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$")]
    caregiver_id: Option<&'a str>,
    role: UserRole,
    #[schema(required, format = Date, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
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
    pub(crate) fn of(user: &'a Profile) -> Self {
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

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings only")
    }
}

/// One page of users.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema; a page is put together of users as they were written before")]
pub(crate) struct UserPage<'a> {
    data: Vec<UserBody<'a>>,
    pagination: Pagination,
}

impl UserPage<'_> {
    /// The page, written.
    pub(crate) fn write(Listing { users, total, .. }: &Listing, page: Page) -> Vec<u8> {
        let pagination = Pagination::of(page, *total);
        let users: Vec<&[u8]> = users.iter().map(|user| user.written(|user| UserBody::of(user).write())).collect();
        let size = users.iter().map(|user| user.len() + 1).sum::<usize>() + MOST_AROUND;
        let mut page = Vec::with_capacity(size);
        page.extend_from_slice(b"{\"data\":[");
        for (nth, user) in users.iter().enumerate() {
            if nth > 0 {
                page.push(b',');
            }
            page.extend_from_slice(user);
        }
        page.extend_from_slice(b"],\"pagination\":");
        serde_json::to_writer(&mut page, &pagination).expect("numbers only");
        page.push(b'}');
        page
    }
}

/// Bytes of a page that are not its users'.
const MOST_AROUND: usize = 128;

/// Where in the list a page is. Counted at the same moment as the page was read.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pagination {
    #[schema(minimum = 1)]
    page: u64,
    #[schema(minimum = 1, maximum = 100)]
    page_size: u32,
    total_count: u64,
    total_pages: u64,
}

impl Pagination {
    pub(super) fn of(page: Page, total: u64) -> Self {
        Self { page: page.number, page_size: page.size, total_count: total, total_pages: page.count(total) }
    }
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
    /// Search term. Split at white space; every part must occur in first name, last name or email, or in the digits of
    /// the phone number, or be the publicId. Case, accents, apostrophes and hyphens do not count
    #[param(max_length = 200, pattern = r"^[^\u0000-\u0008\u000e-\u001f\u007f-\u009f]*$")]
    search: Option<String>,
    /// Filter by role; HIPP_ADMIN users are never returned
    role: Option<UserRole>,
    /// Filter by status: ACTIVE unless another is given
    #[param(inline)]
    status: Option<StatusFilter>,
    /// Filter by email address: exact, ignoring the case of ASCII letters
    #[param(pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    email: Option<String>,
    /// field_direction, comma-separated. Default: createdAt_desc
    #[param(
        pattern = "^(createdAt|updatedAt)_(asc|desc)(,(createdAt|updatedAt)_(asc|desc))*$",
        example = "createdAt_desc,updatedAt_asc"
    )]
    sort: Option<String>,
    /// Where to go on: taken from the `Link` of the page before. The page number is then only repeated in the answer
    #[param(pattern = "^usr_[0-9]{10}_[a-z0-9]{9}(@-?[0-9]{1,19})?$")]
    cursor: Option<String>,
    /// The whole of each user, or what the published page shows
    #[param(inline)]
    view: Option<View>,
}

/// Which users are listed.
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) enum StatusFilter {
    Active,
    Deactivated,
    All,
}

/// How much is shown of a user.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) enum View {
    Full,
}
