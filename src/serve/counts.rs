//! What the listeners of one server hold, and whom they refused.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The counts of all listeners that share them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
    evicted: AtomicU64,
    stalled: AtomicUsize,
    unread: AtomicU64,
}

impl Counts {
    /// One connection more.
    pub(super) fn enter(&self) {
        let now = self.connections.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
    }

    /// One less.
    pub(super) fn leave(&self) {
        let _ = self.connections.fetch_update(Relaxed, Relaxed, |now| now.checked_sub(1));
    }

    /// A connection was refused: there was no room.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// An idle connection made way to another.
    pub(super) fn evict(&self) {
        self.evicted.fetch_add(1, Relaxed);
    }

    /// An answer waits for its reader; how many do so then.
    pub(super) fn stall(&self) -> usize {
        self.stalled.fetch_add(1, Relaxed) + 1
    }

    /// An answer's reader read on, or left.
    pub(super) fn go_on(&self) {
        let _ = self.stalled.fetch_update(Relaxed, Relaxed, |now| now.checked_sub(1));
    }

    /// An answer was dropped: nobody read it.
    pub(crate) fn drop_unread(&self) {
        self.unread.fetch_add(1, Relaxed);
    }

    /// Open connections.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// The most there ever were.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Relaxed)
    }

    /// Connections that were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Idle connections that made way to others.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Relaxed)
    }

    /// Answers that were dropped because nobody read them.
    pub(crate) fn unread(&self) -> u64 {
        self.unread.load(Relaxed)
    }
}
