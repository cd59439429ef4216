//! The limit of an environment's concurrent live requests (docs/server-protocol.md 4, 429; recorded:
//! `too-many-connections`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// One environment's limit and its live requests.
#[derive(Debug)]
pub(crate) struct Limit {
    max: AtomicUsize,
    live: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
}

impl Limit {
    /// A limit of `max`; `None` is no limit.
    pub(crate) fn new(max: Option<usize>) -> Self {
        Self {
            max: AtomicUsize::new(max.unwrap_or(usize::MAX)),
            live: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Changes the limit. Requests in flight stay.
    pub(crate) fn set(&self, max: Option<usize>) {
        self.max.store(max.unwrap_or(usize::MAX), Ordering::SeqCst);
    }

    /// How many live requests there are now.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// The most live requests that there were at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::SeqCst)
    }

    /// How many live requests were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::SeqCst)
    }

    /// Admits a live request, which counts until the permit is dropped. `None` at the limit.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Permit> {
        let max = self.max.load(Ordering::SeqCst);
        let entered =
            self.live.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |live| (live < max).then_some(live + 1));
        if let Ok(before) = entered {
            self.peak.fetch_max(before + 1, Ordering::SeqCst);
            Some(Permit(self.clone()))
        } else {
            self.refused.fetch_add(1, Ordering::SeqCst);
            None
        }
    }
}

/// The permit of one live request.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Limit>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_counts_until_it_is_answered() {
        let limit = Arc::new(Limit::new(Some(1)));
        let first = limit.enter().expect("room");
        assert!(limit.enter().is_none());
        drop(first);
        assert!(limit.enter().is_some());
        assert_eq!((limit.live(), limit.peak(), limit.refused()), (0, 1, 1));
        limit.set(Some(0));
        assert!(limit.enter().is_none());
        limit.set(None);
        let held: Vec<_> = (0..100).map(|_| limit.enter()).collect();
        assert!(held.iter().all(Option::is_some) && limit.live() == 100);
        assert_eq!((limit.peak(), limit.refused()), (100, 2));
    }
}
