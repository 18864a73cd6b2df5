//! Places for what takes long, shared out by organization: one that asks for much waits for itself, not others for it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use roster_directory::OrganizationId;
use tokio::sync::oneshot;

/// So many places. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fair(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Places that one organization has at most: half of them, so that one always comes by for somebody else.
    share: usize,
    held: HashMap<OrganizationId, usize>,
    /// Who waits, in the order in which they came.
    waiting: HashMap<OrganizationId, VecDeque<oneshot::Sender<Place>>>,
    /// Organizations of which somebody waits. The first is the next whose turn it is.
    turns: VecDeque<OrganizationId>,
}

/// One of them, until it is dropped.
pub(crate) struct Place {
    fair: Fair,
    organization: OrganizationId,
}

impl Fair {
    pub(crate) fn new(places: usize) -> Self {
        let places = places.max(1);
        Self(Arc::new(Mutex::new(State {
            free: places,
            share: (places / 2).max(1),
            held: HashMap::new(),
            waiting: HashMap::new(),
            turns: VecDeque::new(),
        })))
    }

    /// Waits for a place: organizations take turns, and of one whoever came first is first. Whoever stops waiting is
    /// passed over.
    pub(crate) async fn place(&self, organization: OrganizationId) -> Place {
        let place = {
            let mut state = self.state();
            match state.take(organization) {
                true => Ok(Place { fair: self.clone(), organization }),
                false => Err(state.wait(organization)),
            }
        };
        match place {
            Ok(place) => place,
            Err(turn) => turn.await.expect("whoever waits is served or has gone"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics holding it")
    }
}

impl State {
    fn take(&mut self, organization: OrganizationId) -> bool {
        let held = self.held.get(&organization).copied().unwrap_or(0);
        let may = self.free > 0 && held < self.share;
        if may {
            self.free -= 1;
            self.held.insert(organization, held + 1);
        }
        may
    }

    fn wait(&mut self, organization: OrganizationId) -> oneshot::Receiver<Place> {
        let (asker, turn) = oneshot::channel();
        let queue = self.waiting.entry(organization).or_default();
        if queue.is_empty() {
            self.turns.push_back(organization);
        }
        queue.push_back(asker);
        turn
    }

    fn give_back(&mut self, organization: OrganizationId) {
        self.free += 1;
        if let Some(held) = self.held.get_mut(&organization) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&organization);
            }
        }
    }

    /// Takes a place for the next whose turn it is.
    fn next(&mut self) -> Option<(OrganizationId, oneshot::Sender<Place>)> {
        for _ in 0..self.turns.len() {
            let organization = self.turns.pop_front()?;
            let queue = self.waiting.get_mut(&organization)?;
            queue.retain(|asker| !asker.is_closed());
            if queue.is_empty() {
                self.waiting.remove(&organization);
            } else if self.take(organization) {
                let queue = self.waiting.get_mut(&organization)?;
                let asker = queue.pop_front()?;
                match queue.is_empty() {
                    true => drop(self.waiting.remove(&organization)),
                    false => self.turns.push_back(organization),
                }
                return Some((organization, asker));
            } else {
                self.turns.push_back(organization);
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.fair.state().give_back(self.organization);
        let next = self.fair.state().next();
        if let Some((organization, asker)) = next {
            // Whoever went at this moment lets it fall, and the next one is served.
            drop(asker.send(Place { fair: self.fair.clone(), organization }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::sync::mpsc;

    use super::*;

    fn organization(n: u128) -> OrganizationId {
        OrganizationId::new(n)
    }

    /// Whether it is there already.
    fn now<F: Future>(future: F) -> Option<F::Output> {
        use std::task::{Context, Poll, Waker};
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_organization_has_half_of_the_places_at_most() {
        let fair = Fair::new(4);
        let held: Vec<Place> = (0..2).map(|_| now(fair.place(organization(1))).expect("a place")).collect();
        assert!(now(fair.place(organization(1))).is_none());
        let others: Vec<Place> = (2..4).map(|n| now(fair.place(organization(n))).expect("a place")).collect();
        assert!(now(fair.place(organization(4))).is_none(), "all are taken");
        drop(held);
        assert!(now(fair.place(organization(4))).is_some());
        drop(others);
    }

    #[tokio::test]
    async fn organizations_take_turns_and_each_keeps_its_order() {
        let fair = Fair::new(1);
        let first = fair.place(organization(9)).await;
        let (served, mut order) = mpsc::unbounded_channel();
        let mut waiting = Vec::new();
        for (n, nth) in [(1, 0), (1, 1), (1, 2), (2, 0), (3, 0), (2, 1)] {
            let (fair, served) = (fair.clone(), served.clone());
            let mut turn = Box::pin(async move {
                let place = fair.place(organization(n)).await;
                served.send((n, nth)).expect("somebody listens");
                drop(place);
            });
            assert!(now(turn.as_mut()).is_none());
            waiting.push(tokio::spawn(turn));
        }
        drop((first, served));
        let mut seen = Vec::new();
        while let Some(one) = order.recv().await {
            seen.push(one);
        }
        assert_eq!(seen, [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)]);
    }

    #[tokio::test]
    async fn whoever_goes_is_passed_over() {
        let fair = Fair::new(2);
        let held = fair.place(organization(1)).await;
        let mut goes = Box::pin(fair.place(organization(1)));
        let mut stays = Box::pin(fair.place(organization(1)));
        assert!(now(goes.as_mut()).is_none() && now(stays.as_mut()).is_none());
        drop(goes);
        drop(held);
        drop(stays.await);
        assert!(fair.state().held.is_empty() && fair.state().waiting.is_empty() && fair.state().free == 2);
    }
}
