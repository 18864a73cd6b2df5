//! The audit trail, for those who must show who did what.

use std::collections::HashMap;

use roster_directory::{
    Role,
    audit::{Action, Target},
};
use roster_store::trail::{TrailEntry, TrailFilter};

use super::{App, Caller, Error};

impl App {
    /// Some entries of the trail of the caller's organization, `limit` at most. That it was read is in the trail, before
    /// anything of it is shown.
    pub async fn read_trail(&self, caller: &Caller, filter: TrailFilter, limit: u32) -> Result<Vec<TrailEntry>, Error> {
        self.note_trail_read(caller, &filter).await?;
        Ok(self.store.trail(caller.organization(), filter, limit).await?)
    }

    /// Writes down that the trail is read, and by what: names only.
    pub async fn note_trail_read(&self, caller: &Caller, filter: &TrailFilter) -> Result<(), Error> {
        caller.may_audit()?;
        let by = [
            ("actor", filter.actor.is_some()),
            ("action", filter.action.is_some()),
            ("target", filter.target.is_some()),
            ("from", filter.from.is_some()),
            ("to", filter.to.is_some()),
            ("cursor", filter.after.is_some()),
        ];
        let fields = by.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name);
        let fields = fields.collect::<Vec<_>>().join(",");
        let target = Target::Organization(caller.organization());
        self.commit(caller, Action::AuditRead, target, &fields, Vec::new(), self.clock.now()?).await
    }

    /// What the keys of the caller's organization are called, by their ids.
    pub async fn key_names(&self, caller: &Caller) -> Result<HashMap<String, String>, Error> {
        caller.may_audit()?;
        let keys = self.store.keys(caller.organization()).await?;
        Ok(keys.into_iter().map(|key| (key.id.to_string(), key.name.as_str().to_owned())).collect())
    }
}

impl Caller {
    /// Whether they may see who did what: keys of role ADMIN and HIPP_ADMIN, also those that only read, and the operator of
    /// the host.
    pub(crate) fn may_audit(&self) -> Result<(), Error> {
        match &self.identity.key {
            Some(record) if !Role::MANAGERS.contains(&record.key.role) => Err(Error::Forbidden),
            _ => Ok(()),
        }
    }
}
