//! The pace of checks: each gets the next free moment, so that thousands of feeds that are due together ask one after the
//! other.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use crate::lock::lock;

/// Gives moments that are at least a gap apart.
#[derive(Debug)]
pub(super) struct Pacer {
    gap: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pacer {
    /// At most so many moments a second.
    pub(super) fn new(per_second: u32) -> Self {
        Self { gap: Duration::from_secs(1) / per_second.max(1), next: Mutex::new(None) }
    }

    /// The next free moment, which nobody else gets.
    pub(super) fn slot(&self) -> Instant {
        let now = Instant::now();
        let mut next = lock(&self.next);
        let at = next.map_or(now, |next| next.max(now));
        *next = Some(at + self.gap);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn checks_that_are_due_together_go_out_one_after_the_other() {
        let (pacer, began) = (Pacer::new(100), Instant::now());
        let slots: Vec<u128> = (0..4).map(|_| (pacer.slot() - began).as_millis()).collect();
        assert_eq!(slots, [0, 10, 20, 30]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((pacer.slot() - began).as_millis(), 1_000, "a pause is not made up for by a burst");
        assert_eq!((pacer.slot() - began).as_millis(), 1_010);
    }
}
