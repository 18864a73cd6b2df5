//! Changing a user: `PATCH`, `DELETE`, deactivate and restore.

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use hyper::{HeaderMap, StatusCode};
use roster_directory::{
    Issue, Organization, User, UserId,
    user::{Email, Reason},
};
use utoipa::ToSchema;

use super::{
    super::{
        super::{
            AppState, Shared,
            auth::{Creator, Manager},
        },
        body::{Check, Fields, OptionalBody, PatchBody},
        error::{ApiResult, Refusal},
        etag::{self, Conditions},
        json_bytes,
        repeat::{answer, asked, once},
        warning::Unknown,
    },
    listed, parse,
    shape::UpdateUserRequest,
    user_id,
    whole::WholeUserBody,
};
use crate::app::{Acted, Answering, Caller};

/// Change a user
///
/// A JSON merge patch (RFC 7396): what is left out stays as it is, `null` clears a field. `providerPayors` and `metadata`
/// are replaced whole. Every rule is that of create. What changes nothing writes nothing: no event, no audit entry, the
/// same `updatedAt`. The key needs the right over the role the user has and over the one it gets. When the answer arrives,
/// the change is on disk.
#[utoipa::path(
    patch,
    path = "/v1/users/{publicId}",
    operation_id = "updateUser",
    tag = "users",
    security(("BearerAuth" = [])),
    params(
        ("publicId" = String, Path, description = "User public identifier", pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$"),
        ("If-Match" = Option<String>, Header, nullable = false, description = "Change the user only if it still has this `ETag`")
    ),
    request_body(
        description = "What is to change",
        content(
            (UpdateUserRequest = "application/json", example = json!({ "lastName": "Smith-Lee", "phoneNumber": null })),
            (UpdateUserRequest = "application/merge-patch+json", example = json!({ "role": "CLINICIAN" }))
        )
    ),
    responses(
        (
            status = 200, description = "The user as it is now", body = WholeUserBody, headers((
                "ETag" = String, description = "This version of the user, for `If-Match`"
            ), (
                "Roster-Warning" = String,
                description = "What was taken all the same, as for create; not there if nothing is to be said"
            ))
        ),
        (status = 412, description = "The user is not of the version that `If-Match` names", body = ErrorBody)
    )
)]
pub(crate) async fn update_user(
    State(shared): AppState,
    Creator(caller): Creator,
    path: Result<Path<String>, PathRejection>,
    Conditions(headers): Conditions,
    body: PatchBody,
) -> ApiResult {
    let id = user_id(path)?;
    let (patch, unknown) = parse::patch(&body.0);
    let act = async || {
        let acted = shared.app.update_user(&caller, id, &etag::meant(&headers), &patch?).await?;
        Ok(whole(&acted, &caller))
    };
    unknown.fields_in(act().await)
}

/// Deactivate a user
///
/// The user leaves: lists do not show it unless they are asked to, its e-mail and `externalId` are free, and what it is
/// still owed is dropped. Get by id still answers. A user who is deactivated already stays as it is.
#[utoipa::path(
    post,
    path = "/v1/users/{publicId}/deactivate",
    operation_id = "deactivateUser",
    tag = "users",
    security(("BearerAuth" = [])),
    params(
        ("publicId" = String, Path, description = "User public identifier", pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$"),
        ("If-Match" = Option<String>, Header, nullable = false, description = "Only if the user still has this `ETag`")
    ),
    request_body(content = DeactivateUserRequest, content_type = "application/json"),
    responses(
        (
            status = 200, description = "The user as it is now", body = WholeUserBody,
            headers(("ETag" = String, description = "This version of the user, for `If-Match`"))
        ),
        (status = 412, description = "The user is not of the version that `If-Match` names", body = ErrorBody)
    )
)]
pub(crate) async fn deactivate_user(
    State(shared): AppState,
    Creator(caller): Creator,
    path: Result<Path<String>, PathRejection>,
    Conditions(headers): Conditions,
    body: OptionalBody,
) -> ApiResult {
    let id = user_id(path)?;
    let (reason, unknown) =
        one_field(&body, &["reason"], |check, value| check.optional("reason", value, Reason::given))?;
    let act = reason.map(|reason| Act::Deactivate(reason.flatten()));
    unknown.fields_in(acting(&shared, &caller, &headers, (id, "deactivate"), &body, act).await)
}

