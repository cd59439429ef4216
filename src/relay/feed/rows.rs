//! The present rows of a copy, and what changed when: pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::mark::{self, Mark, SKEW_MS};
use crate::run;
use crate::shape::Row;
use crate::timestamp::parse_utc;

/// Rows that are gone, remembered for viewers who have them yet.
const MOST_GONE: usize = 1_024;
/// What a row costs beside its text, in bytes; about.
const ROW_BYTES: usize = 512;

/// How much is kept of runs that are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keep {
    /// Their rows.
    pub(super) rows: usize,
    /// Those rows in bytes.
    pub(super) bytes: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 64 << 20 }
    }
}

/// What a viewer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Every change of this copy up to this one.
    Change(u64),
    /// Of a stranger, who read somewhere else: rows that changed up to these Unix milliseconds.
    Millis(u64),
    /// Of a stranger who read another relay's copy: the same, and what it knows of rows that are gone.
    Copy(u64, Mark),
    /// Nobody here can tell: its place is one of Electric's log.
    Unknown,
}

/// A row, and its place among all changes.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) row: Arc<Row>,
    pub(super) created_ms: u64,
    pub(super) updated_ms: u64,
    /// The change that brought it, and the one that brought it first.
    version: u64,
    first_version: u64,
    /// What it costs, when its run is over.
    finished: Option<usize>,
}

/// A row that is gone.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) key: Arc<str>,
    pub(super) id: Option<Box<str>>,
    created_ms: u64,
    version: u64,
    first_version: u64,
    /// When it was told, in Unix milliseconds, and what tells it from others.
    at_ms: u64,
    mark: u64,
}

/// What was let go: viewers who had not seen it cannot be told of it any more.
#[derive(Clone, Copy, Debug, Default)]
struct Floor {
    version: u64,
    updated_ms: u64,
    created_ms: u64,
}

/// The rows of a copy.
#[derive(Debug)]
pub(super) struct Rows {
    keep: Keep,
    entries: HashMap<Arc<str>, Entry, foldhash::fast::RandomState>,
    /// Keys by the change that brought their present row.
    order: BTreeMap<u64, Arc<str>>,
    /// The same of runs that are over, with what their rows cost.
    finished: BTreeMap<u64, usize>,
    finished_bytes: usize,
    gone: VecDeque<Gone>,
    /// When the copy began, and the present, in Unix milliseconds.
    began_ms: u64,
    now_ms: u64,
    /// The last change.
    sequence: u64,
    /// Whether a row was ever deleted: by its time alone, nobody can be told which ones.
    deletes: bool,
    /// Changes up to this one may have been deletes that are forgotten.
    forgotten: u64,
    floor: Option<Floor>,
    /// The newest `updatedAt` there ever was, in Unix milliseconds.
    newest_ms: u64,
}

/// What a viewer has to be told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Rows, newest run first, and whether each is new to the viewer.
    pub(super) rows: Vec<(Arc<str>, Entry, bool)>,
    /// Rows that are gone.
    pub(super) gone: Vec<Gone>,
    /// The newest `updatedAt` among the rows.
    pub(super) newest_ms: u64,
}

/// What news say, to the letter: each row by the change that brought it and whether it is new to the viewer, each
/// delete by its change. Equal ones are written as the same body, and others never are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    rows: Box<[(u64, bool)]>,
    gone: Box<[u64]>,
}

impl News {
    pub(super) fn told(&self) -> Told {
        Told {
            rows: self.rows.iter().map(|(_, entry, is_new)| (entry.version, *is_new)).collect(),
            gone: self.gone.iter().map(|gone| gone.version).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.gone.is_empty()
    }
}

impl Rows {
    pub(super) fn new(keep: Keep, now_ms: u64) -> Self {
        Self {
            keep,
            entries: HashMap::default(),
            order: BTreeMap::new(),
            finished: BTreeMap::new(),
            finished_bytes: 0,
            gone: VecDeque::new(),
            began_ms: now_ms,
            now_ms,
            // The first change is beyond any that a viewer who never read here could name by chance: "0".
            sequence: 1,
            deletes: false,
            forgotten: 0,
            floor: None,
            newest_ms: 0,
        }
    }

