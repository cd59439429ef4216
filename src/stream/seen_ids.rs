//! The append ids seen lately. A retried append is a record with an id that was seen before (defect 13).

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// The most ids that are remembered: as many as the official client remembers, which does so for one connection.
const MAX_IDS: usize = 5_000;
/// The most bytes of ids that are remembered.
const MAX_BYTES: usize = 1024 * 1024;

/// A bounded set of ids: the oldest are evicted first.
#[derive(Debug, Default)]
pub(super) struct SeenIds {
    order: VecDeque<Arc<str>>,
    known: HashSet<Arc<str>, foldhash::fast::RandomState>,
    bytes: usize,
}

impl SeenIds {
    /// Remembers `id`. False when `id` was known already.
    pub(super) fn is_new(&mut self, id: &str) -> bool {
        if self.known.contains(id) {
            return false;
        }
        let id: Arc<str> = id.into();
        self.bytes += id.len();
        self.order.push_back(id.clone());
        self.known.insert(id);
        while self.order.len() > MAX_IDS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= oldest.len();
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once() {
        let mut ids = SeenIds::default();
        assert!(ids.is_new("a") && !ids.is_new("a") && ids.is_new("b"));
    }

    #[test]
    fn the_memory_is_bounded_in_ids_and_in_bytes() {
        let mut ids = SeenIds::default();
        for number in 0..=MAX_IDS {
            ids.is_new(&number.to_string());
        }
        assert_eq!(ids.order.len(), MAX_IDS);
        assert!(ids.is_new("0"), "the oldest was forgotten");
        assert!(!ids.is_new(&MAX_IDS.to_string()));
        let long = "x".repeat(MAX_BYTES);
        ids.is_new(&long);
        assert_eq!((ids.order.len(), ids.bytes), (1, MAX_BYTES));
    }
}
