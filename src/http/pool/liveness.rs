//! Whether the server at the other end of a shared connection still answers.

use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::http::instant::SuspendAwareInstant;
use crate::http::settings::IDLE_TIMEOUT;

/// A connection in use is pinged when nothing was received on it for this long.
const PING_AFTER: Duration = Duration::from_secs(10);
/// A ping without an answer for this long ends the connection. Every request on it fails at once,
/// long before its own silence time (defect 11).
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a new request waits for a sign of life on a quiet connection, before it takes another.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// When a connection last received anything, and the request for a ping.
#[derive(Debug)]
pub(super) struct Liveness {
    last_received: watch::Sender<SuspendAwareInstant>,
    /// Notified by a request that needs to know whether the connection is alive.
    check: Notify,
}

impl Liveness {
    /// That of a connection which was just opened.
    pub(super) fn new() -> Self {
        Self { last_received: watch::Sender::new(SuspendAwareInstant::now()), check: Notify::new() }
    }

    /// Records that the server sent something.
    pub(super) fn received(&self) {
        self.last_received.send_replace(SuspendAwareInstant::now());
    }

    fn quiet_for(&self) -> Duration {
        self.last_received.borrow().elapsed()
    }

    /// Whether the server answers: it sent something within the idle time-out, or answers a ping now.
    pub(super) async fn is_alive(&self) -> bool {
        if self.quiet_for() < IDLE_TIMEOUT {
            return true;
        }
        let mut last_received = self.last_received.subscribe();
        self.check.notify_one();
        matches!(timeout(CHECK_TIMEOUT, last_received.changed()).await, Ok(Ok(())))
    }

    /// Ready when the server does not answer a ping. A ping goes out when a connection in use was quiet
    /// for 10 s, and when a request checks.
    pub(super) async fn until_dead(&self, pings: Option<PingPong>, is_used: impl Fn() -> bool) {
        let Some(mut pings) = pings else { return std::future::pending().await };
        loop {
            let is_checked = tokio::select! {
                () = self.check.notified() => true,
                () = sleep(PING_AFTER.saturating_sub(self.quiet_for()).max(CHECK_TIMEOUT)) => false,
            };
            if !is_checked && (!is_used() || self.quiet_for() < PING_AFTER) {
                continue;
            }
            match timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => self.received(),
                // The connection ended: its own future reports that.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => return,
            }
        }
    }
}
