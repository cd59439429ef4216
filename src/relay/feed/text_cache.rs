//! The events of readers that follow a feed by changes, cached: readers that made the same step share one text.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::columns::ColumnSet;
use super::skipped::SkippedColumns;
use crate::shape::Schema;

/// How many texts are cached of a feed. Beyond them the oldest is written again.
pub(super) const MAX_TEXTS: usize = 1_024;
/// How many bytes of texts are cached of a feed.
pub(super) const MAX_TEXT_BYTES: usize = 16 << 20;

/// Everything that a text depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::relay) struct TextKey {
    /// The change that brought the row.
    pub(in crate::relay) version: u64,
    /// The columns that the reader lacks.
    pub(in crate::relay) columns: ColumnSet,
    /// Whether the reader has no earlier state of the row.
    pub(in crate::relay) is_whole: bool,
    /// The columns that are left out, so that no text goes to a reader that may see less (F4).
    pub(in crate::relay) skipped: SkippedColumns,
}

/// The cache.
#[derive(Debug, Default)]
pub(in crate::relay) struct TextCache {
    /// Of other columns than these, no text is kept.
    schema: Arc<Schema>,
    texts: HashMap<TextKey, Bytes>,
    order: VecDeque<TextKey>,
    bytes: usize,
    /// How many texts were ever written.
    #[cfg(test)]
    pub(in crate::relay) written: u64,
}

impl TextCache {
    /// The text of `key`, written by `write` where it is not cached.
    pub(super) fn get(&mut self, schema: &Arc<Schema>, key: TextKey, write: impl FnOnce() -> Bytes) -> Bytes {
        if !Arc::ptr_eq(&self.schema, schema) {
            *self = Self { schema: schema.clone(), ..Self::default() };
        }
        if let Some(text) = self.texts.get(&key) {
            return text.clone();
        }
        let text = write();
        #[cfg(test)]
        {
            self.written += 1;
        }
        self.bytes += text.len();
        self.order.push_back(key.clone());
        self.texts.insert(key, text.clone());
        while self.order.len() > MAX_TEXTS || self.bytes > MAX_TEXT_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.texts.remove(&oldest).map_or(0, |text| text.len());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(version: u64) -> TextKey {
        TextKey { version, columns: ColumnSet::default(), is_whole: true, skipped: SkippedColumns::default() }
    }

    #[test]
    fn a_text_is_written_once_and_the_oldest_make_way() {
        let mut cache = TextCache::default();
        let schema = Arc::default();
        for version in 0..2_000 {
            let text = cache.get(&schema, key(version), || Bytes::from(version.to_string()));
            assert_eq!(text.as_ptr(), cache.get(&schema, key(version), || Bytes::from_static(b"again")).as_ptr());
        }
        assert_eq!((cache.written, cache.order.len(), cache.texts.len()), (2_000, MAX_TEXTS, MAX_TEXTS));
        cache.get(&schema, key(0), Bytes::new);
        assert_eq!(cache.written, 2_001);
    }

    #[test]
    fn texts_that_are_too_long_together_make_way_and_one_that_is_too_long_is_given_all_the_same() {
        let mut cache = TextCache::default();
        let schema = Arc::default();
        for version in 0..3 {
            cache.get(&schema, key(version), || Bytes::from(vec![b'x'; MAX_TEXT_BYTES / 3 + 1]));
        }
        assert_eq!([0, 1, 2].map(|version| cache.texts.contains_key(&key(version))), [false, true, true]);
        assert_eq!(cache.bytes, 2 * (MAX_TEXT_BYTES / 3 + 1));
        let long = cache.get(&schema, key(9), || Bytes::from(vec![b'x'; MAX_TEXT_BYTES + 1]));
        assert_eq!((long.len(), cache.texts.len(), cache.bytes), (MAX_TEXT_BYTES + 1, 0, 0));
    }

    #[test]
    fn a_text_of_other_columns_is_written_anew() {
        let mut cache = TextCache::default();
        cache.get(&Arc::default(), key(1), || Bytes::from_static(b"one"));
        assert_eq!(&*cache.get(&Arc::default(), key(1), || Bytes::from_static(b"two")), b"two");
    }
}
