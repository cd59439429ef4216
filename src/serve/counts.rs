//! The connection counts of one server: how many are open, and how many were refused, evicted or timed out.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The counts of all listeners that share them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
    evicted: AtomicU64,
    stalled: AtomicUsize,
    send_timeouts: AtomicU64,
}

impl Counts {
    /// Counts a connection that opened.
    pub(super) fn enter(&self) {
        let now = self.connections.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
    }

    /// Counts a connection that ended.
    pub(super) fn leave(&self) {
        let _ = self.connections.fetch_update(Relaxed, Relaxed, |now| now.checked_sub(1));
    }

    /// Counts a connection that was refused because the listener is full.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Counts an idle connection that was ended to make room for another.
    pub(super) fn evict(&self) {
        self.evicted.fetch_add(1, Relaxed);
    }

    /// Counts a response that waits for its client to read. Returns how many wait now, with it.
    pub(super) fn stall(&self) -> usize {
        self.stalled.fetch_add(1, Relaxed) + 1
    }

    /// Counts a stalled response whose client read on, or left.
    pub(super) fn resume(&self) {
        let _ = self.stalled.fetch_update(Relaxed, Relaxed, |now| now.checked_sub(1));
    }

    /// Counts a response that was dropped because its client did not read it in time.
    pub(crate) fn count_send_timeout(&self) {
        self.send_timeouts.fetch_add(1, Relaxed);
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// The most connections that were ever open at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }

    /// How many connections were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// How many idle connections were evicted.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// How many responses were dropped at the send timeout.
    pub(crate) fn send_timeouts(&self) -> u64 {
        self.send_timeouts.load(Relaxed)
    }
}
