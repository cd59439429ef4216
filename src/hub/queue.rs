//! The queue of one reader. It is bounded, and always keeps the latest unread state of each run (defect 9).

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::{Batch, End, Fault, Item};
use crate::connection::Notice;
use crate::shape::{ByKey, Schema};

/// The states that a reader may lag behind before older states of a run make way for newer ones. A feed whose readers
/// all lag by half of that asks the server for nothing until one of them reads.
const MAX_LAG_ROWS: usize = 256;
/// The same lag in bytes of text.
const MAX_LAG_BYTES: usize = 4 << 20;
/// The rows, mostly of different runs, at which a reader is full: it leaves a feed whose other readers keep up.
const FULL_ROWS: usize = 1_024;
/// The same bound in bytes of text.
const FULL_BYTES: usize = 16 << 20;
/// The most notices, and the most faults, that are kept unread; the oldest are dropped first.
const MAX_NOTICES: usize = 64;
/// The most rows handed out at once, and their text in bytes, unless a single row is longer.
const MAX_BATCH_ROWS: usize = 64;
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The queue of one reader. The cost of adding and of taking does not grow with its length.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Rows and the length of their text, oldest first; `None` where a row made way.
    rows: VecDeque<Option<(Item, usize)>>,
    /// The number of rows, and their text in bytes.
    count: usize,
    bytes: usize,
    /// How many entries have left the front so far: the number of the front entry.
    front: u64,
    /// The numbers of each run's entries, oldest first. Kept only while the queue is longer than a lag.
    entries_of: Option<ByKey<VecDeque<u64>>>,
    notices: VecDeque<Notice>,
    faults: VecDeque<Fault>,
    gone: ByKey<()>,
    /// The feed was up to date for the first time, which the reader has not read yet.
    settled: bool,
    schema: Option<Arc<Schema>>,
    pub(super) end: Option<End>,
    pub(super) coalesced: u64,
}

impl Queue {
    /// Adds a row. Beyond the lag, older states of the same run make way.
    pub(super) fn push(&mut self, item: Item) {
        let size = item.row.text_len();
        let key = item.key.clone();
        let entry = self.front + self.rows.len() as u64;
        self.count += 1;
        self.bytes += size;
        self.rows.push_back(Some((item, size)));
        if let Some(entries_of) = &mut self.entries_of {
            entries_of.entry(key.clone()).or_default().push_back(entry);
        }
        while self.count > MAX_LAG_ROWS || self.bytes > MAX_LAG_BYTES {
            let Some(entries) = self.entries_of().get_mut(&key) else { break };
            let Some(oldest) = entries.front().copied().filter(|oldest| *oldest != entry) else { break };
            entries.pop_front();
            self.remove(oldest);
            self.coalesced += 1;
        }
        self.tidy();
    }

    /// A row is gone: its unread states are dropped.
    pub(super) fn gone(&mut self, key: &Arc<str>) {
        if self.count > 0 {
            for entry in self.entries_of().swap_remove(key).unwrap_or_default() {
                self.remove(entry);
            }
            self.tidy();
        }
        self.gone.insert(key.clone(), ());
    }

    /// The numbers of each run's entries.
    fn entries_of(&mut self) -> &mut ByKey<VecDeque<u64>> {
        let (rows, front) = (&self.rows, self.front);
        self.entries_of.get_or_insert_with(|| {
            let mut entries = ByKey::<VecDeque<u64>>::default();
            for ((item, _), entry) in rows.iter().zip(front..).filter_map(|(row, entry)| Some((row.as_ref()?, entry))) {
                entries.entry(item.key.clone()).or_default().push_back(entry);
            }
            entries
        })
    }

    /// Empties an entry that `entries_of` no longer has.
    fn remove(&mut self, entry: u64) {
        let at = usize::try_from(entry - self.front).unwrap_or(usize::MAX);
        if let Some((_, size)) = self.rows.get_mut(at).and_then(Option::take) {
            self.count -= 1;
            self.bytes -= size;
        }
    }

    /// Drops empty entries at the front, and all of them once they outnumber the rows.
    fn tidy(&mut self) {
        while self.rows.front().is_some_and(Option::is_none) {
            self.rows.pop_front();
            self.front += 1;
        }
        if self.rows.len() > 2 * self.count + MAX_LAG_ROWS {
            self.rows.retain(Option::is_some);
            self.entries_of = None;
        }
    }

    /// Takes the oldest row.
    fn pop(&mut self) -> Option<(Item, usize)> {
        let (item, size) = self.rows.pop_front().flatten()?;
        self.front += 1;
        self.count -= 1;
        self.bytes -= size;
        if self.count == 0 {
            self.entries_of = None;
        } else if let Some(entries_of) = &mut self.entries_of
            && let Some(entries) = entries_of.get_mut(&item.key)
        {
            entries.pop_front();
            if entries.is_empty() {
                entries_of.swap_remove(&item.key);
            }
        }
        self.tidy();
        Some((item, size))
    }

