//! The cost of what nobody watches: the environment's feed tells of every run, also of those that no feed is about.

use std::time::Duration;

use tokio::time::Instant;

const ROWS_PER_SECOND: u64 = 200;
const BYTES_PER_SECOND: u64 = 256 << 10;

/// The most that nobody watches, on the average of [`WINDOW`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CostLimits {
    /// Rows a second. Default 200.
    pub rows_per_second: u64,
    /// Bytes of their text a second. Default 256 KiB.
    pub bytes_per_second: u64,
}

impl Default for CostLimits {
    fn default() -> Self {
        Self { rows_per_second: ROWS_PER_SECOND, bytes_per_second: BYTES_PER_SECOND }
    }
}

/// The time over which the cost is averaged: a burst of runs is none.
pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Rows that nobody watches, and their bytes, in the present window.
#[derive(Debug)]
pub(super) struct Cost {
    limits: CostLimits,
    since: Instant,
    rows: u64,
    bytes: u64,
}

impl Cost {
    pub(super) fn new(limits: CostLimits) -> Self {
        Self { limits, since: Instant::now(), rows: 0, bytes: 0 }
    }

    /// Counts a row that nobody watches.
    pub(super) fn add(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// Whether the window that ends here cost too much. Begins another where one is over.
    pub(super) fn is_too_much(&mut self) -> bool {
        let taken = self.since.elapsed();
        if taken < WINDOW {
            return false;
        }
        let seconds = taken.as_secs().max(1);
        let too_much =
            self.rows / seconds > self.limits.rows_per_second || self.bytes / seconds > self.limits.bytes_per_second;
        *self = Self::new(self.limits);
        too_much
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(seconds: u64, rows: u64, bytes: usize) -> bool {
        let mut cost = Cost::new(CostLimits { rows_per_second: 10, bytes_per_second: 1_000 });
        for _ in 0..rows {
            cost.add(bytes);
        }
        tokio::time::advance(Duration::from_secs(seconds)).await;
        cost.is_too_much()
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_watches_costs_too_much_by_rows_or_by_bytes_over_ten_seconds() {
        assert!(!after(10, 109, 1).await, "ten a second are allowed");
        assert!(after(10, 110, 1).await);
        assert!(!after(9, 100_000, 1).await, "a burst is judged by the whole window");
        assert!(!after(20, 219, 1).await);
        assert!(after(20, 220, 1).await);
        assert!(!after(10, 10, 1_000).await);
        assert!(after(10, 11, 1_001).await);
    }

    #[tokio::test(start_paused = true)]
    async fn each_window_is_judged_by_itself() {
        let mut cost = Cost::new(CostLimits { rows_per_second: 1, bytes_per_second: 1_000 });
        (0..100).for_each(|_| cost.add(1));
        tokio::time::advance(WINDOW).await;
        assert!(cost.is_too_much());
        tokio::time::advance(WINDOW).await;
        assert!(!cost.is_too_much());
    }
}
