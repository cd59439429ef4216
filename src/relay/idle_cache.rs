//! The cache of upstreams that viewers share. An upstream is opened for its first subscriber, and kept for a while
//! after its last one (`keepMs`, 5 s). The number of upstreams is bounded in all (`limits.feeds`), and for the token
//! that opened them (`limits.feedsPerToken`). Beyond a bound, the upstream that has been idle for longest is evicted
//! (F1, F2, R1).

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::digest::Digest;
use super::limits::{Quota, QuotaPermit, too_many_requests};
use super::options::Options;
use super::stats::{Bound, Stats};
use crate::lock::lock;
use crate::serve::Response;

/// A subscription, and the slot of its upstream where that was opened for it.
type Subscribed<K, V> = (Subscription<K, V>, Option<Arc<Slot<K, V>>>);

/// The shared upstreams by key.
#[derive(Debug)]
pub(super) struct IdleCache<K, V> {
    max: usize,
    keep: Duration,
    quota: Arc<Quota>,
    stop: CancellationToken,
    stats: Arc<Stats>,
    slots: Mutex<HashMap<K, Arc<Slot<K, V>>>>,
}

/// A shared upstream.
#[derive(Debug)]
pub(super) struct Slot<K, V> {
    id: K,
    value: V,
    subscribers: Mutex<Subscribers>,
    /// Notified when the last subscriber leaves.
    idle: Notify,
    /// Cancelled when the upstream is evicted, and when the relay stops.
    pub(super) end: CancellationToken,
    /// The permit of the token that opened it, until the upstream ends or is evicted.
    permit: Mutex<Option<QuotaPermit>>,
}

#[derive(Debug)]
struct Subscribers {
    count: usize,
    /// When the last subscriber left. Meaningless while there are subscribers.
    idle_since: Instant,
}

impl<K: Clone + Eq + Hash, V> IdleCache<K, V> {
    /// A cache without upstreams. `stop` ends all of them.
    pub(super) fn new(options: &Options, stop: CancellationToken, stats: Arc<Stats>) -> Self {
        Self {
            max: options.limits.feeds,
            keep: options.keep,
            quota: Quota::new(options.limits.feeds_per_token),
            stop,
            stats,
            slots: Mutex::default(),
        }
    }

    /// Subscribes to the upstream of `key`, which `open` makes where there is none. The caller has to drive a slot that
    /// it gets.
    ///
    /// # Errors
    /// The 429 where there are too many upstreams with subscribers, in all or opened by `owner`.
    pub(super) fn subscribe(
        &self,
        key: K,
        owner: Option<Digest>,
        open: impl FnOnce(&K) -> V,
    ) -> Result<Subscribed<K, V>, Response> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(&key) {
            return Ok((Subscription::new(slot.clone()), None));
        }
        if slots.len() >= self.max && !evict(&mut slots, None) {
            self.stats.limit(Bound::Feeds);
            return Err(too_many_requests());
        }
        let permit = match owner {
            Some(owner) => Some(self.take(&mut slots, owner).ok_or_else(|| {
                self.stats.limit(Bound::FeedsPerToken);
                too_many_requests()
            })?),
            None => None,
        };
        let slot = Arc::new(Slot {
            value: open(&key),
            id: key.clone(),
            subscribers: Mutex::new(Subscribers { count: 0, idle_since: Instant::now() }),
            idle: Notify::new(),
            end: self.stop.child_token(),
            permit: Mutex::new(permit),
        });
        slots.insert(key, slot.clone());
        Ok((Subscription::new(slot.clone()), Some(slot)))
    }

    /// A permit of `owner`, for which an idle upstream of its own is evicted where it has too many.
    fn take(&self, slots: &mut HashMap<K, Arc<Slot<K, V>>>, owner: Digest) -> Option<QuotaPermit> {
        let permit = self.quota.take(owner);
        permit.or_else(|| evict(slots, Some(&owner)).then(|| self.quota.take(owner)).flatten())
    }

    /// Waits until the upstream has had no subscriber for `keep`, and removes it.
    pub(super) async fn idle(&self, slot: &Arc<Slot<K, V>>) {
        loop {
            let end = {
                let mut slots = lock(&self.slots);
                let end = slot.idle_since().map(|since| since + self.keep);
                if end.is_some_and(|end| end <= Instant::now()) {
                    // Under the lock, so that no viewer subscribes to an upstream that is about to end.
                    remove(&mut slots, slot);
                    return;
                }
                end
            };
            match end {
                Some(end) => tokio::time::sleep_until(end).await,
                None => slot.idle.notified().await,
            }
        }
    }

    /// Removes an upstream that ended.
    pub(super) fn remove(&self, slot: &Arc<Slot<K, V>>) {
        remove(&mut lock(&self.slots), slot);
    }

    /// The upstreams there are now.
    #[cfg(test)]
    pub(super) fn slots(&self) -> Vec<Arc<Slot<K, V>>> {
        lock(&self.slots).values().cloned().collect()
    }

    /// How many upstreams there are now.
    pub(super) fn len(&self) -> usize {
        lock(&self.slots).len()
    }
}

