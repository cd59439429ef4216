//! The shared feeds of a relay: opened for the first viewer, kept for a while after the last one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::copy::{Facts, FeedCopy};
use super::failure::Failure;
use super::key::FeedKey;
use super::rows::Retention;
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::error::Error;
use crate::hub::{Budget, BudgetCounts, FeedSpec, Hub, ReaderOptions};
use crate::relay::digest::Digest;
use crate::relay::idle_cache::{IdleCache, Slot, Subscription};
use crate::relay::log;
use crate::relay::options::Options;
use crate::relay::stats::Stats;
use crate::relay::warnings::Warnings;
use crate::serve::Response;
use crate::serve::clock::Clock;

/// How long the failure of a feed is remembered: viewers that come meanwhile get it, and no new request is made (F3).
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// The shared feeds. Cheap to clone; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Feeds(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    endpoint: Endpoint,
    /// The long-polls that the feeds may hold; `None` is no limit.
    budget: Option<Arc<Budget>>,
    pub(super) hold: Duration,
    warnings: Warnings,
    pub(super) stop: CancellationToken,
    pub(super) stats: Arc<Stats>,
    pub(super) clock: Clock,
    cache: IdleCache<FeedKey, FeedCopy>,
    started: AtomicU64,
    failed: AtomicU64,
}

/// The cost of a relay's feeds.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeedStats {
    /// Copies now.
    pub(crate) open: usize,
    /// Requests that are being answered from them.
    pub(crate) viewers: usize,
    /// Rows they hold.
    pub(crate) rows: usize,
    /// Copies that were ever started.
    pub(crate) started: u64,
    /// Copies that ended with an error.
    pub(crate) failed: u64,
}

impl Feeds {
    /// An empty set of feeds, by the system's clock.
    #[cfg(test)]
    pub(crate) fn new(options: &Options, stop: CancellationToken, stats: Arc<Stats>) -> Self {
        Self::with_clock(options, stop, stats, Clock::system())
    }

    /// An empty set of feeds. `stop` ends all of them, and `stats` counts their cost. The window of a tag feed goes
    /// back from the present of `clock`.
    pub(crate) fn with_clock(options: &Options, stop: CancellationToken, stats: Arc<Stats>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            endpoint: options.endpoint.clone(),
            budget: Hub::budget(&options.endpoint, &options.upstream),
            hold: options.hold,
            warnings: options.warnings.clone(),
            cache: IdleCache::new(options, stop.clone(), stats.clone()),
            stop,
            stats,
            clock,
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// Subscribes a viewer without a token.
    #[cfg(test)]
    pub(crate) fn open(&self, key: FeedKey) -> Result<Subscriber, Response> {
        self.subscribe(key, None)
    }

    /// Subscribes to a feed, which is opened for its first viewer. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The 429 when there are too many feeds with viewers, in all or opened by `owner`; the 503 of a relay that was
    /// stopped.
    pub(crate) fn subscribe(&self, key: FeedKey, owner: Option<Digest>) -> Result<Subscriber, Response> {
        let inner = &self.0;
        if inner.stop.is_cancelled() {
            return Err(Failure::stopping().answer());
        }
        let open = |key: &FeedKey| FeedCopy::new(key.clone(), Retention::default());
        let (subscription, opened) = inner.cache.subscribe(key, owner, open)?;
        if let Some(slot) = opened {
            inner.started.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(inner.clone().run(slot));
        }
        Ok(Subscriber { inner: inner.clone(), subscription })
    }

    /// How many feeds there are now.
    pub(crate) fn len(&self) -> usize {
        self.0.cache.len()
    }

    /// The long-polls that they hold, and what for; `None` where there is no limit.
    pub(crate) fn budget(&self) -> Option<BudgetCounts> {
        self.0.budget.as_ref().map(|budget| budget.counts())
    }

    /// The cost of the feeds now.
    #[cfg(test)]
    pub(crate) fn stats(&self) -> FeedStats {
        let slots = self.0.cache.slots();
        FeedStats {
            open: slots.len(),
            viewers: slots.iter().map(|slot| slot.subscribers()).sum(),
            rows: slots.iter().map(|slot| slot.rows().len()).sum(),
            started: self.0.started.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
        }
    }
}

impl Inner {
    /// Drives a copy from its first viewer to its end.
    async fn run(self: Arc<Self>, slot: Arc<Slot<FeedKey, FeedCopy>>) {
        let spec = FeedSpec {
            endpoint: self.endpoint.clone(),
            path: slot.key.path.clone(),
            query: slot.key.query.clone(),
            retry: RetryPolicy::default(),
        };
        let _log = log::upstream(&spec.path);
        let options = ReaderOptions { copies: true, notices: true, ..ReaderOptions::default() };
        let reader = Hub::global().open_within(&spec, options, self.budget.as_ref());
        let follow = slot.follow(&reader, &self.endpoint, &self.stats.requests, &self.warnings);
        self.run_with(&slot, follow).await;
    }

