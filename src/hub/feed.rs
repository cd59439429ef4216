//! One live feed: its published rows, its subscribers, its state.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::batch::{End, Fault, Item};
use super::inbox::{Inbox, ReaderOptions};
use super::spec::FeedSpec;
use super::status::{Stats, Status};
use super::subscribers::{Subscriber, Subscribers};
use crate::connection::{Connection, ConnectionState, Notice};
use crate::error::Error;
use crate::lock::lock;
use crate::shape::{ByKey, Change, Retry, Row, Schema};

/// A subscriber of a feed.
pub(super) type FeedSubscriber = Subscriber<Feed>;

/// One live feed.
#[derive(Debug)]
pub(super) struct Feed {
    spec: FeedSpec,
    pub(super) state: Mutex<State>,
    driver: Mutex<Option<AbortHandle>>,
    /// Notified when a reader keeps up again, and when one joins.
    pub(super) room: Notify,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) rows: ByKey<Arc<Row>>,
    pub(super) schema: Option<Arc<Schema>>,
    pub(super) subscribers: Subscribers<Feed>,
    pub(super) connection: ConnectionState,
    pub(super) stats: Stats,
    /// Rows of finished runs were evicted (I16): a reader that joins needs a snapshot of its own.
    pub(super) partial: bool,
    /// The feed was up to date once: its rows are all there are.
    pub(super) settled: bool,
    /// Readers cannot join any more: the feed ended, or its last reader left.
    pub(super) closed: bool,
}

impl Feed {
    /// A feed with its first subscriber.
    pub(super) fn new(spec: FeedSpec, options: ReaderOptions) -> (Arc<Self>, FeedSubscriber) {
        let feed = Self::with(
            spec,
            State {
                // Room for one: most feeds are of one run.
                rows: ByKey::with_capacity_and_hasher(1, foldhash::fast::RandomState::default()),
                schema: None,
                subscribers: Subscribers::default(),
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

    pub(super) fn with(spec: FeedSpec, state: State) -> Arc<Self> {
        Arc::new(Self { spec, state: Mutex::new(state), driver: Mutex::new(None), room: Notify::new() })
    }

    pub(super) fn spec(&self) -> &FeedSpec {
        &self.spec
    }

    /// Keeps the driver's handle, to stop the driver when the last reader leaves; at once, if it left already.
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

    /// Another subscriber, with the present rows in its inbox; `None` when the feed is over, or no longer has all of
    /// its rows.
    pub(super) fn attach(self: &Arc<Self>, options: ReaderOptions) -> Option<FeedSubscriber> {
        let mut state = lock(&self.state);
        if state.closed || state.partial {
            return None;
        }
        let subscriber = self.subscribe(&mut state, options);
        drop(state);
        self.make_room();
        Some(subscriber)
    }

    fn subscribe(self: &Arc<Self>, state: &mut State, options: ReaderOptions) -> FeedSubscriber {
        let inbox = Inbox::new(options);
        inbox.notice(Notice::State(state.connection));
        if let Some(schema) = state.schema.clone() {
            for (key, row) in &state.rows {
                inbox.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
            }
        }
        if state.settled {
            inbox.settle(state.schema.as_ref());
        }
        let subscriber = Subscriber::new(Arc::new(inbox), self.clone());
        state.subscribers.push(subscriber.clone());
        subscriber
    }

    /// A reader leaves. True when it was the last one: the feed is over.
    pub(super) fn detach(&self, inbox: &Arc<Inbox>) -> bool {
        let mut state = lock(&self.state);
        state.subscribers.remove(inbox);
        if !state.subscribers.is_empty() || state.closed {
            return false;
        }
        state.closed = true;
        drop(state);
        self.stop();
        true
    }

    /// Gives every subscriber the changes; `live` says whether the feed is up to date with them. False when no
    /// subscriber is left.
    pub(super) fn publish(&self, changes: Vec<Change>, schema: Option<&Arc<Schema>>, live: bool) -> bool {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if let Some(schema) = schema {
            state.schema = Some(schema.clone());
        }
        let changed = !changes.is_empty();
        state.apply(changes);
        let mut woken: Vec<Arc<Inbox>> =
            if changed { state.subscribers.inboxes().cloned().collect() } else { Vec::new() };
        if live && !std::mem::replace(&mut state.settled, true) {
            // After the rows: a reader that gets `settled` has them in its queue.
            let asked = state.subscribers.inboxes().filter(|inbox| inbox.settle(state.schema.as_ref()));
            woken.extend(asked.filter(|_| !changed).cloned());
        }
        state.subscribers.remove_ended();
        state.closed |= state.subscribers.is_empty();
        let open = !state.closed;
        drop(guard);
        wake(&woken);
        open
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

    /// Ends the feed for every subscriber.
    pub(super) fn end(&self, result: Result<(), Error>) {
        let end = match result {
            Ok(()) => End::Complete,
            Err(error) => End::Failed(Arc::new(error)),
        };
        let mut state = lock(&self.state);
        state.closed = true;
        state.connection = ConnectionState::Ended;
        let rows = std::mem::take(&mut state.rows);
        let subscribers = std::mem::take(&mut state.subscribers);
        drop(state);
        drop(rows);
        for inbox in subscribers.inboxes() {
            inbox.end(end.clone());
            inbox.wake();
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

    fn enter(&self, connection: ConnectionState) {
        let mut state = lock(&self.state);
        if state.connection != connection {
            state.connection = connection;
            notify(state, Notice::State(connection));
        }
    }
}

impl State {
    /// Puts the changes into every inbox, and keeps the rows for readers that join.
    fn apply(&mut self, changes: Vec<Change>) {
        let mut gone = HashSet::new();
        for change in changes {
            match change {
                Change::Row { key, row } => {
                    self.stats.rows += 1;
                    if let Some(schema) = &self.schema {
                        for inbox in self.subscribers.inboxes() {
                            inbox.push(Item { key: key.clone(), row: row.clone(), schema: schema.clone() });
                        }
                    }
                    // Readers cannot join a feed without all of its rows: they would be kept for nothing.
                    if !self.partial {
                        self.rows.insert(key, row);
                    }
                }
                Change::Gone { key } => {
                    for inbox in self.subscribers.inboxes() {
                        inbox.gone(&key);
                    }
                    gone.insert(key);
                }
                Change::Evicted { .. } => self.partial = true,
                Change::Malformed { key, why } => {
                    for inbox in self.subscribers.inboxes() {
                        inbox.fault(Fault { key: key.clone(), why });
                    }
                }
            }
        }
        // All at once: one by one, each removal would move every row behind it.
        if self.partial {
            self.rows = ByKey::default();
        } else if !gone.is_empty() {
            self.rows.retain(|key, _| !gone.contains(key));
        }
    }
}

/// Gives the notice to the readers that asked for notices.
fn notify(state: MutexGuard<'_, State>, notice: Notice) {
    let woken: Vec<Arc<Inbox>> = state.subscribers.inboxes().filter(|inbox| inbox.notice(notice)).cloned().collect();
    drop(state);
    wake(&woken);
}

fn wake(inboxes: &[Arc<Inbox>]) {
    for inbox in inboxes {
        inbox.wake();
    }
}
