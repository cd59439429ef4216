//! The rows of a copy, and which change brought each. Pure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::changes::{Changes, Entry, Tombstone};
use super::columns;
use super::delete_mark::{DeleteMark, SKEW_MS, delete_id};
use super::since::Since;
use crate::run;
use crate::shape::Row;
use crate::timestamp::parse_utc;

/// How many deletes are remembered.
pub(super) const MAX_TOMBSTONES: usize = 1_024;
/// The memory of a row beside its text, in bytes; about.
const ROW_BYTES: usize = 512;

/// The bounds of the rows of finished runs that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retention {
    /// The number of rows.
    pub(super) rows: usize,
    /// The size of the rows, in bytes.
    pub(super) bytes: usize,
}

impl Default for Retention {
    fn default() -> Self {
        Self { rows: 10_000, bytes: 64 << 20 }
    }
}

/// The newest change and times among the evicted rows. A viewer that has not seen one of them can no longer be sent it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evicted {
    pub(super) version: u64,
    pub(super) updated_ms: u64,
    created_ms: u64,
}

/// The rows of a copy.
#[derive(Debug)]
pub(super) struct Rows {
    retention: Retention,
    pub(super) entries: HashMap<Arc<str>, Entry, foldhash::fast::RandomState>,
    /// Keys by the change that brought their present row.
    pub(super) order: BTreeMap<u64, Arc<str>>,
    /// The changes of rows whose run is finished, with the bytes of each row.
    pub(super) finished: BTreeMap<u64, usize>,
    finished_bytes: usize,
    pub(super) tombstones: VecDeque<Tombstone>,
    /// When the copy began, in Unix milliseconds.
    began_ms: u64,
    /// The present, in Unix milliseconds.
    now_ms: u64,
    /// The last change.
    sequence: u64,
    /// Whether a row was ever deleted. A viewer that is known by time alone cannot be sent the deletes that it lacks.
    has_deletes: bool,
    /// Changes up to this one may have been deletes whose tombstones were dropped.
    pub(super) forgotten: u64,
    pub(super) evicted: Option<Evicted>,
    /// The newest `updatedAt` there ever was, in Unix milliseconds.
    pub(super) newest_ms: u64,
}

impl Rows {
    pub(super) fn new(retention: Retention, now_ms: u64) -> Self {
        Self {
            retention,
            entries: HashMap::default(),
            order: BTreeMap::new(),
            finished: BTreeMap::new(),
            finished_bytes: 0,
            tombstones: VecDeque::new(),
            began_ms: now_ms,
            now_ms,
            // Begins above 0, which is the change that a viewer names that never read from this copy.
            sequence: 1,
            has_deletes: false,
            forgotten: 0,
            evicted: None,
            newest_ms: 0,
        }
    }