    /// As [`Inner::run`], with the future that fills the copy. A panic of it ends the copy with an error, as any other
    /// end does: viewers get the failure, and the next one opens another copy.
    async fn run_with(&self, slot: &Arc<Slot<FeedKey, FeedCopy>>, follow: impl Future<Output = ()>) {
        tokio::select! {
            () = slot.end.cancelled() => {}
            () = self.cache.idle(slot) => return,
            followed = AssertUnwindSafe(follow).catch_unwind() => {
                if followed.is_err() {
                    slot.fail(Failure::of(&Error::panicked("a feed of the relay"), &self.endpoint));
                }
                self.failed.fetch_add(1, Ordering::Relaxed);
                let _ = tokio::time::timeout(FAILURE_TTL, slot.end.cancelled()).await;
            }
        }
        self.cache.remove(slot);
    }
}

/// A viewer of a shared feed. The feed goes on while there is one.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(super) inner: Arc<Inner>,
    subscription: Subscription<FeedKey, FeedCopy>,
}

impl Subscriber {
    /// The facts that scopes are matched against, of a feed of one run. Waits for its row.
    ///
    /// # Errors
    /// The 404 of an unknown run, or why the feed cannot be read.
    pub(crate) async fn facts(&self) -> Result<Facts, Response> {
        self.before_stop(self.copy().facts()).await
    }

    /// Waits for the first rows, which show that the relay's own key may read the feed.
    ///
    /// # Errors
    /// As [`Subscriber::facts`].
    pub(crate) async fn ready(&self) -> Result<(), Response> {
        self.before_stop(self.copy().ready()).await.map(drop)
    }

    async fn before_stop<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Response> {
        let done = self.inner.stop.run_until_cancelled(work).await;
        done.unwrap_or_else(|| Err(Failure::stopping())).map_err(|failure| failure.answer())
    }

    pub(super) fn copy(&self) -> &FeedCopy {
        &self.subscription
    }
}

#[cfg(test)]
impl Subscriber {
    /// One more of the same copy.
    pub(super) fn another(&self) -> Self {
        let opened = self.inner.cache.subscribe(self.copy().key.clone(), None, |_| unreachable!("it is there"));
        let (subscription, _) = opened.expect("room for one");
        Self { inner: self.inner.clone(), subscription }
    }

    /// A subscriber of a copy that nothing drives, and the token that stops its relay.
    pub(super) fn detached(key: FeedKey, retention: Retention, options: &Options) -> (Self, CancellationToken) {
        let stop = CancellationToken::new();
        let inner = Feeds::new(options, stop.clone(), Arc::default()).0;
        let opened = inner.cache.subscribe(key, None, |key| FeedCopy::new(key.clone(), retention));
        let (subscription, _) = opened.expect("room for one");
        (Self { inner, subscription }, stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::feed::{Reply, answer, tests};

    #[tokio::test(start_paused = true)]
    async fn a_fault_amid_a_feed_is_told_to_its_viewers_and_the_next_begins_another() {
        let key = FeedKey::run("run_a").expect("a key");
        let options = tests::options("http://127.0.0.1:1", "tr_dev_1");
        let (viewer, _) = Subscriber::detached(key.clone(), Retention::default(), &options);
        let feeds = Feeds(viewer.inner.clone());
        let slot = feeds.0.cache.slots().pop().expect("the copy");
        let run = feeds.0.run_with(&slot, async { panic!("a fault, for this test") });
        let request = tests::request("offset=-1");
        let (told, ()) = tokio::join!(answer(&viewer, &request, &[], None), run);
        let Reply::Answer(told) = told else { panic!("asked to read upstream") };
        assert_eq!(tests::Received::of(told).await.status, 502);
        assert_eq!((feeds.stats().open, feeds.stats().failed), (0, 1));
        let _viewer = feeds.open(key).expect("room");
        assert_eq!((feeds.stats().open, feeds.stats().started), (1, 1));
    }
}
