//! Those whom a list of everybody has no row about any more.

use std::{fmt, io};

use roster_directory::{
    Query, User,
    query::{Order, Page, SortKey},
    search::Terms,
    user::Status,
};

use super::{By, Done, Ended, Outcome, Stopped, plan::Planner};
use crate::app::{Error, Meant};

/// Users that are read at once.
const AT_ONCE: u32 = 500;

/// How many may leave because no row is about them: so many of a hundred of those who could have had a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cap(f64);

impl Cap {
    /// A tenth: a file that was cut short is noticed.
    pub const DEFAULT: Cap = Cap(10.0);

    /// Takes `10%` or `10`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').unwrap_or(text).trim().parse().ok();
        let is_share = |number: &f64| (0.0..=100.0).contains(number);
        number.filter(is_share).map(Cap).ok_or_else(|| "a cap is a share, from 0% to 100%".to_owned())
    }

    fn allows(self, some: u64, all: u64) -> bool {
        some as f64 <= all as f64 * self.0 / 100.0
    }
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// Why nobody left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Missing {
    /// More are missing than may be.
    TooMany {
        /// Of whom there is no row.
        missing: u64,
        /// Of whom there could be one.
        of: u64,
        /// What is allowed.
        cap: Cap,
    },
    /// A row was refused, and its person may be one of them.
    Refused(u64),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Missing::TooMany { missing, of, cap } => write!(
                f,
                "nobody is deactivated: {missing} of {of} users have no row, and more than {cap} may not; if the file is \
                 whole, say so with --cap"
            ),
            Missing::Refused(rows) => write!(
                f,
                "nobody is deactivated: {rows} rows are refused, and whom they are about may be taken for missing; mend \
                 them first"
            ),
        }
    }
}

impl Planner<'_> {
    /// Ends those whom no row was about, unless they are too many.
    pub(super) async fn end_missing<T: Send, E: Send>(
        &self,
        cap: Cap,
        ended: &mut Ended<E>,
        tell: &mut (impl FnMut(Done<T>) -> io::Result<()> + Send),
    ) {
        if ended.counts.refused > 0 {
            ended.kept = Some(Missing::Refused(ended.counts.refused));
            return;
        }
        let failed = |error| Some(Stopped::Failed(ended.begun, error));
        let (missing, of) = match self.missing().await {
            Ok(found) => found,
            Err(error) => {
                ended.stopped = failed(error);
                return;
            }
        };
        if !cap.allows(missing.len() as u64, of) {
            ended.kept = Some(Missing::TooMany { missing: missing.len() as u64, of, cap });
            return;
        }
        for user in missing {
            if !self.how.is_rehearsal
                && let Err(error) = self.app.deactivate_user(self.caller, user.id, &Meant::Any, None, None).await
            {
                ended.stopped = failed(error);
                return;
            }
            let outcome = Outcome::Deactivated(user.id);
            ended.counts.count(&outcome);
            let done = Done { row: None, outcome, warnings: Vec::new(), beside: None };
            if let Err(error) = tell(done) {
                ended.stopped = Some(Stopped::Untold(error));
                return;
            }
        }
    }

    /// The active users whom no row was about though it could have been, and how many there could have been.
    async fn missing(&self) -> Result<(Vec<User>, u64), Error> {
        let identity = &self.caller.identity;
        let (mut missing, mut of, mut after) = (Vec::new(), 0, None);
        loop {
            let query = Query {
                visible: identity.may_read,
                role: None,
                status: Some(Status::Active),
                whole: true,
                email: None,
                search: Terms::default(),
                key: SortKey::CreatedAt,
                order: Order::OldestFirst,
                page: Page { number: 1, size: AT_ONCE },
                after,
                after_turn: None,
            };
            let listing = self.app.list_users(self.caller, query).await?;
            after = listing.whole.last().map(|user| user.id);
            for user in listing.whole {
                if identity.may_create.contains(user.role) && self.could_have_a_row(&user) {
                    of += 1;
                    if !self.seen.contains(&user.id) {
                        missing.push(user);
                    }
                }
            }
            if !listing.goes_on || after.is_none() {
                return Ok((missing, of));
            }
        }
    }

    /// Whoever has nothing that rows are known by came by another way, and stays.
    fn could_have_a_row(&self, user: &User) -> bool {
        match self.how.by {
            None => false,
            Some(By::PublicId) => true,
            Some(By::Email) => user.email.is_some(),
            Some(By::ExternalId) => user.external_id.is_some(),
            Some(By::Npi) => user.npi.is_some(),
        }
    }
}
