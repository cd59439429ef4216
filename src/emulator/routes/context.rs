//! The state that every route reads and changes.

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

/// The state that every route works with.
pub(in crate::emulator) struct Context {
    /// The runs, and the tasks and the clock that drive them.
    pub(in crate::emulator) engine: Arc<Engine>,
    /// The limit of live requests of each environment, by its index.
    pub(super) limits: Vec<Arc<Limit>>,
    /// The mean hold of a live poll.
    pub(super) hold: Duration,
    /// How long a change of a run is remembered for its next live poll; `None` is for ever.
    pub(super) memory: Option<Duration>,
    /// The faults.
    pub(super) faults: Faults,
    /// The folder of the built page.
    pub(super) page: Option<PathBuf>,
    /// The counts of requests.
    pub(in crate::emulator) stats: Stats,
    /// Stops the emulator.
    pub(in crate::emulator) stop: CancellationToken,
    /// The key of the digests of one-time tokens, so that no token is kept.
    digest_key: [u8; 32],
}

impl Context {
    /// A context with an empty engine, for routes with these labels.
    ///
    /// # Errors
    /// `ERR_INVALID_OPTIONS` for an invalid fault.
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

    /// The digest of the caller's one-time token, and its expiry in Unix milliseconds.
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
