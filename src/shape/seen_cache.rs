//! Two hashes for each finished run whose row was evicted, so that a repeat is not published again (I16; defect 10).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use indexmap::IndexMap;

use crate::table::Row;

/// Hashes of key and content of rows that were published and evicted, oldest first. About 40 bytes each.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenCache {
    known: IndexMap<u64, u64>,
    max_rows: usize,
}

impl SeenCache {
    /// A cache of at most `max_rows` rows.
    pub(super) fn new(max_rows: usize) -> Self {
        Self { known: IndexMap::new(), max_rows }
    }

    /// Notes that `row` was the last one published under `key`.
    pub(super) fn insert(&mut self, key: &str, row: &Row) {
        if self.known.len() >= self.max_rows.max(1) && !self.known.contains_key(&hash_of_key(key)) {
            // A quarter at once: each removal from the front moves all the others.
            self.known.drain(..self.max_rows.div_ceil(4).clamp(1, self.known.len()));
        }
        self.known.insert(hash_of_key(key), hash_of_row(row));
    }

    /// Removes the entry of `key`, because its row is kept again. True when `row` is the one last published under
    /// `key`.
    pub(super) fn take(&mut self, key: &str, row: &Row) -> bool {
        self.known.swap_remove(&hash_of_key(key)) == Some(hash_of_row(row))
    }

    /// Removes the entry of a deleted row.
    pub(super) fn forget(&mut self, key: &str) {
        self.known.swap_remove(&hash_of_key(key));
    }

    /// The number of entries.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

// Two rows count as equal only when the hashes of key and of content collide together: probability 2^-128.

fn hash_of_key(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// A hash that is the same for equal rows: of the columns by name, without those that are null.
fn hash_of_row(row: &Row) -> u64 {
    // A sum does not depend on the order of the columns.
    row.iter().fold(0, |sum, column| {
        let mut hasher = DefaultHasher::new();
        column.hash(&mut hasher);
        sum.wrapping_add(hasher.finish())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn row(pairs: &[(&'static str, Option<&'static str>)]) -> Row {
        let pairs = pairs.iter().map(|&(name, text)| (name.into(), text.map(Into::into)));
        Row::merge(&mut Arc::default(), None, None, pairs)
    }

    #[test]
    fn an_equal_row_is_recognised_whatever_the_order_of_its_columns() {
        let mut seen = SeenCache::new(8);
        seen.insert("a", &row(&[("id", Some("1")), ("status", Some("DONE"))]));
        assert!(seen.take("a", &row(&[("status", Some("DONE")), ("late", None), ("id", Some("1"))])));
        assert!(!seen.take("a", &row(&[("id", Some("1"))])), "it was taken");
    }

    #[test]
    fn another_row_or_another_key_is_not() {
        let mut seen = SeenCache::new(8);
        seen.insert("a", &row(&[("id", Some("1"))]));
        assert!(!seen.take("b", &row(&[("id", Some("1"))])));
        assert!(!seen.take("a", &row(&[("id", Some("2"))])));
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let mut seen = SeenCache::new(8);
        for n in 0..1_000 {
            seen.insert(&n.to_string(), &row(&[("id", Some("1"))]));
            assert!(seen.len() <= 8);
        }
        assert!(seen.take("999", &row(&[("id", Some("1"))])));
        assert!(!seen.take("1", &row(&[("id", Some("1"))])));
    }
}
