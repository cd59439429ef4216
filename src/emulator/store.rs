//! The runs, in memory. A change to a run wakes exactly the readers of that run.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::column::Column;
use super::row::Row;

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    /// The place of its environment.
    pub(super) environment: usize,
    row: watch::Sender<Arc<Row>>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// Something that nobody is woken for (`realtimeStreams` alone, protocol.md 4).
    Silent,
    /// A new version.
    Loud,
}

impl Run {
    /// A run whose first version is `row`.
    pub(super) fn new(environment: usize, row: Row) -> Self {
        Self { environment, row: watch::Sender::new(Arc::new(row)) }
    }

    /// The current version.
    pub(super) fn row(&self) -> Arc<Row> {
        self.row.borrow().clone()
    }

    /// Follows the versions from now on.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<Row>> {
        self.row.subscribe()
    }

    /// Changes the run at `now_ms`. Readers are woken only for a loud change.
    pub(super) fn change(&self, now_ms: u64, change: impl FnOnce(&mut Row) -> Effect) -> Effect {
        let mut effect = Effect::None;
        self.row.send_if_modified(|current| {
            let mut next = Row::clone(current);
            effect = change(&mut next);
            match effect {
                Effect::None => {}
                Effect::Silent => *current = Arc::new(next),
                Effect::Loud => {
                    next.touch(now_ms);
                    *current = Arc::new(next);
                }
            }
            effect == Effect::Loud
        });
        effect
    }
}

/// A task-level idempotency key: environment, task, key.
type IdempotencyKey = (usize, String, String);

/// All runs.
#[derive(Debug)]
pub(super) struct Store {
    inner: Mutex<Inner>,
    sequence: AtomicU64,
    max_runs: usize,
}

#[derive(Debug, Default)]
struct Inner {
    runs: HashMap<String, Arc<Run>>,
    order: VecDeque<String>,
    idempotent: HashMap<IdempotencyKey, (String, u64)>,
    used_tokens: HashMap<String, u64>,
}

/// What became of a trigger.
#[derive(Debug)]
pub(super) enum Placed {
    /// A new run.
    New(Arc<Run>),
    /// The run of an earlier trigger with the same idempotency key.
    Cached(Arc<Run>),
    /// The one-time token was used before.
    TokenUsed,
}

/// What a trigger brings besides its row.
#[derive(Debug, Default)]
pub(super) struct Terms {
    /// Its idempotency key and until when that counts, in Unix milliseconds.
    pub(super) idempotency: Option<(String, u64)>,
    /// The digest of its one-time token and when that expires, in Unix milliseconds.
    pub(super) one_time: Option<(String, u64)>,
}

impl Store {
    /// An empty store that keeps at most `max_runs`; beyond that the oldest go.
    pub(super) fn new(max_runs: usize) -> Self {
        Self { inner: Mutex::default(), sequence: AtomicU64::new(0), max_runs }
    }

    /// The next number of an answer, for offsets and cursors.
    pub(super) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The run with that public id.
    pub(super) fn find(&self, friendly_id: &str) -> Option<Arc<Run>> {
        self.lock().runs.get(friendly_id).cloned()
    }

    /// Forgets a run: its readers see a 404 at their next request.
    pub(super) fn remove(&self, friendly_id: &str) -> bool {
        let mut inner = self.lock();
        inner.order.retain(|id| id != friendly_id);
        inner.runs.remove(friendly_id).is_some()
    }

    /// Adds a run, unless its id is taken.
    pub(super) fn insert(&self, run: Run) -> Option<Arc<Run>> {
        let run = Arc::new(run);
        self.lock().insert(&run, self.max_runs).then_some(run)
    }

