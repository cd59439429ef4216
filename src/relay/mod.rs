//! The relay: the server's own protocol on an app's own origin, so that any number of viewers needs one upstream
//! connection for each distinct feed (design.md 7).
//!
//! It verifies viewers' tokens in place, answers feeds and streams from memory, and passes every other route of the
//! list through with the viewer's own token. Its own key is used for shared feeds and streams only.

#[allow(dead_code, unused_imports, reason = "nothing is routed to it yet")]
mod feed;
mod options;
mod respond;

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use options::{Limits, Options};
pub use respond::Grant;

/// One relay. Cheap to share; everything it keeps ends with [`Relay::stop`] or when it is dropped.
pub struct Relay {
    pub(crate) options: Options,
    /// Ends held polls, streams and what is asked upstream.
    pub(crate) stop: CancellationToken,
}

impl Relay {
    /// A relay that has answered nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self { options, stop: CancellationToken::new() })
    }

    /// Ends held polls and streams, and every upstream. Idempotent.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("options", &self.options).finish_non_exhaustive()
    }
}
