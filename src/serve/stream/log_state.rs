//! The state of a log: the newest records of one stream, within bounds.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use super::record::Record;

/// The most records and bytes of one event.
const MAX_BATCH_RECORDS: usize = 1_000;
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The connection to the log's source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// Whether the source is connected and all its records were read.
    pub(super) is_live: bool,
    /// When `is_live` last changed; `None` where it never did.
    pub(super) since: Option<Instant>,
    pub(super) is_lost: bool,
    /// Whether the stream is complete: nothing is appended any more.
    pub(super) is_finished: bool,
    /// The tail that the source reported.
    pub(super) tail: Option<(u64, u64)>,
}

impl Default for Source {
    fn default() -> Self {
        Self { is_live: true, since: None, is_lost: false, is_finished: false, tail: None }
    }
}

/// The records of one stream, and the positions of its writers and readers.
#[derive(Debug, Default)]
pub(super) struct LogState {
    pub(super) records: VecDeque<Arc<Record>>,
    pub(super) bytes: usize,
    pub(super) next: u64,
    pub(super) last_ms: u64,
    pub(super) last: Option<(u64, u64)>,
    pub(super) chunks: HashMap<String, u64>,
    pub(super) consumed: u64,
    /// The index of the first record in memory: how many were dropped.
    pub(super) first_index: u64,
    /// The last record that was dropped because of the bounds: its index, time and number.
    pub(super) evicted: Option<(u64, (u64, u64))>,
    pub(super) source: Source,
}

impl LogState {
    pub(super) fn push(&mut self, record: Record, (max_records, max_bytes): (usize, usize)) {
        let record = record.counted();
        self.next += 1;
        self.last_ms = record.timestamp;
        self.last = Some((record.timestamp, record.number));
        self.bytes += record.cost();
        self.records.push_back(Arc::new(record));
        while self.records.len() > max_records || self.bytes > max_bytes && self.records.len() > 1 {
            let front = self.records.front().map(|record| (record.timestamp, record.number));
            self.evicted = front.map(|place| (self.first_index, place));
            self.drop_oldest();
        }
    }

    pub(super) fn trim(&mut self, number: u64) {
        while self.records.front().is_some_and(|record| record.number < number) {
            self.drop_oldest();
        }
        // The source trimmed the evicted record as well, so no other source has it.
        self.evicted = self.evicted.filter(|(_, (_, evicted))| *evicted >= number);
    }

    fn drop_oldest(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.cost();
            self.first_index += 1;
        }
    }

    #[cfg(test)]
    pub(super) fn take(&self, is_wanted: impl Fn(&Record) -> bool) -> Vec<Arc<Record>> {
        // Records are sorted: the wanted ones are at the end.
        self.take_at(self.records.partition_point(|record| !is_wanted(record)))
    }

    pub(super) fn take_at(&self, first: usize) -> Vec<Arc<Record>> {
        let mut bytes = 0;
        self.records
            .range(first..)
            .take(MAX_BATCH_RECORDS)
            .take_while(|record| {
                let fits = bytes == 0 || bytes + record.cost() <= MAX_BATCH_BYTES;
                bytes += record.cost();
                fits
            })
            .cloned()
            .collect()
    }
}
