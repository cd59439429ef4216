//! Connections without a request under way, the longest idle first: they make way where there is no room.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use super::wire::Wire;
use crate::lock::lock;

/// The idle connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Idle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    wires: BTreeMap<u64, Wire>,
}

impl Idle {
    /// Puts a connection at the end of the line; its place there.
    pub(super) fn enter(&self, wire: Wire) -> u64 {
        let mut state = self.state();
        state.next += 1;
        let place = state.next;
        state.wires.insert(place, wire);
        place
    }

    /// Takes it out: it is busy, or over.
    pub(super) fn leave(&self, place: u64) {
        // What is dropped here may hold the last of a connection: not under the lock.
        let wire = self.state().wires.remove(&place);
        drop(wire);
    }

    /// Ends the connection that was idle for longest; whether there was one.
    pub(super) fn evict(&self) -> bool {
        let first = self.state().wires.pop_first();
        first.map(|(place, wire)| wire.evict(place)).is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}
