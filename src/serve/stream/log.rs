//! The records of one stream, in memory. An append wakes exactly its readers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;

/// The most records and bytes that are kept of one stream; beyond them the oldest are trimmed.
const MOST_RECORDS: usize = 100_000;
const MOST_BYTES: usize = 64 << 20;
/// The most records and bytes of one answer's event.
const BATCH_RECORDS: usize = 1_000;
const BATCH_BYTES: usize = 1 << 20;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its place: of all records in v2 (`seq_num`), of its millisecond in v1.
    pub(crate) number: u64,
    /// When it was written, in Unix milliseconds.
    pub(crate) timestamp: u64,
    /// Its text; in v1 one or more lines.
    pub(crate) body: Option<String>,
    /// Its headers, in v2.
    pub(crate) headers: Vec<(String, String)>,
}

impl Record {
    /// What it weighs, as v2 counts it (recorded: `sse-v2`): eight bytes, two a header, and the
    /// texts.
    pub(crate) fn weight(&self) -> usize {
        let headers: usize = self.headers.iter().map(|(name, value)| 2 + name.len() + value.len()).sum();
        8 + headers + self.body.as_ref().map_or(0, String::len)
    }
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Log {
    inner: Mutex<Inner>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    records: VecDeque<Arc<Record>>,
    bytes: usize,
    next: u64,
    last_ms: u64,
    last: Option<(u64, u64)>,
    chunks: HashMap<String, u64>,
    consumed: u64,
}

impl Default for Log {
    fn default() -> Self {
        Self { inner: Mutex::default(), changes: watch::Sender::new(()) }
    }
}

impl Log {
    /// Follows the appends from now on.
    pub(crate) fn follow(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Appends the lines of one write, v1: they share an id.
    pub(crate) fn append_lines(&self, now_ms: u64, lines: String) {
        let mut inner = self.lock();
        let timestamp = now_ms.max(inner.last_ms);
        let number = inner.last.filter(|(ms, _)| *ms == timestamp).map_or(0, |(_, number)| number + 1);
        inner.push(Record { number, timestamp, body: Some(lines), headers: Vec::new() });
        drop(inner);
        self.changes.send_replace(());
    }

    /// Appends a record, v2.
    pub(crate) fn append(&self, now_ms: u64, body: Option<String>, headers: Vec<(String, String)>) {
        let mut inner = self.lock();
        let (number, timestamp) = (inner.next, now_ms.max(inner.last_ms));
        inner.push(Record { number, timestamp, body, headers });
        drop(inner);
        self.changes.send_replace(());
    }

    /// Appends a value under the id of its append, v2, as writers do.
    pub(crate) fn append_value(&self, now_ms: u64, data: &Value, id: &str) {
        self.append(now_ms, Some(json!({ "data": data, "id": id }).to_string()), Vec::new());
    }

    /// Drops the records before `number`, v2.
    pub(crate) fn trim(&self, number: u64) {
        let mut inner = self.lock();
        while inner.records.front().is_some_and(|record| record.number < number) {
            inner.drop_oldest();
        }
    }

    /// Counts a chunk of a writer, v1, and tells its number from 0 on.
    pub(crate) fn count_chunk(&self, client: &str) -> u64 {
        let mut inner = self.lock();
        let count = inner.chunks.entry(client.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    /// The number of a writer's last chunk, v1.
    pub(crate) fn last_chunk(&self, client: &str) -> Option<u64> {
        self.lock().chunks.get(client).map(|count| count - 1)
    }

    /// The next record that the run itself has not taken yet, v2.
    pub(crate) fn consume(&self) -> Option<Arc<Record>> {
        let mut inner = self.lock();
        let from = inner.consumed;
        let record = inner.records.iter().find(|record| record.number >= from).cloned()?;
        inner.consumed = record.number + 1;
        Some(record)
    }

    /// Where the next record will be and when the last one came, v2.
    pub(crate) fn tail(&self) -> (u64, u64) {
        let inner = self.lock();
        (inner.next, inner.last_ms)
    }

    /// The next records from `number` on, v2: as many as one event takes.
    pub(crate) fn from(&self, number: u64) -> Vec<Arc<Record>> {
        self.lock().take(|record| record.number >= number)
    }

    /// The next records strictly after a time and number, v1.
    pub(crate) fn after(&self, place: Option<(u64, u64)>) -> Vec<Arc<Record>> {
        self.lock().take(|record| place.is_none_or(|place| (record.timestamp, record.number) > place))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing panics under this lock, and its data is whole after every statement.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn push(&mut self, record: Record) {
        self.next += 1;
        self.last_ms = record.timestamp;
        self.last = Some((record.timestamp, record.number));
        self.bytes += record.weight();
        self.records.push_back(Arc::new(record));
        while self.records.len() > MOST_RECORDS || self.bytes > MOST_BYTES && self.records.len() > 1 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.weight();
        }
    }

    fn take(&self, is_wanted: impl Fn(&Record) -> bool) -> Vec<Arc<Record>> {
        // Records are in order: what is wanted is one run at the end.
        let first = self.records.partition_point(|record| !is_wanted(record));
        let mut bytes = 0;
        self.records
            .range(first..)
            .take(BATCH_RECORDS)
            .take_while(|record| {
                let fits = bytes == 0 || bytes + record.weight() <= BATCH_BYTES;
                bytes += record.weight();
                fits
            })
            .cloned()
            .collect()
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

    #[test]
    fn a_record_weighs_what_the_server_says() {
        // Recorded: `sse-v2`, the first event's id is 2,3,124 and the control record adds 38.
        let record = |body: Option<&str>, headers: &[(&str, &str)]| Record {
            number: 0,
            timestamp: 0,
            body: body.map(str::to_owned),
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        assert_eq!(record(Some(r#"{"data":"{\"n\":0}","id":"part0"}"#), &[]).weight(), 41);
        assert_eq!(record(None, &[("trigger-control", "turn-complete")]).weight(), 38);
    }
}