    /// Sets the present: the time of the deletes that follow.
    pub(super) fn at(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// The last change.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The row of a feed that has one.
    pub(super) fn one(&self) -> Option<&Row> {
        self.entries.values().next().map(|entry| &*entry.row)
    }

    /// Whether rows of finished runs were evicted: the copy gives no snapshots any more (F9).
    pub(super) fn is_partial(&self) -> bool {
        self.evicted.is_some()
    }

    /// Puts a row in.
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
            // The row may have been evicted: a viewer may show it since long ago, and must be sent its delete.
            None if self.evicted.is_some_and(|evicted| created_ms <= evicted.created_ms) => 0,
            None => version,
        };
        let columns = columns::versions(before.map(|entry| (&*entry.row, &*entry.columns)), row, version);
        self.forget_version(key);
        let finished = run::is_finished(row).then(|| row.text_len() + ROW_BYTES);
        if let Some(bytes) = finished {
            self.finished.insert(version, bytes);
            self.finished_bytes += bytes;
        }
        self.order.insert(version, key.clone());
        self.newest_ms = self.newest_ms.max(updated_ms);
        let entry = Entry { row: row.clone(), created_ms, updated_ms, version, first_version, columns, finished };
        self.entries.insert(key.clone(), entry);
    }

    /// Deletes a row.
    pub(super) fn remove(&mut self, key: &Arc<str>) {
        self.has_deletes = true;
        self.forget_version(key);
        let (id, created_ms, updated_ms, first_version) = match self.entries.remove(key) {
            Some(entry) => {
                (entry.row.get("id").map(Into::into), entry.created_ms, entry.updated_ms, entry.first_version)
            }
            // The row may have been evicted: every viewer that is not lost has it then, but for those whose window
            // began after the run. A delete of a row that they never had does no harm; a run that stays would.
            None if self.is_partial() => (None, u64::MAX, 0, 0),
            None => return,
        };
        self.sequence += 1;
        let version = self.sequence;
        let (at_ms, delete_id) = (self.now_ms, delete_id(key, updated_ms));
        self.tombstones.push_back(Tombstone {
            key: key.clone(),
            id,
            created_ms,
            version,
            first_version,
            at_ms,
            delete_id,
        });
        if self.tombstones.len() > MAX_TOMBSTONES
            && let Some(oldest) = self.tombstones.pop_front()
        {
            self.forgotten = oldest.version;
        }
    }

    fn forget_version(&mut self, key: &Arc<str>) {
        let Some(entry) = self.entries.get(key) else { return };
        self.order.remove(&entry.version);
        if entry.finished.is_some()
            && let Some(bytes) = self.finished.remove(&entry.version)
        {
            self.finished_bytes -= bytes;
        }
    }

    /// Evicts rows of finished runs beyond the retention, those first that changed longest ago. Never the last row: a
    /// feed of one run is always whole.
    pub(super) fn evict(&mut self) {
        let Retention { rows, bytes } = self.retention;
        while (self.finished.len() > rows || self.finished_bytes > bytes) && self.entries.len() > 1 {
            let Some((version, bytes)) = self.finished.pop_first() else { return };
            self.finished_bytes -= bytes;
            let Some(entry) = self.order.remove(&version).and_then(|key| self.entries.remove(&key)) else { continue };
            let evicted = self.evicted.get_or_insert_default();
            evicted.version = evicted.version.max(version);
            evicted.updated_ms = evicted.updated_ms.max(entry.updated_ms);
            evicted.created_ms = evicted.created_ms.max(entry.created_ms);
        }
    }

    /// The deletes that a viewer has seen that read up to `sequence`.
    pub(super) fn mark(&self, sequence: u64) -> DeleteMark {
        let last = self.tombstones.iter().rfind(|tombstone| tombstone.version <= sequence);
        let (last, last_ms) = last.map_or((0, 0), |tombstone| (tombstone.delete_id, tombstone.at_ms));
        DeleteMark { began_ms: self.began_ms, last, last_ms }
    }

    /// The change of the last delete that a viewer with this mark has seen.
    fn seen_delete(&self, mark: DeleteMark) -> u64 {
        if let Some(last) = self.tombstones.iter().rfind(|tombstone| tombstone.delete_id == mark.last) {
            return last.version;
        }
        // The other copy never had rows that were deleted before it began. All copies get deletes in the same order:
        // its last one has yet to come here, and it got those that came here well before that.
        let before_ms = mark.began_ms.max(mark.last_ms);
        let is_seen = |tombstone: &&Tombstone| tombstone.at_ms.saturating_add(SKEW_MS) <= before_ms;
        self.tombstones.iter().rfind(is_seen).map_or(0, |tombstone| tombstone.version)
    }

    /// The deletes after the change `seen`, of rows that did not come back.
    fn deletes_since(&self, seen: u64, created_since_ms: u64) -> impl Iterator<Item = &Tombstone> {
        let since = self.tombstones.iter().rev().take_while(move |tombstone| tombstone.version > seen);
        since.filter(move |tombstone| {
            tombstone.created_ms >= created_since_ms && !self.entries.contains_key(&tombstone.key)
        })
    }

    /// Whether a viewer may lack changes that the copy no longer has: it has to read anew (F7).
    pub(super) fn is_lost(&self, since: Since, created_since_ms: u64) -> bool {
        let evicted = self.evicted.filter(|evicted| evicted.created_ms >= created_since_ms);
        match since {
            Since::Change(seen) => seen < self.forgotten || evicted.is_some_and(|evicted| seen < evicted.version),
            Since::Millis(seen) => self.has_deletes || evicted.is_some_and(|evicted| seen < evicted.updated_ms),
            Since::Copy(seen, mark) => {
                let delete = self.seen_delete(mark);
                // The viewer gets the deletes with a handle of this copy; without one it would get them again and
                // again.
                let is_stuck =
                    || self.is_behind(since) && self.deletes_since(delete, created_since_ms).next().is_some();
                delete < self.forgotten || evicted.is_some_and(|evicted| seen < evicted.updated_ms) || is_stuck()
            }
            Since::Unknown => true,
        }
    }

    /// Whether a viewer saw changes elsewhere that have not come here yet. Until they have, the copy gives it no
    /// handle: by changes, the viewer would get the states in between, which are older than what it saw (F6).
    pub(super) fn is_behind(&self, since: Since) -> bool {
        match since {
            Since::Millis(seen) | Since::Copy(seen, _) => self.newest_ms < seen,
            Since::Change(_) | Since::Unknown => false,
        }
    }

    /// The changes that a viewer lacks.
    pub(super) fn changes(&self, since: Since, created_since_ms: u64) -> Changes {
        let mut changes = Changes::default();
        match since {
            Since::Change(seen) => {
                for key in self.order.range(seen.saturating_add(1)..).map(|(_, key)| key) {
                    if let Some(entry) = self.entries.get(key) {
                        changes.add(key, entry, entry.first_version > seen, created_since_ms);
                    }
                }
                // Without the deletes of rows that the viewer never had.
                let deletes = self.deletes_since(seen, created_since_ms);
                changes.deletes = deletes.filter(|tombstone| tombstone.first_version <= seen).cloned().collect();
            }
            Since::Millis(seen) | Since::Copy(seen, _) => {
                if let Since::Copy(_, mark) = since {
                    // Which of these rows the viewer has is unknown; the delete of a row that it never had does no
                    // harm.
                    changes.deletes = self.deletes_since(self.seen_delete(mark), created_since_ms).cloned().collect();
                }
                for (key, entry) in self.entries.iter().filter(|(_, entry)| entry.updated_ms > seen) {
                    changes.add(key, entry, entry.created_ms > seen, created_since_ms);
                }
            }
            Since::Unknown => {}
        }
        changes.rows.sort_by_key(|(_, entry, _)| Reverse((entry.created_ms, entry.first_version)));
        changes
    }

    /// All rows, oldest run first.
    pub(super) fn all(&self, created_since_ms: u64) -> Changes {
        let mut changes = Changes::default();
        for (key, entry) in &self.entries {
            changes.add(key, entry, true, created_since_ms);
        }
        changes.rows.sort_by_key(|(_, entry, _)| (entry.created_ms, entry.first_version));
        changes
    }
}