    /// The feed was up to date for the first time.
    pub(super) fn settle(&mut self, schema: Option<Arc<Schema>>) {
        self.settled = true;
        self.schema = schema;
    }

    /// Whether the reader keeps up: the feed goes on for at least one such reader.
    pub(super) fn has_room(&self) -> bool {
        (self.count < MAX_LAG_ROWS / 2 && self.bytes < MAX_LAG_BYTES / 2) || self.end.is_some()
    }

    /// Whether the queue must not grow further.
    pub(super) fn is_full(&self) -> bool {
        self.count >= FULL_ROWS || self.bytes >= FULL_BYTES
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        if self.notices.len() >= MAX_NOTICES {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if self.faults.len() >= MAX_NOTICES {
            self.faults.pop_front();
        }
        self.faults.push_back(fault);
    }

    /// Takes the next batch; `None` when there is nothing to read.
    pub(super) fn take(&mut self) -> Option<Batch> {
        if self.count == 0
            && self.notices.is_empty()
            && self.faults.is_empty()
            && self.gone.is_empty()
            && !self.settled
            && self.end.is_none()
        {
            return None;
        }
        let mut rows = Vec::with_capacity(self.count.min(MAX_BATCH_ROWS));
        let mut bytes = 0;
        while rows.len() < MAX_BATCH_ROWS && (rows.is_empty() || bytes < MAX_BATCH_BYTES) {
            let Some((item, size)) = self.pop() else { break };
            bytes += size;
            rows.push(item);
        }
        let drained = self.count == 0;
        Some(Batch {
            rows,
            notices: self.notices.drain(..).collect(),
            faults: self.faults.drain(..).collect(),
            gone: std::mem::take(&mut self.gone).into_keys().collect(),
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
    use crate::connection::ConnectionState;
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

    fn keys(queue: &mut Queue) -> Vec<String> {
        let mut keys = Vec::new();
        while let Some(batch) = queue.take() {
            keys.extend(batch.rows.iter().map(|item| item.row.get("id").expect("an id").to_owned()));
        }
        keys
    }

    /// The state `n` of a run.
    fn state(key: &str, n: usize) -> Item {
        let row = Row::merge(&mut Arc::default(), None, None, [("id".into(), Some(format!("{key}{n}").into()))]);
        Item { row: Arc::new(row), ..item(key) }
    }

    #[test]
    fn a_reader_that_lags_misses_older_states_of_the_same_run_and_no_others() {
        let mut queue = Queue::default();
        for run in 0..MAX_LAG_ROWS {
            queue.push(state(&format!("r{run}."), 0));
        }
        for n in 1..=1_000 {
            queue.push(state("r0.", n));
            queue.push(state("new", n));
        }
        let mut expected: Vec<String> = (1..MAX_LAG_ROWS).map(|run| format!("r{run}.0")).collect();
        expected.extend(["r0.1000".to_owned(), "new1000".to_owned()]);
        assert_eq!((queue.count, queue.coalesced), (MAX_LAG_ROWS + 1, 1_999));
        assert!(queue.rows.len() <= 3 * MAX_LAG_ROWS + 2, "{} entries", queue.rows.len());
        assert_eq!(keys(&mut queue), expected);
        assert_eq!((queue.bytes, queue.count, queue.entries_of.is_none()), (0, 0, true));
    }

    #[test]
    fn the_latest_states_within_the_lag_are_read_in_their_order() {
        let mut queue = Queue::default();
        for n in 0..1_000 {
            queue.push(state("a", n));
        }
        queue.take();
        queue.push(state("a", 1_000));
        let last: Vec<String> = (1_000 - MAX_LAG_ROWS + MAX_BATCH_ROWS..=1_000).map(|n| format!("a{n}")).collect();
        assert_eq!(keys(&mut queue), last);
    }

    /// A state with so many bytes of text.
    fn long(key: &str, bytes: usize) -> Item {
        let row = Row::merge(&mut Arc::default(), None, None, [("id".into(), Some("x".repeat(bytes).into()))]);
        Item { row: Arc::new(row), ..item(key) }
    }

    fn filled(items: impl IntoIterator<Item = Item>) -> Queue {
        let mut queue = Queue::default();
        for item in items {
            queue.push(item);
        }
        queue
    }

    #[test]
    fn a_reader_keeps_up_below_half_a_lag_of_rows_or_bytes_and_once_it_has_ended() {
        let runs = |count: usize| filled((0..count).map(|n| item(&n.to_string())));
        assert!(runs(MAX_LAG_ROWS / 2 - 1).has_room());
        let mut lags = runs(MAX_LAG_ROWS / 2);
        assert!(!lags.has_room());
        lags.end = Some(End::Complete);
        assert!(lags.has_room(), "a reader that has ended holds nobody up");
        assert!(filled([long("a", MAX_LAG_BYTES / 2 - 1)]).has_room());
        assert!(!filled([long("a", MAX_LAG_BYTES / 2)]).has_room());
    }

    #[test]
    fn a_reader_is_full_at_a_number_of_rows_or_of_bytes_whichever_comes_first() {
        let runs = |count: usize| filled((0..count).map(|n| item(&n.to_string())));
        assert!(!runs(FULL_ROWS - 1).is_full());
        assert!(runs(FULL_ROWS).is_full());
        assert!(!filled([long("a", FULL_BYTES - 1)]).is_full());
        assert!(filled([long("a", FULL_BYTES)]).is_full());
    }

    #[test]
    fn long_states_of_a_run_make_way_for_its_newest_at_four_megabytes() {
        let mut kept = filled([long("a", MAX_LAG_BYTES / 2), long("a", MAX_LAG_BYTES / 2)]);
        assert_eq!((kept.count, kept.coalesced), (2, 0));
        kept.push(long("a", 1));
        assert_eq!((kept.count, kept.bytes, kept.coalesced), (2, MAX_LAG_BYTES / 2 + 1, 1));
    }

    #[test]
    fn one_read_returns_64_rows_or_a_megabyte_and_says_that_more_is_there() {
        let mut queue = filled((0..=MAX_BATCH_ROWS).map(|n| item(&n.to_string())));
        let first = queue.take().expect("a batch");
        assert_eq!((first.rows.len(), first.drained), (MAX_BATCH_ROWS, false));
        let second = queue.take().expect("a batch");
        assert_eq!((second.rows.len(), second.drained), (1, true));
        let mut long = filled((0..3).map(|n| long(&n.to_string(), MAX_BATCH_BYTES / 2)));
        assert_eq!(long.take().map(|batch| batch.rows.len()), Some(2));
    }

    #[test]
    fn the_oldest_of_more_than_64_notices_or_faults_are_dropped() {
        let mut queue = Queue::default();
        for why in (0..=MAX_NOTICES).map(|n| if n == 0 { "the oldest" } else { "newer" }) {
            queue.fault(Fault { key: None, why });
            let state = if why == "newer" { ConnectionState::Live } else { ConnectionState::Connecting };
            queue.notice(Notice::State(state));
        }
        let batch = queue.take().expect("a batch");
        assert_eq!((batch.faults.len(), batch.notices.len()), (MAX_NOTICES, MAX_NOTICES));
        assert!(batch.faults.iter().all(|fault| fault.why == "newer"));
        assert!(batch.notices.iter().all(|notice| matches!(notice, Notice::State(ConnectionState::Live))));
    }

    #[test]
    fn a_single_notice_or_fault_is_read_without_a_row_and_once() {
        let mut queue = Queue::default();
        assert!(queue.take().is_none());
        queue.fault(Fault { key: None, why: "unreadable" });
        assert_eq!(queue.take().map(|batch| batch.faults.len()), Some(1));
        queue.notice(Notice::State(ConnectionState::Live));
        assert_eq!(queue.take().map(|batch| batch.notices.len()), Some(1));
        queue.settle(None);
        assert_eq!(queue.take().map(|batch| batch.settled), Some(true));
        assert!(queue.take().is_none());
    }

    #[test]
    fn a_reader_that_catches_up_in_part_misses_no_state_of_any_other_run() {
        let runs = 3 * MAX_LAG_ROWS;
        let mut queue = filled((0..runs).map(|run| state(&format!("r{run}."), 0)));
        let read = queue.take().expect("a batch").rows.len();
        queue.push(state(&format!("r{read}."), 1));
        let mut expected: Vec<String> = (read + 1..runs).map(|run| format!("r{run}.0")).collect();
        expected.push(format!("r{read}.1"));
        assert_eq!((keys(&mut queue), queue.coalesced), (expected, 1));
    }

    #[test]
    fn a_read_from_a_long_queue_does_not_make_the_next_state_look_at_all_that_wait() {
        let mut queue = filled((0..2 * MAX_LAG_ROWS).map(|n| item(&n.to_string())));
        assert!(queue.entries_of.is_some());
        queue.take();
        assert!(queue.entries_of.is_some(), "the index of what waits is kept");
    }

    /// Runs and their ends, all of them unread: the cost of each must not grow with their number.
    #[test]
    fn eighty_thousand_runs_wait_and_leave_without_a_look_at_each_for_each() {
        let mut queue = Queue::default();
        let all: Vec<Item> = (0..80_000).map(|n| item(&n.to_string())).collect();
        let began = std::time::Instant::now();
        for each in &all {
            queue.push(each.clone());
        }
        for each in &all {
            queue.gone(&each.key);
        }
        // A quadratic cost took minutes here; a slow machine needs less than a second.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!((queue.count, queue.rows.len(), queue.bytes), (0, 0, 0));
        assert_eq!(queue.take().map(|batch| batch.gone.len()), Some(80_000));
    }
}
