//! The connections of one listener that have no request in flight, longest idle first. A full listener evicts the first.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// A connection that can be ended while it is idle.
pub(super) trait Evict: Send + Sync {
    /// Ends the connection, unless it left the list under `key` since.
    fn evict(&self, key: u64);
}

/// The idle connections of one listener.
#[derive(Debug, Default)]
pub(super) struct IdleConnections(Mutex<State>);

#[derive(Default)]
struct State {
    next: u64,
    connections: BTreeMap<u64, Arc<dyn Evict>>,
}

impl IdleConnections {
    /// Adds a connection that is idle from now on. Returns its key in the list.
    pub(super) fn insert(&self, connection: Arc<dyn Evict>) -> u64 {
        let mut state = lock(&self.0);
        state.next += 1;
        let key = state.next;
        state.connections.insert(key, connection);
        key
    }

    /// Removes a connection that got a request, or ended.
    pub(super) fn remove(&self, key: u64) {
        // The removed `Arc` may be the connection's last. It is dropped after the lock is released.
        let connection = lock(&self.0).connections.remove(&key);
        drop(connection);
    }

    /// Ends the connection that has been idle longest. Returns false when none is idle.
    pub(super) fn evict_oldest(&self) -> bool {
        let first = lock(&self.0).connections.pop_first();
        first.map(|(key, connection)| connection.evict(key)).is_some()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("connections", &self.connections.len()).finish_non_exhaustive()
    }
}
