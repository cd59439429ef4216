//! The shared side of one feed: its published rows, its readers, its state.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::reader::{End, Fault, Item, ReaderOptions, Slot, Subscriber};
use super::spec::FeedSpec;
use crate::connection::{Connection, ConnectionState, Notice};
use crate::error::Error;
use crate::lock::lock;
use crate::shape::{ByKey, Change, Retry, Row, Schema};

/// What a feed has cost and done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests sent.
    pub requests: u64,
    /// Waits before a request was made again.
    pub retries: u64,
    /// Rows published.
    pub rows: u64,
    /// Bytes of answers, decompressed.
    pub bytes: u64,
}

/// A feed as its readers see it from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its visible state.
    pub state: ConnectionState,
    /// What it has cost.
    pub stats: Stats,
}

/// One live feed.
#[derive(Debug)]
pub(super) struct Feed {
    spec: FeedSpec,
    state: Mutex<State>,
    driver: Mutex<Option<AbortHandle>>,
    /// Told when a reader keeps up again, and when one joins.
    room: Notify,
}

#[derive(Debug)]
struct State {
    rows: ByKey<Arc<Row>>,
    schema: Option<Arc<Schema>>,
    readers: Vec<Subscriber>,
    connection: ConnectionState,
    stats: Stats,
    /// Rows of finished runs were let go (I16): a reader that joins needs a snapshot of its own.
    partial: bool,
    /// It was up to date once: its rows are all there are.
    settled: bool,
    /// Nobody may join any more: it ended, or its last reader left.
    closed: bool,
}

/// Whether readers keep up.
#[derive(Debug)]
pub(super) enum Backpressure {
    /// Somebody keeps up, and nobody is full.
    Ready,
    /// Nobody keeps up: the wire waits (defect 9).
    Lagging,
    /// Some were full, and are on this feed of their own now, so that the others need not wait.
    Split(Arc<Feed>),
}

impl Feed {
    /// A feed with its first reader.
    pub(super) fn new(spec: FeedSpec, options: ReaderOptions) -> (Arc<Self>, Subscriber) {
        let feed = Self::with(
            spec,
            State {
                // Room for one: most feeds are of one run.
                rows: ByKey::with_capacity_and_hasher(1, foldhash::fast::RandomState::default()),
                schema: None,
                readers: Vec::new(),
                connection: ConnectionState::Connecting,
                stats: Stats::default(),
                partial: false,
                settled: false,
                closed: false,
            },
        );
        let subscriber = feed.subscribe(&mut lock(&feed.state), options);
        (feed, subscriber)
    }

    fn with(spec: FeedSpec, state: State) -> Arc<Self> {
        Arc::new(Self { spec, state: Mutex::new(state), driver: Mutex::new(None), room: Notify::new() })
    }

    pub(super) fn spec(&self) -> &FeedSpec {
        &self.spec
    }

    /// Remembers the driver, to stop it when the last reader leaves; at once, if it left already.
    pub(super) fn run(&self, driver: AbortHandle) {
        *lock(&self.driver) = Some(driver);
        if lock(&self.state).closed {
            self.stop();
        }
    }

    fn stop(&self) {
        if let Some(driver) = lock(&self.driver).take() {
            driver.abort();
        }
    }

    /// Another reader, with the present rows in its queue; `None` when the feed is over, or does
    /// not have all of them any more.
    pub(super) fn attach(self: &Arc<Self>, options: ReaderOptions) -> Option<Subscriber> {
        let mut state = lock(&self.state);
        if state.closed || state.partial {
            return None;
        }
        let subscriber = self.subscribe(&mut state, options);
        drop(state);
        self.make_room();
        Some(subscriber)
    }

    fn subscribe(self: &Arc<Self>, state: &mut State, options: ReaderOptions) -> Subscriber {
        let slot = Arc::new(Slot::new(options));
        slot.notice(Notice::State(state.connection));
        if let Some(schema) = state.schema.clone() {
            for (key, row) in &state.rows {
                slot.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
            }
        }
        if state.settled {
            slot.settle(state.schema.as_ref());
        }
        let subscriber = Subscriber { slot, feed: Arc::new(Mutex::new(self.clone())) };
        subscriber.slot.index.store(state.readers.len(), Relaxed);
        state.readers.push(subscriber.clone());
        subscriber
    }

