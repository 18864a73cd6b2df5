//! A care organization: the tenant. Everything else belongs to exactly one.

use crate::{OrganizationId, Timestamp, text::text_type};

text_type!(
    /// What the organization calls itself.
    OrganizationName, 200, line
);

/// One organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its public id.
    pub id: OrganizationId,
    /// What it calls itself.
    pub name: OrganizationName,
    /// When it was created.
    pub created_at: Timestamp,
}
