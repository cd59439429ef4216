//! The shared side of one feed: its published rows, its readers, its state.

use std::sync::{Arc, Mutex};

use indexmap::IndexMap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::lock;
use super::reader::{End, Item, Notice, ReaderOptions, Slot};
use super::spec::FeedSpec;
use crate::error::Error;
use crate::shape::{Change, Phase, Retry, Row, Schema};

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
    pub phase: Phase,
    /// What it has cost.
    pub stats: Stats,
}

/// One live feed.
#[derive(Debug)]
pub(super) struct Feed {
    spec: FeedSpec,
    state: Mutex<State>,
    room: Arc<Notify>,
    driver: Mutex<Option<AbortHandle>>,
}

#[derive(Debug)]
struct State {
    rows: IndexMap<Arc<str>, Arc<Row>>,
    schema: Option<Arc<Schema>>,
    readers: Vec<Arc<Slot>>,
    phase: Phase,
    stats: Stats,
    /// Nobody may join any more: it ended, or its last reader left.
    closed: bool,
}

impl Feed {
    /// A feed with its first reader.
    pub(super) fn new(spec: FeedSpec, options: ReaderOptions) -> (Arc<Self>, Arc<Slot>) {
        let room = Arc::new(Notify::new());
        let slot = Arc::new(Slot::new(options, room.clone()));
        let state = State {
            rows: IndexMap::new(),
            schema: None,
            readers: vec![slot.clone()],
            phase: Phase::Connecting,
            stats: Stats::default(),
            closed: false,
        };
        (Arc::new(Self { spec, state: Mutex::new(state), room, driver: Mutex::new(None) }), slot)
    }

    pub(super) fn spec(&self) -> &FeedSpec {
        &self.spec
    }

    /// Remembers the driver, to stop it when the last reader leaves.
    pub(super) fn run(&self, driver: AbortHandle) {
        *lock(&self.driver) = Some(driver);
    }

    /// Another reader, with the present rows in its queue; `None` when the feed is over.
    pub(super) fn attach(&self, options: ReaderOptions) -> Option<Arc<Slot>> {
        let mut state = lock(&self.state);
        if state.closed {
            return None;
        }
        let slot = Arc::new(Slot::new(options, self.room.clone()));
        // A new reader keeps up by definition.
        self.room.notify_one();
        slot.notice(Notice::Phase(state.phase));
        if let Some(schema) = state.schema.clone() {
            for (key, row) in &state.rows {
                slot.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
            }
        }
        state.readers.push(slot.clone());
        Some(slot)
    }

    /// A reader leaves. True when it was the last one: the feed is over.
    pub(super) fn detach(&self, slot: &Arc<Slot>) -> bool {
        let mut state = lock(&self.state);
        state.readers.retain(|kept| !Arc::ptr_eq(kept, slot));
        if !state.readers.is_empty() || state.closed {
            return false;
        }
        state.closed = true;
        drop(state);
        if let Some(driver) = lock(&self.driver).take() {
            driver.abort();
        }
        true
    }

    /// Gives every reader what changed. False when nobody is left to read on.
    pub(super) fn publish(&self, changes: Vec<Change>, schema: Option<&Arc<Schema>>) -> bool {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if let Some(schema) = schema {
            state.schema = Some(schema.clone());
        }
        for change in changes {
            match change {
                Change::Row { key, row } => {
                    state.stats.rows += 1;
                    if let Some(schema) = &state.schema {
                        for slot in &state.readers {
                            slot.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
                        }
                    }
                    state.rows.insert(key, row);
                }
                Change::Gone { key } => {
                    state.rows.shift_remove(&key);
                    for slot in &state.readers {
                        slot.gone();
                    }
                }
            }
        }
        state.readers.retain(|slot| !slot.is_ended());
        state.closed |= state.readers.is_empty();
        !state.closed
    }

    /// Waits until some reader keeps up: a reader that stops reading stops the wire (defect 9).
    pub(super) async fn until_wanted(&self) {
        while !lock(&self.state).readers.iter().any(|slot| slot.has_room()) {
            self.room.notified().await;
        }
    }

    /// The state is now `phase`; readers that asked are told once.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = lock(&self.state);
        if state.phase != phase {
            state.phase = phase;
            for slot in &state.readers {
                slot.notice(Notice::Phase(phase));
            }
        }
    }

    /// A request is made again after `wait_ms`.
    pub(super) fn retrying(&self, retry: Retry, wait_ms: u64) {
        let mut state = lock(&self.state);
        state.stats.retries += 1;
        for slot in &state.readers {
            slot.notice(Notice::Retry { retry, wait_ms });
        }
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
        state.phase = Phase::Ended;
        for slot in state.readers.drain(..) {
            slot.end(end.clone());
        }
    }

    pub(super) fn status(&self) -> Status {
        let state = lock(&self.state);
        Status { phase: state.phase, stats: state.stats }
    }
}
