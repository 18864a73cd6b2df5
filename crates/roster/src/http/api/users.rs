//! `/api/v1/users`: create, list, get by id.

mod parse;
pub(super) mod shape;

use axum::extract::{Path, RawQuery, State, rejection::PathRejection};
use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};
use roster_directory::{Flaw, Issue, NewUser, OrganizationId, Role, UserId, query::Page, user::Warning};
use roster_store::Epoch;

use super::{
    super::{
        AppState, Shared,
        auth::{Creator, Reader},
    },
    body::JsonBody,
    error::ApiResult,
    json, json_bytes,
    params::link_next,
    warning::{List, is_harmless},
};
use crate::app::{Caller, Created, Error};
pub(crate) use parse::{PARAMETERS, new_user};
use shape::{CreateUserRequest, CreateUserResponse, ListParams, UserBody, UserPage};

/// Warnings about payors that are spelled out; the others are counted, so that the header stays short.
const MAX_NAMED_PAYORS: usize = 20;

/// Create a new user
///
/// Create a new user in your organization via API. Requires API key authentication.
///
/// When the answer arrives, the user is on disk. What was taken although it looks wrong, or was skipped, is named in
/// the `Roster-Warning` header.
#[utoipa::path(
    post,
    path = "/v1/users",
    operation_id = "createUser",
    tag = "users",
    security(("BearerAuth" = [])),
    request_body(content = CreateUserRequest, content_type = "application/json", examples(
        ("basic" = (summary = "Basic user creation", value = json!({
            "firstName": "John", "lastName": "Doe", "email": "john.doe@example.com", "role": "TECHNICIAN"
        }))),
        ("complete" = (summary = "Complete user creation", value = json!({
            "firstName": "Jane", "lastName": "Smith", "email": "jane.smith@example.com", "role": "CLINICIAN",
            "phoneNumber": "+1234567890", "npiNumber": "1234567890", "shouldSendSMS": false,
            "providerPayors": ["abc123"]
        })))
    )),
    responses((
        status = 200, description = "User created successfully", body = CreateUserResponse, headers((
            "Roster-Warning" = String,
            description = "What was taken all the same, as an RFC 8941 list: `unknown-payor`, `more-unknown-payors`, \
                           `npi-check-digit`, `phone-unreachable`, `unknown-field`, `more-unknown-fields`, \
                           `unknown-parameter`, `more-unknown-parameters`; not there if nothing is to be said"
        )),
        links(("getUser" = (
            operation_id = "getUser",
            parameters(("publicId" = "$response.body#/user/publicId")),
            description = "The user that was created"
        )))
    ))
)]
pub(crate) async fn create_user(State(shared): AppState, Creator(caller): Creator, body: JsonBody) -> ApiResult {
    let (new, unknown) = parse::new_user(&body.0);
    unknown.fields_in(create(&shared, &caller, new).await)
}

async fn create(shared: &Shared, caller: &Caller, new: Result<NewUser, Vec<Issue>>) -> ApiResult {
    let Created { user, warnings } = shared.app.create_user(caller, new?).await?;
    let mut response = json(&CreateUserResponse::of(&user, &caller.identity.organization));
    if !warnings.is_empty() {
        listed(&warnings).add_to(response.headers_mut());
    }
    Ok(response)
}

