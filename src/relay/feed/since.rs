//! What a viewer has seen, which says what it has still to be sent (F6).

use super::delete_mark::DeleteMark;

/// What a viewer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Every change of this copy up to this one.
    Change(u64),
    /// Somewhere else: rows that changed up to this time, in Unix milliseconds.
    Millis(u64),
    /// On another relay: rows that changed up to this time, and the deletes of this mark.
    Copy(u64, DeleteMark),
    /// Unknown here: a place in Electric's log.
    Unknown,
}
