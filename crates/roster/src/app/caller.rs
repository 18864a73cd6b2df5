//! Who asks, and what they may do.

use std::sync::{Arc, atomic::AtomicI64};

use roster_directory::{
    Actor, Organization, OrganizationId, Role, RoleSet,
    audit::RequestId,
    key::{Access, Key},
};
use roster_store::{Epoch, KeyRecord};

/// Who a caller is known to be.
#[derive(Debug)]
pub struct Identity {
    /// Who it is, for the audit trail.
    pub actor: Actor,
    /// Whose users it sees.
    pub organization: Organization,
    /// The roles it may create, assign and change.
    pub may_create: RoleSet,
    /// The roles it may read.
    pub may_read: RoleSet,
    /// The key it came with, if it came with one.
    pub key: Option<KeyRecord>,
    /// When it was noted last that the key was used, in milliseconds.
    pub(super) noted_at: AtomicI64,
}

impl Identity {
    /// Whoever holds this key.
    pub fn of_key(record: KeyRecord) -> Self {
        let Key { id, role, access, .. } = record.key;
        Self {
            actor: Actor::Key(id),
            organization: record.organization.clone(),
            may_create: if access == Access::Read { RoleSet::NONE } else { role.may_create() },
            may_read: role.may_read(),
            key: Some(record),
            noted_at: AtomicI64::new(i64::MIN),
        }
    }

    /// Whoever can run the command line: may do everything, also with the roles no key can assign.
    pub fn of_operator(organization: Organization) -> Self {
        Self {
            actor: Actor::CommandLine,
            organization,
            may_create: RoleSet::ALL,
            may_read: RoleSet::ALL,
            key: None,
            noted_at: AtomicI64::default(),
        }
    }
}

/// One request of somebody known.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who asks.
    pub identity: Arc<Identity>,
    /// In which request.
    pub request: RequestId,
    /// When they were found to be who they are; what is cached is right under this epoch only.
    pub epoch: Epoch,
}

impl Caller {
    /// Whose users they see.
    pub fn organization(&self) -> OrganizationId {
        self.identity.organization.id
    }

    /// Whether they may make, rotate and revoke keys of this role: whoever manages the organization, and no key that is
    /// stronger than theirs.
    pub(super) fn may_make_key(&self, role: Role) -> Result<(), super::Error> {
        self.may_manage()?;
        match &self.identity.key {
            Some(record) if !record.key.role.may_make_key(role) => Err(super::Error::Forbidden),
            _ => Ok(()),
        }
    }

    pub(super) fn may_create(&self, role: Role) -> Result<(), super::Error> {
        if self.identity.may_create.contains(role) { Ok(()) } else { Err(super::Error::Forbidden) }
    }
}
