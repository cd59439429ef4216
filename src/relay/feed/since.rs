//! The point up to which a viewer has seen its feed. The relay sends it the changes after that point (F6).

use super::delete_mark::DeleteMark;

/// The changes that a viewer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// Every change of this copy up to this one.
    Change(u64),
    /// Seen elsewhere: rows that changed up to this time, in Unix milliseconds.
    Millis(u64),
    /// Seen on another relay: rows that changed up to this time, and the deletes of this mark.
    Copy(u64, DeleteMark),
    /// Unknown here: the viewer's offset is one in Electric's log.
    Unknown,
}