/// Restore a user
///
/// The user comes back, with the e-mail it had or another one. If that is taken meanwhile, it is a 400 at `email`. A user
/// who is active already stays as it is.
#[utoipa::path(
    post,
    path = "/v1/users/{publicId}/restore",
    operation_id = "restoreUser",
    tag = "users",
    security(("BearerAuth" = [])),
    params(
        ("publicId" = String, Path, description = "User public identifier", pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$"),
        ("If-Match" = Option<String>, Header, nullable = false, description = "Only if the user still has this `ETag`")
    ),
    request_body(content = RestoreUserRequest, content_type = "application/json"),
    responses(
        (
            status = 200, description = "The user as it is now", body = WholeUserBody,
            headers(("ETag" = String, description = "This version of the user, for `If-Match`"))
        ),
        (status = 412, description = "The user is not of the version that `If-Match` names", body = ErrorBody)
    )
)]
pub(crate) async fn restore_user(
    State(shared): AppState,
    Creator(caller): Creator,
    path: Result<Path<String>, PathRejection>,
    Conditions(headers): Conditions,
    body: OptionalBody,
) -> ApiResult {
    let id = user_id(path)?;
    let (email, unknown) = one_field(&body, &["email"], |check, value| check.optional("email", value, Email::parse))?;
    let act = email.map(Act::Restore);
    unknown.fields_in(acting(&shared, &caller, &headers, (id, "restore"), &body, act).await)
}

/// Erase a user
///
/// For keys of role ADMIN and HIPP_ADMIN, and of a deactivated user only. Every value that was the user's leaves the
/// database: its row, its index entries, its messages, what was answered about it. Its id stays in the audit trail and the
/// feed, is unknown everywhere else, and is never given again. Users whose caregiver it was have none from then on.
#[utoipa::path(
    delete,
    path = "/v1/users/{publicId}",
    operation_id = "eraseUser",
    tag = "users",
    security(("BearerAuth" = [])),
    params(
        ("publicId" = String, Path, description = "User public identifier", pattern = "^usr_[0-9]{10}_[a-z0-9]{9}$"),
        ("If-Match" = Option<String>, Header, nullable = false, description = "Only if the user still has this `ETag`")
    ),
    responses(
        (status = 204, description = "The user is erased"),
        (status = 409, description = "The user is active", body = ErrorBody),
        (status = 412, description = "The user is not of the version that `If-Match` names", body = ErrorBody)
    )
)]
pub(crate) async fn erase_user(
    State(shared): AppState,
    Manager(caller): Manager,
    path: Result<Path<String>, PathRejection>,
    Conditions(headers): Conditions,
) -> ApiResult {
    shared.app.erase_user(&caller, user_id(path)?, &etag::meant(&headers)).await?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// What went wrong.
#[derive(ToSchema)]
#[schema(as = Error)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct ErrorBody {
    error: String,
}

/// Why a user is deactivated.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct DeactivateUserRequest {
    /// For whoever asks later. It is erased with the user
    #[schema(
        nullable = false,
        max_length = 500,
        pattern = r"^[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*[^\u0000-\u001f\u007f-\u009f]*[\u0009-\u000d\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*$"
    )]
    reason: Option<String>,
}

/// How a user comes back.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct RestoreUserRequest {
    /// Another e-mail than the one of before
    #[schema(
        nullable = false,
        format = Email,
        max_length = 254,
        pattern = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
    )]
    email: Option<String>,
}

/// The one field that a body may have.
fn one_field<'a, T>(
    body: &'a OptionalBody,
    names: &'static [&'static str; 1],
    take: impl FnOnce(&mut Check, &super::super::body::Value<'a>) -> T,
) -> Result<(Result<T, Vec<Issue>>, Unknown), Refusal> {
    let Fields { values: [value], unknown } = Fields::read(body.object(), names)?;
    let mut check = Check::default();
    let taken = take(&mut check, &value);
    Ok((check.finish().map(|()| taken), unknown))
}

/// What a POST does to a user.
enum Act {
    Deactivate(Option<Reason>),
    Restore(Option<Email>),
}

/// An act that is done once, however often it is asked for under one `Idempotency-Key`.
async fn acting(
    shared: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    (id, name): (UserId, &str),
    body: &OptionalBody,
    act: Result<Act, Vec<Issue>>,
) -> ApiResult {
    let repeat = asked(headers, caller, &format!("POST /v1/users/{id}/{name}"), &body.0)?;
    once(shared, caller, repeat, async |repeat| {
        let answering = repeat.map(|repeat| move |acted: &Acted| answer(repeat, acted, caller, whole, written));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_>);
        let meant = etag::meant(headers);
        let acted = match act? {
            Act::Deactivate(reason) => shared.app.deactivate_user(caller, id, &meant, reason, answering).await?,
            Act::Restore(email) => shared.app.restore_user(caller, id, &meant, email, answering).await?,
        };
        Ok(whole(&acted, caller))
    })
    .await
}

fn written(user: &User, organization: &Organization) -> Vec<u8> {
    WholeUserBody::of(user, organization).write()
}

/// The whole user, its version, and what is to be warned of.
fn whole(acted: &Acted, caller: &Caller) -> Response {
    let organization = &caller.identity.organization;
    let mut response = json_bytes(written(&acted.user, organization).into());
    etag::add(response.headers_mut(), etag::of_whole(acted.user.version, organization));
    listed(&acted.warnings).add_to(response.headers_mut());
    response
}
