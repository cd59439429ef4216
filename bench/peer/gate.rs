//! Gates: the feeds of one group wait at one, and begin together.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

/// The groups so far, by name.
#[derive(Debug, Default)]
pub(crate) struct Groups(Mutex<HashMap<String, Arc<Group>>>);

/// A group of feeds that begin together.
#[derive(Debug)]
pub(crate) struct Group {
    /// The number of feeds that are missing before the gate opens by itself.
    missing: Mutex<u32>,
    /// The last update that may be sent.
    released: watch::Sender<u64>,
    started: OnceLock<(Instant, SystemTime)>,
}

impl Groups {
    /// The group `name`. Its gate opens by itself once `feeds` are live, or never for 0.
    pub(crate) fn get(&self, name: &str, feeds: u32) -> Arc<Group> {
        let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(name) {
            return group.clone();
        }
        let group =
            Arc::new(Group { missing: Mutex::new(feeds), released: watch::channel(0).0, started: OnceLock::new() });
        groups.insert(name.to_owned(), group.clone());
        group
    }
}

impl Group {
    /// Notes that one more feed of the group is live.
    pub(crate) fn arrive(&self) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if *missing == 1 {
            self.release(u64::MAX);
        }
        *missing = missing.saturating_sub(1);
    }

    /// Releases the updates up to `version`. The first release is the group's beginning.
    pub(crate) fn release(&self, version: u64) {
        self.started.get_or_init(|| (Instant::now(), SystemTime::now()));
        self.released.send_replace(version);
    }

    /// Waits until the update `version` is released. The time at which the group began.
    pub(crate) async fn wait(&self, version: u64) -> (Instant, SystemTime) {
        // Waiting cannot fail, because the sender lives as long as the group.
        let _ = self.released.subscribe().wait_for(|&released| released >= version).await;
        *self.started.get_or_init(|| (Instant::now(), SystemTime::now()))
    }
}
