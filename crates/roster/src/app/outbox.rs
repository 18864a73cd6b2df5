//! What is owed, as a person deals with it: look, try again, let go.

use roster_directory::{
    MessageId, Write,
    audit::{Action, Target},
    outbox::{Attempt, State},
};
use roster_store::outbox::StoredMessage;

use super::{App, Caller, Error};

impl App {
    /// A message of the organization.
    pub async fn message(&self, caller: &Caller, id: MessageId) -> Result<StoredMessage, Error> {
        caller.may_manage()?;
        self.store.message(caller.organization(), id).await?.ok_or(Error::NotFound)
    }

    /// Every attempt at a message of the organization, in their order.
    pub async fn attempts(&self, caller: &Caller, id: MessageId) -> Result<Vec<Attempt>, Error> {
        caller.may_manage()?;
        Ok(self.store.attempts(caller.organization(), id).await?)
    }

    /// Owes a message once more that ended in any way, or of which it is unknown whether it arrived.
    /// So it may arrive twice: whoever asks for it has decided that.
    pub async fn retry_message(&self, caller: &Caller, id: MessageId) -> Result<(), Error> {
        let message = self.message(caller, id).await?;
        if matches!(message.state, State::Owed | State::Sending) {
            return Err(Error::NotNow("it is owed already, and will be tried by itself"));
        }
        if let Some(webhook) = message.message.content.webhook() {
            self.webhook(caller, webhook).await?;
        }
        let now = self.clock.now()?;
        let writes = vec![Write::MessageRetried(id, now)];
        self.commit(caller, Action::MessageRetried, Target::Message(id), "state", writes, now).await
    }

    /// Owes a message no more.
    pub async fn drop_message(&self, caller: &Caller, id: MessageId) -> Result<(), Error> {
        let message = self.message(caller, id).await?;
        match message.state {
            State::Owed | State::Unknown => {}
            State::Sending => return Err(Error::NotNow("it is being sent at this moment")),
            State::Dropped => return Ok(()),
            State::Delivered | State::Failed | State::Accepted | State::Undelivered => {
                return Err(Error::NotNow("it is not owed any more"));
            }
        }
        let now = self.clock.now()?;
        let writes = vec![Write::MessageDropped(id, now)];
        self.commit(caller, Action::MessageDropped, Target::Message(id), "state", writes, now).await
    }
}
