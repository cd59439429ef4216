//! The cache of upstreams that viewers share. An upstream is opened for its first subscriber, and kept for a while
//! after its last one (`keepMs`, 5 s). The number of upstreams is bounded in all (`limits.feeds`), and for the token
//! that opened them (`limits.feedsPerToken`). Beyond a bound, the upstream that has been idle for longest is evicted
//! (F1, F2, R1).

use std::collections::{BTreeMap, HashMap};
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
    idle: Arc<Mutex<IdleOrder<K>>>,
}

/// The keys of idle upstreams by when they became so: all of them, and those that each token opened. The one that has been
/// idle for longest is found without a look at the others, since a viewer that is at its bound asks for it with every
/// request. Locked last, after the subscribers of a slot, so that what it says of the slot is true.
#[derive(Debug)]
struct IdleOrder<K> {
    last: u64,
    all: BTreeMap<u64, Arc<K>>,
    of_owner: HashMap<Digest, BTreeMap<u64, Arc<K>>>,
}

impl<K> Default for IdleOrder<K> {
    fn default() -> Self {
        Self { last: 0, all: BTreeMap::new(), of_owner: HashMap::new() }
    }
}

impl<K> IdleOrder<K> {
    /// Adds an upstream that has become idle, and gives its position.
    fn enter(&mut self, key: &Arc<K>, owner: Option<Digest>) -> u64 {
        self.last += 1;
        self.all.insert(self.last, key.clone());
        if let Some(owner) = owner {
            self.of_owner.entry(owner).or_default().insert(self.last, key.clone());
        }
        self.last
    }

    fn leave(&mut self, position: u64, owner: Option<Digest>) {
        self.all.remove(&position);
        let Some(owner) = owner else { return };
        if let Some(own) = self.of_owner.get_mut(&owner) {
            own.remove(&position);
            if own.is_empty() {
                self.of_owner.remove(&owner);
            }
        }
    }

    /// The upstream that has been idle for longest, of those that `owner` opened if there is one.
    fn first(&self, owner: Option<&Digest>) -> Option<Arc<K>> {
        let keys = owner.map_or(Some(&self.all), |owner| self.of_owner.get(owner))?;
        keys.first_key_value().map(|(_, key)| key.clone())
    }
}

/// A shared upstream.
#[derive(Debug)]
pub(super) struct Slot<K, V> {
    id: Arc<K>,
    value: V,
    /// The token that opened it.
    owner: Option<Digest>,
    order: Arc<Mutex<IdleOrder<K>>>,
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
    /// The position in the order of idle upstreams, of one that is idle and was not removed.
    position: Option<u64>,
    /// Whether the upstream was removed: it is never idle again.
    is_removed: bool,
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
            idle: Arc::default(),
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
        if slots.len() >= self.max && !self.evict(&mut slots, None) {
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
            id: Arc::new(key.clone()),
            owner,
            order: self.idle.clone(),
            subscribers: Mutex::new(Subscribers {
                count: 0,
                position: None,
                is_removed: false,
                idle_since: Instant::now(),
            }),
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
        permit.or_else(|| self.evict(slots, Some(&owner)).then(|| self.quota.take(owner)).flatten())
    }

    /// Evicts the upstream that has been idle for longest, of those that `owner` opened if there is one. False where none
    /// is idle.
    fn evict(&self, slots: &mut HashMap<K, Arc<Slot<K, V>>>, owner: Option<&Digest>) -> bool {
        let first = lock(&self.idle).first(owner);
        let Some(slot) = first.and_then(|key| slots.remove(&*key)) else { return false };
        slot.set_removed();
        // The upstream may take a moment to end; its permit is free at once.
        lock(&slot.permit).take();
        slot.end.cancel();
        true
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

/// Removes an upstream, unless another one has taken its place.
fn remove<K: Eq + Hash, V>(slots: &mut HashMap<K, Arc<Slot<K, V>>>, slot: &Arc<Slot<K, V>>) {
    if slots.get(&*slot.id).is_some_and(|present| Arc::ptr_eq(present, slot)) {
        slots.remove(&*slot.id);
        slot.set_removed();
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

    /// Counts a subscriber, or one less, and keeps the order of idle upstreams.
    fn count(&self, subscribers: &mut Subscribers, count: usize) {
        subscribers.count = count;
        let is_idle = count == 0 && !subscribers.is_removed;
        if is_idle && subscribers.position.is_none() {
            subscribers.position = Some(lock(&self.order).enter(&self.id, self.owner));
        } else if let Some(position) = subscribers.position.take_if(|_| !is_idle) {
            lock(&self.order).leave(position, self.owner);
        }
    }

    fn set_removed(&self) {
        let mut subscribers = lock(&self.subscribers);
        subscribers.is_removed = true;
        let count = subscribers.count;
        self.count(&mut subscribers, count);
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
        let mut subscribers = lock(&slot.subscribers);
        let count = subscribers.count + 1;
        slot.count(&mut subscribers, count);
        drop(subscribers);
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
        let count = subscribers.count - 1;
        if count == 0 {
            subscribers.idle_since = Instant::now();
            self.0.idle.notify_one();
        }
        self.0.count(&mut subscribers, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;
    use crate::relay::feed::tests::options;

    const KEEP: Duration = Duration::from_secs(5);

    fn cache<K: Clone + Eq + Hash>(feeds: usize, feeds_per_token: usize) -> IdleCache<K, ()> {
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

    #[tokio::test]
    async fn a_viewer_at_its_bound_costs_no_look_at_every_feed_of_the_others() {
        let owner = Some([1; 32]);
        assert_linear("feeds that make way", |length| {
            let cache = cache(2 * length, length);
            let held: Vec<_> = (0..length).map(|key| cache.subscribe(key, None, |_| ()).expect("room")).collect();
            for key in length..4 * length {
                drop(cache.subscribe(key, owner, |_| ()).expect("the idle one makes way"));
            }
            assert_eq!((held.len(), cache.len()), (length, 2 * length));
            assert_eq!(lock(&cache.idle).all.len(), length);
        });
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_is_subscribed_to_again_is_no_longer_the_first_to_make_way() {
        let cache = cache(2, 2);
        let owner = Some([1; 32]);
        for key in ["a", "b", "a"] {
            drop(cache.subscribe(key, owner, |_| ()).expect("room"));
        }
        drop(cache.subscribe("c", owner, |_| ()).expect("b makes way"));
        let (kept, opened) = cache.subscribe("a", owner, |_| ()).expect("there");
        assert!(opened.is_none());
        // One that ends while it has a subscriber is never idle.
        cache.remove(&kept.0.clone());
        drop(kept);
        let order = lock(&cache.idle);
        assert_eq!((order.all.len(), order.of_owner.len(), cache.len()), (1, 1, 1));
    }
}
