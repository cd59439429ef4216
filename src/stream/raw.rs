//! Raw reading: the events and records of a stream as the server sent them, for the relay to pass on.
//!
//! They go through the same queue as values, as chunks whose first letter names their kind.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::chunk::Chunk;
use crate::sse;

/// A part of a stream as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw<'a> {
    /// A response began; whether the stream is v2.
    Opened(bool),
    /// v1: bytes came that are no event, or not a whole one; whether every event so far is whole, and none of those that
    /// were taken before is still to come again.
    Heard(bool),
    /// v1: an event's lines with the blank line after them.
    Event(&'a str),
    /// v2: a record's JSON.
    Record(&'a str),
    /// v2: the JSON of the tail that the server names.
    Tail(&'a str),
}

impl<'a> Raw<'a> {
    /// Reads what [`Raw::chunk`] wrote.
    pub(crate) fn of(chunk: &'a Chunk) -> Option<Self> {
        let text = chunk.json.as_deref()?;
        let rest = text.get(1..)?;
        match text.as_bytes().first()? {
            b'O' => Some(Self::Opened(rest == "2")),
            b'H' => Some(Self::Heard(rest == "1")),
            b'E' => Some(Self::Event(rest)),
            b'R' => Some(Self::Record(rest)),
            b'T' => Some(Self::Tail(rest)),
            _ => None,
        }
    }

    /// The chunk that carries this part.
    pub(crate) fn chunk(self) -> Chunk {
        let (tag, text) = match self {
            Self::Opened(is_v2) => ("O", if is_v2 { "2" } else { "1" }),
            Self::Heard(is_whole) => ("H", if is_whole { "1" } else { "0" }),
            Self::Event(text) => ("E", text),
            Self::Record(text) => ("R", text),
            Self::Tail(text) => ("T", text),
        };
        Chunk { json: Some([tag, text].concat().into()), position: None, written_ms: None }
    }
}

/// A v1 event as a chunk.
pub(super) fn event(event: &sse::Event<'_>) -> Chunk {
    Raw::Event(&text(event)).chunk()
}

/// A v1 event as the wire writes it.
pub(super) fn text(event: &sse::Event<'_>) -> String {
    let mut text = String::new();
    if event.event != "message" {
        text.extend(["event: ", event.event, "\n"]);
    }
    if !event.id.is_empty() {
        text.extend(["id: ", event.id, "\n"]);
    }
    for line in event.data.split('\n') {
        text.extend(["data: ", line, "\n"]);
    }
    text.push('\n');
    text
}

/// Adds the records of a batch after `seen`, and the tail that a batch or a ping names.
pub(super) fn records(data: &str, seen: Option<u64>, chunks: &mut Vec<Chunk>) {
    let Ok(batch) = serde_json::from_str::<Parts<'_>>(data) else { return };
    for record in batch.records {
        let number = serde_json::from_str::<Number>(record.get()).ok().map(|record| record.seq_num);
        if number > seen {
            chunks.push(Raw::Record(record.get()).chunk());
        }
    }
    if let Some(tail) = batch.tail {
        chunks.push(Raw::Tail(tail.get()).chunk());
    }
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    records: Vec<&'a RawValue>,
    #[serde(borrow)]
    tail: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Number {
    seq_num: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_hears_whether_a_v1_stream_has_more_to_come() {
        use crate::shape::Now;
        use crate::stream::{Event, Limits, Machine, Plan, Start};
        let now = Now { monotonic_ms: 0, unix_ms: 0, jitter: 0.5 };
        let plan = Plan { start: Start::Beginning, timeout_s: None, follow: true };
        let mut machine = Machine::new(plan, Limits::default()).raw(true);
        let mut heard = |event: Event<'_>| -> Vec<String> {
            let chunks = machine.on(event, now).chunks;
            chunks.iter().map(|chunk| format!("{:?}", Raw::of(chunk).expect("a raw part"))).collect()
        };
        heard(Event::Woken);
        let headers = http::HeaderMap::new();
        assert_eq!(heard(Event::Opened { status: 200, headers: &headers }), ["Opened(false)"]);
        assert_eq!(heard(Event::Bytes(b": ping\n\n")), ["Heard(true)"]);
        assert_eq!(heard(Event::Bytes(b"id: 1-0\nda")), ["Heard(false)"]);
        let event = |number: u8| format!("Event({:?})", format!("id: 1-0\ndata: {number}\n\n"));
        assert_eq!(heard(Event::Bytes(b"ta: 1\n\n")), [event(1)], "an event says it is whole");
        assert_eq!(heard(Event::Bytes(b"id: 1-0\ndata: 2\n\nid")), [event(2), "Heard(false)".to_owned()]);
        heard(Event::Closed);
        heard(Event::Woken);
        heard(Event::Opened { status: 200, headers: &headers });
        assert_eq!(heard(Event::Bytes(b"id: 1-0\ndata: 1\n\n")), ["Heard(false)"], "another one comes again");
        assert_eq!(heard(Event::Bytes(b"id: 1-0\ndata: 2\n\n")), ["Heard(true)"]);
    }
}
