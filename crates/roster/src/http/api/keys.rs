//! `/api/v1/keys`: the keys that open an organization.

pub(super) mod shape;

use axum::extract::{Path, RawQuery, State};
use roster_directory::{
    Flaw, Issue, KeyId, Role,
    credential::RecertificationDate,
    issue::Code,
    key::{Access, Key, KeyName, KeyToken},
    repeat::Repeat,
};

use super::{
    super::{AppState, auth::Manager},
    body::{Check, Fields, JsonBody, OptionalBody, Value},
    error::ApiResult,
    etag::Conditions,
    json, json_bytes, json_text,
    params::{PIECE, Piece, given, link_next, options, piece_of},
    repeat::{answer_said, asked, once},
    shape::{Done, OneId},
};
use crate::{
    app::{Answering, Ends, NewKey},
    config,
};
use shape::{CreateKeyRequest, KeyBody, KeyList, KeyParams, KeyPath, KeyShown, KeyWithToken, RotateKeyRequest};

/// How long the old key works after a rotation, where nothing else is said.
const OVERLAP: i64 = 24 * 60 * 60 * 1_000;

/// Create a key
///
/// The token is in this answer and in no other, so keep it. The key opens your organization for whoever holds it. It may
/// have every role that your key may assign; one of access `READ` reads what its role may read, and changes nothing. A
/// request that is sent again under its `Idempotency-Key` makes no second key, and its answer has `token: null`: tokens
/// are kept nowhere.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "createKey",
    tag = "keys",
    security(("BearerAuth" = [])),
    request_body(content = CreateKeyRequest, content_type = "application/json", examples(
        ("basic" = (summary = "For a year", value = json!({ "name": "HR system", "role": "ADMIN" }))),
        ("complete" = (summary = "Read-only, until a day", value = json!({
            "name": "Reporting", "role": "CLINICAL_ADMIN", "access": "READ", "expiresAt": "2027-03-15T00:00:00Z"
        })))
    )),
    responses((
        status = 200, description = "Key created successfully", body = KeyShown,
        links(("getKey" = (
            operation_id = "getKey",
            parameters(("publicId" = "$response.body#/key/publicId")),
            description = "The key that was created"
        )))
    ))
)]
pub(crate) async fn create_key(
    State(shared): AppState,
    Manager(caller): Manager,
    Conditions(headers): Conditions,
    body: JsonBody,
) -> ApiResult {
    let repeat = asked(&headers, &caller, "POST /v1/keys", &body.0)?;
    let Fields { values, unknown } = Fields::read(&body.0, &["name", "role", "access", "expiresAt"])?;
    let new = new_key(&values);
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, created_before));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, Key>);
        let (key, token) = shared.app.create_key(&caller, new?, answering).await?;
        Ok(json_bytes(created(&key, Some(&token)).into()))
    };
    unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

fn created(key: &Key, token: Option<&KeyToken>) -> Vec<u8> {
    json_text(&KeyShown { message: "Key created successfully", key: KeyWithToken::of(key, token) })
}

fn created_before(key: &Key) -> Vec<u8> {
    created(key, None)
}

/// The key that a body asks for, or everything that is wrong with it, in the order of the schema.
fn new_key([name, role, access, expires_at]: &[Value<'_>; 4]) -> Result<NewKey, Vec<Issue>> {
    let mut check = Check::clearing();
    let name = check.required("name", name, KeyName::parse);
    let role = check.required_choice("role", role, &options(Role::ALL.map(Role::as_str)), Role::parse);
    let access = check.choice("access", access, &options(Access::ALL.map(Access::as_str)), Access::parse);
    let expires_at = check.clearable("expiresAt", expires_at, |text| RecertificationDate::parse(text).map(Some));
    check.finish()?;
    let (Some(name), Some(role)) = (name, role) else { unreachable!("a required field that is missing is an issue") };
    let ends = match expires_at {
        None => Ends::USUAL,
        Some(None) => Ends::Never,
        Some(Some(date)) => Ends::At(date.at()),
    };
    Ok(NewKey { name, role, access: access.unwrap_or_default(), ends })
}

/// List keys
///
/// Your organization's, by id, without their tokens: also those that were revoked, or are over.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "listKeys",
    tag = "keys",
    security(("BearerAuth" = [])),
    params(KeyParams),
    responses((
        status = 200, description = "OK", body = KeyList, headers((
            "Link" = String,
            description = "With `rel=\"next\"` the address of the others (RFC 8288), where there are some"
        ))
    ))
)]
pub(crate) async fn list_keys(
    State(shared): AppState,
    Manager(caller): Manager,
    RawQuery(query): RawQuery,
) -> ApiResult {
    let query = query.as_deref().unwrap_or_default();
    let mut issues = Vec::new();
    let Piece { size, after } = Piece::of(given(query, &PIECE), &mut issues, KeyId::parse);
    if !issues.is_empty() {
        return Err(issues.into());
    }
    let all = shared.app.keys(&caller).await?;
    let (piece, goes_on) = piece_of(&all, after, size, |key| key.id)?;
    let mut response = json(&KeyList { data: piece.iter().map(KeyBody::of).collect() });
    if let Some(last) = piece.last().filter(|_| goes_on) {
        link_next(response.headers_mut(), query, None, last.id.as_str());
    }
    Ok(response)
}