    /// What follows comes now.
    pub(super) fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// What who read up to `sequence` knows of rows that are gone.
    pub(super) fn mark(&self, sequence: u64) -> Mark {
        let last = self.gone.iter().rfind(|gone| gone.version <= sequence);
        let (last, last_ms) = last.map_or((0, 0), |gone| (gone.mark, gone.at_ms));
        Mark { began_ms: self.began_ms, last, last_ms }
    }

    /// The last delete that is known to who has this mark.
    fn known(&self, mark: Mark) -> u64 {
        if let Some(last) = self.gone.iter().rfind(|gone| gone.mark == mark.last) {
            return last.version;
        }
        // The other copy never had what was deleted before it began. All copies are told of deletes in the same order:
        // its last one has yet to come here, and what came here well before that it was told of.
        let before_ms = mark.began_ms.max(mark.last_ms);
        let is_known = |gone: &&Gone| gone.at_ms.saturating_add(SKEW_MS) <= before_ms;
        self.gone.iter().rfind(is_known).map_or(0, |gone| gone.version)
    }

    /// Rows that are gone since the delete `known`, and did not come back.
    fn gone_since(&self, known: u64, created_since_ms: u64) -> impl Iterator<Item = &Gone> {
        let gone = self.gone.iter().rev().take_while(move |gone| gone.version > known);
        gone.filter(move |gone| gone.created_ms >= created_since_ms && !self.entries.contains_key(&gone.key))
    }

    /// The last change.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The row of a feed that has one.
    pub(super) fn one(&self) -> Option<&Row> {
        self.entries.values().next().map(|entry| &*entry.row)
    }

    /// Whether rows of finished runs were let go: there is no snapshot to give any more.
    pub(super) fn is_partial(&self) -> bool {
        self.floor.is_some()
    }

    /// Takes a row in.
    pub(super) fn put(&mut self, key: &Arc<str>, row: &Arc<Row>) {
        let before = self.entries.get(key);
        if before.is_some_and(|entry| entry.row == *row) {
            return;
        }
        self.sequence += 1;
        let version = self.sequence;
        let time = |column: &str| row.get(column).and_then(parse_utc).unwrap_or(0);
        let (created_ms, updated_ms) = (time("createdAt"), time("updatedAt"));
        let first_version = match before {
            Some(entry) => entry.first_version,
            // One that was let go, perhaps: a viewer may have it since long ago, and must be told should it be deleted.
            None if self.floor.is_some_and(|floor| created_ms <= floor.created_ms) => 0,
            None => version,
        };
        self.forget_place(key);
        let finished = run::is_finished(row).then(|| row.text_len() + ROW_BYTES);
        if let Some(bytes) = finished {
            self.finished.insert(version, bytes);
            self.finished_bytes += bytes;
        }
        self.order.insert(version, key.clone());
        self.newest_ms = self.newest_ms.max(updated_ms);
        let entry = Entry { row: row.clone(), created_ms, updated_ms, version, first_version, finished };
        self.entries.insert(key.clone(), entry);
    }

    /// A row is gone.
    pub(super) fn remove(&mut self, key: &Arc<str>) {
        self.deletes = true;
        self.forget_place(key);
        let (id, created_ms, updated_ms, first_version) = match self.entries.remove(key) {
            Some(entry) => {
                (entry.row.get("id").map(Into::into), entry.created_ms, entry.updated_ms, entry.first_version)
            }
            // Let go, perhaps: then everybody who is not lost has it, but for those whose window began after the run.
            // They are told in vain: better than a run that stays.
            None if self.is_partial() => (None, u64::MAX, 0, 0),
            None => return,
        };
        self.sequence += 1;
        let version = self.sequence;
        let (at_ms, mark) = (self.now_ms, mark::delete(key, updated_ms));
        self.gone.push_back(Gone { key: key.clone(), id, created_ms, version, first_version, at_ms, mark });
        if self.gone.len() > MOST_GONE
            && let Some(oldest) = self.gone.pop_front()
        {
            self.forgotten = oldest.version;
        }
    }