    /// A reader leaves. True when it was the last one: the feed is over.
    pub(super) fn detach(&self, slot: &Arc<Slot>) -> bool {
        let mut state = lock(&self.state);
        // Looked for nowhere: many readers leave together.
        let index = slot.index.load(Relaxed);
        if state.readers.get(index).is_some_and(|kept| Arc::ptr_eq(&kept.slot, slot)) {
            state.readers.swap_remove(index);
            if let Some(moved) = state.readers.get(index) {
                moved.slot.index.store(index, Relaxed);
            }
        }
        if !state.readers.is_empty() || state.closed {
            return false;
        }
        state.closed = true;
        drop(state);
        self.stop();
        true
    }

    /// Gives every reader what changed; `live` says whether the feed is up to date with it. False when nobody is left
    /// to read on.
    pub(super) fn publish(&self, changes: Vec<Change>, schema: Option<&Arc<Schema>>, live: bool) -> bool {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if let Some(schema) = schema {
            state.schema = Some(schema.clone());
        }
        let mut leave = HashSet::new();
        let changed = !changes.is_empty();
        for change in changes {
            match change {
                Change::Row { key, row } => {
                    state.stats.rows += 1;
                    if let Some(schema) = &state.schema {
                        for subscriber in &state.readers {
                            subscriber.slot.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
                        }
                    }
                    // Nobody joins a feed that has not all of its rows: they would be kept for nothing.
                    if !state.partial {
                        state.rows.insert(key, row);
                    }
                }
                Change::Gone { key } => {
                    for subscriber in &state.readers {
                        subscriber.slot.gone(&key);
                    }
                    leave.insert(key);
                }
                Change::Evicted { .. } => state.partial = true,
                Change::Malformed { key, why } => {
                    for subscriber in &state.readers {
                        subscriber.slot.fault(Fault { key: key.clone(), why });
                    }
                }
            }
        }
        // At once: one by one, each would move all that follow it.
        if state.partial {
            state.rows = ByKey::default();
        } else if !leave.is_empty() {
            state.rows.retain(|key, _| !leave.contains(key));
        }
        let mut told = if changed { slots(&state.readers) } else { Vec::new() };
        if live && !std::mem::replace(&mut state.settled, true) {
            // After the rows: a reader that is told has them in its queue.
            let asked = state.readers.iter().filter(|subscriber| subscriber.slot.settle(state.schema.as_ref()));
            told.extend(asked.filter(|_| !changed).map(|subscriber| subscriber.slot.clone()));
        }
        state.readers.retain(|subscriber| !subscriber.slot.is_ended());
        number(&state.readers);
        state.closed |= state.readers.is_empty();
        let open = !state.closed;
        drop(guard);
        wake(&told);
        open
    }

    /// Looks how the readers keep up. Readers that do not, while others do, leave for a feed of
    /// their own, which goes on from here and waits for them: it loses nothing (defect 9).
    pub(super) fn backpressure(&self) -> Backpressure {
        self.backpressure_by(Slot::is_full)
    }

    /// As [`Feed::backpressure`]. `is_full` is asked once of each reader: one that reads on meanwhile is of one feed or the
    /// other, and no feed is without a reader.
    fn backpressure_by(&self, is_full: impl Fn(&Slot) -> bool) -> Backpressure {
        let mut state = lock(&self.state);
        if !state.readers.iter().any(|subscriber| subscriber.slot.has_room()) {
            return Backpressure::Lagging;
        }
        let (full, room): (Vec<Subscriber>, Vec<Subscriber>) =
            state.readers.drain(..).partition(|subscriber| is_full(&subscriber.slot));
        if full.is_empty() || room.is_empty() {
            // In the order they were in.
            state.readers = if full.is_empty() { room } else { full };
            return Backpressure::Ready;
        }
        number(&full);
        number(&room);
        state.readers = room;
        let own = Self::with(
            self.spec.clone(),
            State {
                // Nobody can join it, so it needs no rows.
                rows: ByKey::default(),
                schema: state.schema.clone(),
                readers: full,
                connection: state.connection,
                stats: state.stats,
                partial: true,
                settled: state.settled,
                closed: false,
            },
        );
        for subscriber in &lock(&own.state).readers {
            *lock(&subscriber.feed) = own.clone();
        }
        Backpressure::Split(own)
    }