/// Get paginated list of users
///
/// Exact and current: whatever was answered before this request is in it.
#[utoipa::path(
    get,
    path = "/v1/users",
    operation_id = "listUsers",
    tag = "users",
    security(("BearerAuth" = [])),
    params(ListParams),
    responses((
        status = 200, description = "OK", body = UserPage, headers((
            "Link" = String,
            description = "With `rel=\"next\"` the next page (RFC 8288), where there is one, relative to this one. It costs the \
                           same at any depth, and neither repeats nor skips a user when others are created meanwhile"
        ))
    ))
)]
pub(crate) async fn list_users(
    State(shared): AppState,
    Reader(caller): Reader,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let text = query.as_deref().unwrap_or_default();
    let query = parse::query(text, caller.identity.may_read)?;
    let page = query.page;
    let listing = shared.app.list_users(&caller, query).await?;
    let mut response = json_bytes(UserPage::write(&listing, page).into());
    if let Some(last) = listing.users.last().filter(|_| listing.goes_on) {
        let number = (page.number + 1).min(Page::MAX_NUMBER);
        link_next(response.headers_mut(), text, Some(number), last.profile.id.as_str());
    }
    Ok(response)
}

/// Get user by publicId
///
/// A user of another organization, or of a role the key may not read, is as unknown as one that never was.
#[utoipa::path(
    get,
    path = "/v1/users/{publicId}",
    operation_id = "getUser",
    tag = "users",
    security(("BearerAuth" = [])),
    params((
        "publicId" = String, Path, description = "User public identifier", example = "usr_1234567890_abc123def",
        pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$"
    )),
    responses((status = 200, description = "OK", body = UserBody))
)]
pub(crate) async fn get_user(
    State(shared): AppState,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
) -> ApiResult {
    let id = path.ok().and_then(|Path(id)| UserId::parse(&id));
    let id = id.ok_or_else(|| vec![Flaw::malformed("Invalid publicId format").at(["publicId"])])?;

    let place = (caller.organization(), id);
    let ready = match shared.answers.get(&place).filter(|ready| ready.epoch == caller.epoch) {
        Some(ready) => ready,
        None => {
            let user = shared.app.user(&caller, id).await?;
            let role = user.role;
            let body = UserBody::of(&user.into()).write().into();
            let ready = Ready { epoch: caller.epoch, role, body };
            shared.answers.insert(place, ready.clone());
            ready
        }
    };
    if !caller.identity.may_read.contains(ready.role) {
        return Err(Error::NotFound.into());
    }
    Ok(json_bytes(ready.body))
}

/// Answers of get by id that can be sent as they are: by organization and user, right under one epoch.
pub(crate) type Answers = Cache<(OrganizationId, UserId), Ready, Weigh>;

/// One of them.
#[derive(Clone)]
pub(crate) struct Ready {
    epoch: Epoch,
    role: Role,
    body: Bytes,
}

/// Room for so many mebibytes of them.
pub(crate) fn answers(mebibytes: u32) -> Answers {
    let bytes = u64::from(mebibytes) << 20;
    // An answer and its bookkeeping take about half a kibibyte.
    Cache::with_weighter((bytes / 512) as usize, bytes, Weigh)
}

/// An answer weighs its bytes, its key and the cache's own bookkeeping.
#[derive(Clone)]
pub(crate) struct Weigh;

impl Weighter<(OrganizationId, UserId), Ready> for Weigh {
    fn weight(&self, _: &(OrganizationId, UserId), ready: &Ready) -> u64 {
        ready.body.len() as u64 + 176
    }
}

/// What was taken all the same.
fn listed(warnings: &[Warning]) -> List {
    let mut list = List::default();
    let mut unnamed_payors = 0;
    for warning in warnings {
        match warning {
            Warning::UnknownPayor { index, .. } if *index >= MAX_NAMED_PAYORS => unnamed_payors += 1,
            Warning::UnknownPayor { index, id } if is_harmless(id) => {
                list.push(format_args!("unknown-payor;index={index};id=\"{id}\""));
            }
            Warning::UnknownPayor { index, .. } => list.push(format_args!("unknown-payor;index={index}")),
            Warning::NpiCheckDigit => list.push(format_args!("npi-check-digit")),
            Warning::PhoneUnreachable => list.push(format_args!("phone-unreachable")),
        }
    }
    if unnamed_payors > 0 {
        list.push(format_args!("more-unknown-payors;count={unnamed_payors}"));
    }
    list
}
