//! The rows of a feed: as the server last told them, and as they were last published.

use std::sync::Arc;

use super::memory::Memory;
use super::message::{Message, Pairs};
use super::repeat::{LongTexts, Repeats};
use super::row::{ByKey, Columns, Row};
use super::step::Change;
use crate::run;

/// How much a book keeps of runs that are over (I16; defect 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Rows of finished runs. Default 1,024. A partial update of a run whose row was let go costs
    /// a snapshot, and doubles this, up to 8 times.
    pub finished: usize,
    /// The text of those rows, in bytes. Default 4 MiB.
    pub finished_bytes: usize,
    /// Finished runs beyond, by two hashes each. Default 32,768: about 1.3 MiB.
    pub remembered: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self { finished: 1_024, finished_bytes: 4 << 20, remembered: 32_768 }
    }
}

/// The rows of a feed by key, in the order they were first seen.
#[derive(Clone, Debug)]
pub(super) struct Book {
    columns: Arc<Columns>,
    entries: ByKey<Entry>,
    /// Keys touched since the last publication, in the order they were touched.
    touched: Vec<Arc<str>>,
    /// Keys deleted since then, once rows were let go: unless they come back, nothing is remembered of them.
    deleted: Vec<Arc<str>>,
    /// Messages that could not be read, since the last publication (defect 16).
    bad: Vec<Change>,
    /// A must-refetch dropped everything: what the new snapshot does not bring is gone.
    dropped: bool,
    /// How many rows are there now, and the most there were since the last must-refetch.
    present: usize,
    peak: usize,
    keep: Keep,
    /// Published rows of finished runs: how many, and their text in bytes.
    finished: usize,
    finished_bytes: usize,
    memory: Memory,
    /// Whether rows were ever let go, and how often one of those was needed again.
    evicted: bool,
    misses: u32,
    /// A partial update came for a row that was let go: only a snapshot can tell the whole row.
    missing: bool,
    publications: u64,
    /// Long texts that come again and again.
    pub(super) repeats: Repeats,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    current: Option<Arc<Row>>,
    published: Option<Arc<Row>>,
    touched: bool,
    /// The text of the published row in bytes, when its run is finished.
    finished: Option<usize>,
    /// The publication that last brought it.
    stamp: u64,
}

impl Default for Book {
    fn default() -> Self {
        Self::new(Keep::default(), LongTexts::default())
    }
}

impl Book {
    pub(super) fn new(keep: Keep, long_texts: LongTexts) -> Self {
        Self {
            columns: Arc::default(),
            // Room for one: most feeds are of one run.
            entries: ByKey::with_capacity_and_hasher(1, foldhash::fast::RandomState::default()),
            touched: Vec::new(),
            deleted: Vec::new(),
            bad: Vec::new(),
            dropped: false,
            present: 0,
            peak: 0,
            keep,
            finished: 0,
            finished_bytes: 0,
            memory: Memory::new(keep.remembered),
            evicted: false,
            misses: 0,
            missing: false,
            publications: 0,
            repeats: Repeats::new(long_texts),
        }
    }

    /// Takes one message in. Controls are the machine's concern.
    pub(super) fn apply(&mut self, message: Message<'_>) {
        match message {
            Message::Insert { key, value } => self.put(&key, value, false),
            Message::Update { key, value } => self.put(&key, value, true),
            Message::Delete { key } => self.remove(&key),
            Message::Bad { key, why } => self.bad.push(Change::Bad { key: key.as_deref().map(Arc::from), why }),
            Message::UpToDate | Message::MustRefetch | Message::Ignored => {}
        }
    }