    fn forget_place(&mut self, key: &Arc<str>) {
        let Some(entry) = self.entries.get(key) else { return };
        self.order.remove(&entry.version);
        if entry.finished.is_some()
            && let Some(bytes) = self.finished.remove(&entry.version)
        {
            self.finished_bytes -= bytes;
        }
    }

    /// Lets go of what is too much of runs that are over, those first that changed longest ago. Never of the last one:
    /// a feed of one run is always whole.
    pub(super) fn let_go(&mut self) {
        while (self.finished.len() > self.keep.rows || self.finished_bytes > self.keep.bytes) && self.entries.len() > 1
        {
            let Some((version, bytes)) = self.finished.pop_first() else { return };
            self.finished_bytes -= bytes;
            let Some(entry) = self.order.remove(&version).and_then(|key| self.entries.remove(&key)) else { continue };
            let floor = self.floor.get_or_insert_default();
            floor.version = floor.version.max(version);
            floor.updated_ms = floor.updated_ms.max(entry.updated_ms);
            floor.created_ms = floor.created_ms.max(entry.created_ms);
        }
    }

    /// Whether a viewer may have missed what nobody can tell it any more: it has to read anew.
    pub(super) fn is_lost(&self, since: Since, created_since_ms: u64) -> bool {
        let floor = self.floor.filter(|floor| floor.created_ms >= created_since_ms);
        match since {
            Since::Change(seen) => seen < self.forgotten || floor.is_some_and(|floor| seen < floor.version),
            Since::Millis(seen) => self.deletes || floor.is_some_and(|floor| seen < floor.updated_ms),
            Since::Copy(seen, mark) => {
                let known = self.known(mark);
                // It is told of deletes when it gets a handle of this copy, or again and again.
                let is_stuck = || self.is_behind(since) && self.gone_since(known, created_since_ms).next().is_some();
                known < self.forgotten || floor.is_some_and(|floor| seen < floor.updated_ms) || is_stuck()
            }
            Since::Unknown => true,
        }
    }

    /// Whether a viewer saw, somewhere else, what has not come here yet. It stays a stranger until it has: by changes, it
    /// would be told of those between again, of older states than it has.
    pub(super) fn is_behind(&self, since: Since) -> bool {
        match since {
            Since::Millis(seen) | Since::Copy(seen, _) => self.newest_ms < seen,
            Since::Change(_) | Since::Unknown => false,
        }
    }

    /// What a viewer has to be told who saw everything up to `since`.
    pub(super) fn news(&self, since: Since, created_since_ms: u64) -> News {
        let mut news = News::default();
        match since {
            Since::Change(seen) => {
                for key in self.order.range(seen.saturating_add(1)..).map(|(_, key)| key) {
                    if let Some(entry) = self.entries.get(key) {
                        news.add(key, entry, entry.first_version > seen, created_since_ms);
                    }
                }
                // Who never had it is not told.
                let gone = self.gone_since(seen, created_since_ms).filter(|gone| gone.first_version <= seen);
                news.gone = gone.cloned().collect();
            }
            Since::Millis(seen) | Since::Copy(seen, _) => {
                if let Since::Copy(_, mark) = since {
                    // Nobody knows which of them it has: one that it never had changes nothing.
                    news.gone = self.gone_since(self.known(mark), created_since_ms).cloned().collect();
                }
                for (key, entry) in self.entries.iter().filter(|(_, entry)| entry.updated_ms > seen) {
                    news.add(key, entry, entry.created_ms > seen, created_since_ms);
                }
            }
            Since::Unknown => {}
        }
        news.rows.sort_by_key(|(_, entry, _)| Reverse((entry.created_ms, entry.first_version)));
        news
    }

