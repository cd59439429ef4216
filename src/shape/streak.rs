//! Failures of one kind in a row.

use super::step::Now;

/// The failures of a row, and when it began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streak {
    count: u32,
    /// The monotonic ms of the first failure of the streak, where one is counted. The time of its request does not count:
    /// the server may have held that, and a single answer that breaks off after 20 s is no streak.
    since: u64,
}

impl Streak {
    /// Counts a failure. Returns how many there are in a row, and the monotonic ms of the first.
    pub(crate) fn count(&mut self, now: Now) -> (u32, u64) {
        if self.count == 0 {
            self.since = now.monotonic_ms;
        }
        self.count = self.count.saturating_add(1);
        (self.count, self.since)
    }
}
