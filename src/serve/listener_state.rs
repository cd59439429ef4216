//! The state that all connections of one listener share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::bounds::Bounds;
use super::counts::Counts;
use super::idle::IdleConnections;
use super::tls_identity::TlsIdentity;

/// The most connections that are answered 503 at once. Any beyond that are closed without an answer.
const MAX_REFUSALS: usize = 256;

/// The bounds, counts, certificate and idle connections of one listener.
#[derive(Debug, Default)]
pub(super) struct ListenerState {
    pub(super) bounds: Bounds,
    pub(super) counts: Arc<Counts>,
    pub(super) idle: IdleConnections,
    /// Set where the listener speaks TLS.
    pub(super) tls: Option<TlsIdentity>,
    refusals: AtomicUsize,
}

impl ListenerState {
    /// The state of a listener without connections.
    pub(super) fn new(bounds: Bounds, counts: Arc<Counts>, tls: Option<TlsIdentity>) -> Self {
        Self { bounds, counts, tls, ..Self::default() }
    }

    /// Whether one more connection fits. At the limit the longest idle connection is evicted to make room.
    pub(super) fn has_capacity(&self) -> bool {
        self.counts.connections() < self.bounds.connections || self.idle.evict_oldest()
    }

    /// Counts one more 503 that is being written; false at [`MAX_REFUSALS`].
    pub(super) fn start_refusal(&self) -> bool {
        let starts = self.refusals.fetch_add(1, Relaxed) < MAX_REFUSALS;
        if !starts {
            self.end_refusal();
        }
        starts
    }

    /// Counts one 503 less.
    pub(super) fn end_refusal(&self) {
        self.refusals.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_refusals_are_told_at_once_and_no_more() {
        let state = ListenerState::default();
        assert_eq!((0..2 * MAX_REFUSALS).filter(|_| state.start_refusal()).count(), MAX_REFUSALS);
        state.end_refusal();
        assert!(state.start_refusal() && !state.start_refusal());
    }
}
