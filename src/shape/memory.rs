//! What is remembered of a finished run whose row is no longer kept: two hashes (I16; defect 10).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use indexmap::IndexMap;

use super::row::Row;

/// Key and content of rows that were published and let go, oldest first. About 40 bytes each.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    known: IndexMap<u64, u64>,
    most: usize,
}

impl Memory {
    /// A memory of at most `most` rows.
    pub(super) fn new(most: usize) -> Self {
        Self { known: IndexMap::new(), most }
    }

    /// Remembers that `row` was the last one published under `key`.
    pub(super) fn keep(&mut self, key: &str, row: &Row) {
        if self.known.len() >= self.most.max(1) && !self.known.contains_key(&hash_of_key(key)) {
            // In bulk: taking one out of the front moves all the others.
            self.known.drain(..self.most.div_ceil(4).clamp(1, self.known.len()));
        }
        self.known.insert(hash_of_key(key), hash_of_row(row));
    }

    /// Whether `row` is what was last published under `key`. Forgets it: its row is kept again.
    pub(super) fn take(&mut self, key: &str, row: &Row) -> bool {
        self.known.swap_remove(&hash_of_key(key)) == Some(hash_of_row(row))
    }

    /// The row is gone.
    pub(super) fn forget(&mut self, key: &str) {
        self.known.swap_remove(&hash_of_key(key));
    }

    /// How many rows are remembered.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

// Two rows are taken for one only when the hashes of key and content collide together: 2^-128.

fn hash_of_key(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// The same for equal rows: by name, and blind to columns that are null.
fn hash_of_row(row: &Row) -> u64 {
    // A sum, so that the order in which columns were first seen plays no part.
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
        let mut memory = Memory::new(8);
        memory.keep("a", &row(&[("id", Some("1")), ("status", Some("DONE"))]));
        assert!(memory.take("a", &row(&[("status", Some("DONE")), ("late", None), ("id", Some("1"))])));
        assert!(!memory.take("a", &row(&[("id", Some("1"))])), "it was taken");
    }

    #[test]
    fn another_row_or_another_key_is_not() {
        let mut memory = Memory::new(8);
        memory.keep("a", &row(&[("id", Some("1"))]));
        assert!(!memory.take("b", &row(&[("id", Some("1"))])));
        assert!(!memory.take("a", &row(&[("id", Some("2"))])));
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let mut memory = Memory::new(8);
        for n in 0..1_000 {
            memory.keep(&n.to_string(), &row(&[("id", Some("1"))]));
            assert!(memory.len() <= 8);
        }
        assert!(memory.take("999", &row(&[("id", Some("1"))])));
        assert!(!memory.take("1", &row(&[("id", Some("1"))])));
    }
}
