//! The shared side of one feed: its published rows, its readers, its state.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::reader::{End, Fault, Item, Notice, ReaderOptions, Seat, Slot};
use super::spec::FeedSpec;
use super::stage::Stage;
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
    pub stage: Stage,
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
    readers: Vec<Seat>,
    stage: Stage,
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
pub(super) enum Crowd {
    /// Somebody keeps up, and nobody is full.
    Room,
    /// Nobody keeps up: the wire waits (defect 9).
    Lag,
    /// Some were full, and are on this feed of their own now, so that the others need not wait.
    Split(Arc<Feed>),
}

impl Feed {
    /// A feed with its first reader.
    pub(super) fn new(spec: FeedSpec, options: ReaderOptions) -> (Arc<Self>, Seat) {
        let feed = Self::with(
            spec,
            State {
                // Room for one: most feeds are of one run.
                rows: ByKey::with_capacity_and_hasher(1, foldhash::fast::RandomState::default()),
                schema: None,
                readers: Vec::new(),
                stage: Stage::Connecting,
                stats: Stats::default(),
                partial: false,
                settled: false,
                closed: false,
            },
        );
        let seat = feed.seat(&mut lock(&feed.state), options);
        (feed, seat)
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
    pub(super) fn attach(self: &Arc<Self>, options: ReaderOptions) -> Option<Seat> {
        let mut state = lock(&self.state);
        if state.closed || state.partial {
            return None;
        }
        let seat = self.seat(&mut state, options);
        drop(state);
        self.make_room();
        Some(seat)
    }

    fn seat(self: &Arc<Self>, state: &mut State, options: ReaderOptions) -> Seat {
        let slot = Arc::new(Slot::new(options));
        slot.notice(Notice::Stage(state.stage));
        if let Some(schema) = state.schema.clone() {
            for (key, row) in &state.rows {
                slot.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
            }
        }
        if state.settled {
            slot.settle(state.schema.as_ref());
        }
        let seat = Seat { slot, feed: Arc::new(Mutex::new(self.clone())) };
        seat.slot.place.store(state.readers.len(), Relaxed);
        state.readers.push(seat.clone());
        seat
    }

    /// A reader leaves. True when it was the last one: the feed is over.
    pub(super) fn detach(&self, slot: &Arc<Slot>) -> bool {
        let mut state = lock(&self.state);
        // Looked for nowhere: many readers leave together.
        let place = slot.place.load(Relaxed);
        if state.readers.get(place).is_some_and(|kept| Arc::ptr_eq(&kept.slot, slot)) {
            state.readers.swap_remove(place);
            if let Some(moved) = state.readers.get(place) {
                moved.slot.place.store(place, Relaxed);
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
                        for seat in &state.readers {
                            seat.slot.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
                        }
                    }
                    // Nobody joins a feed that has not all of its rows: they would be kept for nothing.
                    if !state.partial {
                        state.rows.insert(key, row);
                    }
                }
                Change::Gone { key } => {
                    for seat in &state.readers {
                        seat.slot.gone(&key);
                    }
                    leave.insert(key);
                }
                Change::LetGo { .. } => state.partial = true,
                Change::Bad { key, why } => {
                    for seat in &state.readers {
                        seat.slot.fault(Fault { key: key.clone(), why });
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
            let asked = state.readers.iter().filter(|seat| seat.slot.settle(state.schema.as_ref()));
            told.extend(asked.filter(|_| !changed).map(|seat| seat.slot.clone()));
        }
        state.readers.retain(|seat| !seat.slot.is_ended());
        number(&state.readers);
        state.closed |= state.readers.is_empty();
        let open = !state.closed;
        drop(guard);
        wake(&told);
        open
    }

    /// Looks how the readers keep up. Readers that do not, while others do, leave for a feed of
    /// their own, which goes on from here and waits for them: it loses nothing (defect 9).
    pub(super) fn crowd(&self) -> Crowd {
        self.crowd_by(Slot::is_full)
    }

    /// As [`Feed::crowd`]. `is_full` is asked once of each reader: one that reads on meanwhile is of one feed or the
    /// other, and no feed is without a reader.
    fn crowd_by(&self, is_full: impl Fn(&Slot) -> bool) -> Crowd {
        let mut state = lock(&self.state);
        if !state.readers.iter().any(|seat| seat.slot.has_room()) {
            return Crowd::Lag;
        }
        let (full, room): (Vec<Seat>, Vec<Seat>) = state.readers.drain(..).partition(|seat| is_full(&seat.slot));
        if full.is_empty() || room.is_empty() {
            // In the order they were in.
            state.readers = if full.is_empty() { room } else { full };
            return Crowd::Room;
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
                stage: state.stage,
                stats: state.stats,
                partial: true,
                settled: state.settled,
                closed: false,
            },
        );
        for seat in &lock(&own.state).readers {
            *lock(&seat.feed) = own.clone();
        }
        Crowd::Split(own)
    }

    /// A reader keeps up again, or is new.
    pub(super) fn make_room(&self) {
        self.room.notify_one();
    }

    /// Waits for [`Feed::make_room`].
    pub(super) async fn room(&self) {
        self.room.notified().await;
    }

    /// The state is now `stage`; readers that asked are told once.
    pub(super) fn enter(&self, stage: Stage) {
        let mut state = lock(&self.state);
        if state.stage != stage {
            state.stage = stage;
            notify(state, Notice::Stage(stage));
        }
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
        state.stage = Stage::Ended;
        let rows = std::mem::take(&mut state.rows);
        let told = std::mem::take(&mut state.readers);
        drop(state);
        drop(rows);
        for seat in told {
            seat.slot.end(end.clone());
            seat.slot.wake();
        }
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    pub(super) fn status(&self) -> Status {
        let state = lock(&self.state);
        Status { stage: state.stage, stats: state.stats }
    }
}

/// Tells readers where they are among all of their feed.
fn number(readers: &[Seat]) {
    for (place, seat) in readers.iter().enumerate() {
        seat.slot.place.store(place, Relaxed);
    }
}

fn slots(readers: &[Seat]) -> Vec<Arc<Slot>> {
    readers.iter().map(|seat| seat.slot.clone()).collect()
}

/// Tells those readers of it that asked for notices.
fn notify(state: MutexGuard<'_, State>, notice: Notice) {
    let told: Vec<Arc<Slot>> =
        state.readers.iter().filter(|seat| seat.slot.notice(notice)).map(|seat| seat.slot.clone()).collect();
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
    use crate::hub::{Hub, Patience, Reader};

    fn spec(path: &str) -> FeedSpec {
        let endpoint = Endpoint::new("http://127.0.0.1:1", "tr_dev_1234567890", None).expect("valid");
        FeedSpec { endpoint, path: path.into(), query: [].into(), patience: Patience::default() }
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
        let Crowd::Split(own) = feed.crowd_by(is_full) else { panic!("it was full") };
        assert_eq!((looks.get(), lock(&own.state).readers.len(), lock(&feed.state).readers.len()), (1, 1, 1));
        assert!(Arc::ptr_eq(&lock(&slow.feed), &own) && Arc::ptr_eq(&lock(&quick.feed), &feed));
        assert!(matches!(feed.crowd_by(|_| false), Crowd::Room));
        assert!(matches!(feed.crowd_by(|_| true), Crowd::Room), "nobody is left to go on without");
        assert_eq!(lock(&feed.state).readers.len(), 1);
    }

    #[test]
    fn rows_that_leave_together_leave_a_feed_of_eighty_thousand_at_once() {
        let (feed, seat) = Feed::new(spec("/"), ReaderOptions { copies: true, ..ReaderOptions::default() });
        let schema = Arc::default();
        assert!(feed.publish(rows(0..80_000), Some(&schema), true));
        let began = std::time::Instant::now();
        let gone = (1..80_000).map(|key| Change::Gone { key: key.to_string().into() }).collect();
        assert!(feed.publish(gone, Some(&schema), true));
        // The square of it took minutes; a slow machine needs less than a second.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!(lock(&feed.state).rows.keys().map(|key| &**key).collect::<Vec<_>>(), ["0"]);
        drop(seat);
    }

    #[test]
    fn fifty_thousand_readers_of_one_feed_leave_it_without_a_look_at_each_for_each() {
        let (feed, first) = Feed::new(spec("/"), ReaderOptions::default());
        let mut seats: Vec<Seat> = (1..50_000).filter_map(|_| feed.attach(ReaderOptions::default())).collect();
        seats.insert(25_000, first);
        assert!(matches!(feed.crowd_by(|_| false), Crowd::Room));
        let began = std::time::Instant::now();
        let last = seats.pop().expect("fifty thousand");
        for seat in &seats {
            assert!(!feed.detach(&seat.slot));
            assert!(!feed.detach(&seat.slot), "it left already");
        }
        // The square of it took half a minute.
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
        assert!(feed.detach(&last.slot));
    }

    #[test]
    fn a_feed_that_nobody_can_join_keeps_no_rows_for_who_would() {
        let (feed, seat) = Feed::new(spec("/"), ReaderOptions::default());
        let schema = Arc::default();
        let mut first = rows(0..3);
        first.push(Change::LetGo { key: "0".into() });
        assert!(feed.publish(first, Some(&schema), true) && feed.publish(rows(3..5), Some(&schema), true));
        assert_eq!(lock(&feed.state).rows.len(), 0);
        let told = Reader::new(Hub::global(), seat).next().now_or_never().expect("rows");
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
