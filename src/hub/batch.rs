//! The batch that one read of a feed returns: rows, notices, faults, and how the feed ended.

use std::sync::Arc;

use crate::connection::Notice;
use crate::error::Error;
use crate::shape::{Row, Schema};

/// A row on its way to a reader.
#[derive(Clone, Debug)]
pub struct Item {
    /// The row's key.
    pub key: Arc<str>,
    /// The row.
    pub row: Arc<Row>,
    /// The types of its columns.
    pub schema: Arc<Schema>,
}

/// A row that could not be read. It does not affect the others (defect 16).
#[derive(Clone, Debug)]
pub struct Fault {
    /// The row's key, if at least that could be read.
    pub key: Option<Arc<str>>,
    /// The fault of the row.
    pub why: &'static str,
}

/// How a reader's feed ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Without an error: the run finished, its row is gone, or the reader was closed.
    Complete,
    /// With an error.
    Failed(Arc<Error>),
}

/// The result of one read.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows, oldest first.
    pub rows: Vec<Item>,
    /// Notices, oldest first.
    pub notices: Vec<Notice>,
    /// Rows that could not be read.
    pub faults: Vec<Fault>,
    /// Keys of rows that are gone, where [`ReaderOptions::copies`](super::ReaderOptions::copies) asks for them. They
    /// left before `rows` came: the row of a key in both exists.
    pub gone: Vec<Arc<str>>,
    /// Set once, where [`ReaderOptions::copies`](super::ReaderOptions::copies) asks for it: with these rows, the feed
    /// was up to date for the first time.
    pub settled: bool,
    /// Comes with `settled`: the types of the columns, for a feed without rows.
    pub schema: Option<Arc<Schema>>,
    /// Whether these rows are all that was published so far.
    pub drained: bool,
    /// Set when nothing follows after these rows.
    pub end: Option<End>,
}
