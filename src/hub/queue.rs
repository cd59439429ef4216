//! What waits for one reader: bounded, and never without a run's latest state (defect 9).

use std::collections::VecDeque;
use std::sync::Arc;

use super::reader::{Batch, End, Fault, Item, Notice};
use crate::shape::Schema;

/// States a reader may lag behind before older ones of a run make way for newer ones. A feed whose
/// readers all lag by half of it asks the server for nothing until one of them reads.
const LONGEST_LAG: usize = 256;
/// The same in bytes of text.
const LARGEST_LAG: usize = 4 << 20;
/// Rows, mostly of different runs then, at which a reader is full: it leaves a feed whose other
/// readers keep up.
const FULL_ROWS: usize = 1_024;
/// The same in bytes of text.
const FULL_BYTES: usize = 16 << 20;
/// Notices a reader may leave unread, and faults; the oldest go first.
const LONGEST_NOTICES: usize = 64;
/// Rows handed out at once, and their text in bytes, unless a single row is longer.
const LARGEST_BATCH: usize = 64;
const LARGEST_BATCH_BYTES: usize = 1 << 20;

/// The queue of one reader.
#[derive(Debug, Default)]
pub(super) struct Queue {
    rows: VecDeque<(Item, usize)>,
    bytes: usize,
    notices: VecDeque<Notice>,
    faults: VecDeque<Fault>,
    gone: Vec<Arc<str>>,
    /// The feed was up to date for the first time, and the reader was not told yet.
    settled: bool,
    schema: Option<Arc<Schema>>,
    pub(super) end: Option<End>,
    pub(super) coalesced: u64,
}

impl Queue {
    /// Adds a row. Beyond the lag, older states of the same run make way.
    pub(super) fn push(&mut self, item: Item) {
        let size = item.row.text_len();
        self.bytes += size;
        self.rows.push_back((item, size));
        while self.rows.len() > LONGEST_LAG || self.bytes > LARGEST_LAG {
            let Some(((last, _), older)) = self.rows.iter().next_back().zip(self.rows.len().checked_sub(1)) else {
                break;
            };
            let Some(at) = self.rows.iter().take(older).position(|(kept, _)| kept.key == last.key) else { break };
            if let Some((_, size)) = self.rows.remove(at) {
                self.bytes -= size;
            }
            self.coalesced += 1;
        }
    }

    /// A row is gone, and with it what waits of it.
    pub(super) fn gone(&mut self, key: &Arc<str>) {
        self.rows.retain(|(item, size)| {
            let stays = item.key != *key;
            if !stays {
                self.bytes -= size;
            }
            stays
        });
        if !self.gone.contains(key) {
            self.gone.push(key.clone());
        }
    }

    /// The feed was up to date for the first time.
    pub(super) fn settle(&mut self, schema: Option<Arc<Schema>>) {
        self.settled = true;
        self.schema = schema;
    }

    /// Whether this reader keeps up: the feed asks on for its sake.
    pub(super) fn has_room(&self) -> bool {
        (self.rows.len() < LONGEST_LAG / 2 && self.bytes < LARGEST_LAG / 2) || self.end.is_some()
    }

    /// Whether what waits for this reader must not grow further.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() >= LONGEST_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if self.faults.len() >= LONGEST_NOTICES {
            self.faults.pop_front();
        }
        self.faults.push_back(fault);
    }

    /// What a reader gets at once; `None` when there is nothing to say.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.rows.is_empty()
            && self.notices.is_empty()
            && self.faults.is_empty()
            && self.gone.is_empty()
            && !self.settled
            && self.end.is_none()
        {
            return None;
        }
        let mut rows = Vec::with_capacity(self.rows.len().min(LARGEST_BATCH));
        let mut bytes = 0;
        while rows.len() < LARGEST_BATCH && (rows.is_empty() || bytes < LARGEST_BATCH_BYTES) {
            let Some((item, size)) = self.rows.pop_front() else { break };
            bytes += size;
            rows.push(item);
        }
        self.bytes -= bytes;
        let drained = self.rows.is_empty();
        Some(Batch {
            rows,
            notices: self.notices.drain(..).collect(),
            faults: self.faults.drain(..).collect(),
            gone: std::mem::take(&mut self.gone),
            settled: drained && std::mem::take(&mut self.settled),
            schema: if drained { self.schema.take() } else { None },
            drained,
            end: if drained { self.end.clone() } else { None },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Row;

    fn item(key: &str) -> Item {
        let row = Row::merge(&mut Arc::default(), None, None, [("id".into(), Some(key.into()))]);
        Item { key: key.into(), row: Arc::new(row), schema: Arc::default() }
    }

    #[test]
    fn a_row_that_is_gone_takes_what_waits_of_it_along_and_may_come_back() {
        let mut queue = Queue::default();
        queue.push(item("a"));
        queue.push(item("b"));
        queue.gone(&"a".into());
        queue.gone(&"b".into());
        queue.push(item("b"));
        let batch = queue.take().expect("a batch");
        let keys: Vec<_> = batch.rows.iter().map(|item| &*item.key).collect();
        assert_eq!((keys, batch.gone.len(), queue.bytes), (vec!["b"], 2, 0));
    }
}
