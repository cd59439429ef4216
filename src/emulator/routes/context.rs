//! What every route works with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::emulator::access::Caller;
use crate::emulator::engine::Engine;
use crate::emulator::fault::Faults;
use crate::emulator::jwt;
use crate::emulator::options::Options;
use crate::emulator::stats::Stats;
use crate::error::{Error, ErrorCode, Result};
use crate::random;
use crate::serve::Limit;
use crate::serve::clock::Clock;

/// What every route works with.
pub(in crate::emulator) struct Context {
    /// The runs and all that moves them.
    pub(in crate::emulator) engine: Arc<Engine>,
    /// How many live requests each environment may have, in the order of the environments.
    pub(super) limits: Vec<Arc<Limit>>,
    /// How long a live poll is held, before it strays.
    pub(super) hold: Duration,
    /// How long a run's change is remembered for its next live poll; `None` is for ever.
    pub(super) memory: Option<Duration>,
    /// What goes wrong on purpose.
    pub(super) faults: Faults,
    /// The built page.
    pub(super) page: Option<PathBuf>,
    /// The counts.
    pub(in crate::emulator) stats: Stats,
    /// Ends everything.
    pub(in crate::emulator) stop: CancellationToken,
    /// Turns one-time tokens into digests, so that no token is kept.
    digest_key: [u8; 32],
}

impl Context {
    /// A context over an empty engine.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTIONS` for a fault that cannot be.
    pub(in crate::emulator) fn new(
        mut options: Options,
        clock: Clock,
        stop: CancellationToken,
        labels: &[&'static str],
    ) -> Result<Self> {
        let faults = Faults::new(labels);
        faults
            .set(std::mem::take(&mut options.faults))
            .map_err(|why| Error::new(ErrorCode::InvalidOptions, format!("the emulator's options: `faults`: {why}")))?;
        Ok(Self {
            limits: options.environments.iter().map(|one| Arc::new(Limit::new(one.max_connections))).collect(),
            hold: options.hold,
            memory: options.memory,
            faults,
            page: options.page.take(),
            stats: Stats::new(labels),
            engine: Engine::new(options, clock, stop.clone()),
            stop,
            digest_key: random::bytes(),
        })
    }

    /// The digest of the caller's one-time token and when that expires, in Unix milliseconds.
    ///
    /// # Errors
    /// `ERR_INTERNAL`.
    pub(super) fn one_time(&self, caller: &Caller<'_>) -> Result<Option<(String, u64)>> {
        let digest = |token: &crate::secret::Secret| jwt::mac(token.expose(), &self.digest_key);
        caller.one_time_token().map(|token| Ok((digest(token)?, caller.expires_ms()))).transpose()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
