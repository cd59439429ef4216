//! The copies there are: started by the first viewer, kept for a while after the last one.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::copy::{Facts, FeedCopy};
use super::failure::Failure;
use super::key::FeedKey;
use super::rows::Keep;
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::error::Error;
use crate::hub::{FeedSpec, Hub, ReaderOptions};
use crate::lock::lock;
use crate::relay::limits::{Digest, Quota, Share, full};
use crate::relay::stats::{Bound, Stats};
use crate::relay::{Notices, Options};
use crate::serve::Response;
use crate::serve::clock::Clock;

/// A feed that ended is not asked for again so soon: everybody who comes meanwhile is told the same.
const PAUSE: Duration = Duration::from_secs(1);

/// The copies there are.
#[derive(Clone, Debug)]
pub(crate) struct Feeds(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    endpoint: Endpoint,
    pub(super) hold: Duration,
    keep: Duration,
    most: usize,
    quota: Arc<Quota>,
    notices: Notices,
    pub(super) stop: CancellationToken,
    pub(super) stats: Arc<Stats>,
    pub(super) clock: Clock,
    kept: Mutex<HashMap<FeedKey, Arc<Kept>>>,
    started: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    copy: Arc<FeedCopy>,
    /// Whose it is now.
    seats: Mutex<Seats>,
    /// Told when the last viewer leaves.
    idle: Notify,
    /// Ends it: it made way.
    end: CancellationToken,
    /// Of who began it, until it ends or makes way.
    share: Mutex<Option<Share>>,
}

#[derive(Debug)]
struct Seats {
    taken: usize,
    /// Since when nobody has one.
    idle_since: Instant,
}

/// What the feeds of a relay cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FeedStats {
    /// Copies there are now.
    pub(crate) open: usize,
    /// Requests that are being answered from them.
    pub(crate) viewers: usize,
    /// Rows they hold.
    pub(crate) rows: usize,
    /// Copies that were ever started, and that ended with an error.
    pub(crate) started: u64,
    /// See `started`.
    pub(crate) failed: u64,
}

impl Feeds {
    /// No copies yet. `stop` ends all of them; `stats` counts what they cost.
    #[cfg(test)]
    pub(crate) fn new(options: &Options, stop: CancellationToken, stats: Arc<Stats>) -> Self {
        Self::with_clock(options, stop, stats, Clock::system())
    }

