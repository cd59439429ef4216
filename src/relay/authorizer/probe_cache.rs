//! The decisions of probes, cached, and the probes in flight, shared: viewers with one token and feed send one probe.
//! Used for tokens of other keys of the environment, and for `read:batch` on a single run (A5, A6, A7).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use http::StatusCode;
use tokio::sync::Semaphore;

use super::probe::{Decision, Indeterminate, Outcome, RETRY_S, send_probe};
use crate::config::Endpoint;
use crate::lock::lock;
use crate::relay::digest::{Digest, Digester};
use crate::secret::Secret;
use crate::serve::clock::Clock;

/// How many decisions are cached. The one that was used longest ago is dropped first.
pub(in crate::relay) const MAX_DECISIONS: usize = 10_000;
/// How many probes may be in flight. Anybody can sign a token with a key of their own and fill in this environment's
/// id, and a flood of such tokens must not become a flood of requests (A7).
pub(in crate::relay) const MAX_PROBES: usize = 32;
/// How long an `Allow` is cached at most, in milliseconds, so that a revoked key's tokens stop working.
const ALLOW_TTL_MS: u64 = 300_000;
/// How long a `Deny` is cached, in milliseconds.
const DENY_TTL_MS: u64 = 30_000;

type SharedProbe = Shared<BoxFuture<'static, Outcome>>;

/// The cache. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) struct ProbeCache(Arc<Inner>);

struct Inner {
    digester: Digester,
    clock: Clock,
    /// One permit for each probe in flight.
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) cached: HashMap<Digest, CachedDecision>,
    /// The keys of `cached` by when they were last used, the longest ago first.
    pub(super) order: BTreeMap<u64, Digest>,
    /// Weak, because viewers own their probe: it is cancelled with the last of them.
    in_flight: HashMap<Digest, (u64, WeakShared<BoxFuture<'static, Outcome>>)>,
    next: u64,
}

/// The token and the path of a probe.
#[derive(Clone, Copy)]
struct ProbeKey {
    token: Digest,
    /// The digest of the token and the path.
    path: Digest,
    /// When the token expires, in Unix seconds.
    exp: Option<f64>,
}

pub(super) struct CachedDecision {
    decision: Decision,
    until_ms: u64,
    used: u64,
}

impl ProbeCache {
    /// An empty cache.
    pub(super) fn new(clock: Clock, digester: Digester) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_PROBES));
        Self(Arc::new(Inner { digester, clock, permits, state: Mutex::default() }))
    }

    /// Whether the server shows `path` (of a feed, with its query and without an offset) to the holder of `token`,
    /// which expires at `exp` (Unix seconds). A 401 is about the token, and holds for every path.
    ///
    /// # Errors
    /// The probe had no decision.
    pub(super) async fn probe(&self, endpoint: &Endpoint, token: &Secret, path: &str, exp: Option<f64>) -> Outcome {
        let probe = send_probe(endpoint, token, path);
        self.probe_with(token, path, exp, || probe).await
    }

    pub(super) async fn probe_with<F, Fut>(&self, token: &Secret, path: &str, exp: Option<f64>, probe: F) -> Outcome
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let digester = &self.0.digester;
        let path = digester.mac(&[token.expose(), path]);
        let key = ProbeKey { token: digester.token(token.expose()), path, exp };
        let in_flight = {
            let mut state = self.state();
            let now = self.0.clock.now_ms();
            if let Some(decision) = state.get(&key.token, now).or_else(|| state.get(&key.path, now)) {
                return Ok(decision);
            }
            match state.in_flight.get(&key.path).and_then(|(_, probe)| probe.upgrade()) {
                Some(probe) => probe,
                None => self.begin(&mut state, key, probe)?,
            }
        };
        in_flight.await
    }

    fn begin<F, Fut>(&self, state: &mut State, key: ProbeKey, probe: F) -> Result<SharedProbe, Indeterminate>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let permit = self.0.permits.clone().try_acquire_owned().map_err(|_| Indeterminate::Busy(RETRY_S))?;
        // A probe that was dropped by its last viewer leaves a dead entry behind.
        state.in_flight.retain(|_, (_, probe)| probe.upgrade().is_some());
        let number = state.tick();
        let (cache, probe) = (self.clone(), probe());
        let shared = async move {
            let outcome = probe.await;
            drop(permit);
            cache.settle(key, number, &outcome);
            outcome
        }
        .boxed()
        .shared();
        if let Some(weak) = shared.downgrade() {
            state.in_flight.insert(key.path, (number, weak));
        }
        Ok(shared)
    }

    fn settle(&self, key: ProbeKey, number: u64, outcome: &Outcome) {
        let now = self.0.clock.now_ms();
        let mut state = self.state();
        if state.in_flight.get(&key.path).is_some_and(|(current, _)| *current == number) {
            state.in_flight.remove(&key.path);
        }
        let Ok(decision) = outcome else { return };
        let (ttl_ms, digest) = match decision {
            Decision::Allow => (ALLOW_TTL_MS, key.path),
            Decision::Deny(StatusCode::UNAUTHORIZED, _) => (DENY_TTL_MS, key.token),
            Decision::Deny(..) => (DENY_TTL_MS, key.path),
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "saturates; a negative time is long past"
        )]
        let expires = key.exp.map_or(u64::MAX, |exp| (exp * 1000.0) as u64);
        state.insert(digest, decision.clone(), now.saturating_add(ttl_ms).min(expires));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }
}

impl State {
    fn tick(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn get(&mut self, digest: &Digest, now_ms: u64) -> Option<Decision> {
        let used = self.tick();
        let cached = self.cached.get_mut(digest)?;
        self.order.remove(&cached.used);
        if cached.until_ms <= now_ms {
            self.cached.remove(digest);
            return None;
        }
        cached.used = used;
        self.order.insert(used, *digest);
        Some(cached.decision.clone())
    }

    pub(super) fn insert(&mut self, digest: Digest, decision: Decision, until_ms: u64) {
        let used = self.tick();
        if let Some(old) = self.cached.insert(digest, CachedDecision { decision, until_ms, used }) {
            self.order.remove(&old.used);
        }
        self.order.insert(used, digest);
        while self.cached.len() > MAX_DECISIONS {
            match self.order.pop_first() {
                Some((_, oldest)) => self.cached.remove(&oldest),
                None => break,
            };
        }
    }
}

impl fmt::Debug for ProbeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbeCache").field("cached", &self.state().cached.len()).finish_non_exhaustive()
    }
}
