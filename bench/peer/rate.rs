//! The most events within any second.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Counts events, such as connections.
#[derive(Debug, Default)]
pub(crate) struct Rate(Mutex<(VecDeque<Instant>, usize)>);

impl Rate {
    /// Counts an event now.
    pub(crate) fn count(&self) {
        let now = Instant::now();
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (recent, peak) = &mut *counted;
        while recent.front().is_some_and(|at| now.duration_since(*at) > Duration::from_secs(1)) {
            recent.pop_front();
        }
        recent.push_back(now);
        *peak = recent.len().max(*peak);
    }

    /// The most events within a second so far.
    pub(crate) fn peak(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1
    }
}
