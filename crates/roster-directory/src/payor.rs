//! A payor: the insurer or public programme that pays an organization for care, and that credentials its providers.

use crate::{PayorId, Timestamp, text::text_type};

text_type!(
    /// What the payor is called.
    PayorName, 200, line
);

impl PayorName {
    /// Whether a person would take both for one name: they differ in case at most. An organization has each name once.
    pub fn is_taken_by(&self, other: &str) -> bool {
        crate::search::fold::is_same_but_for_case(self.as_str(), other)
    }
}

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
