//! The horizon: the place below which no user turns up any more, whichever process writes.
//!
//! A place is given before its row is committed. A list in creation order that ended at the newest row it saw would
//! hand out a cursor past those that are committed later at a lower place, and nobody who follows it would ever see
//! them. So a process that adds users gives its word in the table `writer`: it commits nothing below its floor any more.
//! It raises the floor ten times a second as long as it writes, and takes its row away when it has not for a while: in
//! the steady state a create pays nothing for it. The lowest floor is the horizon. A list that ends below it is
//! complete; one that does not waits until it is.
//!
//! What makes it exact:
//! - Places are given and the floor is read under one lock, and the floor stays below whatever is not known to have
//!   ended. The row is there before the first place is given.
//! - Who begins to write learns the highest floor of all once its own row is there for others to see, and starts above.
//!   A cursor is only ever handed out below a floor that is on disk. So also a process whose clock is behind writes
//!   nothing below a place that a reader may have passed.
//! - Each registration has a number of its own: what an earlier one has sent, and the server does late, alters nothing.
//!
//! What is assumed: a process that was killed, or gave up on a statement, has nothing under way in the server any more
//! [`DEAD`] after its last beat. A process that cannot renew its word stops giving places long before.
//!
//! A list of the newest first needs none of this: it goes on towards what is older, and who was answered before it began
//! is below its first row and committed.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use roster_directory::Timestamp;
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    attempts::Attempts,
    connection::{Ask, Connection},
    lending::{Lender, Trouble},
    place::Places,
};
use crate::{Error, error::chain};

/// How often the word is renewed.
const BEAT: Duration = Duration::from_millis(100);

/// How long places may be given after the word was renewed last. With the time that a change may take it is less than
/// [`DEAD`].
const WORD: Duration = Duration::from_secs(2);

/// Who has written nothing for so long takes its row away.
const IDLE: Duration = Duration::from_secs(5);

/// Whose beat does not change for so long, watched all the time, is dead. A statement that nobody waits for any more has
/// ended by then.
pub(super) const DEAD: Duration = Duration::from_secs(5);

/// What one look counts for at most: while the database itself stands still, nobody dies.
const LOOK: Duration = Duration::from_millis(250);

/// How often a list that waits looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// The number of the row that is no writer's.
const NOBODY: i64 = 0;

/// This process's word, and what it knows of the others'.
pub(super) struct Horizon {
    lender: Lender,
    state: Mutex<State>,
    /// One at a time gives the word, or takes it back.
    turn: tokio::sync::Mutex<()>,
    watched: Mutex<HashMap<i64, Watched>>,
    begun: Notify,
    /// Somebody waits for the next beat.
    hurry: Notify,
}

struct State {
    places: Places,
    /// The first place of each batch that is under way.
    held: BTreeSet<i64>,
    word: Option<Word>,
    wrote: Instant,
}

#[derive(Clone, Copy)]
struct Word {
    number: i64,
    until: Instant,
}

/// Another writer, as this process sees it.
struct Watched {
    beat: i64,
    looked: Instant,
    unchanged: Duration,
}

/// A row of the table.
struct Writer {
    number: i64,
    floor: i64,
    beat: i64,
}

