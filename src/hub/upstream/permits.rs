//! The permits of a budget: who may hold a long-poll now, and who is next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::lock::lock;

/// How long a refusal lowers the limit: refusals (429) come of other processes of the environment, whose long-polls end
/// or go on for a while. The limit rises again by one after each such time.
const LOWERED_FOR: Duration = Duration::from_secs(30);

/// How much a feed needs a permit. Those that need one come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Nothing tells it of changes.
    Needs,
    /// It is told of changes, but a long-poll of its own costs less.
    Wishes,
}

/// The permits of a budget. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Permits(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limit: usize,
    held: usize,
    /// By how much refusals lowered the limit, and when it rises by one.
    lowered: usize,
    until: Option<Instant>,
    /// The feeds that wait, by their tickets: the lowest is the oldest.
    needing: BTreeMap<u64, oneshot::Sender<()>>,
    wishing: BTreeMap<u64, oneshot::Sender<()>>,
    tickets: u64,
}

/// The right to hold one long-poll. Dropping it hands it on.
#[derive(Debug)]
pub(super) struct Permit(Permits);

/// A place in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Place {
    permits: Permits,
    pub(super) rank: Rank,
    ticket: u64,
    granted: oneshot::Receiver<()>,
    taken: bool,
}

impl Permits {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            limit,
            held: 0,
            lowered: 0,
            until: None,
            needing: BTreeMap::new(),
            wishing: BTreeMap::new(),
            tickets: 0,
        })))
    }

    /// A permit, if one is free and nobody waits for it.
    pub(super) fn try_take(&self) -> Option<Permit> {
        let mut state = lock(&self.0);
        // What has become free since, because a refusal is over, goes to those who wait.
        state.grant();
        if state.held >= state.limit_now() {
            return None;
        }
        state.held += 1;
        Some(Permit(self.clone()))
    }

    /// A place in the queue.
    pub(super) fn queue(&self, rank: Rank) -> Place {
        let (sender, granted) = oneshot::channel();
        let mut state = lock(&self.0);
        state.tickets += 1;
        let ticket = state.tickets;
        state.waiting(rank).insert(ticket, sender);
        state.grant();
        Place { permits: self.clone(), rank, ticket, granted, taken: false }
    }

    /// Changes how many there are. Those beyond it are not taken away: they are not handed on.
    pub(super) fn set_limit(&self, limit: usize) {
        let mut state = lock(&self.0);
        state.limit = limit;
        state.grant();
    }

    /// The server refused a long-poll: it takes fewer than are held, for a while. At least one is left.
    pub(super) fn refused(&self) {
        let mut state = lock(&self.0);
        let taken = state.held.min(state.limit_now()).saturating_sub(1).max(1);
        state.lowered = state.limit.saturating_sub(taken);
        state.until = Some(Instant::now() + LOWERED_FOR);
    }

    /// How many are held.
    pub(super) fn held(&self) -> usize {
        lock(&self.0).held
    }

    /// How many there are now.
    pub(super) fn limit(&self) -> usize {
        lock(&self.0).limit_now()
    }
}

impl State {
    fn waiting(&mut self, rank: Rank) -> &mut BTreeMap<u64, oneshot::Sender<()>> {
        match rank {
            Rank::Needs => &mut self.needing,
            Rank::Wishes => &mut self.wishing,
        }
    }

    /// The limit now. What refusals lowered it by is forgotten step by step.
    fn limit_now(&mut self) -> usize {
        let now = Instant::now();
        while self.lowered > 0 && self.until.is_none_or(|until| until <= now) {
            self.lowered -= 1;
            self.until = self.until.map(|until| until + LOWERED_FOR);
        }
        self.limit.saturating_sub(self.lowered)
    }

    /// Gives free permits to those who wait, in turn.
    fn grant(&mut self) {
        while self.held < self.limit_now() {
            let next = self.needing.pop_first().or_else(|| self.wishing.pop_first());
            let Some((_, sender)) = next else { return };
            self.held += 1;
            // A place that is dropped leaves the queue under the lock: what is in it is there to receive.
            let _ = sender.send(());
        }
    }
}

impl Permit {
    /// Whether the holder should hand it on after its poll: another needs it, or wishes for it while the holder is told
    /// of changes without it.
    pub(super) fn is_wanted(&self, holder_is_told: bool) -> bool {
        let state = lock(&self.0.0);
        !state.needing.is_empty() || (holder_is_told && !state.wishing.is_empty())
    }

    /// Whether more are held than there are.
    pub(super) fn is_beyond(&self) -> bool {
        let mut state = lock(&self.0.0);
        state.held > state.limit_now()
    }

    /// The server refused the long-poll that this permit was held for.
    pub(super) fn refused(self) {
        self.0.refused();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = lock(&self.0.0);
        state.held -= 1;
        state.grant();
    }
}

impl Place {
    /// The permit, where it is this feed's turn already.
    pub(super) fn given(&mut self) -> Option<Permit> {
        if self.taken || self.granted.try_recv().is_err() {
            return None;
        }
        self.taken = true;
        Some(Permit(self.permits.clone()))
    }

