//! `/api/v1/users`: create, list, get by id.

pub(super) mod change;
pub(super) mod export;
mod parse;
pub(super) mod shape;
mod whole;

use axum::{
    extract::{Path, RawQuery, State, rejection::PathRejection},
    response::Response,
};
use bytes::Bytes;
use hyper::{
    HeaderMap, StatusCode,
    header::{HeaderValue, IF_NONE_MATCH},
};
use quick_cache::{Weighter, sync::Cache};
use roster_directory::{
    Flaw, Issue, Organization, OrganizationId, Role, User, UserId, query::Page, repeat::Repeat, user::Warning,
};
use roster_store::Altered;

use super::{
    super::{
        AppState,
        auth::{Creator, Reader},
    },
    body::JsonBody,
    error::ApiResult,
    etag::{self, Conditions},
    json, json_bytes,
    params::link_next,
    repeat::{answer, asked, once},
    warning::{List, is_harmless},
};
use crate::app::{Acted, Answering, Caller, Error};
pub(crate) use parse::{EXPORT, FIELDS, PARAMETERS, VIEW, cells, line};
use shape::{CreateUserRequest, CreateUserResponse, ListParams, Pagination, UserBody, UserPage, View};
pub(crate) use whole::WholeUserBody;
use whole::WholeUserPage;

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
    responses(
        (
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
        )
    )
)]
pub(crate) async fn create_user(
    State(shared): AppState,
    Creator(caller): Creator,
    Conditions(headers): Conditions,
    body: JsonBody,
) -> ApiResult {
    let repeat = asked(&headers, &caller, "POST /v1/users", &body.0)?;
    let (new, unknown) = parse::new_user(&body.0);
    let caller = &caller;
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| move |acted: &Acted| answer(repeat, acted, caller, created, written));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_>);
        Ok(created(&shared.app.create_user(caller, new?, answering).await?, caller))
    };
    unknown.fields_in(once(&shared, caller, repeat, act).await)
}

fn written(user: &User, organization: &Organization) -> Vec<u8> {
    serde_json::to_vec(&CreateUserResponse::of(user, organization)).expect("strings only")
}

fn created(acted: &Acted, caller: &Caller) -> Response {
    let mut response = json(&CreateUserResponse::of(&acted.user, &caller.identity.organization));
    listed(&acted.warnings).add_to(response.headers_mut());
    response
}

/// Get paginated list of users
///
/// Exact and current: whatever was answered before this request is in it. With `view=full` each user is a `WholeUser`, which
/// has more keys.
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
    let whole = query.whole;
    let listing = shared.app.list_users(&caller, query).await?;
    let mut response = match whole {
        false => json_bytes(UserPage::write(&listing, page).into()),
        true => {
            let organization = &caller.identity.organization;
            let data = listing.whole.iter().map(|user| WholeUserBody::of(user, organization)).collect();
            json(&WholeUserPage { data, pagination: Pagination::of(page, listing.total) })
        }
    };
    if let Some(last) = listing.users.last().filter(|_| listing.goes_on) {
        let number = (page.number + 1).min(Page::MAX_NUMBER);
        let id = last.profile.id;
        match listing.last_turn {
            None => link_next(response.headers_mut(), text, Some(number), id.as_str()),
            Some(turn) => link_next(response.headers_mut(), text, Some(number), &format!("{id}@{turn}")),
        }
    }
    Ok(response)
}

/// Get user by publicId
///
/// A user of another organization, or of a role the key may not read, is as unknown as one that never was. With `view=full`
/// the answer is a `WholeUser`, which has more keys.
#[utoipa::path(
    get,
    path = "/v1/users/{publicId}",
    operation_id = "getUser",
    tag = "users",
    security(("BearerAuth" = [])),
    params(
        (
            "publicId" = String, Path, description = "User public identifier", example = "usr_1234567890_abc123def",
            pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$"
        ),
        ("view" = Option<View>, Query, description = "The whole user, or what the published page shows"),
        ("If-None-Match" = Option<String>, Header, nullable = false, description = "The `ETag` that you have")
    ),
    responses(
        (
            status = 200, description = "OK", body = UserBody,
            headers(("ETag" = String, description = "This version of the user in this view"))
        ),
        (status = 304, description = "You have it: the user still has that `ETag`")
    )
)]
pub(crate) async fn get_user(
    State(shared): AppState,
    Reader(caller): Reader,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    Conditions(headers): Conditions,
) -> ApiResult {
    let id = user_id(path)?;
    if parse::view(query.as_deref().unwrap_or_default())? {
        let (user, organization) = (shared.app.user(&caller, id).await?, &caller.identity.organization);
        let tag = etag::of_whole(user.version, organization);
        return Ok(tagged(tag, &headers, || WholeUserBody::of(&user, organization).write().into()));
    }

    let ready = match shared.answers.get(&id).filter(|ready| ready.organization == caller.organization()) {
        Some(ready) => ready,
        None => {
            let altered = shared.app.store().altered();
            let profile = shared.app.profile(&caller, id).await?;
            let body = UserBody::of(&profile).write().into();
            let (organization, tag) = (caller.organization(), etag::of_version(profile.version));
            let ready = Ready { organization, role: profile.role, tag, body };
            shared.answers.insert(id, ready.clone());
            if shared.app.store().altered() != altered {
                shared.answers.remove(&id);
            }
            ready
        }
    };
    if !caller.identity.may_read.contains(ready.role) {
        return Err(Error::NotFound.into());
    }
    Ok(tagged(ready.tag, &headers, || ready.body))
}

/// The answer of this tag, unless whoever asks has it already (RFC 9110 §13.1.2).
fn tagged(tag: HeaderValue, headers: &HeaderMap, body: impl FnOnce() -> Bytes) -> Response {
    let is_known = headers.contains_key(IF_NONE_MATCH) && etag::is_known(headers, &tag);
    let mut response = match is_known {
        false => json_bytes(body()),
        true => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
    };
    etag::add(response.headers_mut(), tag);
    response
}

/// The user that a path names.
fn user_id(path: Result<Path<String>, PathRejection>) -> Result<UserId, Vec<Issue>> {
    let id = path.ok().and_then(|Path(id)| UserId::parse(&id));
    id.ok_or_else(|| vec![Flaw::malformed("Invalid publicId format").at(["publicId"])])
}

/// Answers of get by id that can be sent as they are. Of whoever is altered they are dropped.
pub(crate) type Answers = Cache<UserId, Ready, Weigh>;

/// Drops what is kept of whoever was altered.
pub(crate) fn forget(answers: &Answers, altered: Altered<'_>) {
    match altered {
        Altered::Users(users) => users.iter().for_each(|id| drop(answers.remove(id))),
        Altered::Anybody => answers.clear(),
    }
}

/// One of them.
#[derive(Clone)]
pub(crate) struct Ready {
    organization: OrganizationId,
    role: Role,
    tag: HeaderValue,
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

impl Weighter<UserId, Ready> for Weigh {
    fn weight(&self, _: &UserId, ready: &Ready) -> u64 {
        ready.body.len() as u64 + 256
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
