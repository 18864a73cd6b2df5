//! Payors: whom an organization's providers can be credentialed with.

use roster_directory::{
    Payor, Write,
    audit::{Action, Target},
    payor::PayorName,
};

use super::{App, Caller, Error};

impl App {
    /// Adds a payor to the caller's organization.
    pub async fn create_payor(&self, caller: &Caller, name: PayorName) -> Result<Payor, Error> {
        let now = self.clock.now()?;
        let payor = Payor { id: self.ids.payor(), name, created_at: now };
        let writes = vec![Write::Payor(payor.clone())];
        self.commit(caller, Action::PayorCreated, Target::Payor(payor.id), "name", writes, now).await?;
        Ok(payor)
    }
}