    fn put(&mut self, key: &str, value: Pairs<'_>, over: bool) {
        if over && self.evicted && !self.is_whole(key, &value) {
            self.missing = true;
            return;
        }
        let place = match self.entries.get_index_of(key) {
            Some(place) => place,
            None => self.entries.insert_full(Arc::from(key), Entry::default()).0,
        };
        let Some((shared_key, entry)) = self.entries.get_index_mut(place) else { return };
        // Texts are shared with the last version, also over a must-refetch.
        let last = entry.current.as_ref().or(entry.published.as_ref()).map(Arc::clone);
        let before = if over { entry.current.as_deref() } else { None };
        if let Some(last) = &last {
            self.repeats.see(last, &value);
        }
        let row = Row::merge_texts(&mut self.columns, before, last.as_deref(), value);
        // An equal row is the same row: one allocation, and comparing it later is one pointer.
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

    /// Whether an update can be taken as it is: over a row we have, or with every column.
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

    /// A must-refetch: nothing is known any more. What was published stays published until the
    /// next up-to-date.
    pub(super) fn clear(&mut self) {
        for entry in self.entries.values_mut() {
            entry.current = None;
            entry.touched = false;
        }
        self.touched.clear();
        self.bad.clear();
        self.dropped = true;
        self.missing = false;
        self.present = 0;
        self.peak = 0;
    }

    /// The most rows there were since the last must-refetch.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// Whether a snapshot is needed to go on, since the last question (I16).
    pub(super) fn take_missing(&mut self) -> bool {
        let missing = std::mem::take(&mut self.missing);
        if missing && self.misses < 3 {
            self.misses += 1;
            self.keep.finished *= 2;
            self.keep.finished_bytes *= 2;
        }
        missing
    }

    /// An up-to-date: publishes what differs from what was published before, one change a key
    /// (I5, I6; defect 13). Then lets go of finished runs beyond those kept (I16).
    pub(super) fn publish(&mut self) -> Vec<Change> {
        let mut changes = std::mem::take(&mut self.bad);
        let mut gone = false;
        self.publications += 1;
        for key in self.touched.drain(..) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.touched = false;
            entry.stamp = self.publications;
            let change = match (&entry.current, &entry.published) {
                (Some(current), Some(published)) if Arc::ptr_eq(current, published) || current == published => continue,
                // Published before, let go, and still the same: it is kept again, nothing more.
                (Some(current), None) if self.evicted && self.memory.take(&key, current) => None,
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
                self.memory.forget(&key);
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
        // A quarter more than what is kept, so that looking through all of them is rare.
        if self.finished > self.keep.finished + self.keep.finished / 4
            || self.finished_bytes > self.keep.finished_bytes + self.keep.finished_bytes / 4
        {
            changes.extend(self.evict());
        }
        changes
    }

    /// Lets go of the finished runs that were touched longest ago.
    fn evict(&mut self) -> Vec<Change> {
        let mut oldest: Vec<(u64, usize, usize)> = self
            .entries
            .values()
            .enumerate()
            .filter_map(|(place, entry)| Some((entry.stamp, place, entry.finished?)))
            .collect();
        oldest.sort_unstable();
        let mut changes = Vec::new();
        let mut leaves = vec![false; self.entries.len()];
        for (_, place, bytes) in oldest {
            if self.finished <= self.keep.finished && self.finished_bytes <= self.keep.finished_bytes {
                break;
            }
            self.finished -= 1;
            self.finished_bytes -= bytes;
            self.present -= 1;
            leaves[place] = true;
            if let Some((key, entry)) = self.entries.get_index(place) {
                if let Some(row) = &entry.published {
                    self.memory.keep(key, row);
                }
                changes.push(Change::LetGo { key: Arc::clone(key) });
            }
        }
        self.evicted |= !changes.is_empty();
        let mut leaves = leaves.into_iter();
        self.entries.retain(|_, _| !leaves.next().unwrap_or(false));
        changes
    }

    /// The rows as last published, without those that were let go.
    pub(super) fn published(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Row>)> {
        self.entries.iter().filter_map(|(key, entry)| Some((key, entry.published.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(key: &'static str, status: &'static str) -> Message<'static> {
        Message::Insert { key: key.into(), value: vec![("status".into(), Some(status.into())), ("n".into(), None)] }
    }

    fn update(key: &'static str, column: &'static str, text: &'static str) -> Message<'static> {
        Message::Update { key: key.into(), value: vec![(column.into(), Some(text.into()))] }
    }

    fn delete(key: &'static str) -> Message<'static> {
        Message::Delete { key: key.into() }
    }

    fn shown(changes: &[Change]) -> Vec<String> {
        changes
            .iter()
            .map(|change| match change {
                Change::Row { key, row } => format!("{key}={}", row.get("status").unwrap_or("-")),
                Change::Gone { key } => format!("{key} gone"),
                Change::LetGo { key } => format!("{key} let go"),
                Change::Bad { key, .. } => format!("{} bad", key.as_deref().unwrap_or("?")),
            })
            .collect()
    }

    fn book(messages: Vec<Message<'static>>) -> Book {
        let mut book = Book::default();
        for message in messages {
            book.apply(message);
        }
        book
    }

    #[test]
    fn several_changes_of_a_key_are_published_once_merged() {
        let mut book =
            book(vec![insert("a", "1"), insert("b", "1"), update("a", "status", "2"), update("a", "n", "7")]);
        assert_eq!(shown(&book.publish()), ["a=2", "b=1"]);
        assert_eq!(book.published().next().and_then(|(_, row)| row.get("n")), Some("7"));
        assert!(book.publish().is_empty());
    }

    #[test]
    fn a_row_that_came_back_to_what_was_published_is_not_published() {
        let mut book = book(vec![insert("a", "1")]);
        book.publish();
        book.apply(update("a", "status", "2"));
        book.apply(update("a", "status", "1"));
        assert!(book.publish().is_empty());
    }

    #[test]
    fn a_delete_is_gone_and_a_delete_followed_by_an_insert_is_a_row() {
        let mut book = book(vec![insert("a", "1"), insert("b", "1")]);
        book.publish();
        for message in [delete("a"), delete("b"), insert("b", "2"), delete("never")] {
            book.apply(message);
        }
        assert_eq!(shown(&book.publish()), ["a gone", "b=2"]);
        assert_eq!(book.published().count(), 1);
        book.apply(update("a", "n", "1"));
        assert_eq!(shown(&book.publish()), ["a=-"], "nothing of the deleted row is left");
    }

    #[test]
    fn a_row_inserted_and_deleted_between_publications_was_never_there() {
        let mut book = book(vec![insert("a", "1"), delete("a")]);
        assert!(book.publish().is_empty());
        assert!(book.entries.is_empty());
    }

    #[test]
    fn after_a_must_refetch_only_differences_are_published() {
        let mut book = book(vec![insert("a", "1"), insert("b", "1"), insert("c", "1")]);
        book.publish();
        book.clear();
        assert_eq!(book.published().count(), 3, "readers keep what they saw");
        book.apply(insert("b", "1"));
        book.apply(insert("a", "2"));
        assert_eq!(shown(&book.publish()), ["a=2", "c gone"]);
        book.clear();
        assert_eq!(shown(&book.publish()), ["a gone", "b gone"]);
    }
}
