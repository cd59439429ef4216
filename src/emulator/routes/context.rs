//! What every route works with.

use std::fmt;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::emulator::access::Environment;
use crate::emulator::clock::Clock;
use crate::emulator::options::Options;
use crate::emulator::script::Tasks;
use crate::emulator::stats::Stats;
use crate::emulator::store::Store;
use crate::random;

/// What every route works with.
pub(in crate::emulator) struct Context {
    /// Who may call.
    pub(super) environments: Vec<Environment>,
    /// What runs do.
    pub(super) tasks: Tasks,
    /// How much faster than written they do it.
    pub(super) speed: f64,
    /// How long a live poll is held, before it strays.
    pub(super) hold: Duration,
    /// The runs.
    pub(super) store: Store,
    /// The time.
    pub(super) clock: Clock,
    /// The counts.
    pub(in crate::emulator) stats: Stats,
    /// Ends everything.
    pub(in crate::emulator) stop: CancellationToken,
    /// Turns one-time tokens into digests, so that no token is kept.
    pub(super) digest_key: [u8; 32],
}

impl Context {
    /// A context over an empty store.
    pub(in crate::emulator) fn new(options: Options, clock: Clock, stop: CancellationToken) -> Self {
        Self {
            environments: options.environments,
            tasks: options.tasks,
            speed: options.speed,
            hold: options.hold,
            store: Store::new(options.max_runs),
            clock,
            stats: Stats::default(),
            stop,
            digest_key: random::bytes(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
