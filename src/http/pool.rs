//! A pool of connections that can be thrown away: when an attempt on it timed out, and when the
//! process was frozen, nothing new goes out on any connection of before.
//!
//! A request that meets a dead connection of HTTP/2 would otherwise leave it where it is, for the
//! next one to meet.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reqwest::Client;
use tokio::time::Instant;

use super::client::IDLE;
use super::proxy;
use super::since::Since;
use crate::error::Result;
use crate::lock::lock;

/// A dropped attempt counts as timed out when it was this close to its time-out: whoever dropped it
/// counted the same time.
const NEARLY: Duration = Duration::from_millis(50);

/// The connections of one kind of request.
#[derive(Debug)]
pub(crate) struct Pool {
    make: fn() -> Result<Client>,
    held: Mutex<Held>,
}

/// What new requests go out on.
#[derive(Debug)]
struct Held {
    client: Option<Client>,
    /// Counts clients.
    number: u64,
    used: Option<Since>,
}

/// One attempt at a request.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pool: &'a Pool,
    number: u64,
    client: Client,
    began: Instant,
    /// After how long without an answer a drop counts as a time-out.
    allowed: Option<Duration>,
}

impl Pool {
    /// Without connections yet. What `make` gives is a client with connections of its own.
    pub(super) const fn new(make: fn() -> Result<Client>) -> Self {
        Self { make, held: Mutex::new(Held { client: None, number: 0, used: None }) }
    }

    /// Begins an attempt at a request to `url`.
    ///
    /// # Errors
    /// `ERR_INVALID_PROXY` when it should go through a proxy that the environment names wrongly, `ERR_HTTP_CLIENT` when a client cannot be built, as with a proxy variable that is no URL. The
    /// next attempt tries again.
    pub(crate) fn attempt(&self, url: &str) -> Result<Attempt<'_>> {
        proxy::check(url)?;
        let mut held = self.held();
        // The client looks at the clock that may have stood still.
        if held.used.is_some_and(|used| used.asleep() >= IDLE) {
            held.client = None;
        }
        let client = if let Some(client) = &held.client {
            client.clone()
        } else {
            let client = (self.make)()?;
            held.number += 1;
            held.client.insert(client).clone()
        };
        held.used = Some(Since::now());
        Ok(Attempt { pool: self, number: held.number, client, began: Instant::now(), allowed: None })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        lock(&self.held)
    }

    /// Requests under way go on where they are.
    fn retire(&self, number: u64) {
        let mut held = self.held();
        // Another attempt on the same connections may have said so before.
        if held.number == number {
            held.client = None;
        }
    }

    #[cfg(test)]
    fn used(&self, used: Since) {
        self.held().used = Some(used);
    }
}

impl Attempt<'_> {
    /// The client to ask.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// When it is dropped after so long, or after what an idle connection is trusted if that is less,
    /// its connection is no longer used.
    pub(super) fn within(mut self, allowed: Duration) -> Self {
        self.allowed = Some(allowed.min(IDLE));
        self
    }

    /// There was an answer, or an error: the connection knows what it is.
    pub(crate) fn heard(mut self) {
        self.allowed = None;
    }

    /// There was none in time.
    pub(crate) fn timed_out(self) {
        self.pool.retire(self.number);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.allowed.is_some_and(|allowed| self.began.elapsed() + NEARLY >= allowed) {
            self.pool.retire(self.number);
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
