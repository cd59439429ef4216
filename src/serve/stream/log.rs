//! The records of one stream, in memory. An append wakes exactly its readers.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::log_state::{LogState, Source};
use super::part_cache::PartCache;
use super::record::Record;
use crate::lock::lock;

/// The most records and bytes of one stream in memory. Beyond them the oldest records are dropped.
const MAX_RECORDS: usize = 100_000;
const MAX_BYTES: usize = 64 << 20;

/// One stream.
#[derive(Debug)]
pub(crate) struct Log {
    inner: Mutex<LogState>,
    changes: watch::Sender<()>,
    /// The most records and bytes in memory.
    bounds: (usize, usize),
    /// Encoded parts that several readers share.
    pub(super) parts: PartCache,
}

/// The position that a reader starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the record with this index.
    At(u64),
    /// Before the first record in memory: the reader has to ask another source.
    Gone,
}

/// The result of a read.
#[derive(Debug)]
pub(crate) enum Next {
    /// Records, and the index after them. No records: the reader is at the end, for now.
    Records(Vec<Arc<Record>>, u64),
    /// The next record is no longer in memory.
    Behind,
    /// Every record of a stream that is complete was read.
    Finished,
    /// The source was lost, and every record in memory was read.
    Lost,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            inner: Mutex::default(),
            changes: watch::Sender::new(()),
            bounds: (MAX_RECORDS, MAX_BYTES),
            parts: PartCache::default(),
        }
    }
}

impl Log {
    /// Subscribes to appends from now on.
    pub(crate) fn follow(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The log of a source that is not connected yet, with at most so many records and bytes.
    pub(crate) fn of_source(records: usize, bytes: usize) -> Self {
        let source = Source { is_live: false, ..Source::default() };
        let inner = Mutex::new(LogState { source, ..LogState::default() });
        Self { inner, changes: watch::Sender::new(()), bounds: (records, bytes), parts: PartCache::default() }
    }

    /// Appends records of the source, with the source's own numbers, times and rendered text, and the tail that it
    /// reported.
    pub(crate) fn extend(&self, records: Vec<Record>, tail: Option<(u64, u64)>) {
        let mut inner = lock(&self.inner);
        for record in records {
            let trimmed = record.trim_point();
            inner.next = record.number;
            inner.push(record.rendered_only(), self.bounds);
            if let Some(number) = trimmed {
                inner.trim(number);
            }
        }
        let before = (inner.source.tail, inner.source.is_live);
        if let Some(tail) = tail {
            inner.source.tail = inner.source.tail.max(Some(tail));
            // The log is live once every record before the tail was read.
            inner.source.is_live = tail.0 <= inner.next;
            if !before.1 && inner.source.is_live {
                inner.source.since = Some(Instant::now());
            }
        }
        drop(inner);
        self.changes.send_replace(());
    }

    /// Sets whether the log is live: its source is connected, and all its records were read.
    pub(crate) fn set_live(&self, is_live: bool) {
        let mut inner = lock(&self.inner);
        if inner.source.is_live == is_live {
            return;
        }
        inner.source.is_live = is_live;
        inner.source.since = Some(Instant::now());
        drop(inner);
        self.changes.send_replace(());
    }

    /// Marks the stream as complete. Readers get the records in memory, then their bodies end.
    pub(crate) fn finish(&self) {
        let mut inner = lock(&self.inner);
        inner.source.is_finished = true;
        inner.source.is_live = true;
        drop(inner);
        self.changes.send_replace(());
    }

    /// Marks the source as lost. Readers get the records in memory, then their bodies break off.
    pub(crate) fn lose(&self) {
        lock(&self.inner).source.is_lost = true;
        self.changes.send_replace(());
    }

    /// Whether the log is live, so that silence is the stream's own, and since when.
    pub(crate) fn live(&self) -> (bool, Option<Instant>) {
        let source = lock(&self.inner).source;
        (source.is_live, source.since)
    }

    /// How many records are in memory, and their bytes.
    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        let inner = lock(&self.inner);
        (inner.records.len(), inner.bytes)
    }

    /// The start of a reader after the record `last`, v2. A position beyond the tail is clamped to it.
    pub(crate) fn start_v2(&self, last: Option<u64>) -> Start {
        let inner = lock(&self.inner);
        let from = last.map_or(0, |last| last.saturating_add(1));
        if inner.evicted.is_some_and(|(_, (_, number))| from <= number) {
            return Start::Gone;
        }
        Start::At(inner.first_index + inner.records.partition_point(|record| record.number < from) as u64)
    }

    /// The record after which a reader begins that has all up to the record `seen`, v2, and reads those after `last` once
    /// more: of these, what is no longer in memory is left out.
    pub(crate) fn resume_v2(&self, last: Option<u64>, seen: u64) -> Option<u64> {
        let evicted = lock(&self.inner).evicted.map(|(_, (_, number))| number);
        last.max(evicted.filter(|number| *number <= seen))
    }

    /// The start of a reader strictly after a time and number, v1.
    pub(crate) fn start_v1(&self, after: Option<(u64, u64)>) -> Start {
        let inner = lock(&self.inner);
        if inner.evicted.is_some_and(|(_, place)| after.is_none_or(|after| after < place)) {
            return Start::Gone;
        }
        let is_before = |record: &Arc<Record>| after.is_some_and(|after| (record.timestamp, record.number) <= after);
        Start::At(inner.first_index + inner.records.partition_point(is_before) as u64)
    }