impl State {
    /// Below it this process commits nothing any more.
    fn floor(&self) -> i64 {
        self.held.first().copied().unwrap_or_else(|| self.places.following())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Horizon {
    pub(super) fn new(lender: Lender) -> Self {
        let state = State { places: Places::default(), held: BTreeSet::new(), word: None, wrote: Instant::now() };
        Self {
            lender,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
            watched: Mutex::default(),
            begun: Notify::new(),
            hurry: Notify::new(),
        }
    }

    /// A place for something that is not a user.
    pub(super) fn place(&self, at: Timestamp) -> i64 {
        lock(&self.state).places.next(at)
    }

    /// Places for users who are to be added now: the horizon stays below them until they are let go.
    pub(super) async fn hold(self: &Arc<Self>, at: &[Timestamp], deadline: Instant) -> Result<(Vec<i64>, Held), Error> {
        loop {
            if let Some(held) = self.try_to_hold(at) {
                return Ok(held);
            }
            let _turn = self.turn.lock().await;
            let word = lock(&self.state).word;
            match word {
                Some(word) if Instant::now() < word.until => {} // somebody else has waited for it
                Some(_) => self.renew(deadline).await?,
                None => self.begin(deadline).await?,
            }
        }
    }

    fn try_to_hold(self: &Arc<Self>, at: &[Timestamp]) -> Option<(Vec<i64>, Held)> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        state.word.filter(|word| now < word.until)?;
        let places: Vec<i64> = at.iter().map(|at| state.places.next(*at)).collect();
        let first = *places.first()?;
        state.held.insert(first);
        state.wrote = now;
        Some((places, Held { horizon: self.clone(), first }))
    }

    /// Gives the word, by a row that was not there before.
    async fn begin(&self, deadline: Instant) -> Result<(), Error> {
        let random = getrandom::u64().map_err(|error| Error::Unusable(format!("no randomness: {error}")))?;
        let number = (random >> 1).max(1) as i64;
        // What an earlier word covered and may not have ended is covered by this one too.
        let most = lock(&self.state).held.first().copied().unwrap_or(i64::MAX);
        let mut attempts = Attempts::until(deadline);
        loop {
            let sent = Instant::now();
            let begun = self.lender.lend(deadline, async |client| {
                // As high as it can be: a floor that others have passed already holds up nobody.
                let sql = "insert into writer (number, floor, beat) select $1, least(max(floor), $2), 0 from writer \
                           on conflict (number) do nothing";
                client.execute(sql, &[&number, &most]).await?;
                writers(client).await
            });
            match begun.await {
                Ok(writers) => {
                    self.start_above(&writers);
                    lock(&self.state).word = Some(Word { number, until: sent + WORD });
                    self.begun.notify_one();
                    return Ok(());
                }
                Err(trouble) => attempts.again_after(trouble).await?,
            }
        }
    }

    /// Whether anybody is further than this process was.
    fn start_above(&self, writers: &[Writer]) -> bool {
        let highest = writers.iter().map(|writer| writer.floor).max();
        highest.is_some_and(|highest| lock(&self.state).places.start_at(highest))
    }

    /// Keeps the word for as long as somebody writes. Never ends.
    pub(super) async fn keep(&self) {
        loop {
            if lock(&self.state).word.is_none() {
                self.begun.notified().await;
            }
            tokio::select! {
                () = sleep(BEAT) => {}
                () = self.hurry.notified() => {}
            }
            let is_idle = {
                let state = lock(&self.state);
                state.held.is_empty() && state.wrote.elapsed() >= IDLE
            };
            let kept = match is_idle {
                true => self.end().await,
                false => {
                    let _turn = self.turn.lock().await;
                    self.renew(Instant::now() + WORD).await
                }
            };
            if let Err(error) = kept {
                tracing::debug!(error = %chain(&error), "cannot say how far this process has written");
            }
        }
    }

    /// Says that this process lives, and how far it is.
    async fn renew(&self, deadline: Instant) -> Result<(), Error> {
        loop {
            let (number, floor) = {
                let state = lock(&self.state);
                let Some(word) = state.word else { return Ok(()) };
                (word.number, state.floor())
            };
            let sent = Instant::now();
            let renewed = self.lender.lend(deadline, async |client| {
                let sql = "update writer set floor = greatest(floor, $2), beat = beat + 1 where number = $1";
                let there = client.execute(sql, &[&number, &floor]).await? > 0;
                Ok((there, writers(client).await?))
            });
            let (there, writers) = renewed.await?;
            // Whoever was taken for dead has to begin again.
            lock(&self.state).word = there.then_some(Word { number, until: sent + WORD });
            self.bury(&writers, number).await?;
            // Whoever learns that others are further says so at once: a list may wait for it.
            if !self.start_above(&writers) || !there {
                return Ok(());
            }
        }
    }

    /// Takes the word back, if nothing is under way. What it was is kept in the row that is no writer's.
    pub(super) async fn end(&self) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let (Word { number, .. }, floor) = {
            let mut state = lock(&self.state);
            if !state.held.is_empty() {
                return Ok(());
            }
            let Some(word) = state.word.take() else { return Ok(()) };
            (word, state.floor())
        };
        let removed = self.lender.lend(Instant::now() + WORD, async |client| {
            raise(client, floor).await?;
            let sql = "delete from writer where number = $1";
            client.execute(sql, &[&number]).await?;
            Ok(())
        });
        Ok(removed.await?)
    }

