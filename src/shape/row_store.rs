//! The rows of a feed: each in the state that the server last sent, and in the state that was last published.

use std::sync::Arc;

use super::intern::{InternLimits, Interner};
use super::message::{Message, Pairs};
use super::seen_cache::SeenCache;
use super::step::Change;
use crate::run;
use crate::table::{ByKey, Columns, Row};

/// The number and size of finished runs that stay in memory (I16; defect 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The number of rows of finished runs. Default 1,024. A partial update of a run whose row was evicted costs a
    /// snapshot and doubles this, up to 8 times the default.
    pub finished: usize,
    /// The text of those rows, in bytes. Default 4 MiB. Doubled together with `finished`.
    pub finished_bytes: usize,
    /// The number of evicted runs that are remembered by two hashes each. Default 32,768: about 1.3 MiB.
    pub remembered: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { finished: 1_024, finished_bytes: 4 << 20, remembered: 32_768 }
    }
}

/// The rows of a feed by key, in the order they were first seen.
#[derive(Clone, Debug)]
pub(super) struct RowStore {
    columns: Arc<Columns>,
    entries: ByKey<Entry>,
    /// The keys of rows that changed since the last publication, in order of their first change.
    touched: Vec<Arc<str>>,
    /// The keys deleted since then. Filled only after an eviction: keys that do not come back leave `seen`.
    deleted: Vec<Arc<str>>,
    /// The messages since the last publication that could not be read (defect 16).
    malformed: Vec<Change>,
    /// A must-refetch dropped all rows. Rows that the new snapshot does not bring are published as gone.
    dropped: bool,
    /// The number of rows now.
    present: usize,
    /// The largest number of rows since the last must-refetch.
    peak: usize,
    retention: Retention,
    /// The number of published rows of finished runs, and their text in bytes.
    finished: usize,
    finished_bytes: usize,
    seen: SeenCache,
    /// Whether a row was ever evicted.
    evicted: bool,
    /// How often an update needed an evicted row, up to 3.
    misses: u32,
    /// A partial update came for an evicted row: only a snapshot brings the whole row.
    missing: bool,
    /// The number of publications so far.
    publications: u64,
    /// The long texts that came more than once (I17).
    pub(super) interner: Interner,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    current: Option<Arc<Row>>,
    published: Option<Arc<Row>>,
    touched: bool,
    /// The text of the published row in bytes; `None` unless its run is finished.
    finished: Option<usize>,
    /// The number of the last publication with a change of the row.
    last_publication: u64,
}

impl Default for RowStore {
    fn default() -> Self {
        Self::new(Retention::default(), InternLimits::default())
    }
}

impl RowStore {
    pub(super) fn new(retention: Retention, intern: InternLimits) -> Self {
        Self {
            columns: Arc::default(),
            // Most feeds follow one run.
            entries: ByKey::with_capacity_and_hasher(1, foldhash::fast::RandomState::default()),
            touched: Vec::new(),
            deleted: Vec::new(),
            malformed: Vec::new(),
            dropped: false,
            present: 0,
            peak: 0,
            retention,
            finished: 0,
            finished_bytes: 0,
            seen: SeenCache::new(retention.remembered),
            evicted: false,
            misses: 0,
            missing: false,
            publications: 0,
            interner: Interner::new(intern),
        }
    }

    /// Applies one message. The machine handles controls.
    pub(super) fn apply(&mut self, message: Message<'_>) {
        match message {
            Message::Insert { key, value } => self.put(&key, value, false),
            Message::Update { key, value } => self.put(&key, value, true),
            Message::Delete { key } => self.remove(&key),
            Message::Malformed { key, why } => {
                self.malformed.push(Change::Malformed { key: key.as_deref().map(Arc::from), why });
            }
            Message::UpToDate | Message::MustRefetch | Message::Ignored => {}
        }
    }

    fn put(&mut self, key: &str, value: Pairs<'_>, over: bool) {
        if over && self.evicted && !self.is_whole(key, &value) {
            self.missing = true;
            return;
        }
        let index = match self.entries.get_index_of(key) {
            Some(index) => index,
            None => self.entries.insert_full(Arc::from(key), Entry::default()).0,
        };
        let Some((shared_key, entry)) = self.entries.get_index_mut(index) else { return };
        // The new version shares equal texts with the last one, also after a must-refetch.
        let last = entry.current.as_ref().or(entry.published.as_ref()).map(Arc::clone);
        let before = if over { entry.current.as_deref() } else { None };
        if let Some(last) = &last {
            self.interner.note(last, &value);
        }
        let row = Row::merge_texts(&mut self.columns, before, last.as_deref(), value);
        // An equal row keeps its allocation, so that a later comparison compares one pointer.
        let row = match last {
            Some(last) if *last == row => last,
            Some(_) | None => Arc::new(row),
        };
        if entry.current.replace(row).is_none() {
            self.present += 1;
            self.peak = self.peak.max(self.present);
        }
        if !entry.touched {
            entry.touched = true;
            self.touched.push(Arc::clone(shared_key));
        }
    }

