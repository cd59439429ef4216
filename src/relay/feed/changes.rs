//! The changes that an answer has to carry to its viewer: rows, and the deletes of rows.

use std::sync::Arc;

use crate::shape::Row;

/// A row, and its place among all changes.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) row: Arc<Row>,
    pub(super) created_ms: u64,
    pub(super) updated_ms: u64,
    /// The change that brought the present row.
    pub(super) version: u64,
    /// The change that brought the row for the first time.
    pub(super) first_version: u64,
    /// The change that brought each column's present text.
    pub(super) columns: Arc<[u64]>,
    /// The memory that it takes, in bytes, if its run is finished.
    pub(super) finished: Option<usize>,
}

/// A row that was deleted, remembered for viewers that still show it.
#[derive(Clone, Debug)]
pub(super) struct Tombstone {
    pub(super) key: Arc<str>,
    pub(super) id: Option<Box<str>>,
    pub(super) created_ms: u64,
    pub(super) version: u64,
    pub(super) first_version: u64,
    /// When the delete came, in Unix milliseconds.
    pub(super) at_ms: u64,
    /// See [`delete_id`](super::delete_mark::delete_id).
    pub(super) delete_id: u64,
}

/// The changes that a viewer lacks.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Rows, newest run first, and whether each is new to the viewer.
    pub(super) rows: Vec<(Arc<str>, Entry, bool)>,
    /// Deletes.
    pub(super) deletes: Vec<Tombstone>,
    /// The newest `updatedAt` among the rows.
    pub(super) newest_ms: u64,
}

/// The identity of [`Changes`]: each row by its change and by whether it is new to the viewer, each delete by its
/// change. Equal ones are written as the same body, different ones never are (F10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChangeIds {
    rows: Box<[(u64, bool)]>,
    pub(super) deletes: Box<[u64]>,
}

impl Changes {
    pub(super) fn ids(&self) -> ChangeIds {
        ChangeIds {
            rows: self.rows.iter().map(|(_, entry, is_new)| (entry.version, *is_new)).collect(),
            deletes: self.deletes.iter().map(|tombstone| tombstone.version).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.deletes.is_empty()
    }

    /// Adds a row, unless its run was created before the viewer's window.
    pub(super) fn add(&mut self, key: &Arc<str>, entry: &Entry, is_new: bool, created_since_ms: u64) {
        if entry.created_ms < created_since_ms {
            return;
        }
        self.newest_ms = self.newest_ms.max(entry.updated_ms);
        self.rows.push((key.clone(), entry.clone(), is_new));
    }
}
