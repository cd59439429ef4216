//! What the upstream of a shared stream was last heard to say: whether its silence is the stream's own.

use std::future::pending;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::connection::{ConnectionState, Notice};
use crate::stream::Limits;

/// A v1 response that brings bytes for so long, and never a whole event, has nothing more.
const PATIENCE: Duration = Duration::from_secs(30);

/// The upstream's connection, as its batches told it.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    /// The time and the number of the last record.
    pub(super) last: (u64, u64),
    is_v2: bool,
    /// Whether a response began at all.
    is_open: bool,
    is_lost: bool,
    /// Whether it was lost before or within the present batch.
    was_lost: bool,
    /// The connection is alive, and every event that the server had was read.
    is_whole: bool,
    /// When an event of v1 began that is not whole yet.
    partial_since: Option<Instant>,
    /// When the connection may be dead.
    alive_until: Option<Instant>,
}

impl Upstream {
    /// Takes what happened to the connection since the last batch. Returns whether it was lost, though it may be found
    /// again.
    pub(super) fn observe(&mut self, notices: &[Notice]) -> bool {
        self.was_lost = self.is_lost;
        for notice in notices {
            let Notice::State(stage) = notice else { continue };
            match stage {
                ConnectionState::Retrying | ConnectionState::Ended => self.is_lost = true,
                ConnectionState::Live | ConnectionState::Polling => self.is_lost = false,
                ConnectionState::Connecting | ConnectionState::Refreshing => {}
            }
            self.was_lost |= self.is_lost;
        }
        self.was_lost
    }

    /// A response began. Before its first byte, silence says nothing: the server may still be reading its store. After a
    /// window that the server closed without a loss, silence is known to be the stream's own.
    pub(super) fn opened(&mut self, is_v2: bool) {
        self.is_whole = self.is_open && !self.was_lost;
        self.is_open = true;
        self.is_v2 = is_v2;
        self.partial_since = None;
        self.alive_until = Some(self.alive_until());
    }

    /// Bytes came. After them every event is whole, or one is not.
    pub(super) fn heard(&mut self, is_whole: bool) {
        self.alive_until = Some(self.alive_until());
        if is_whole {
            self.partial_since = None;
            self.is_whole = true;
        } else {
            let since = *self.partial_since.get_or_insert_with(Instant::now);
            self.is_whole = since.elapsed() >= PATIENCE;
        }
    }

    fn alive_until(&self) -> Instant {
        Instant::now() + Duration::from_millis(if self.is_v2 { Limits::ALIVE_MS } else { Limits::ALIVE_V1_MS })
    }

    /// Whether silence is the stream's own: the connection is alive, and all that the server had was read.
    pub(super) fn is_up_to_date(&self) -> bool {
        !self.is_lost && self.is_whole
    }

    /// Ready when no byte came for so long that the connection may be dead; see [`Upstream::doubt`].
    pub(super) fn silent(&self) -> impl Future<Output = ()> + use<> {
        let until = self.alive_until;
        async move {
            match until {
                Some(until) => sleep_until(until).await,
                None => pending().await,
            }
        }
    }

    /// The connection may be dead, until bytes come.
    pub(super) fn doubt(&mut self) {
        self.alive_until = None;
        self.is_whole = false;
    }
}