    /// Whether an update gives a whole row: it has every column, or its row is kept.
    fn is_whole(&self, key: &str, value: &Pairs<'_>) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.current.is_some())
            || self.columns.iter().all(|column| value.iter().any(|(name, _)| name == column))
    }

    fn remove(&mut self, key: &str) {
        if self.evicted {
            self.deleted.push(Arc::from(key));
        }
        let Some((_, shared_key, entry)) = self.entries.get_full_mut(key) else { return };
        if entry.current.take().is_some() {
            self.present -= 1;
        }
        if !entry.touched {
            entry.touched = true;
            self.touched.push(Arc::clone(shared_key));
        }
    }

    /// Drops the present rows after a must-refetch. Published rows stay published until the next up-to-date.
    pub(super) fn clear(&mut self) {
        for entry in self.entries.values_mut() {
            entry.current = None;
            entry.touched = false;
        }
        self.touched.clear();
        self.malformed.clear();
        self.dropped = true;
        self.missing = false;
        self.present = 0;
        self.peak = 0;
    }

    /// The largest number of rows since the last must-refetch.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether an update since the last call needs a snapshot (I16). Each of the first three doubles the retention.
    pub(super) fn take_missing(&mut self) -> bool {
        let missing = std::mem::take(&mut self.missing);
        if missing && self.misses < 3 {
            self.misses += 1;
            self.retention.finished *= 2;
            self.retention.finished_bytes *= 2;
        }
        missing
    }

    /// Publishes the rows that differ from those published before, one change a key, because an up-to-date came (I5,
    /// I6; defect 13). Then evicts finished runs beyond those that are kept (I16).
    pub(super) fn publish(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.malformed);
        let mut gone = false;
        self.publications += 1;
        for key in self.touched.drain(..) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.touched = false;
            entry.last_publication = self.publications;
            let change = match (&entry.current, &entry.published) {
                (Some(current), Some(published)) if Arc::ptr_eq(current, published) || current == published => continue,
                // An evicted row that is the same as when it was published is kept again, and not published.
                (Some(current), None) if self.evicted && self.seen.take(&key, current) => None,
                (Some(current), Some(_) | None) => Some(Change::Row { key, row: Arc::clone(current) }),
                (None, Some(_)) => Some(Change::Gone { key }),
                (None, None) => {
                    gone = true;
                    continue;
                }
            };
            gone |= entry.current.is_none();
            entry.published.clone_from(&entry.current);
            let before = entry.finished.take();
            entry.finished = entry.published.as_deref().filter(|row| run::is_finished(row)).map(Row::text_len);
            self.finished = self.finished + usize::from(entry.finished.is_some()) - usize::from(before.is_some());
            self.finished_bytes = self.finished_bytes + entry.finished.unwrap_or(0) - before.unwrap_or(0);
            changes.extend(change);
        }
        for key in self.deleted.drain(..) {
            if self.entries.get(&key).is_none_or(|entry| entry.current.is_none()) {
                self.seen.forget(&key);
            }
        }
        if std::mem::take(&mut self.dropped) {
            for (key, entry) in &mut self.entries {
                if entry.current.is_none() {
                    gone = true;
                    if entry.published.take().is_some() {
                        changes.push(Change::Gone { key: Arc::clone(key) });
                    }
                    if let Some(bytes) = entry.finished.take() {
                        self.finished -= 1;
                        self.finished_bytes -= bytes;
                    }
                }
            }
        }
        if gone {
            self.entries.retain(|_, entry| entry.current.is_some());
        }
        // Eviction looks at every row, so it waits until the rows are a quarter beyond the retention.
        if self.finished > self.retention.finished + self.retention.finished / 4
            || self.finished_bytes > self.retention.finished_bytes + self.retention.finished_bytes / 4
        {
            changes.extend(self.evict());
        }
        changes
    }

    /// Evicts the finished runs whose last change is the oldest.
    fn evict(&mut self) -> Vec<Change> {
        let mut oldest: Vec<(u64, usize, usize)> = self
            .entries
            .values()
            .enumerate()
            .filter_map(|(index, entry)| Some((entry.last_publication, index, entry.finished?)))
            .collect();
        oldest.sort_unstable();
        let mut changes = Vec::new();
        let mut leaves = vec![false; self.entries.len()];
        for (_, index, bytes) in oldest {
            if self.finished <= self.retention.finished && self.finished_bytes <= self.retention.finished_bytes {
                break;
            }
            self.finished -= 1;
            self.finished_bytes -= bytes;
            self.present -= 1;
            leaves[index] = true;
            if let Some((key, entry)) = self.entries.get_index(index) {
                if let Some(row) = &entry.published {
                    self.seen.insert(key, row);
                }
                changes.push(Change::Evicted { key: Arc::clone(key) });
            }
        }
        self.evicted |= !changes.is_empty();
        let mut leaves = leaves.into_iter();
        self.entries.retain(|_, _| !leaves.next().unwrap_or(false));
        changes
    }

    /// The rows as last published, without evicted ones.
    pub(super) fn published(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Row>)> {
        self.entries.iter().filter_map(|(key, entry)| Some((key, entry.published.as_ref()?)))
    }
}

#[cfg(test)]
#[path = "row_store_tests.rs"]
mod tests;
