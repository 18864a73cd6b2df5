//! Roles on the wire.

use std::borrow::Cow;

use roster_directory::Role;
use serde::{Serialize, Serializer};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

/// A role on the wire.
#[derive(Clone, Copy)]
pub(crate) struct UserRole(pub(crate) Role);

impl Serialize for UserRole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl PartialSchema for UserRole {
    fn schema() -> RefOr<Schema> {
        words(Role::ALL.map(Role::as_str))
            .description(Some(
                "User role. All values may be returned by the API; a smaller subset may be assigned when creating a \
                 user (see the create user endpoint). Note that HIPP_ADMIN users are never returned by the list users \
                 endpoint.",
            ))
            .into()
    }
}

impl ToSchema for UserRole {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("UserRole")
    }
}

/// A role that the API can give a new user.
pub(crate) struct AssignableRole;

impl PartialSchema for AssignableRole {
    fn schema() -> RefOr<Schema> {
        words(Role::ASSIGNABLE.map(Role::as_str))
            .default(Some(Role::Technician.as_str().into()))
            .description(Some(
                "Role to assign the new user (defaults to TECHNICIAN). The roles you may assign are further restricted \
                 by your own role; requesting a role you are not permitted to create returns 403.",
            ))
            .into()
    }
}

impl ToSchema for AssignableRole {}

/// The role that the API gives a user who is there.
pub(crate) struct NewRole;

impl PartialSchema for NewRole {
    fn schema() -> RefOr<Schema> {
        let description = "The role the user gets. The key needs the right over it, and over the one the user has.";
        words(Role::ASSIGNABLE.map(Role::as_str)).description(Some(description)).into()
    }
}

impl ToSchema for NewRole {}

/// One of several words.
pub(super) fn words<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).enum_values(Some(words))
}
