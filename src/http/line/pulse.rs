//! Whether the server at the other end of a shared connection is there.

use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::http::client::IDLE;
use crate::http::since::Since;

/// A connection in use that said nothing for so long is pinged,
const PING_AFTER: Duration = Duration::from_secs(10);
/// and is over when it does not answer for so long: all that wait on it hear of it at once, and do
/// not wait for their own silence to have lasted (defect 11).
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a new request waits to hear that a quiet connection is alive, before it takes another.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// What was heard of a connection.
#[derive(Debug)]
pub(super) struct Pulse {
    /// When the server last said anything.
    heard: watch::Sender<Since>,
    /// Told when somebody wants to know whether it is alive.
    doubted: Notify,
}

impl Pulse {
    /// Of a connection that was just opened.
    pub(super) fn new() -> Self {
        Self { heard: watch::Sender::new(Since::now()), doubted: Notify::new() }
    }

    /// The server said something.
    pub(super) fn hear(&self) {
        self.heard.send_replace(Since::now());
    }

    fn quiet(&self) -> Duration {
        self.heard.borrow().elapsed()
    }

    /// Whether the server is there: what was heard lately says so, or a ping does.
    pub(super) async fn is_alive(&self) -> bool {
        if self.quiet() < IDLE {
            return true;
        }
        let mut heard = self.heard.subscribe();
        self.doubted.notify_one();
        matches!(timeout(CHECK_TIMEOUT, heard.changed()).await, Ok(Ok(())))
    }

    /// Ready when the server does not answer a ping. It is asked when it was quiet for long while it is
    /// in use, and when somebody doubts it.
    pub(super) async fn found_dead(&self, pings: Option<PingPong>, is_used: impl Fn() -> bool) {
        let Some(mut pings) = pings else { return std::future::pending().await };
        loop {
            let is_doubted = tokio::select! {
                () = self.doubted.notified() => true,
                () = sleep(PING_AFTER.saturating_sub(self.quiet()).max(CHECK_TIMEOUT)) => false,
            };
            if !is_doubted && (!is_used() || self.quiet() < PING_AFTER) {
                continue;
            }
            match timeout(PING_TIMEOUT, pings.ping(Ping::opaque())).await {
                Ok(Ok(_)) => self.hear(),
                // It is over by itself.
                Ok(Err(_)) => return std::future::pending().await,
                Err(_) => return,
            }
        }
    }
}