    /// The next records of a reader that has read all before the index `at`.
    pub(crate) fn next(&self, at: u64) -> Next {
        let inner = lock(&self.inner);
        if inner.evicted.is_some_and(|(index, _)| at <= index) {
            return Next::Behind;
        }
        // Records that the source trimmed are skipped.
        let at = at.max(inner.first_index);
        let skip = usize::try_from(at - inner.first_index).unwrap_or(usize::MAX).min(inner.records.len());
        let records = inner.take_at(skip);
        if records.is_empty() && inner.source.is_finished {
            return Next::Finished;
        }
        if records.is_empty() && inner.source.is_lost {
            return Next::Lost;
        }
        let next = at + records.len() as u64;
        Next::Records(records, next)
    }

    /// Appends the lines of one write, v1: they share an id.
    pub(crate) fn append_lines(&self, now_ms: u64, lines: String) {
        let mut inner = lock(&self.inner);
        let timestamp = now_ms.max(inner.last_ms);
        let number = inner.last.filter(|(ms, _)| *ms == timestamp).map_or(0, |(_, number)| number + 1);
        inner.push(Record { number, timestamp, body: Some(lines), ..Record::default() }, self.bounds);
        drop(inner);
        self.changes.send_replace(());
    }

    /// Appends a record, v2.
    pub(crate) fn append(&self, now_ms: u64, body: Option<String>, headers: Vec<(String, String)>) {
        let mut inner = lock(&self.inner);
        let (number, timestamp) = (inner.next, now_ms.max(inner.last_ms));
        inner.push(Record { number, timestamp, body, headers, ..Record::default() }, self.bounds);
        drop(inner);
        self.changes.send_replace(());
    }

    /// Appends a value under the id of its append, v2, as writers do.
    pub(crate) fn append_value(&self, now_ms: u64, data: &Value, id: &str) {
        self.append(now_ms, Some(json!({ "data": data, "id": id }).to_string()), Vec::new());
    }

    /// Drops the records before `number`, v2.
    pub(crate) fn trim(&self, number: u64) {
        let mut inner = lock(&self.inner);
        inner.trim(number);
    }

    /// Counts a chunk of a writer, v1.
    pub(crate) fn count_chunk(&self, client: &str) {
        *lock(&self.inner).chunks.entry(client.to_owned()).or_default() += 1;
    }

    /// The number of a writer's last chunk, v1.
    pub(crate) fn last_chunk(&self, client: &str) -> Option<u64> {
        lock(&self.inner).chunks.get(client).map(|count| count - 1)
    }

    /// The next record that the run itself has not consumed yet, v2.
    pub(crate) fn consume(&self) -> Option<Arc<Record>> {
        let mut inner = lock(&self.inner);
        let from = inner.consumed;
        let record = inner.records.iter().find(|record| record.number >= from).cloned()?;
        inner.consumed = record.number + 1;
        Some(record)
    }

    /// The number of the next record, and the time of the last one, v2.
    pub(crate) fn tail(&self) -> (u64, u64) {
        let inner = lock(&self.inner);
        inner.source.tail.filter(|tail| tail.0 >= inner.next).unwrap_or((inner.next, inner.last_ms))
    }

    #[cfg(test)]
    /// The next records from `number` on, v2: as many as one event takes.
    pub(crate) fn from(&self, number: u64) -> Vec<Arc<Record>> {
        lock(&self.inner).take(|record| record.number >= number)
    }

    /// The next records strictly after a time and number, v1.
    #[cfg(test)]
    pub(crate) fn after(&self, place: Option<(u64, u64)>) -> Vec<Arc<Record>> {
        lock(&self.inner).take(|record| place.is_none_or(|place| (record.timestamp, record.number) > place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_millisecond_are_numbered_and_time_never_goes_back() {
        let log = Log::default();
        for (now, lines) in [(5, "a"), (5, "b"), (4, "c"), (6, "d")] {
            log.append_lines(now, lines.into());
        }
        let ids: Vec<_> = log.after(None).iter().map(|record| (record.timestamp, record.number)).collect();
        assert_eq!(ids, [(5, 0), (5, 1), (5, 2), (6, 0)]);
        assert_eq!(log.after(Some((5, 1))).len(), 2);
        assert!(log.after(Some((6, 0))).is_empty());
    }

    #[test]
    fn trimmed_records_are_gone_and_numbers_go_on() {
        let log = Log::default();
        for index in 0..5 {
            log.append(10, Some(index.to_string()), Vec::new());
        }
        log.trim(3);
        log.append(11, None, vec![(String::new(), "trim".into())]);
        let numbers: Vec<_> = log.from(0).iter().map(|record| record.number).collect();
        assert_eq!((numbers, log.tail()), (vec![3, 4, 5], (6, 11)));
    }

    #[test]
    fn one_event_takes_a_bounded_part() {
        let log = Log::default();
        for _ in 0..3 {
            log.append(1, Some("x".repeat(600 << 10)), Vec::new());
        }
        assert_eq!(log.from(0).len(), 1);
        assert_eq!(log.from(1).len(), 1);
    }
}