    /// Waits until it is this feed's turn. Dropping the future before it is ready loses nothing.
    pub(super) async fn permit(&mut self) -> Permit {
        // A sender is dropped unsent only together with all permits, which this place keeps.
        if self.taken || (&mut self.granted).await.is_err() {
            return std::future::pending().await;
        }
        self.taken = true;
        Permit(self.permits.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.permits.0);
        let waited = state.waiting(self.rank).remove(&self.ticket).is_some();
        // Its turn came, and it did not take it: the next one has it.
        if !waited && !self.taken {
            state.held -= 1;
            state.grant();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// The permit of a place whose turn it is.
    fn granted(place: &mut Place) -> Option<Permit> {
        place.permit().now_or_never()
    }

    #[test]
    fn no_more_are_held_than_there_are() {
        let permits = Permits::new(2);
        let held = [permits.try_take(), permits.try_take()].map(|permit| permit.expect("one is free"));
        assert!(permits.try_take().is_none());
        assert_eq!(permits.held(), 2);
        drop(held);
        assert_eq!(permits.held(), 0);
        assert!(permits.try_take().is_some());
    }

    #[test]
    fn those_who_wait_get_them_in_turn_and_those_who_need_one_first() {
        let permits = Permits::new(1);
        let held = permits.try_take().expect("one is free");
        let ranks = [Rank::Wishes, Rank::Needs, Rank::Wishes, Rank::Needs];
        let mut places = ranks.map(|rank| permits.queue(rank));
        assert!(places.iter_mut().all(|place| granted(place).is_none()));
        let mut next = held;
        for expected in [1, 3, 0, 2] {
            drop(next);
            assert!(permits.try_take().is_none(), "nobody gets ahead of those who wait");
            let mut ready = (0..4).filter_map(|n| granted(&mut places[n]).map(|permit| (n, permit)));
            let (who, permit) = ready.next().expect("one of them has it");
            assert_eq!(who, expected);
            next = permit;
        }
        drop(next);
        assert_eq!(permits.held(), 0);
    }

    #[test]
    fn one_who_gives_up_leaves_the_queue_and_hands_on_what_it_was_given() {
        let permits = Permits::new(1);
        let held = permits.try_take().expect("one is free");
        let gives_up = permits.queue(Rank::Needs);
        let given = permits.queue(Rank::Needs);
        let mut waits = permits.queue(Rank::Wishes);
        drop(gives_up);
        drop(held);
        assert!(granted(&mut waits).is_none(), "it is the other's");
        drop(given);
        let permit = granted(&mut waits).expect("handed on");
        drop(waits);
        assert_eq!(permits.held(), 1, "a permit outlives its place");
        drop(permit);
        assert_eq!(permits.held(), 0);
    }

    #[test]
    fn a_holder_hands_on_what_another_needs_and_what_another_wishes_where_it_is_told() {
        let permits = Permits::new(1);
        let held = permits.try_take().expect("one is free");
        assert!(!held.is_wanted(true) && !held.is_wanted(false));
        let wishes = permits.queue(Rank::Wishes);
        assert!(held.is_wanted(true) && !held.is_wanted(false));
        drop(wishes);
        let needs = permits.queue(Rank::Needs);
        assert!(held.is_wanted(true) && held.is_wanted(false));
        drop(needs);
        assert!(!held.is_wanted(true) && !held.is_beyond());
        permits.set_limit(0);
        assert!(held.is_beyond(), "there are fewer now");
    }

    #[test]
    fn more_of_them_are_given_out_at_once() {
        let permits = Permits::new(0);
        let mut places = [permits.queue(Rank::Needs), permits.queue(Rank::Wishes)];
        permits.set_limit(2);
        let held: Vec<Permit> = places.iter_mut().filter_map(granted).collect();
        assert_eq!((held.len(), permits.held(), permits.limit()), (2, 2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_lowers_the_limit_below_what_is_held_and_is_forgotten_step_by_step() {
        let permits = Permits::new(8);
        let mut held: Vec<Permit> = (0..6).filter_map(|_| permits.try_take()).collect();
        held.pop().expect("six are held").refused();
        assert_eq!((permits.limit(), permits.held()), (5, 5));
        assert!(permits.try_take().is_none());
        let mut place = permits.queue(Rank::Needs);
        tokio::time::advance(LOWERED_FOR).await;
        assert!(permits.try_take().is_none(), "it goes to the one who waits");
        assert!(granted(&mut place).is_some());
        assert_eq!(permits.limit(), 6);
        tokio::time::advance(2 * LOWERED_FOR).await;
        assert_eq!(permits.limit(), 8);
        tokio::time::advance(10 * LOWERED_FOR).await;
        assert_eq!(permits.limit(), 8, "and not beyond");
        held.clear();
        for _ in 0..20 {
            permits.refused();
        }
        assert_eq!(permits.limit(), 1, "at least one is left");
    }
}
