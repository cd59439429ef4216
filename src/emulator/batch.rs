//! Batches, in memory (docs/server-protocol.md 6; recorded: `calls-batch`).

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use serde_json::Value;

/// The most batches in memory. Beyond them the oldest are dropped.
const MAX_BATCHES: usize = 100_000;

/// One batch.
#[derive(Debug)]
pub(super) struct Batch {
    /// Its public id.
    pub(super) id: String,
    /// The index of its environment.
    pub(super) environment: usize,
    /// How many items it expects.
    pub(super) run_count: usize,
    /// Its creation, in Unix milliseconds.
    pub(super) created_ms: u64,
    items: Mutex<Items>,
}

/// The items that a batch has received.
#[derive(Clone, Debug, Default)]
pub(super) struct Items {
    indexes: HashSet<u64>,
    /// The public ids of its runs, in the order of arrival, each once.
    pub(super) runs: Vec<String>,
    /// The errors of items without a run.
    pub(super) errors: Vec<Value>,
    /// When it was sealed, in Unix milliseconds.
    pub(super) sealed_ms: Option<u64>,
}

impl Batch {
    /// A batch without items.
    pub(super) fn new(id: String, environment: usize, run_count: usize, now_ms: u64) -> Self {
        Self { id, environment, run_count, created_ms: now_ms, items: Mutex::default() }
    }

    /// Claims an index. False when an earlier item had it.
    pub(super) fn claim(&self, index: u64) -> bool {
        lock(&self.items).indexes.insert(index)
    }

    /// Adds a run, once.
    pub(super) fn add(&self, run: &str) {
        let mut items = lock(&self.items);
        if !items.runs.iter().any(|known| known == run) {
            items.runs.push(run.to_owned());
        }
    }

    /// Records the error of an item without a run.
    pub(super) fn fail(&self, error: Value) {
        lock(&self.items).errors.push(error);
    }

    /// Seals the batch at `now_ms` if it has all its items. Returns whether it is sealed.
    pub(super) fn seal(&self, now_ms: u64) -> bool {
        let mut items = lock(&self.items);
        if items.sealed_ms.is_none() && items.indexes.len() >= self.run_count {
            items.sealed_ms = Some(now_ms);
        }
        items.sealed_ms.is_some()
    }

    /// The items so far.
    pub(super) fn items(&self) -> Items {
        lock(&self.items).clone()
    }
}

/// All batches.
#[derive(Debug, Default)]
pub(super) struct Batches {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    batches: HashMap<String, Arc<Batch>>,
    order: VecDeque<String>,
    idempotent: HashSet<(usize, String)>,
}

impl Batches {
    /// Adds a batch; `None` when an earlier one has the same idempotency key.
    pub(super) fn insert(&self, batch: Batch, idempotency_key: Option<&str>) -> Option<Arc<Batch>> {
        let mut inner = lock(&self.inner);
        if let Some(key) = idempotency_key
            && !inner.idempotent.insert((batch.environment, key.to_owned()))
        {
            return None;
        }
        let batch = Arc::new(batch);
        inner.batches.insert(batch.id.clone(), batch.clone());
        inner.order.push_back(batch.id.clone());
        while inner.order.len() > MAX_BATCHES {
            if let Some(oldest) = inner.order.pop_front() {
                inner.batches.remove(&oldest);
            }
        }
        Some(batch)
    }

    /// The batch with that public id in that environment.
    pub(super) fn find(&self, environment: usize, id: &str) -> Option<Arc<Batch>> {
        lock(&self.inner).batches.get(id).filter(|batch| batch.environment == environment).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sealed_when_every_index_came_once() {
        let batch = Batch::new("batch_1".into(), 0, 2, 1_000);
        assert!(batch.claim(0) && !batch.claim(0));
        assert!(!batch.seal(2_000));
        assert!(batch.claim(1) && batch.seal(3_000) && batch.seal(4_000));
        assert_eq!(batch.items().sealed_ms, Some(3_000));
    }

    #[test]
    fn a_second_batch_with_the_same_key_is_refused_in_its_environment() {
        let all = Batches::default();
        let make = |id: &str, environment| all.insert(Batch::new(id.into(), environment, 1, 0), Some("k"));
        assert!(make("batch_1", 0).is_some() && make("batch_2", 0).is_none() && make("batch_3", 1).is_some());
        assert!(all.find(0, "batch_1").is_some() && all.find(1, "batch_1").is_none());
    }
}
