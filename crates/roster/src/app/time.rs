//! The latest moment there was: kept, compared with the clock, and put right.

use roster_directory::Timestamp;
use roster_store::{Ahead, Repaired};

use super::{App, DAY, Error};

impl App {
    /// Keeps the latest moment for the next start, where a key would live again without it, and learns what other
    /// processes saw.
    pub async fn keep_time(&self) -> Result<(), Error> {
        let kept = self.store.keep_time(self.clock.latest()).await?;
        self.clock.saw(kept);
        Ok(())
    }

    /// The organizations whose newest change lies more than a day ahead of the clock.
    pub async fn ahead(&self) -> Result<Vec<Ahead>, Error> {
        let limit = self.clock.steady().plus_millis(DAY);
        // Whatever is recorded was seen: nearly always there is nothing to look for.
        if self.clock.latest() <= limit { Ok(Vec::new()) } else { Ok(self.store.ahead_of(limit).await?) }
    }

    /// Brings back what is recorded after this moment, which must be the present.
    ///
    /// In each organization it becomes as late as the last change before, and keeps its order. No other process may use
    /// the database.
    pub async fn repair_times(&self) -> Result<(Timestamp, Vec<Repaired>), Error> {
        let now = self.clock.now()?;
        Ok((now, self.store.repair_times(now).await?))
    }
}
