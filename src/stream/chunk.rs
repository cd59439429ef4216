//! The values that a stream yields.

use serde_json::value::RawValue;

use super::position::Position;
use crate::json;

/// One value of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The value as JSON text. `None` is a value the writer left undefined.
    pub json: Option<Box<str>>,
    /// The position after the value, where the stream has one.
    pub position: Option<Position>,
    /// When the value was written, in Unix milliseconds, where the server says so.
    pub written_ms: Option<u64>,
}

impl Chunk {
    /// The bytes that keeping the value costs.
    pub(super) fn size(&self) -> usize {
        self.json.as_ref().map_or(0, |json| json.len()) + 64
    }
}

/// The JSON of a v1 event's data: the data itself where that is JSON, else a string of it
/// (docs/server-protocol.md 5).
pub(super) fn json_or_text(data: &str) -> Box<str> {
    match serde_json::from_str::<&RawValue>(data) {
        Ok(json) => json.get().into(),
        Err(_) => json::string(data).into(),
    }
}
