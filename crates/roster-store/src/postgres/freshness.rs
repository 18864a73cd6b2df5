//! How a process notices what another one altered in the same database: one query for all who ask at the same time.
//!
//! The row of `epoch` is changed by whatever alters a key or an organization: those are few, and all of them are dropped
//! from memory. Users change all the time: `altered` names each, and only those are dropped. Whoever writes counts up the
//! number of its lane in `generation`, so that there is nothing to read where nobody was altered.
//!
//! Every request must know it as of after its own arrival; so whoever asks while a query is under way waits for the next
//! one, and that answers all of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use roster_directory::UserId;

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use super::{
    QUERY_DEADLINE,
    attempts::Attempts,
    connection::Ask,
    lending::{Lender, Trouble},
    rows,
};
use crate::{
    Epoch, Error,
    altered::{Alterations, Altered},
    error::chain,
};

/// Questions that may wait at once; as many as there can be connections.
const QUEUE: usize = 65_536;

/// Users of one lane that are dropped one by one. Of more, everybody is.
const TOLD_AT_ONCE: i64 = 4_096;

type Asker = oneshot::Sender<Result<Epoch, Error>>;

pub(super) struct Freshness {
    askers: mpsc::Sender<Asker>,
}

impl Freshness {
    pub(super) fn start(lender: Lender, alterations: Arc<Alterations>) -> Self {
        let (askers, queue) = mpsc::channel(QUEUE);
        tokio::spawn(answer_all(Known { lender, alterations, numbers: None }, queue));
        Self { askers }
    }

    pub(super) async fn epoch(&self) -> Result<Epoch, Error> {
        let (asker, answer) = oneshot::channel();
        self.askers.try_send(asker).map_err(|_| Error::Busy)?;
        // Whoever asks while a query hangs would otherwise wait for that and for the next one.
        let answer = timeout(QUERY_DEADLINE, answer).await.map_err(|_| Error::Busy)?;
        answer.map_err(|_| Error::Closed)?
    }
}

async fn answer_all(mut known: Known, mut queue: mpsc::Receiver<Asker>) {
    let mut waiting = Vec::new();
    while queue.recv_many(&mut waiting, QUEUE).await > 0 {
        let epoch = known.read().await;
        if let Err(error) = &epoch {
            tracing::warn!(error = %chain(error), "the database does not answer");
        }
        for asker in waiting.drain(..) {
            let epoch = epoch.as_ref().map_err(Error::to_others);
            let _ = asker.send(epoch.copied()); // whoever asked may have gone away
        }
        if epoch.is_err() {
            // Whoever asks meanwhile is answered together.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What this process knows of who was altered.
struct Known {
    lender: Lender,
    alterations: Arc<Alterations>,
    /// The number of each lane. Before the first look nobody is kept in memory, so nobody has to be dropped.
    numbers: Option<HashMap<i32, i64>>,
}

impl Known {
    /// The epoch. Whoever was altered before it was read is told to those who keep users, by the time it is answered.
    async fn read(&mut self) -> Result<Epoch, Error> {
        let (mut lanes, mut numbers) = (Vec::new(), Vec::new());
        for (lane, number) in self.numbers.iter().flatten() {
            lanes.push(*lane);
            numbers.push(*number);
        }
        let mut attempts = Attempts::until(Instant::now() + QUERY_DEADLINE);
        loop {
            let read = self.lender.lend(attempts.deadline, async |client| {
                let rows = client.query(READ, &[&lanes, &numbers, &(TOLD_AT_ONCE + 1)]).await?;
                let epoch = rows.first().map_or(0, |row| row.get::<_, i64>(0));
                let rows = rows.iter().filter(|row| row.get::<_, Option<i32>>(1).is_some());
                let rows: Result<Vec<_>, _> = rows.map(Row::of).collect();
                Ok((Epoch(epoch as u64), rows.map_err(Trouble::Refused)?))
            });
            match read.await {
                Ok((epoch, rows)) => {
                    self.learn(&rows);
                    return Ok(epoch);
                }
                Err(trouble) => attempts.ask_again_after(trouble).await?,
            }
        }
    }

    /// Tells who was altered, before it is known.
    fn learn(&mut self, rows: &[Row]) {
        let known = self.numbers.as_ref();
        let told = known.and_then(|known| altered_since(known, rows));
        let told = told.as_ref().map(|users| users.as_deref().map_or(Altered::Anybody, Altered::Users));
        if let Some(told) = told {
            self.alterations.tell(self.alterations.told() + 1, told);
        }
        self.numbers = Some(rows.iter().map(|row| (row.lane, row.number)).collect());
    }
}

/// The epoch, each lane's number, and with it the users of later numbers than the one that is known, and those of that
/// one: the row that says that it is still the one it was. Where the number is the same, nothing of `altered` is read.
const READ: &str = "
select e.number, g.lane, g.number, g.kept, a.number, a.user_id from epoch e left join generation g on true
left join unnest($1::integer[], $2::bigint[]) as k (lane, number) on k.lane = g.lane
left join lateral (
    select number, user_id from altered where g.number <> coalesce(k.number, 0) and lane = g.lane
    and number >= coalesce(k.number, 0) order by number limit $3
) a on true where e.one = 1 order by g.lane, a.number";

/// A lane, and of the users that were altered in it one, if there are any.
struct Row {
    lane: i32,
    number: i64,
    kept: i64,
    altered: Option<(i64, UserId)>,
}

impl Row {
    fn of(row: &tokio_postgres::Row) -> Result<Self, Error> {
        let altered = match row.get::<_, Option<i64>>(4) {
            Some(number) => Some((number, rows::parsed(row, 5, UserId::parse)?)),
            None => None,
        };
        Ok(Self { lane: row.get(1), number: row.get(2), kept: row.get(3), altered })
    }
}

/// Who was altered: nobody at all, these, or, where that is not known, anybody.
fn altered_since(known: &HashMap<i32, i64>, rows: &[Row]) -> Option<Option<Vec<UserId>>> {
    let mut users = Vec::new();
    let mut is_altered = false;
    for lane in rows.chunk_by(|a, b| a.lane == b.lane) {
        let Some(Row { lane: name, number, kept, .. }) = lane.first() else { continue };
        let since = known.get(name).copied().unwrap_or(0);
        if *number == since {
            continue;
        }
        is_altered = true;
        let rows: Vec<&(i64, UserId)> = lane.iter().filter_map(|row| row.altered.as_ref()).collect();
        // If it is not there, it was removed as all before it were; or a failover has lost it, and who knows what more.
        let is_there = since == *kept || rows.iter().any(|(number, _)| *number == since);
        if !is_there || *number < since || rows.len() > TOLD_AT_ONCE as usize {
            return Some(None);
        }
        users.extend(rows.iter().filter(|(number, _)| *number > since).map(|(_, user)| *user));
    }
    // A lane that is not there any more was lost with a failover.
    if known.keys().any(|lane| !rows.iter().any(|row| row.lane == *lane)) {
        return Some(None);
    }
    is_altered.then_some(Some(users))
}