    /// No copies yet. `stop` ends all of them, `stats` counts what they cost; a window goes back from now by `clock`.
    pub(crate) fn with_clock(options: &Options, stop: CancellationToken, stats: Arc<Stats>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            endpoint: options.endpoint.clone(),
            hold: options.hold,
            keep: options.keep,
            most: options.limits.feeds,
            quota: Quota::new(options.limits.feeds_per_token),
            notices: options.notices.clone(),
            stop,
            stats,
            clock,
            kept: Mutex::default(),
            started: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// A seat of somebody who has no token.
    #[cfg(test)]
    pub(crate) fn open(&self, key: FeedKey) -> Result<Seat, Response> {
        self.open_for(key, None)
    }

    /// A seat at the feed, which is started if nobody has one yet. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The 429 when there are too many feeds that somebody reads, in all or that `owner` began; the 503 of a relay that
    /// was stopped.
    pub(crate) fn open_for(&self, key: FeedKey, owner: Option<Digest>) -> Result<Seat, Response> {
        let inner = &self.0;
        let mut all = lock(&inner.kept);
        if inner.stop.is_cancelled() {
            return Err(Failure::later("The relay is stopping").answer());
        }
        if let Some(kept) = all.get(&key) {
            lock(&kept.seats).taken += 1;
            return Ok(Seat { inner: inner.clone(), kept: kept.clone() });
        }
        if all.len() >= inner.most && !make_room(&mut all, None) {
            inner.stats.limit(Bound::Feeds);
            return Err(full());
        }
        let share = owner.map(|owner| {
            let room = || make_room(&mut all, Some(&owner)).then(|| inner.quota.take(owner)).flatten();
            inner.quota.take(owner).or_else(room).ok_or_else(|| inner.stats.limit(Bound::FeedsPerToken))
        });
        let share = share.transpose().map_err(|()| full())?;
        let kept = Arc::new(Kept {
            copy: Arc::new(FeedCopy::new(key.clone(), Keep::default())),
            seats: Mutex::new(Seats { taken: 1, idle_since: Instant::now() }),
            idle: Notify::new(),
            end: inner.stop.child_token(),
            share: Mutex::new(share),
        });
        all.insert(key, kept.clone());
        drop(all);
        inner.started.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(inner.clone().run(kept.clone()));
        Ok(Seat { inner: inner.clone(), kept })
    }

    /// What the feeds cost.
    pub(crate) fn stats(&self) -> FeedStats {
        let all: Vec<Arc<Kept>> = lock(&self.0.kept).values().cloned().collect();
        FeedStats {
            open: all.len(),
            viewers: all.iter().map(|kept| lock(&kept.seats).taken).sum(),
            rows: all.iter().map(|kept| kept.copy.rows().len()).sum(),
            started: self.0.started.load(Ordering::Relaxed),
            failed: self.0.failed.load(Ordering::Relaxed),
        }
    }
}

/// Ends the copy that nobody read for longest, of those that `owner` began if there is one. False when all of them are
/// read.
fn make_room(all: &mut HashMap<FeedKey, Arc<Kept>>, owner: Option<&Digest>) -> bool {
    let is_meant =
        |kept: &Kept| owner.is_none_or(|owner| lock(&kept.share).as_ref().is_some_and(|one| one.is_of(owner)));
    let idle = all.values().filter(|kept| is_meant(kept)).filter_map(|kept| {
        let seats = lock(&kept.seats);
        (seats.taken == 0).then(|| (seats.idle_since, kept.copy.key.clone()))
    });
    let Some((_, key)) = idle.min_by_key(|(since, _)| *since) else { return false };
    if let Some(kept) = all.remove(&key) {
        // It may take a moment to end.
        lock(&kept.share).take();
        kept.end.cancel();
    }
    true
}

impl Inner {
    /// Drives a copy from its first viewer to its end.
    async fn run(self: Arc<Self>, kept: Arc<Kept>) {
        let copy = &kept.copy;
        let spec = FeedSpec {
            endpoint: self.endpoint.clone(),
            path: copy.key.path.clone(),
            query: copy.key.query.clone(),
            retry: RetryPolicy::default(),
        };
        let reader =
            Hub::global().open(&spec, ReaderOptions { copies: true, notices: true, ..ReaderOptions::default() });
        let follow = copy.follow(&reader, &self.endpoint, &self.stats.requests, &self.notices);
        self.run_with(&kept, follow).await;
    }

    /// As [`Inner::run`], with what fills the copy. A panic of it ends the copy with an error, as any other end does:
    /// viewers are told, and the next to come begins another.
    async fn run_with(&self, kept: &Arc<Kept>, follow: impl Future<Output = ()>) {
        tokio::select! {
            () = kept.end.cancelled() => {}
            () = self.idle(kept) => return,
            followed = AssertUnwindSafe(follow).catch_unwind() => {
                if followed.is_err() {
                    kept.copy.fail(Failure::of(&Error::panicked("a feed of the relay"), &self.endpoint));
                }
                self.failed.fetch_add(1, Ordering::Relaxed);
                let _ = tokio::time::timeout(PAUSE, kept.end.cancelled()).await;
            }
        }
        forget(&mut lock(&self.kept), kept);
    }

    /// Waits until nobody had a seat for long enough; then it is forgotten already.
    async fn idle(&self, kept: &Arc<Kept>) {
        loop {
            let end = {
                let mut all = lock(&self.kept);
                let seats = lock(&kept.seats);
                let end = (seats.taken == 0).then(|| seats.idle_since + self.keep);
                drop(seats);
                if end.is_some_and(|end| end <= Instant::now()) {
                    // Under the lock: nobody takes a seat at a copy that is about to end.
                    forget(&mut all, kept);
                    return;
                }
                end
            };
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => kept.idle.notified().await,
            }
        }
    }
}