/// Get a key
///
/// Without its token.
#[utoipa::path(
    get,
    path = "/v1/keys/{publicId}",
    operation_id = "getKey",
    tag = "keys",
    security(("BearerAuth" = [])),
    params(KeyPath),
    responses((status = 200, description = "OK", body = KeyBody))
)]
pub(crate) async fn get_key(State(shared): AppState, Manager(caller): Manager, path: OneId) -> ApiResult {
    Ok(json(&KeyBody::of(&shared.app.key(&caller, key_id(path)?).await?)))
}

/// Revoke a key
///
/// The next request with it is refused, whichever process it reaches. Revoking it again changes nothing. The last key that
/// manages the organization (role `ADMIN` or `HIPP_ADMIN`, access `WRITE`) is not revoked.
#[utoipa::path(
    delete,
    path = "/v1/keys/{publicId}",
    operation_id = "revokeKey",
    tag = "keys",
    security(("BearerAuth" = [])),
    params(KeyPath),
    responses(
        (status = 200, description = "OK", body = Done),
        (
            status = 409, description = "It is the last key that manages the organization",
            body = super::users::change::ErrorBody
        )
    )
)]
pub(crate) async fn revoke_key(State(shared): AppState, Manager(caller): Manager, path: OneId) -> ApiResult {
    shared.app.revoke_key(&caller, key_id(path)?).await?;
    Ok(json(&Done { message: "Key revoked successfully" }))
}

/// Rotate a key
///
/// Makes a key that takes over from this one: same name, role and access, and as long a life. Its token is in this answer
/// and in no other. Both work until the `overlap` is over, then only the new one.
#[utoipa::path(
    post,
    path = "/v1/keys/{publicId}/rotate",
    operation_id = "rotateKey",
    tag = "keys",
    security(("BearerAuth" = [])),
    params(KeyPath),
    request_body(content = RotateKeyRequest, content_type = "application/json"),
    responses((status = 200, description = "The new key", body = KeyShown))
)]
pub(crate) async fn rotate_key(
    State(shared): AppState,
    Manager(caller): Manager,
    path: OneId,
    Conditions(headers): Conditions,
    body: OptionalBody,
) -> ApiResult {
    let id = key_id(path)?;
    let repeat = asked(&headers, &caller, &format!("POST /v1/keys/{id}/rotate"), &body.0)?;
    let Fields { values: [overlap], unknown } = Fields::read(body.object(), &["overlap"])?;
    let overlap = overlap_of(&overlap);
    let act = async |repeat: Option<&Repeat>| {
        let answering = repeat.map(|repeat| answer_said(repeat, rotated_before));
        let answering = answering.as_ref().map(|answering| answering as Answering<'_, Key>);
        let (key, token) = shared.app.rotate_key(&caller, id, overlap?, answering).await?;
        Ok(json_bytes(rotated(&key, Some(&token)).into()))
    };
    unknown.fields_in(once(&shared, &caller, repeat, act).await)
}

fn rotated(key: &Key, token: Option<&KeyToken>) -> Vec<u8> {
    json_text(&KeyShown { message: "Key rotated successfully", key: KeyWithToken::of(key, token) })
}

fn rotated_before(key: &Key) -> Vec<u8> {
    rotated(key, None)
}

fn overlap_of(overlap: &Value<'_>) -> Result<i64, Vec<Issue>> {
    let mut check = Check::default();
    let wanted = |_| Flaw::new(Code::Custom, "Expected a number and a unit: 24h, 30m, 7d or 0s");
    let overlap = check.optional("overlap", overlap, |text| config::millis(text).map_err(wanted));
    check.finish()?;
    Ok(overlap.unwrap_or(OVERLAP))
}

fn key_id(path: OneId) -> Result<KeyId, Vec<Issue>> {
    let id = path.ok().and_then(|Path(id)| KeyId::parse(&id));
    id.ok_or_else(|| vec![Flaw::malformed("Invalid publicId format").at(["publicId"])])
}
