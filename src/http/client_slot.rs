//! A reqwest client that is replaced, with all its connections, once they cannot be trusted: after an
//! attempt that timed out, and after the process was suspended.
//!
//! reqwest leaves a dead connection of HTTP/2 in its pool, where the next request meets it again.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;

use super::instant::SuspendAwareInstant;
use super::proxy;
use super::settings::IDLE_TIMEOUT;
use crate::error::Result;
use crate::lock::lock;

/// An attempt that is dropped this close to its time-out counts as timed out: its caller counted the
/// same time.
const TOLERANCE: Duration = Duration::from_millis(50);

/// The client of one kind of request.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    make: fn() -> Result<Client>,
    current: Mutex<Current>,
}

/// The client that new requests use.
#[derive(Debug)]
struct Current {
    client: Option<Client>,
    /// Counts clients.
    generation: u64,
    last_used: Option<SuspendAwareInstant>,
}

/// One attempt at a request.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    slot: &'a ClientSlot,
    generation: u64,
    client: Client,
    began: Instant,
    /// From this age on, dropping the attempt counts as a time-out.
    time_out: Option<Duration>,
}

impl ClientSlot {
    /// A slot that is empty until its first attempt. `make` gives a client with connections of its own.
    pub(super) const fn new(make: fn() -> Result<Client>) -> Self {
        Self { make, current: Mutex::new(Current { client: None, generation: 0, last_used: None }) }
    }

    /// Begins an attempt at a request to `url`.
    ///
    /// # Errors
    /// `ERR_INVALID_PROXY` when the request should go through a proxy that the environment names
    /// wrongly, `ERR_HTTP_CLIENT` when a client cannot be built, as with a proxy variable that is no
    /// URL. The next attempt tries again.
    pub(crate) fn attempt(&self, url: &str) -> Result<Attempt<'_>> {
        proxy::check(url)?;
        let mut current = self.current();
        // reqwest counts idle time by the monotonic clock, which may have stood still.
        if current.last_used.is_some_and(|last_used| last_used.suspended() >= IDLE_TIMEOUT) {
            current.client = None;
        }
        let client = if let Some(client) = &current.client {
            client.clone()
        } else {
            let client = (self.make)()?;
            current.generation += 1;
            current.client.insert(client).clone()
        };
        current.last_used = Some(SuspendAwareInstant::now());
        Ok(Attempt { slot: self, generation: current.generation, client, began: Instant::now(), time_out: None })
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        lock(&self.current)
    }

    /// Empties the slot. Requests under way go on with the client they have.
    fn retire(&self, generation: u64) {
        let mut current = self.current();
        // Another attempt with the same client may have retired it before.
        if current.generation == generation {
            current.client = None;
        }
    }

    #[cfg(test)]
    fn set_last_used(&self, last_used: SuspendAwareInstant) {
        self.current().last_used = Some(last_used);
    }
}

impl Attempt<'_> {
    /// The client to send the request with.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Retires the client when the attempt is dropped after `time_out`, or after [`IDLE_TIMEOUT`] if that
    /// is less.
    pub(super) fn with_time_out(mut self, time_out: Duration) -> Self {
        self.time_out = Some(time_out.min(IDLE_TIMEOUT));
        self
    }

    /// Ends the attempt with a response or an error: reqwest then knows how its connection is.
    pub(crate) fn completed(mut self) {
        self.time_out = None;
    }

    /// Ends the attempt without a response in time: the client is retired.
    pub(crate) fn timed_out(self) {
        self.slot.retire(self.generation);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.time_out.is_some_and(|time_out| self.began.elapsed() + TOLERANCE >= time_out) {
            self.slot.retire(self.generation);
        }
    }
}

#[cfg(test)]
#[path = "client_slot_tests.rs"]
mod tests;