    /// Everything, oldest run first.
    pub(super) fn all(&self, created_since_ms: u64) -> News {
        let mut news = News::default();
        for (key, entry) in &self.entries {
            news.add(key, entry, true, created_since_ms);
        }
        news.rows.sort_by_key(|(_, entry, _)| (entry.created_ms, entry.first_version));
        news
    }
}

impl News {
    fn add(&mut self, key: &Arc<str>, entry: &Entry, is_new: bool, created_since_ms: u64) {
        if entry.created_ms < created_since_ms {
            return;
        }
        self.newest_ms = self.newest_ms.max(entry.updated_ms);
        self.rows.push((key.clone(), entry.clone(), is_new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::feed::copy::tests::row;

    fn rows(keep: Keep) -> Rows {
        Rows::new(keep, 0)
    }

    fn put(rows: &mut Rows, id: &str, status: &str, created_ms: u64, updated_ms: u64) {
        rows.put(&id.into(), &row(id, status, created_ms, updated_ms));
    }

    fn told(news: &News) -> Vec<(String, bool)> {
        news.rows.iter().map(|(key, _, is_new)| (key.to_string(), *is_new)).collect()
    }

    #[test]
    fn only_what_changed_since_is_told_newest_run_first_and_once() {
        let mut rows = rows(Keep::default());
        put(&mut rows, "a", "PENDING", 1_000, 1_000);
        let seen = Since::Change(rows.sequence());
        assert!(rows.news(seen, 0).is_empty());
        put(&mut rows, "a", "DEQUEUED", 1_000, 2_000);
        put(&mut rows, "b", "PENDING", 3_000, 3_000);
        put(&mut rows, "a", "EXECUTING", 1_000, 4_000);
        put(&mut rows, "a", "EXECUTING", 1_000, 4_000);
        let news = rows.news(seen, 0);
        assert_eq!(told(&news), [("b".into(), true), ("a".into(), false)]);
        assert_eq!(news.newest_ms, 4_000);
        assert_eq!(told(&rows.all(0)), [("a".into(), true), ("b".into(), true)]);
    }

    #[test]
    fn a_stranger_is_told_what_changed_after_its_time() {
        let mut rows = rows(Keep::default());
        put(&mut rows, "a", "PENDING", 1_000, 5_000);
        put(&mut rows, "b", "PENDING", 6_000, 6_000);
        assert_eq!(told(&rows.news(Since::Millis(4_000), 0)), [("b".into(), true), ("a".into(), false)]);
        assert_eq!(told(&rows.news(Since::Millis(5_000), 0)), [("b".into(), true)]);
        assert!(rows.news(Since::Millis(6_000), 0).is_empty());
        assert!(!rows.is_lost(Since::Millis(0), 0), "nothing was deleted");
    }

    #[test]
    fn rows_older_than_the_window_are_told_to_nobody_who_came_later() {
        let mut rows = rows(Keep::default());
        put(&mut rows, "old", "PENDING", 59_999, 100_000);
        put(&mut rows, "new", "PENDING", 60_000, 100_001);
        assert_eq!(told(&rows.all(60_000)), [("new".into(), true)]);
        assert_eq!(told(&rows.news(Since::Change(0), 60_000)), [("new".into(), true)]);
    }

    #[test]
    fn a_delete_is_told_to_who_had_the_row_and_a_stranger_reads_anew() {
        let mut rows = rows(Keep::default());
        put(&mut rows, "a", "PENDING", 1_000, 1_000);
        let seen = Since::Change(rows.sequence());
        put(&mut rows, "b", "PENDING", 1_000, 1_000);
        rows.remove(&"a".into());
        rows.remove(&"b".into());
        let gone: Vec<_> = rows.news(seen, 0).gone.iter().map(|gone| gone.key.to_string()).collect();
        assert_eq!(gone, ["a"], "it never had b");
        assert!(rows.is_lost(Since::Millis(u64::MAX), 0) && !rows.is_lost(seen, 0));
        put(&mut rows, "a", "PENDING", 1_000, 2_000);
        assert!(rows.news(seen, 0).gone.is_empty(), "it came back");
    }

    #[test]
    fn viewers_who_lack_different_things_are_told_different_things() {
        let mut rows = rows(Keep::default());
        put(&mut rows, "a", "PENDING", 1, 1);
        let b = Since::Change(rows.sequence());
        put(&mut rows, "k", "PENDING", 2, 2);
        let c = Since::Change(rows.sequence());
        put(&mut rows, "a", "EXECUTING", 1, 3);
        let d = Since::Change(rows.sequence());
        rows.remove(&"k".into());
        let told = [b, c, d].map(|since| rows.news(since, 0).told());
        assert_eq!([0, 1, 1], [0, 1, 2].map(|viewer: usize| told[viewer].gone.len()), "b never had k");
        assert!(told[0] != told[1] && told[1] != told[2] && told[0] != told[2]);
        put(&mut rows, "z", "PENDING", 4, 4);
        assert_eq!(rows.news(c, 0).told().gone, told[1].gone);
    }

    #[test]
    fn a_delete_of_a_run_before_its_window_is_told_to_nobody_who_never_had_it() {
        let mut rows = rows(Keep::default());
        put(&mut rows, "old", "PENDING", 59_999, 100_000);
        let seen = Since::Change(rows.sequence());
        rows.remove(&"old".into());
        assert_eq!(rows.news(seen, 60_000).gone.len(), 0);
        assert_eq!(rows.news(seen, 59_999).gone.len(), 1);
    }

    #[test]
    fn a_run_that_was_let_go_and_is_deleted_leaves_its_viewers_too() {
        let mut rows = rows(Keep { rows: 1, bytes: usize::MAX });
        put(&mut rows, "running", "EXECUTING", 1, 1);
        for n in 2..5 {
            put(&mut rows, &n.to_string(), "COMPLETED_SUCCESSFULLY", n, n);
            rows.let_go();
        }
        let seen = Since::Change(rows.sequence());
        rows.remove(&"2".into());
        let gone: Vec<_> = rows.news(seen, 0).gone.iter().map(|gone| gone.key.to_string()).collect();
        assert_eq!(gone, ["2"]);
        // Also where it came back in between, which the viewer did not ask for.
        put(&mut rows, "3", "COMPLETED_SUCCESSFULLY", 3, 9);
        rows.remove(&"3".into());
        let gone: Vec<_> = rows.news(seen, 0).gone.iter().map(|gone| gone.key.to_string()).collect();
        assert_eq!(gone, ["3", "2"]);
    }

    #[test]
    fn forgotten_deletes_send_who_missed_them_back_to_the_start() {
        let mut rows = rows(Keep::default());
        put(&mut rows, "first", "PENDING", 1, 1);
        let early = rows.sequence();
        for n in 0..=MOST_GONE {
            put(&mut rows, &n.to_string(), "PENDING", 1, 1);
            rows.remove(&n.to_string().as_str().into());
        }
        assert!(rows.is_lost(Since::Change(early), 0));
        assert!(!rows.is_lost(Since::Change(rows.sequence()), 0));
        assert_eq!(rows.gone.len(), MOST_GONE);
    }

    #[test]
    fn finished_runs_beyond_the_limit_are_let_go_and_nobody_is_told_too_little() {
        let mut rows = rows(Keep { rows: 2, bytes: usize::MAX });
        put(&mut rows, "running", "EXECUTING", 1, 1);
        for n in 2..6 {
            put(&mut rows, &n.to_string(), "COMPLETED_SUCCESSFULLY", n, n * 10);
            rows.let_go();
        }
        assert!(rows.is_partial());
        let mut kept: Vec<_> = rows.entries.keys().map(ToString::to_string).collect();
        kept.sort();
        assert_eq!(kept, ["4", "5", "running"]);
        // Change 4 brought run 3, the last one that was let go.
        assert!(rows.is_lost(Since::Change(3), 0) && !rows.is_lost(Since::Change(4), 0));
        assert!(rows.is_lost(Since::Millis(29), 0) && !rows.is_lost(Since::Millis(30), 0));
        assert!(!rows.is_lost(Since::Millis(29), 4), "what was let go is older than its window");
        assert_eq!((rows.finished.len(), rows.order.len()), (2, 3));
    }

    #[test]
    fn a_feed_of_one_run_is_never_partial() {
        let mut rows = rows(Keep { rows: 0, bytes: 0 });
        put(&mut rows, "a", "CANCELED", 1, 1);
        rows.let_go();
        assert!(!rows.is_partial() && rows.one().is_some());
    }
}
