//! Organizations: made and listed by the operator of the host, altered by their admins.

use std::sync::Arc;

use roster_directory::{
    Organization, OrganizationId, Write,
    audit::{Action, Target},
    organization::{Alteration, OrganizationName},
};

use super::{App, Caller, Error, Identity};

impl App {
    /// Makes an organization, and the operator its first caller.
    pub async fn create_organization(&self, name: OrganizationName) -> Result<Caller, Error> {
        let now = self.clock.now()?;
        let organization = Organization::new(self.ids.organization(), name, now);
        let caller = self.operator(organization.clone()).await?;
        let target = Target::Organization(organization.id);
        let writes = vec![Write::Organization(organization)];
        self.commit(&caller, Action::OrganizationCreated, target, "name", writes, now).await?;
        Ok(caller)
    }

    /// Alters the caller's organization, and answers what it is now. What changes nothing writes nothing.
    pub async fn alter_organization(&self, caller: &Caller, alteration: Alteration) -> Result<Organization, Error> {
        caller.may_manage()?;
        let mut organization = caller.identity.organization.clone();
        let alteration = alteration.of(&organization);
        if alteration != Alteration::default() {
            let (target, fields) = (Target::Organization(organization.id), alteration.fields());
            let writes = vec![Write::OrganizationAltered(alteration.clone())];
            let now = self.clock.now()?;
            self.commit(caller, Action::OrganizationUpdated, target, &fields, writes, now).await?;
            alteration.apply(&mut organization);
        }
        Ok(organization)
    }

    /// The operator of the host, acting for an organization that is there.
    pub async fn operator_of(&self, organization: OrganizationId) -> Result<Caller, Error> {
        let organization = self.store.organization(organization).await?.ok_or(Error::NotFound)?;
        self.operator(organization).await
    }

    async fn operator(&self, organization: Organization) -> Result<Caller, Error> {
        let identity = Arc::new(Identity::of_operator(organization));
        Ok(Caller { identity, request: self.ids.request(), epoch: self.store.epoch().await? })
    }
}
