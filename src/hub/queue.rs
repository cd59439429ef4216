//! What waits for one reader: bounded, and never without a run's latest state (defect 9).

use std::collections::VecDeque;
use std::sync::Arc;

use super::batch::{Batch, End, Fault, Item};
use crate::connection::Notice;
use crate::shape::{ByKey, Schema};

/// States a reader may lag behind before older ones of a run make way for newer ones. A feed whose
/// readers all lag by half of it asks the server for nothing until one of them reads.
const MAX_LAG_ROWS: usize = 256;
/// The same in bytes of text.
const MAX_LAG_BYTES: usize = 4 << 20;
/// Rows, mostly of different runs then, at which a reader is full: it leaves a feed whose other
/// readers keep up.
const FULL_ROWS: usize = 1_024;
/// The same in bytes of text.
const FULL_BYTES: usize = 16 << 20;
/// Notices a reader may leave unread, and faults; the oldest go first.
const MAX_NOTICES: usize = 64;
/// Rows handed out at once, and their text in bytes, unless a single row is longer.
const MAX_BATCH_ROWS: usize = 64;
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The queue of one reader. Adding to it and taking of it cost the same however long it is.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Oldest first; `None` where a row made way.
    rows: VecDeque<Option<(Item, usize)>>,
    /// How many rows there are, and their text in bytes.
    count: usize,
    bytes: usize,
    /// How many places left the front so far: what the places in `waiting` are counted from.
    left: u64,
    /// The places of what waits of each run, oldest first; only while the queue is longer than a lag.
    waiting: Option<ByKey<VecDeque<u64>>>,
    notices: VecDeque<Notice>,
    faults: VecDeque<Fault>,
    gone: ByKey<()>,
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
        let key = item.key.clone();
        let place = self.left + self.rows.len() as u64;
        self.count += 1;
        self.bytes += size;
        self.rows.push_back(Some((item, size)));
        if let Some(waiting) = &mut self.waiting {
            waiting.entry(key.clone()).or_default().push_back(place);
        }
        while self.count > MAX_LAG_ROWS || self.bytes > MAX_LAG_BYTES {
            let Some(places) = self.places().get_mut(&key) else { break };
            let Some(oldest) = places.front().copied().filter(|oldest| *oldest != place) else { break };
            places.pop_front();
            self.remove(oldest);
            self.coalesced += 1;
        }
        self.tidy();
    }

    /// A row is gone, and with it what waits of it.
    pub(super) fn gone(&mut self, key: &Arc<str>) {
        if self.count > 0 {
            for place in self.places().swap_remove(key).unwrap_or_default() {
                self.remove(place);
            }
            self.tidy();
        }
        self.gone.insert(key.clone(), ());
    }

    /// Where what waits of each run is.
    fn places(&mut self) -> &mut ByKey<VecDeque<u64>> {
        let (rows, left) = (&self.rows, self.left);
        self.waiting.get_or_insert_with(|| {
            let mut places = ByKey::<VecDeque<u64>>::default();
            for ((item, _), place) in rows.iter().zip(left..).filter_map(|(row, place)| Some((row.as_ref()?, place))) {
                places.entry(item.key.clone()).or_default().push_back(place);
            }
            places
        })
    }

    /// Empties a place that `waiting` no longer knows.
    fn remove(&mut self, place: u64) {
        let at = usize::try_from(place - self.left).unwrap_or(usize::MAX);
        if let Some((_, size)) = self.rows.get_mut(at).and_then(Option::take) {
            self.count -= 1;
            self.bytes -= size;
        }
    }

    /// Empty places are let go of at the front, and everywhere once there are more of them than rows.
    fn tidy(&mut self) {
        while self.rows.front().is_some_and(Option::is_none) {
            self.rows.pop_front();
            self.left += 1;
        }
        if self.rows.len() > 2 * self.count + MAX_LAG_ROWS {
            self.rows.retain(Option::is_some);
            self.waiting = None;
        }
    }

    /// The oldest row.
    fn pop(&mut self) -> Option<(Item, usize)> {
        let (item, size) = self.rows.pop_front().flatten()?;
        self.left += 1;
        self.count -= 1;
        self.bytes -= size;
        if self.count == 0 {
            self.waiting = None;
        } else if let Some(waiting) = &mut self.waiting
            && let Some(places) = waiting.get_mut(&item.key)
        {
            places.pop_front();
            if places.is_empty() {
                waiting.swap_remove(&item.key);
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

    /// Whether this reader keeps up: the feed asks on for its sake.
    pub(super) fn has_room(&self) -> bool {
        (self.count < MAX_LAG_ROWS / 2 && self.bytes < MAX_LAG_BYTES / 2) || self.end.is_some()
    }

    /// Whether what waits for this reader must not grow further.
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

    /// What a reader gets at once; `None` when there is nothing to say.
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
        assert!(queue.rows.len() <= 3 * MAX_LAG_ROWS + 2, "{} places", queue.rows.len());
        assert_eq!(keys(&mut queue), expected);
        assert_eq!((queue.bytes, queue.count, queue.waiting.is_none()), (0, 0, true));
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

    /// Runs and their end, all of them unread: what each one costs is counted in steps of a list, not in time.
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
        // The square of it took minutes here; a slow machine needs less than a second.
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!((queue.count, queue.rows.len(), queue.bytes), (0, 0, 0));
        assert_eq!(queue.take().map(|batch| batch.gone.len()), Some(80_000));
    }
}
