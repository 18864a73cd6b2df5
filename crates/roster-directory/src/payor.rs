//! A payor: the insurer or public programme that pays an organization for care, and that credentials its providers.

use crate::{PayorId, Timestamp, text::text_type};

text_type!(
    /// What the payor is called.
    PayorName, 200, line
);

/// One payor of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payor {
    /// Its public id.
    pub id: PayorId,
    /// What it is called.
    pub name: PayorName,
    /// When it was created.
    pub created_at: Timestamp,
}
