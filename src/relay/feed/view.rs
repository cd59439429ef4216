//! The copy of a feed as a reader sees it that follows by changes and not by polls: rows one by one, each in its newest
//! state (docs/relay-live.md).

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use tokio::sync::watch;

use super::copy::State;
use super::feeds::Subscriber;
use super::key::Kind;
use super::skipped::SkippedColumns;
use super::text_cache::TextKey;
use crate::lock::lock;
use crate::serve::Response;
use crate::shape::{Row, Schema};

/// Watches a copy: see [`Subscriber::standing`].
pub(in crate::relay) type States = watch::Receiver<State>;

/// How a copy stands.
#[derive(Debug)]
pub(in crate::relay) enum Standing {
    /// It has no rows yet.
    Connecting,
    /// It has rows.
    Live,
    /// It ended, with this answer for every viewer.
    Failed(Response),
}

/// A row of the copy.
#[derive(Clone, Debug)]
pub(in crate::relay) struct RowView {
    pub(in crate::relay) row: Arc<Row>,
    /// The change that brought it.
    pub(in crate::relay) version: u64,
    pub(in crate::relay) created_ms: u64,
    pub(in crate::relay) updated_ms: u64,
    /// The change that brought each column.
    pub(in crate::relay) columns: Arc<[u64]>,
}

/// A row that was deleted.
#[derive(Clone, Debug)]
pub(in crate::relay) struct Gone {
    pub(in crate::relay) key: Arc<str>,
    pub(in crate::relay) created_ms: u64,
    /// The change that brought the row for the first time.
    pub(in crate::relay) first_version: u64,
    /// The change that deleted it.
    pub(in crate::relay) version: u64,
    /// Whether it came again since.
    pub(in crate::relay) is_back: bool,
}

/// What changed after a change.
#[derive(Debug)]
pub(in crate::relay) struct Changed {
    /// The keys of rows, those first that changed longest ago.
    pub(in crate::relay) keys: Vec<Arc<str>>,
    pub(in crate::relay) gone: Vec<Gone>,
    /// These are all up to this change.
    pub(in crate::relay) to: u64,
    /// Whether nothing changed after that.
    pub(in crate::relay) is_all: bool,
}

/// How far a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::relay) struct Horizon {
    /// The last change.
    pub(in crate::relay) sequence: u64,
    /// The newest `updatedAt` there ever was, in Unix milliseconds.
    pub(in crate::relay) newest_ms: u64,
    /// Who has not seen this change may lack one that the copy no longer has.
    pub(in crate::relay) lost: u64,
    /// The newest `updatedAt` among evicted rows, where there are any.
    pub(in crate::relay) evicted_ms: Option<u64>,
}

impl Subscriber {
    /// Watches the copy.
    pub(in crate::relay) fn states(&self) -> States {
        self.copy().states()
    }

    /// How the copy stands, of which a change is then no news to `states` any more.
    pub(in crate::relay) fn standing(states: &mut States) -> Standing {
        match &*states.borrow_and_update() {
            State::Connecting => Standing::Connecting,
            State::Live(_) => Standing::Live,
            State::Failed(failure) => Standing::Failed(failure.answer()),
        }
    }

    /// How far the copy goes.
    pub(in crate::relay) fn horizon(&self) -> Horizon {
        let rows = self.copy().rows();
        Horizon {
            sequence: rows.sequence(),
            newest_ms: rows.newest_ms,
            lost: rows.evicted.map_or(0, |evicted| evicted.version).max(rows.forgotten),
            evicted_ms: rows.evicted.map(|evicted| evicted.updated_ms),
        }
    }

    /// At most `max` rows that changed after `after`, and the deletes up to the last of them. A row is where its last
    /// change is: of one that is not among these, any number of changes may be at or before `to`.
    pub(in crate::relay) fn changed(&self, after: u64, max: usize) -> Changed {
        let rows = self.copy().rows();
        let mut keys = Vec::new();
        let mut to = rows.sequence();
        for (version, key) in rows.order.range(after.saturating_add(1)..) {
            keys.push(key.clone());
            if keys.len() >= max {
                to = *version;
                break;
            }
        }
        let first = rows.tombstones.partition_point(|tombstone| tombstone.version <= after);
        let deletes = rows.tombstones.range(first..).take_while(|tombstone| tombstone.version <= to);
        let gone = deletes.map(|tombstone| Gone {
            version: tombstone.version,
            is_back: rows.entries.contains_key(&tombstone.key),
            key: tombstone.key.clone(),
            created_ms: tombstone.created_ms,
            first_version: tombstone.first_version,
        });
        Changed { keys, gone: gone.collect(), to, is_all: to == rows.sequence() }
    }

    /// The oldest creation of a run that was created before a time and whose key `is_known` takes, in Unix milliseconds.
    pub(in crate::relay) fn oldest_before(&self, created_ms: u64, is_known: impl Fn(&str) -> bool) -> Option<u64> {
        let rows = self.copy().rows();
        let older = rows.entries.iter().filter(|(key, entry)| entry.created_ms < created_ms && is_known(key));
        older.map(|(_, entry)| entry.created_ms).min()
    }

    /// A row as it is now.
    pub(in crate::relay) fn row(&self, key: &str) -> Option<RowView> {
        let rows = self.copy().rows();
        let entry = rows.entries.get(key)?;
        Some(RowView {
            row: entry.row.clone(),
            version: entry.version,
            created_ms: entry.created_ms,
            updated_ms: entry.updated_ms,
            columns: entry.columns.clone(),
        })
    }

    /// The oldest creation that a viewer that comes now is shown, in Unix milliseconds (F8).
    pub(in crate::relay) fn window_ms(&self) -> u64 {
        self.copy().key.since_ms(self.inner.clock.now_ms())
    }

    /// Whether the feed is of one run.
    pub(in crate::relay) fn is_of_one_run(&self) -> bool {
        self.copy().key.kind == Kind::Run
    }

    /// The columns that are left out for a viewer, and the columns that there are.
    pub(in crate::relay) fn skipped(&self, names: &[String]) -> (SkippedColumns, Arc<Schema>) {
        let schema = self.copy().schema();
        (SkippedColumns::new(names.iter().map(String::as_str), &schema), schema)
    }

    /// As [`Subscriber::skipped`]; `None` while `schema` is the copy's.
    pub(in crate::relay) fn skipped_anew(
        &self,
        schema: &Arc<Schema>,
        names: &[String],
    ) -> Option<(SkippedColumns, Arc<Schema>)> {
        (!self.copy().has_schema(schema)).then(|| self.skipped(names))
    }

    /// The text of `key`, written by `write` for the first reader that needs it.
    pub(in crate::relay) fn text(&self, schema: &Arc<Schema>, key: TextKey, write: impl FnOnce() -> Bytes) -> Bytes {
        lock(&self.copy().texts).get(schema, key, write)
    }

    /// Counts a row that was given to a viewer; `is_news`: the viewer waited for it.
    pub(in crate::relay) fn count_told(&self, is_news: bool) {
        let stats = &self.inner.stats;
        stats.updates.fetch_add(1, Relaxed);
        if is_news {
            stats.lag(u64::try_from(self.copy().lag().as_millis()).unwrap_or(u64::MAX));
        }
    }
}
