//! The relay: the server's own protocol on an app's own origin, so that any number of viewers needs one upstream
//! connection for each distinct feed (docs/relay.md).
//!
//! It verifies viewers' tokens in place, answers feeds and streams from memory, and passes every other route of the
//! list through with the viewer's own token. Its own key is used for shared feeds and streams, and for what memory
//! does not have of them when a viewer whom the app let in wants it.

mod access;
mod base;
#[cfg(test)]
mod bounds_tests;
mod door;
mod feed;
mod head;
mod judge;
mod limits;
mod listen;
mod metrics;
mod notices;
mod options;
mod own;
mod pass;
#[cfg(test)]
mod pass_tests;
mod query;
mod respond;
mod route;
mod stats;
mod stream;
mod trigger;
mod under_way;
mod view;
mod viewer;
mod wait;

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use feed::Feeds;
pub use head::{head_text, read_head};
use judge::Judge;
use limits::Gate;
pub use listen::{Authorize, Listen, Listening, Verdict, for_this_origin};
pub use notices::Notices;
pub use options::{Limits, Options};
pub use respond::Grant;
use stats::{Gauges, Refusal, Stats};
use stream::Streams;
use under_way::UnderWay;

use crate::serve::clock::Clock;

/// One relay. Cheap to share; everything it keeps ends with [`Relay::stop`] or when it is dropped.
pub struct Relay {
    pub(crate) options: Options,
    /// By which tokens are valid.
    clock: Clock,
    /// Ends held polls, streams and what is asked upstream.
    pub(crate) stop: CancellationToken,
    feeds: Feeds,
    streams: Streams,
    judge: Judge,
    own: own::Own,
    gate: Arc<Gate>,
    stats: Arc<Stats>,
    under_way: Arc<UnderWay>,
}

impl Relay {
    /// A relay that has answered nothing yet.
    #[must_use]
    pub fn new(options: Options) -> Arc<Self> {
        Self::with_clock(options, Clock::system())
    }

    /// A relay whose tokens are valid by that clock.
    pub(crate) fn with_clock(options: Options, clock: Clock) -> Arc<Self> {
        let (stop, stats) = (CancellationToken::new(), Arc::new(Stats::default()));
        Arc::new(Self {
            feeds: Feeds::with_clock(&options, stop.clone(), stats.clone(), clock.clone()),
            streams: Streams::new(options.clone(), stop.clone(), stats.clone()),
            judge: Judge::new(clock.clone()),
            own: own::Own::default(),
            gate: Gate::new(options.limits, stats.clone()),
            under_way: UnderWay::new(options.limits.bytes_under_way),
            stats,
            stop,
            options,
            clock,
        })
    }

    /// Its counts, as JSON: see `RealtimeStats` in types/relay.d.ts.
    #[must_use]
    pub fn stats(&self) -> String {
        self.stats.to_json(self.gauges()).to_string()
    }

    /// The counts of a relay that has answered nothing, as JSON.
    #[must_use]
    pub fn no_stats() -> String {
        Stats::default().to_json(Gauges::default()).to_string()
    }

    /// Counts an answer that the app gave in the relay's place, where it is a refusal.
    pub fn refused_elsewhere(&self, status: StatusCode) {
        if let Some(refusal) = Refusal::of(status) {
            self.stats.refuse(refusal);
        }
    }

    /// Counts an answer that was dropped elsewhere than in a listener because nobody read it.
    pub fn dropped_unread(&self) {
        self.stats.listeners.count_send_timeout();
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            feeds: self.feeds.stats().open,
            streams: self.streams.stats().streams,
            bytes_under_way: self.under_way.bytes(),
        }
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
