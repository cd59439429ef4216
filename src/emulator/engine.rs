//! What the emulator is made of, apart from HTTP: runs, batches, tokens, objects, and what moves
//! them.

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

/// The engine of an emulator.
pub(super) struct Engine {
    /// Who may call; the first is the main one.
    pub(super) environments: Vec<Environment>,
    /// What runs do.
    tasks: RwLock<Tasks>,
    /// How much faster than written they do it.
    pub(super) speed: f64,
    /// The runs.
    pub(super) store: Store,
    /// The batches.
    pub(super) batches: Batches,
    /// The wait tokens.
    pub(super) waitpoints: Waitpoints,
    /// The stored packets.
    pub(super) objects: Objects,
    /// The time.
    pub(super) clock: Clock,
    /// Ends everything.
    pub(super) stop: CancellationToken,
}

impl Engine {
    /// An empty engine.
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

    /// What a run of that task does. It goes on with it, whatever becomes of the task.
    pub(super) fn task(&self, name: &str) -> Option<Arc<Task>> {
        read(&self.tasks).find(name)
    }

    /// All tasks, as they are now.
    pub(super) fn tasks(&self) -> Tasks {
        read(&self.tasks).clone()
    }

    /// Puts other tasks in their place: for runs that come from now on.
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
