//! The state of the emulator apart from HTTP: runs, batches, wait tokens, objects, tasks and the clock.

use std::fmt;
use std::sync::{Arc, RwLock};

use tokio_util::sync::CancellationToken;

use super::access::Environment;
use super::batch::Batches;
use super::object::Objects;
use super::options::Options;
use super::script::{Task, Tasks};
use super::store::Store;
use super::waitpoint::Waitpoints;
use crate::lock::{read, write};
use crate::serve::clock::Clock;

/// The state of an emulator.
pub(super) struct Engine {
    /// The environments; the first is the main one.
    pub(super) environments: Vec<Environment>,
    /// The tasks.
    tasks: RwLock<Tasks>,
    /// The speed that divides the times of scripts.
    pub(super) speed: f64,
    /// The runs.
    pub(super) store: Store,
    /// The batches.
    pub(super) batches: Batches,
    /// The wait tokens.
    pub(super) waitpoints: Waitpoints,
    /// The stored packets.
    pub(super) objects: Objects,
    /// The clock.
    pub(super) clock: Clock,
    /// Stops the emulator.
    pub(super) stop: CancellationToken,
}

impl Engine {
    /// An engine without runs.
    pub(super) fn new(options: Options, clock: Clock, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            environments: options.environments,
            tasks: RwLock::new(options.tasks),
            speed: options.speed,
            store: Store::new(options.max_runs),
            batches: Batches::default(),
            waitpoints: Waitpoints::default(),
            objects: Objects::default(),
            clock,
            stop,
        })
    }

    /// The task with that name. A run keeps its task, even if the tasks are replaced.
    pub(super) fn task(&self, name: &str) -> Option<Arc<Task>> {
        read(&self.tasks).find(name)
    }

    /// The current tasks.
    pub(super) fn tasks(&self) -> Tasks {
        read(&self.tasks).clone()
    }

    /// Replaces the tasks, for later runs.
    pub(super) fn replace_tasks(&self, tasks: Tasks) {
        *write(&self.tasks) = tasks;
    }

    /// Now, in Unix milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
