//! What keys look like on the wire.

use std::borrow::Cow;

use roster_directory::key::{Access, Key, KeyToken};
use serde::{Serialize, Serializer};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use super::super::role::{UserRole, words};

/// A key to be made. Keys of the object that are not listed here are ignored.
// Values never take this shape: a body is read field by field.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct CreateKeyRequest {
    /// What it is for: one line. No other live key of the organization may have the name, in whatever case
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0][^\u0000-\u001f\u007f-\u009f]*$"
    )]
    name: String,
    // Described where it is made: a comment here would wrap the list of words in an `allOf`.
    #[schema(inline)]
    role: UserRole,
    #[schema(nullable = false, inline)]
    access: Option<KeyAccess>,
    /// The first moment at which it no longer works: in the future, RFC 3339. Left out: 365 days from now. `null`: never
    #[schema(required = false, format = DateTime)]
    expires_at: Option<String>,
}

/// How a key is replaced. Keys of the object that are not listed here are ignored.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct RotateKeyRequest {
    /// How long the old key still works: a number and `d`, `h`, `m` or `s`. Left out: 24 hours
    #[schema(nullable = false, pattern = "^([0-9]{1,4}d|[0-9]{1,5}h|[0-9]{1,7}m|[0-9]{1,9}s)$", example = "24h")]
    overlap: Option<String>,
}

/// A key, but for its token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Key)]
pub(crate) struct KeyBody<'a> {
    /// Key public identifier. It stands readable in the token
    #[schema(pattern = "^key_[a-z0-9]{12}$")]
    public_id: &'a str,
    /// What it is for
    name: &'a str,
    role: UserRole,
    access: KeyAccess,
    #[schema(format = DateTime)]
    created_at: String,
    /// The public identifier of the key that made it, or `cli`. Null: an earlier build made it
    #[schema(required, nullable)]
    created_by: Option<&'a str>,
    /// The first moment at which it no longer works; null: never
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// When a request with it was answered last, true to a minute; null: never
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
    /// When it was revoked; null: it was not
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
    /// The public identifier of the key that it took over from
    #[schema(required, pattern = "^key_[a-z0-9]{12}$")]
    replaces: Option<&'a str>,
}

impl<'a> KeyBody<'a> {
    pub(super) fn of(key: &'a Key) -> Self {
        let moment = |at: Option<roster_directory::Timestamp>| at.map(|at| at.to_string());
        Self {
            public_id: key.id.as_str(),
            name: key.name.as_str(),
            role: UserRole(key.role),
            access: KeyAccess(key.access),
            created_at: key.created_at.to_string(),
            created_by: key.created_by.as_deref(),
            expires_at: moment(key.expires_at),
            last_used_at: moment(key.last_used_at),
            revoked_at: moment(key.revoked_at),
            replaces: key.replaces.as_ref().map(|id| id.as_str()),
        }
    }
}

/// A key, and the token that opens the organization.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyWithToken<'a> {
    /// Key public identifier. It stands readable in the token
    #[schema(pattern = "^key_[a-z0-9]{12}$")]
    public_id: &'a str,
    /// What it is for
    name: &'a str,
    role: UserRole,
    access: KeyAccess,
    #[schema(format = DateTime)]
    created_at: String,
    /// The public identifier of the key that made it, or `cli`. Null: an earlier build made it
    #[schema(required, nullable)]
    created_by: Option<&'a str>,
    /// The first moment at which it no longer works; null: never
    #[schema(required, format = DateTime)]
    expires_at: Option<String>,
    /// When a request with it was answered last, true to a minute; null: never
    #[schema(required, format = DateTime)]
    last_used_at: Option<String>,
    /// When it was revoked; null: it was not
    #[schema(required, format = DateTime)]
    revoked_at: Option<String>,
    /// The public identifier of the key that it took over from
    #[schema(required, pattern = "^key_[a-z0-9]{12}$")]
    replaces: Option<&'a str>,
    /// What goes into `Authorization: Bearer`. Never shown again: null where the request was sent again under its
    /// `Idempotency-Key`
    #[schema(required, nullable)]
    token: Option<&'a str>,
}

impl<'a> KeyWithToken<'a> {
    pub(super) fn of(key: &'a Key, token: Option<&'a KeyToken>) -> Self {
        let KeyBody {
            public_id,
            name,
            role,
            access,
            created_at,
            created_by,
            expires_at,
            last_used_at,
            revoked_at,
            replaces,
        } = KeyBody::of(key);
        Self {
            public_id,
            name,
            role,
            access,
            created_at,
            created_by,
            expires_at,
            last_used_at,
            revoked_at,
            replaces,
            token: token.map(KeyToken::reveal),
        }
    }
}

/// A key with its token, and what was done.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyShown<'a> {
    #[schema(examples("Key created successfully"))]
    pub(super) message: &'static str,
    pub(super) key: KeyWithToken<'a>,
}

/// Some of the keys.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyList<'a> {
    /// By id
    pub(super) data: Vec<KeyBody<'a>>,
}

/// How a list of keys is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct KeyParams {
    /// How many keys to show
    #[param(minimum = 1, maximum = 100, default = 25)]
    page_size: Option<u32>,
    /// The `publicId` of the last key seen
    #[param(pattern = "^key_[a-z0-9]{12}$")]
    cursor: Option<String>,
}

/// Which key.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it is the schema; values never take this shape")]
pub(crate) struct KeyPath {
    /// Key public identifier
    #[param(rename = "publicId", example = "key_abc123def456", pattern = "^key_[a-z0-9]{12}$")]
    public_id: String,
}

/// What a key may be used for.
#[derive(Clone, Copy)]
pub(crate) struct KeyAccess(pub(crate) Access);

impl Serialize for KeyAccess {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl PartialSchema for KeyAccess {
    fn schema() -> RefOr<Schema> {
        let description = "What the key may be used for, within what its role may do: `READ` changes nothing.";
        words(Access::ALL.map(Access::as_str)).default(Some("WRITE".into())).description(Some(description)).into()
    }
}

impl ToSchema for KeyAccess {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("KeyAccess")
    }
}
