//! The pace of checks: each gets the next free moment, so that thousands of feeds that are due together ask one after the
//! other.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// Gives moments that are at least a gap apart. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Pacer {
    gap: Duration,
    moments: Arc<Mutex<Moments>>,
}

#[derive(Debug, Default)]
struct Moments {
    /// The first that nobody was given.
    next: Option<Instant>,
    /// Those before it that were given back.
    free: BTreeSet<Instant>,
}

/// A moment that nobody else has. Dropping it before it came gives it back: those who leave hold nobody up.
#[derive(Debug)]
pub(super) struct Slot {
    moments: Arc<Mutex<Moments>>,
    at: Instant,
}

impl Pacer {
    /// At most so many moments a second.
    pub(super) fn new(per_second: u32) -> Self {
        Self { gap: Duration::from_secs(1) / per_second.max(1), moments: Arc::default() }
    }

    /// The next free moment.
    pub(super) fn slot(&self) -> Slot {
        let now = Instant::now();
        let mut moments = lock(&self.moments);
        while moments.free.first().is_some_and(|at| *at < now) {
            moments.free.pop_first();
        }
        let at = moments.free.pop_first().unwrap_or_else(|| {
            let at = moments.next.map_or(now, |next| next.max(now));
            moments.next = Some(at + self.gap);
            at
        });
        drop(moments);
        Slot { moments: self.moments.clone(), at }
    }
}

impl Slot {
    /// The moment.
    pub(super) fn at(&self) -> Instant {
        self.at
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if self.at > Instant::now() {
            lock(&self.moments).free.insert(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn checks_that_are_due_together_go_out_one_after_the_other() {
        let (pacer, began) = (Pacer::new(100), Instant::now());
        let mut slots: Vec<Slot> = (0..4).map(|_| pacer.slot()).collect();
        tokio::time::advance(Duration::from_secs(1)).await;
        slots.extend([pacer.slot(), pacer.slot()]);
        let at: Vec<u128> = slots.iter().map(|slot| (slot.at() - began).as_millis()).collect();
        assert_eq!(at, [0, 10, 20, 30, 1_000, 1_010], "a pause is not made up for by a burst");
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_that_is_given_back_is_the_next_ones() {
        let (pacer, began) = (Pacer::new(100), Instant::now());
        let mut slots: Vec<Slot> = (0..1_000).map(|_| pacer.slot()).collect();
        let last = slots.split_off(999);
        drop(slots);
        tokio::time::advance(Duration::from_millis(55)).await;
        let next: Vec<Slot> = (0..3).map(|_| pacer.slot()).collect();
        assert_eq!(next.iter().map(|slot| (slot.at() - began).as_millis()).collect::<Vec<_>>(), [60, 70, 80]);
        assert_eq!((last[0].at() - began).as_millis(), 9_990);
        tokio::time::advance(Duration::from_secs(10)).await;
        drop((last, next));
        assert_eq!((pacer.slot().at() - began).as_millis(), 10_055, "what is past is nobody's");
        assert_eq!(lock(&pacer.moments).free.len(), 0);
    }
}