    /// Places a trigger in one step: of several at once with the same one-time token or
    /// idempotency key exactly one makes a run. A cached answer does not use a token up.
    pub(super) fn place(&self, row: Row, environment: usize, terms: Terms, now_ms: u64) -> Placed {
        let task = row.get(Column::TaskIdentifier).unwrap_or_default().to_owned();
        let friendly_id = row.get(Column::FriendlyId).unwrap_or_default().to_owned();
        let mut inner = self.lock();
        let key = terms.idempotency.map(|(key, until)| ((environment, task, key), until));
        if let Some((key, _)) = &key {
            let cached = inner.idempotent.get(key).filter(|(_, until)| *until > now_ms);
            if let Some(run) = cached.and_then(|(id, _)| inner.runs.get(id)) {
                return Placed::Cached(run.clone());
            }
        }
        if let Some((digest, until)) = terms.one_time {
            inner.used_tokens.retain(|_, until| *until > now_ms);
            if inner.used_tokens.insert(digest, until).is_some() {
                return Placed::TokenUsed;
            }
        }
        let run = Arc::new(Run::new(environment, row));
        inner.insert(&run, self.max_runs);
        if let Some((key, until)) = key {
            inner.idempotent.retain(|_, (_, until)| *until > now_ms);
            inner.idempotent.insert(key, (friendly_id, until));
        }
        Placed::New(run)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics under this lock, and its data is whole after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, run: &Arc<Run>, max_runs: usize) -> bool {
        let id = run.row().get(Column::FriendlyId).unwrap_or_default().to_owned();
        if self.runs.contains_key(&id) {
            return false;
        }
        self.runs.insert(id.clone(), run.clone());
        self.order.push_back(id);
        while self.order.len() > max_runs {
            if let Some(oldest) = self.order.pop_front() {
                self.runs.remove(&oldest);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> Row {
        Row::new(id, &format!("run_{id}"), "hello", 1_000)
    }

    fn once(token: &str) -> Terms {
        Terms { one_time: Some((token.into(), 9_000)), ..Terms::default() }
    }

    #[test]
    fn a_change_wakes_the_readers_of_that_run_only() {
        let store = Store::new(10);
        let (one, two) =
            (store.insert(Run::new(0, row("1"))).expect("new"), store.insert(Run::new(0, row("2"))).expect("new"));
        let (of_one, of_two) = (one.follow(), two.follow());
        one.change(2_000, |row| {
            row.set(Column::Status, Some("EXECUTING"));
            Effect::Loud
        });
        assert!(of_one.has_changed().expect("open") && !of_two.has_changed().expect("open"));
        assert_eq!(one.row().updated_ms(), 2_000);
    }

    #[test]
    fn a_change_of_streams_alone_wakes_nobody_and_is_seen_later() {
        let run = Run::new(0, row("1"));
        let reader = run.follow();
        run.change(2_000, |row| {
            row.set(Column::RealtimeStreams, Some("{\"a\"}"));
            Effect::Silent
        });
        assert!(!reader.has_changed().expect("open"));
        assert_eq!((run.row().updated_ms(), run.row().get(Column::RealtimeStreams)), (1_000, Some("{\"a\"}")));
    }

    #[test]
    fn a_one_time_token_makes_one_run() {
        let store = Store::new(10);
        assert!(matches!(store.place(row("1"), 0, once("t"), 1_000), Placed::New(_)));
        assert!(matches!(store.place(row("2"), 0, once("t"), 1_000), Placed::TokenUsed));
        assert!(matches!(store.place(row("3"), 0, once("u"), 1_000), Placed::New(_)));
        assert!(store.find("run_2").is_none());
    }

    #[test]
    fn an_idempotent_retry_finds_its_run_even_with_a_used_token() {
        let store = Store::new(10);
        let terms = || Terms { idempotency: Some(("k".into(), 5_000)), ..once("t") };
        assert!(matches!(store.place(row("1"), 0, terms(), 1_000), Placed::New(_)));
        assert!(
            matches!(store.place(row("2"), 0, terms(), 1_000), Placed::Cached(run) if run.row().get(Column::Id) == Some("1"))
        );
        assert!(matches!(
            store.place(row("3"), 1, Terms { idempotency: Some(("k".into(), 5_000)), ..Terms::default() }, 1_000),
            Placed::New(_)
        ));
        assert!(matches!(
            store.place(row("4"), 0, Terms { idempotency: Some(("k".into(), 9_000)), ..Terms::default() }, 6_000),
            Placed::New(_)
        ));
    }

    #[test]
    fn the_oldest_runs_go_when_there_are_too_many() {
        let store = Store::new(2);
        for id in ["1", "2", "3"] {
            store.insert(Run::new(0, row(id)));
        }
        assert!(store.find("run_1").is_none() && store.find("run_2").is_some() && store.find("run_3").is_some());
        assert!(store.insert(Run::new(0, row("3"))).is_none());
    }
}