    /// Waits until no user turns up at this place or below any more. The answer is the horizon, above it.
    pub(super) async fn has_passed(&self, place: i64, deadline: Instant) -> Result<i64, Trouble> {
        loop {
            self.hurry.notify_one();
            let writers = self.lender.lend(deadline, async |client| writers(client).await).await?;
            self.bury(&writers, NOBODY).await?;
            let lowest = writers.iter().filter(|writer| writer.number != NOBODY).map(|writer| writer.floor).min();
            match lowest {
                Some(floor) if floor > place => return Ok(floor),
                Some(_) => {}
                None => {
                    // Nobody writes. Whoever begins now must start above what is handed out.
                    if let Some(nobody) = writers.first().filter(|nobody| nobody.floor > place) {
                        return Ok(nobody.floor);
                    }
                    let floor = place.saturating_add(1);
                    self.lender.lend(deadline, async |client| raise(client, floor).await).await?;
                    continue;
                }
            }
            if Instant::now() + PAUSE >= deadline {
                return Err(Trouble::Late);
            }
            sleep(PAUSE).await;
        }
    }

    /// Takes away the rows of those who died over them.
    async fn bury(&self, writers: &[Writer], own: i64) -> Result<(), Trouble> {
        for Writer { number, floor, beat } in self.dead(writers, own) {
            tracing::info!("a process that added users ended without a word; lists do not wait for it any more");
            let buried = self.lender.lend(Instant::now() + WORD, async |client| {
                raise(client, floor).await?;
                let sql = "delete from writer where number = $1 and beat = $2";
                client.execute(sql, &[&number, &beat]).await?;
                Ok(())
            });
            buried.await?;
        }
        Ok(())
    }

    fn dead(&self, writers: &[Writer], own: i64) -> Vec<Writer> {
        let now = Instant::now();
        let mut watched = lock(&self.watched);
        watched.retain(|number, _| writers.iter().any(|writer| writer.number == *number));
        let mut dead = Vec::new();
        for Writer { number, floor, beat } in writers {
            if [NOBODY, own].contains(number) {
                continue;
            }
            let fresh = Watched { beat: *beat, looked: now, unchanged: Duration::ZERO };
            let known = watched.entry(*number).or_insert(fresh);
            if known.beat == *beat {
                known.unchanged += (now - known.looked).min(LOOK);
                known.looked = now;
            } else {
                *known = Watched { beat: *beat, looked: now, unchanged: Duration::ZERO };
            }
            if known.unchanged >= DEAD {
                dead.push(Writer { number: *number, floor: *floor, beat: *beat });
            }
        }
        dead
    }
}

/// All rows, nobody's first.
async fn writers(client: &Connection) -> Result<Vec<Writer>, Trouble> {
    let rows = client.query("select number, floor, beat from writer order by number", &[]).await?;
    Ok(rows.iter().map(|row| Writer { number: row.get(0), floor: row.get(1), beat: row.get(2) }).collect())
}

/// Whoever begins to write from now on starts at this floor, or above.
pub(super) async fn raise(client: &Connection, floor: i64) -> Result<(), Trouble> {
    let sql = "update writer set floor = greatest(floor, $1) where number = 0";
    client.execute(sql, &[&floor]).await?;
    Ok(())
}

/// Places that are given and not let go yet.
pub(super) struct Held {
    horizon: Arc<Horizon>,
    first: i64,
}

impl Held {
    /// Lets them go once the server cannot be at it any more.
    pub(super) fn let_go_later(self) {
        tokio::spawn(async move {
            sleep(DEAD).await;
            drop(self);
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.horizon.state).held.remove(&self.first);
    }
}
