//! One run: its versions, its batch and its streams.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::column::Column;
use super::journal::Journal;
use super::lifecycle;
use super::row::Row;
use crate::lock::lock;
use crate::serve::stream::{Log, StreamName, StreamVersion};

/// One run.
#[derive(Debug)]
pub(super) struct Run {
    /// The index of its environment.
    pub(super) environment: usize,
    /// The public id of its batch.
    pub(super) batch: Option<String>,
    /// The version of its streams, as its trigger asked.
    pub(super) streams: StreamVersion,
    /// The metadata of its trigger, and their type.
    pub(super) seed: Option<(String, String)>,
    row: watch::Sender<Arc<Row>>,
    /// Its last change by the system's clock: the memory of connections is in real time, even with a manual clock.
    changed: Mutex<Instant>,
    logs: Mutex<HashMap<StreamName, Arc<Log>>>,
    journal: Arc<Journal>,
}

/// The effect of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// No change.
    None,
    /// A change that wakes no reader (`realtimeStreams` alone, docs/server-protocol.md 4).
    Silent,
    /// A new version, which wakes the run's readers.
    Notify,
}

impl Run {
    /// A run whose first version is `row`. It has no number before it [begins](Self::begin).
    pub(super) fn new(journal: &Arc<Journal>, environment: usize, row: Row) -> Self {
        Self {
            environment,
            batch: None,
            streams: StreamVersion::V1,
            seed: None,
            row: watch::Sender::new(Arc::new(row)),
            changed: Mutex::new(Instant::now()),
            logs: Mutex::default(),
            journal: journal.clone(),
        }
    }

    /// The same run, of a batch.
    pub(super) fn in_batch(self, batch: Option<String>) -> Self {
        Self { batch, ..self }
    }

    /// The same run, with streams of this version.
    pub(super) fn streaming(self, streams: StreamVersion) -> Self {
        Self { streams, ..self }
    }

    /// The same run, with the metadata of its trigger.
    pub(super) fn seeded(self, seed: Option<(String, String)>) -> Self {
        Self { seed, ..self }
    }

    /// The current version.
    pub(super) fn row(&self) -> Arc<Row> {
        self.row.borrow().clone()
    }

    /// How long ago its last version came.
    pub(super) fn unchanged_for(&self) -> Duration {
        lock(&self.changed).elapsed()
    }

    /// Its public id.
    pub(super) fn id(&self) -> String {
        self.row().get(Column::FriendlyId).unwrap_or_default().to_owned()
    }

    /// Whether it has ended.
    pub(super) fn is_over(&self) -> bool {
        lifecycle::is_final(self.row().status())
    }

    /// Subscribes to versions from now on.
    pub(super) fn follow(&self) -> watch::Receiver<Arc<Row>> {
        self.row.subscribe()
    }

    /// Changes the run at `now_ms`. Readers are woken by `Effect::Notify` alone.
    pub(super) fn change(&self, now_ms: u64, change: impl FnOnce(&mut Row) -> Effect) -> Effect {
        let mut entry = self.journal.entry();
        let before = self.row();
        let mut next = Row::clone(&before);
        let effect = change(&mut next);
        match effect {
            Effect::None => {}
            Effect::Silent => self.replace_silently(|row| *row = Arc::new(next)),
            Effect::Notify => {
                next.touch(now_ms, entry.next());
                let next = Arc::new(next);
                *lock(&self.changed) = Instant::now();
                self.row.send_replace(next.clone());
                entry.note(self.environment, self.batch.as_deref(), before.tags(), &next);
            }
        }
        effect
    }

    /// Numbers the run in the order of all changes, and tells the journal of it. Its store has it by then, so that
    /// whoever draws a later number finds it.
    pub(super) fn begin(&self) {
        let mut entry = self.journal.entry();
        let version = entry.next();
        self.replace_silently(|row| Arc::make_mut(row).begin(version));
        entry.note(self.environment, self.batch.as_deref(), &[], &self.row());
    }

    /// Replaces the row and wakes no reader. Called within an entry, so that rows change one at a time.
    fn replace_silently(&self, replace: impl FnOnce(&mut Arc<Row>)) {
        self.row.send_if_modified(|current| {
            replace(current);
            false
        });
    }

    /// Removes the run from its journal's topics.
    pub(super) fn leave_journal(&self) {
        self.journal.forget(self.environment, self.batch.as_deref(), &self.row());
    }

    /// A stream of the run, created on first use (docs/server-protocol.md 5: an unknown key is an empty stream).
    pub(super) fn stream(&self, name: StreamName) -> Arc<Log> {
        let mut logs = lock(&self.logs);
        logs.entry(name).or_default().clone()
    }

    /// Adds a stream to `realtimeStreams`. It wakes no reader.
    pub(super) fn announce(&self, now_ms: u64, key: &str) {
        self.change(now_ms, |row| {
            if row.streams().iter().any(|known| known == key) {
                return Effect::None;
            }
            let mut keys = row.streams().to_vec();
            keys.push(key.to_owned());
            row.set_streams(keys);
            Effect::Silent
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> Row {
        Row::new(id, &format!("run_{id}"), "hello", 1_000)
    }

    #[test]
    fn a_change_wakes_the_readers_of_that_run_only() {
        let journal = Arc::new(Journal::default());
        let (one, two) = (Arc::new(Run::new(&journal, 0, row("1"))), Arc::new(Run::new(&journal, 0, row("2"))));
        let (of_one, of_two) = (one.follow(), two.follow());
        one.change(2_000, |row| {
            row.set(Column::Status, Some("EXECUTING"));
            Effect::Notify
        });
        assert!(of_one.has_changed().expect("open") && !of_two.has_changed().expect("open"));
        assert_eq!(one.row().updated_ms(), 2_000);
        assert!(one.row().version() > two.row().version());
    }

    #[test]
    fn a_stream_is_announced_without_waking_anybody_and_seen_later() {
        let run = Arc::new(Run::new(&Arc::new(Journal::default()), 0, row("1")));
        let reader = run.follow();
        run.announce(2_000, "a");
        run.announce(2_000, "b \"quoted\"");
        run.announce(2_000, "a");
        assert!(!reader.has_changed().expect("open"));
        let row = run.row();
        assert_eq!((row.updated_ms(), row.get(Column::RealtimeStreams)), (1_000, Some(r#"{"a","b \"quoted\""}"#)));
    }
}