/// Evicts the upstream that has been idle for longest, of those that `owner` opened if there is one. False where none
/// is idle.
fn evict<K: Clone + Eq + Hash, V>(slots: &mut HashMap<K, Arc<Slot<K, V>>>, owner: Option<&Digest>) -> bool {
    let candidates = slots.values().filter(|slot| owner.is_none_or(|owner| slot.is_of(owner)));
    let idle = candidates.filter_map(|slot| Some((slot.idle_since()?, slot)));
    let Some(key) = idle.min_by_key(|(since, _)| *since).map(|(_, slot)| slot.id.clone()) else { return false };
    if let Some(slot) = slots.remove(&key) {
        // The upstream may take a moment to end; its permit is free at once.
        lock(&slot.permit).take();
        slot.end.cancel();
    }
    true
}

/// Removes an upstream, unless another one has taken its place.
fn remove<K: Eq + Hash, V>(slots: &mut HashMap<K, Arc<Slot<K, V>>>, slot: &Arc<Slot<K, V>>) {
    if slots.get(&slot.id).is_some_and(|present| Arc::ptr_eq(present, slot)) {
        slots.remove(&slot.id);
    }
}

impl<K, V> Slot<K, V> {
    /// How many subscribers the upstream has.
    #[cfg(test)]
    pub(super) fn subscribers(&self) -> usize {
        lock(&self.subscribers).count
    }

    /// When the last subscriber left; `None` while there are any.
    fn idle_since(&self) -> Option<Instant> {
        let subscribers = lock(&self.subscribers);
        (subscribers.count == 0).then_some(subscribers.idle_since)
    }

    fn is_of(&self, owner: &Digest) -> bool {
        lock(&self.permit).as_ref().is_some_and(|permit| permit.is_of(owner))
    }
}

impl<K, V> Deref for Slot<K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}

/// One subscriber of a shared upstream. The upstream goes on while there is one.
#[derive(Debug)]
pub(super) struct Subscription<K, V>(Arc<Slot<K, V>>);

impl<K, V> Subscription<K, V> {
    fn new(slot: Arc<Slot<K, V>>) -> Self {
        lock(&slot.subscribers).count += 1;
        Self(slot)
    }
}

impl<K, V> Deref for Subscription<K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.0.value
    }
}

impl<K, V> Drop for Subscription<K, V> {
    fn drop(&mut self) {
        let mut subscribers = lock(&self.0.subscribers);
        subscribers.count -= 1;
        if subscribers.count == 0 {
            subscribers.idle_since = Instant::now();
            self.0.idle.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::feed::tests::options;

    const KEEP: Duration = Duration::from_secs(5);

    fn cache(feeds: usize, feeds_per_token: usize) -> IdleCache<&'static str, ()> {
        let mut options = options("http://127.0.0.1:1", "tr_dev_1");
        (options.limits.feeds, options.limits.feeds_per_token, options.keep) = (feeds, feeds_per_token, KEEP);
        IdleCache::new(&options, CancellationToken::new(), Arc::default())
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_stays_while_it_has_a_subscriber_and_a_while_after() {
        let cache = cache(1, 1);
        let (first, slot) = cache.subscribe("a", None, |_| ()).expect("room");
        let slot = slot.expect("opened");
        let began = Instant::now();
        let leave = async {
            tokio::time::sleep(KEEP * 2).await;
            let (second, opened) = cache.subscribe("a", None, |_| ()).expect("shared");
            assert!(opened.is_none() && slot.subscribers() == 2);
            drop((first, second));
            tokio::time::sleep(KEEP / 2).await;
            drop(cache.subscribe("a", None, |_| ()));
        };
        tokio::join!(cache.idle(&slot), leave);
        assert_eq!((began.elapsed(), cache.len()), (KEEP * 3 + KEEP / 2, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_upstream_that_was_idle_for_longest_makes_way_and_gives_its_owners_permit_back() {
        let cache = cache(2, 1);
        let owner = Some([1; 32]);
        let (first, slot) = cache.subscribe("a", owner, |_| ()).expect("room");
        let slot = slot.expect("opened");
        assert!(cache.subscribe("b", owner, |_| ()).is_err(), "the owner's only one has a subscriber");
        drop(first);
        let (_second, _) = cache.subscribe("b", owner, |_| ()).expect("the idle one is evicted");
        assert!(slot.end.is_cancelled() && cache.len() == 1);
        drop(cache.subscribe("c", None, |_| ()).expect("room"));
        tokio::time::sleep(KEEP / 2).await;
        let (_fourth, _) = cache.subscribe("d", None, |_| ()).expect("c is evicted");
        assert!(cache.subscribe("e", None, |_| ()).is_err(), "both have subscribers");
        // Removing an evicted upstream does not remove its successor.
        drop(cache.subscribe("b", None, |_| ()));
        cache.remove(&slot);
        assert_eq!(cache.len(), 2);
    }
}