/// Forgets a copy, unless another one has taken its place already.
fn forget(all: &mut HashMap<FeedKey, Arc<Kept>>, kept: &Arc<Kept>) {
    if all.get(&kept.copy.key).is_some_and(|present| Arc::ptr_eq(present, kept)) {
        all.remove(&kept.copy.key);
    }
}

/// A viewer's seat at a feed. While anybody has one, the feed goes on.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) inner: Arc<Inner>,
    kept: Arc<Kept>,
}

impl Seat {
    /// What scopes are decided by, of a feed of one run. Waits for its row.
    ///
    /// # Errors
    /// The answer to give instead: the 404 of an unknown run, or why the feed cannot be read.
    pub(crate) async fn facts(&self) -> Result<Facts, Response> {
        let facts = self.inner.stop.run_until_cancelled(self.copy().facts()).await;
        match facts {
            Some(facts) => facts.map_err(|failure| failure.answer()),
            None => Err(Failure::later("The relay is stopping").answer()),
        }
    }

    /// Whether the relay's own key is shown the feed. Waits for its first rows.
    ///
    /// # Errors
    /// As [`Seat::facts`].
    pub(crate) async fn shown(&self) -> Result<(), Response> {
        match self.inner.stop.run_until_cancelled(self.copy().ready()).await {
            Some(ready) => ready.map(drop).map_err(|failure| failure.answer()),
            None => Err(Failure::later("The relay is stopping").answer()),
        }
    }

    pub(super) fn copy(&self) -> &FeedCopy {
        &self.kept.copy
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = lock(&self.kept.seats);
        seats.taken -= 1;
        if seats.taken == 0 {
            seats.idle_since = Instant::now();
            self.kept.idle.notify_one();
        }
    }
}

#[cfg(test)]
impl Seat {
    /// A seat at a copy that nothing drives, and the switch that stops its relay.
    pub(super) fn detached(key: FeedKey, keep: Keep, options: &Options) -> (Self, CancellationToken) {
        let stop = CancellationToken::new();
        let kept = Kept {
            copy: Arc::new(FeedCopy::new(key, keep)),
            seats: Mutex::new(Seats { taken: 1, idle_since: Instant::now() }),
            idle: Notify::new(),
            end: stop.clone(),
            share: Mutex::default(),
        };
        (Self { inner: Feeds::new(options, stop.clone(), Arc::default()).0, kept: Arc::new(kept) }, stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::feed::{Reply, answer, tests};

    #[tokio::test(start_paused = true)]
    async fn a_fault_amid_a_feed_is_told_to_its_viewers_and_the_next_begins_another() {
        let feeds =
            Feeds::new(&tests::options("http://127.0.0.1:1", "tr_dev_1"), CancellationToken::new(), Arc::default());
        let key = FeedKey::run("run_a").expect("a key");
        let (seat, _) = Seat::detached(key.clone(), Keep::default(), &tests::options("http://127.0.0.1:1", "tr_dev_1"));
        lock(&feeds.0.kept).insert(key.clone(), seat.kept.clone());
        let run = feeds.0.run_with(&seat.kept, async { panic!("a fault, for this test") });
        let request = tests::request("offset=-1");
        let (told, ()) = tokio::join!(answer(&seat, &request, &[]), run);
        let Reply::Answer(told) = told else { panic!("asked to read elsewhere") };
        assert_eq!(tests::Told::of(told).await.status, 502);
        assert_eq!((feeds.stats().open, feeds.stats().failed), (0, 1));
        let _seat = feeds.open(key).expect("a seat");
        assert_eq!((feeds.stats().open, feeds.stats().started), (1, 1));
    }
}
