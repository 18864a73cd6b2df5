//! Requests that may be sent again: what was answered is answered again.

use roster_directory::repeat::{Answer, Answered, Repeat};

use super::{App, Caller, Error, users::Acted};

/// How a door answers what was done: to a user, where nothing else is said.
pub type Answering<'a, T = Acted> = &'a (dyn Fn(&T) -> Answer + Sync);

impl App {
    /// What was answered to this request, if it was. Of another request that is called the same: a refusal.
    pub async fn answered(&self, caller: &Caller, repeat: &Repeat) -> Result<Option<Answered>, Error> {
        let now = self.clock.now()?;
        match self.store.answered(caller.organization(), repeat, now).await? {
            Some(answered) if answered.request != repeat.body => Err(Error::AnotherRequest),
            answered => Ok(answered),
        }
    }
}
