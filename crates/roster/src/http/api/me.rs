//! `/api/v1/me`: who a key is, and what it may do.

use axum::extract::State;
use roster_directory::RoleSet;
use serde::Serialize;
use utoipa::ToSchema;

use super::{super::AppState, error::ApiResult, json, keys::shape::KeyAccess, role::UserRole, warning};
use crate::app::Caller;

/// Who the key is, and what it may do
///
/// `mayCreate` and `mayRead` are the rows of the role table for the key's role; a key of access `READ` may create nobody.
/// The key itself is never shown. In its last 14 days `Roster-Warning` says `key-ends-soon` and the whole days left.
#[utoipa::path(
    get,
    path = "/v1/me",
    operation_id = "getMe",
    tag = "me",
    security(("BearerAuth" = [])),
    responses((status = 200, description = "OK", body = Me))
)]
pub(crate) async fn get_me(State(shared): AppState, caller: Caller) -> ApiResult {
    let identity = &caller.identity;
    let key = identity.key.as_ref().map(|record| &record.key);
    let roles = |roles: RoleSet| roles.iter().map(UserRole).collect();
    let mut response = json(&Me {
        key: key.map(|key| MeKey {
            public_id: key.id.as_str(),
            name: key.name.as_str(),
            role: UserRole(key.role),
            access: KeyAccess(key.access),
            created_at: key.created_at.to_string(),
            expires_at: key.expires_at.map(|at| at.to_string()),
        }),
        organization: MeOrganization {
            name: identity.organization.name.as_str(),
            public_id: identity.organization.id.as_str(),
        },
        may_create: roles(identity.may_create),
        may_read: roles(identity.may_read),
    });
    if let Some(days) = key.and_then(|key| key.days_left(shared.app.clock().latest())) {
        warning::add(response.headers_mut(), &format!("key-ends-soon;days={days}"));
    }
    Ok(response)
}

/// Who the key is, and what it may do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me<'a> {
    // Whoever asks over HTTP has one.
    #[schema(required, nullable = false)]
    key: Option<MeKey<'a>>,
    organization: MeOrganization<'a>,
    /// The roles it may create, assign and change
    may_create: Vec<UserRole>,
    /// The roles it may read
    may_read: Vec<UserRole>,
}

/// The key, but for its secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeKey<'a> {
    /// Key public identifier
    #[schema(pattern = "^key_[a-z0-9]{12}$")]
    public_id: &'a str,
    /// What the key is for
    name: &'a str,
    role: UserRole,
    access: KeyAccess,
    #[schema(format = DateTime)]
    created_at: String,
    /// The first moment at which the key no longer works; null: never
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
}

/// The organization the key opens.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MeOrganization<'a> {
    name: &'a str,
    #[schema(pattern = "^org_[a-z0-9]{12}$")]
    public_id: &'a str,
}
