//! What a page is told next of a want.

use bytes::Bytes;

use super::event::Refused;

/// What comes next.
#[derive(Debug)]
pub(super) enum Step {
    /// A row, or what changed of it.
    Row(Bytes, bool),
    /// Parts of a stream.
    Chunk(Bytes),
    /// A row that left the feed.
    Gone(u64),
    /// The first rows were all told; whether the page may lack finished runs that the copy evicted (F9).
    Ready { is_partial: bool },
    /// The run is finished, and all of it was told.
    End,
    /// The want is over.
    Failed(Refused),
    /// Nothing yet: others have their turn before more rows are compared.
    Later,
    /// Nothing, until the waker is woken.
    Idle,
}