    /// A reader keeps up again, or is new.
    pub(super) fn make_room(&self) {
        self.room.notify_one();
    }

    /// Waits for [`Feed::make_room`].
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    /// A request is made again after `wait_ms`.
    pub(super) fn retrying(&self, retry: Retry, wait_ms: u64) {
        let mut state = lock(&self.state);
        state.stats.retries += 1;
        notify(state, Notice::Retry { retry, wait_ms });
    }

    pub(super) fn count_request(&self) {
        lock(&self.state).stats.requests += 1;
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        lock(&self.state).stats.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// The feed is over for every reader.
    pub(super) fn end(&self, result: Result<(), Error>) {
        let end = match result {
            Ok(()) => End::Complete,
            Err(error) => End::Failed(Arc::new(error)),
        };
        let mut state = lock(&self.state);
        state.closed = true;
        state.connection = ConnectionState::Ended;
        let rows = std::mem::take(&mut state.rows);
        let told = std::mem::take(&mut state.readers);
        drop(state);
        drop(rows);
        for subscriber in told {
            subscriber.slot.end(end.clone());
            subscriber.slot.wake();
        }
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    pub(super) fn status(&self) -> Status {
        let state = lock(&self.state);
        Status { state: state.connection, stats: state.stats }
    }
}

impl Connection for Feed {
    fn state(&self) -> ConnectionState {
        lock(&self.state).connection
    }

    /// Readers that asked for notices get one.
    fn enter(&self, connection: ConnectionState) {
        let mut state = lock(&self.state);
        if state.connection != connection {
            state.connection = connection;
            notify(state, Notice::State(connection));
        }
    }
}

/// Tells readers where they are among all of their feed.
fn number(readers: &[Subscriber]) {
    for (index, subscriber) in readers.iter().enumerate() {
        subscriber.slot.index.store(index, Relaxed);
    }
}

fn slots(readers: &[Subscriber]) -> Vec<Arc<Slot>> {
    readers.iter().map(|subscriber| subscriber.slot.clone()).collect()
}

/// Tells those readers of it that asked for notices.
fn notify(state: MutexGuard<'_, State>, notice: Notice) {
    let told: Vec<Arc<Slot>> = state
        .readers
        .iter()
        .filter(|subscriber| subscriber.slot.notice(notice))
        .map(|subscriber| subscriber.slot.clone())
        .collect();
    drop(state);
    wake(&told);
}

fn wake(slots: &[Arc<Slot>]) {
    for slot in slots {
        slot.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::config::Endpoint;
    use crate::connection::RetryPolicy;
    use crate::hub::{Hub, Reader};

    fn spec(path: &str) -> FeedSpec {
        let endpoint = Endpoint::new("http://127.0.0.1:1", "tr_dev_1234567890", None).expect("valid");
        FeedSpec { endpoint, path: path.into(), query: [].into(), retry: RetryPolicy::default() }
    }

    fn rows(keys: std::ops::Range<u32>) -> Vec<Change> {
        let row = |key: u32| Row::merge(&mut Arc::default(), None, None, [("id".into(), Some(key.to_string().into()))]);
        keys.map(|key| Change::Row { key: key.to_string().into(), row: Arc::new(row(key)) }).collect()
    }

    #[test]
    fn a_reader_that_catches_up_while_it_is_looked_at_is_left_on_a_feed_with_a_driver() {
        let (feed, slow) = Feed::new(spec("/"), ReaderOptions::default());
        let quick = feed.attach(ReaderOptions::default()).expect("open");
        // It is full when it is looked at, and reads right after.
        let looks = Cell::new(0);
        let is_full = |slot: &Slot| {
            let is_slow = std::ptr::eq(slot, &raw const *slow.slot);
            is_slow && looks.replace(looks.get() + 1) == 0
        };
        let Backpressure::Split(own) = feed.backpressure_by(is_full) else { panic!("it was full") };
        assert_eq!((looks.get(), lock(&own.state).readers.len(), lock(&feed.state).readers.len()), (1, 1, 1));
        assert!(Arc::ptr_eq(&lock(&slow.feed), &own) && Arc::ptr_eq(&lock(&quick.feed), &feed));
        assert!(matches!(feed.backpressure_by(|_| false), Backpressure::Ready));
        assert!(matches!(feed.backpressure_by(|_| true), Backpressure::Ready), "nobody is left to go on without");
        assert_eq!(lock(&feed.state).readers.len(), 1);
    }

    #[test]
    fn rows_that_leave_together_leave_a_feed_of_eighty_thousand_at_once() {
        let (feed, subscriber) = Feed::new(spec("/"), ReaderOptions { copies: true, ..ReaderOptions::default() });
        let schema = Arc::default();
        assert!(feed.publish(rows(0..80_000), Some(&schema), true));
        let began = std::time::Instant::now();
        let gone = (1..80_000).map(|key| Change::Gone { key: key.to_string().into() }).collect();
        assert!(feed.publish(gone, Some(&schema), true));
        // The square of it took minutes; a slow machine needs less than a second.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(lock(&feed.state).rows.keys().map(|key| &**key).collect::<Vec<_>>(), ["0"]);
        drop(subscriber);
    }

    #[test]
    fn fifty_thousand_readers_of_one_feed_leave_it_without_a_look_at_each_for_each() {
        let (feed, first) = Feed::new(spec("/"), ReaderOptions::default());
        let mut subscribers: Vec<Subscriber> =
            (1..50_000).filter_map(|_| feed.attach(ReaderOptions::default())).collect();
        subscribers.insert(25_000, first);
        assert!(matches!(feed.backpressure_by(|_| false), Backpressure::Ready));
        let began = std::time::Instant::now();
        let last = subscribers.pop().expect("fifty thousand");
        for subscriber in &subscribers {
            assert!(!feed.detach(&subscriber.slot));
            assert!(!feed.detach(&subscriber.slot), "it left already");
        }
        // The square of it took half a minute.
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
        assert!(feed.detach(&last.slot));
    }

    #[test]
    fn a_feed_that_nobody_can_join_keeps_no_rows_for_who_would() {
        let (feed, subscriber) = Feed::new(spec("/"), ReaderOptions::default());
        let schema = Arc::default();
        let mut first = rows(0..3);
        first.push(Change::Evicted { key: "0".into() });
        assert!(feed.publish(first, Some(&schema), true) && feed.publish(rows(3..5), Some(&schema), true));
        assert_eq!(lock(&feed.state).rows.len(), 0);
        let told = Reader::new(Hub::global(), subscriber).next().now_or_never().expect("rows");
        assert_eq!(told.rows.len(), 5);
    }

    #[tokio::test]
    async fn whoever_joins_a_long_feed_keeps_nobody_from_opening_another() {
        let hub: &'static Hub = Box::leak(Box::default());
        let first = hub.open(&spec("/long"), ReaderOptions::default());
        let long = lock(&hub.feeds).get(&spec("/long")).cloned().expect("it is open");
        // Its rows are being looked at, for as long as it takes.
        let busy = lock(&long.state);
        let joins = std::thread::spawn({
            let runtime = tokio::runtime::Handle::current();
            move || {
                let _runtime = runtime.enter();
                hub.open(&spec("/long"), ReaderOptions::default())
            }
        });
        // One that waits for the rows holds a reference to the feed: hub, test, first reader, driver, and it.
        while Arc::strong_count(&long) < 5 {
            std::thread::yield_now();
        }
        let other = hub.open(&spec("/other"), ReaderOptions::default());
        assert_eq!(hub.feeds(), 2);
        drop(busy);
        let second = joins.join().expect("it joined");
        drop((first, second, other));
        assert_eq!(hub.feeds(), 0);
    }
}
