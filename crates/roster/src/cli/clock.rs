//! `roster clock`: what the database says of the time, and putting it right.

use clap::Subcommand;
use roster_directory::Timestamp;

use super::{note, row};
use crate::app::App;

#[derive(Debug, Subcommand)]
pub(super) enum ClockCommand {
    /// Show the clock, the latest moment recorded, and the organizations whose changes are more than a day ahead
    Show,
    /// Bring back what is recorded after this moment; stop every server first
    Repair {
        /// What day it is (UTC), from another source than this machine's clock: YYYY-MM-DD
        #[arg(long, value_name = "DAY")]
        today: String,
    },
}

impl ClockCommand {
    pub(super) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            ClockCommand::Show => {
                row([&"clock", &app.clock().steady()])?;
                row([&"latest", &app.clock().latest()])?;
                for ahead in app.ahead().await? {
                    row([&ahead.organization, &ahead.latest])?;
                }
            }
            ClockCommand::Repair { today } => {
                must_be(&today, app.clock().steady())?;
                let (now, repaired) = app.repair_times().await?;
                for repaired in &repaired {
                    let (users, entries) = (repaired.users, repaired.entries);
                    row([
                        &repaired.organization,
                        &repaired.to,
                        &format_args!("{users} users"),
                        &format_args!("{entries} audit entries"),
                    ])?;
                }
                if repaired.is_empty() {
                    note(format_args!("no change is recorded after {now}"));
                }
            }
        }
        Ok(())
    }
}

/// With a clock that is behind, what is true would be brought back to what is not.
fn must_be(today: &str, now: Timestamp) -> anyhow::Result<()> {
    let text = now.to_string();
    let by_the_clock = text.split('T').next().unwrap_or_default();
    anyhow::ensure!(
        today == by_the_clock,
        "this machine's clock says {text} (UTC), not {today}: set the clock right first"
    );
    Ok(())
}
