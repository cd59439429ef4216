//! The rows of a feed: as the server last told them, and as they were last published.

use std::sync::Arc;

use indexmap::IndexMap;

use super::message::Message;
use super::row::{Columns, Row};
use super::step::Change;

/// The rows of a feed by key, in the order they were first seen.
#[derive(Debug, Default)]
pub(super) struct Book {
    columns: Arc<Columns>,
    entries: IndexMap<Arc<str>, Entry>,
    /// Keys touched since the last publication, in the order they were touched.
    touched: Vec<Arc<str>>,
    /// A must-refetch dropped everything: what the new snapshot does not bring is gone.
    dropped: bool,
    /// How many rows are there now, and the most there were since the last must-refetch.
    present: usize,
    peak: usize,
}

#[derive(Debug, Default)]
struct Entry {
    current: Option<Arc<Row>>,
    published: Option<Arc<Row>>,
    touched: bool,
}

impl Book {
    /// Takes one message in. Controls are the machine's concern.
    pub(super) fn apply(&mut self, message: Message<'_>) {
        match message {
            Message::Insert { key, value } => self.put(&key, value, false),
            Message::Update { key, value } => self.put(&key, value, true),
            Message::Delete { key } => self.remove(&key),
            Message::UpToDate | Message::MustRefetch | Message::Ignored => {}
        }
    }

    fn put(&mut self, key: &str, value: super::message::Pairs<'_>, over: bool) {
        if !self.entries.contains_key(key) {
            self.entries.insert(Arc::from(key), Entry::default());
        }
        let Some((_, shared_key, entry)) = self.entries.get_full_mut(key) else { return };
        // Texts are shared with the last version, also over a must-refetch.
        let last = entry.current.as_ref().or(entry.published.as_ref()).map(Arc::clone);
        let before = if over { entry.current.as_deref() } else { None };
        let row = Row::merge(&mut self.columns, before, last.as_deref(), value);
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

    fn remove(&mut self, key: &str) {
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
        self.dropped = true;
        self.present = 0;
        self.peak = 0;
    }

    /// The most rows there were since the last must-refetch.
    pub(super) fn peak(&self) -> usize {
        self.peak
    }

    /// An up-to-date: publishes what differs from what was published before, one change a key
    /// (I5, I6; defect 13).
    pub(super) fn publish(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut gone = false;
        for key in self.touched.drain(..) {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.touched = false;
            match (&entry.current, &entry.published) {
                (Some(current), Some(published)) if Arc::ptr_eq(current, published) || current == published => {}
                (Some(current), Some(_) | None) => {
                    entry.published = Some(Arc::clone(current));
                    changes.push(Change::Row { key, row: Arc::clone(current) });
                }
                (None, Some(_)) => {
                    entry.published = None;
                    gone = true;
                    changes.push(Change::Gone { key });
                }
                (None, None) => gone = true,
            }
        }
        if std::mem::take(&mut self.dropped) {
            for (key, entry) in &mut self.entries {
                if entry.current.is_none() {
                    gone = true;
                    if entry.published.take().is_some() {
                        changes.push(Change::Gone { key: Arc::clone(key) });
                    }
                }
            }
        }
        if gone {
            self.entries.retain(|_, entry| entry.current.is_some());
        }
        changes
    }

    /// The rows as last published.
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
