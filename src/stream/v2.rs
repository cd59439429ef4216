//! The cursor of a v2 stream, and the decoding of its records (docs/server-protocol.md 5).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::chunk::Chunk;
use super::plan::Start;
use super::position::{Position, look_back};
use super::seen_ids::SeenIds;
use crate::error::{Error, Result};
use crate::json;

/// The cursor of a v2 stream.
#[derive(Debug)]
pub(super) struct Cursor {
    start: Start,
    /// The `seq_num` of the record last seen.
    seen: Option<u64>,
    /// Whether `seen` was given by the caller and no later record came: the records before it are read again, for their
    /// append ids.
    looking_back: bool,
    /// The tail when no record had been seen: the `seq_num` that the next record will have.
    tail: Option<u64>,
    ids: SeenIds,
}

/// A decoded event of a v2 stream.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// New values.
    pub(super) chunks: Vec<Chunk>,
    /// Whether the cursor advanced, which records without a value do too.
    pub(super) advanced: bool,
    /// The server said where the tail is, and the cursor is there.
    pub(super) at_tail: bool,
}

impl Cursor {
    pub(super) fn new(start: Start) -> Self {
        let seen = match start {
            Start::At(Position::Record(seq)) => Some(seq),
            // A position in another version: the machine reads from the start instead.
            Start::At(Position::Shared { .. } | Position::Counted { .. })
            | Start::Beginning
            | Start::Latest
            | Start::After(_) => None,
        };
        Self { start, seen, looking_back: seen.is_some(), tail: None, ids: SeenIds::default() }
    }

    /// The `seq_num` of the record last seen.
    pub(super) fn seen(&self) -> Option<u64> {
        self.seen
    }

    /// The position to resume after, and whether to start at the tail (S4).
    pub(super) fn resume(&self) -> (Option<Box<str>>, bool) {
        let text = |position: u64| Some(position.to_string().into());
        match (self.seen, self.tail, self.start) {
            (Some(seen), _, _) if self.looking_back => (look_back(seen), false),
            (Some(seen), _, _) => (text(seen), false),
            // The tail was known before the first record: the records after it are read.
            (None, Some(tail), _) => (tail.checked_sub(1).and_then(text), false),
            (None, None, Start::After(position)) => (text(position), false),
            (None, None, Start::Latest) => (None, true),
            (None, None, Start::Beginning | Start::At(_)) => (None, false),
        }
    }

    /// Reads an `event: batch`.
    pub(super) fn batch(&mut self, data: &str) -> Result<Decoded> {
        let batch: Batch<'_> = serde_json::from_str(data)
            .map_err(|error| Error::protocol("a batch of the stream cannot be read").with_json(&error))?;
        let mut decoded = Decoded { chunks: Vec::with_capacity(batch.records.len()), ..Decoded::default() };
        for record in batch.records {
            // Seen before: the server did not resume where it was asked to (S5), or these are read for their append ids.
            if self.seen.is_some_and(|seen| record.seq_num <= seen) {
                if self.looking_back
                    && !record.is_command()
                    && let Some(id) = record.envelope().as_ref().and_then(Envelope::append_id)
                {
                    self.ids.is_new(&id);
                }
                continue;
            }
            self.looking_back = false;
            // Every record advances the cursor, also a record without a value (S4).
            self.seen = Some(record.seq_num);
            decoded.advanced = true;
            if !record.is_command()
                && let Some(envelope) = record.envelope()
                && envelope.append_id().is_none_or(|id| self.ids.is_new(&id))
            {
                let json = envelope.data.map(|data| data.get().into());
                let (position, written_ms) = (Some(Position::Record(record.seq_num)), record.written_ms());
                decoded.chunks.push(Chunk { json, position, written_ms });
            }
        }
        decoded.at_tail = batch.tail.is_some_and(|tail| self.is_at(tail.seq_num));
        Ok(decoded)
    }

    /// Reads an `event: ping`. One that cannot be read is ignored.
    pub(super) fn ping(&mut self, data: &str) -> Decoded {
        let tail = serde_json::from_str::<Ping>(data).ok().and_then(|ping| ping.tail);
        if let Some(tail) = &tail
            && self.seen.is_none()
            && matches!(self.start, Start::Latest)
        {
            self.tail.get_or_insert(tail.seq_num);
        }
        Decoded { at_tail: tail.is_some_and(|tail| self.is_at(tail.seq_num)), ..Decoded::default() }
    }

    /// Whether every record before `tail` was seen, or skipped by the caller.
    fn is_at(&self, tail: u64) -> bool {
        match (self.seen, self.start) {
            (Some(seen), _) => tail <= seen.saturating_add(1),
            (None, Start::After(position)) => tail <= position.saturating_add(1),
            (None, Start::Latest) => true,
            (None, Start::Beginning | Start::At(_)) => tail == 0,
        }
    }
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow, default)]
    records: Vec<Record<'a>>,
    tail: Option<Tail>,
}

#[derive(Deserialize)]
struct Ping {
    tail: Option<Tail>,
}

#[derive(Deserialize)]
struct Tail {
    seq_num: u64,
}

#[derive(Deserialize)]
struct Record<'a> {
    seq_num: u64,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    headers: Option<Vec<serde_json::Value>>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
}

impl Record<'_> {
    /// When the record was written. One that says it in another way is a record all the same.
    fn written_ms(&self) -> Option<u64> {
        self.timestamp?.get().parse().ok()
    }

    /// Whether the record is a command to the store (trim, fence): its first header has an empty name.
    fn is_command(&self) -> bool {
        self.headers.as_ref().and_then(|headers| headers.first()).is_some_and(|header| header[0] == "")
    }

    /// The writer's envelope. Control records (`trigger-control`) have none.
    fn envelope(&self) -> Option<Envelope<'_>> {
        serde_json::from_str(self.body.as_deref()?).ok()
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
}

impl Envelope<'_> {
    /// The append id as JSON text; an empty id counts as none. Two writers may write one id in two ways, so an escaped
    /// one is written anew.
    fn append_id(&self) -> Option<Cow<'_, str>> {
        let id = self.id.map(RawValue::get).filter(|id| !matches!(*id, "\"\"" | "null" | "0" | "false"))?;
        let escaped = id.contains('\\').then(|| serde_json::from_str::<String>(id).ok()).flatten();
        Some(escaped.map_or(Cow::Borrowed(id), |text| json::string(&text).into()))
    }
}

/// `null` is a value like any other; only a missing field is `None`.
fn present<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn record(seq: u64, rest: &str) -> String {
        format!(r#"{{"records":[{{"seq_num":{seq},"timestamp":1{rest}}}]}}"#)
    }

    fn values(cursor: &mut Cursor, data: &str) -> Vec<Option<String>> {
        cursor.batch(data).expect("a batch").chunks.into_iter().map(|chunk| chunk.json.map(Into::into)).collect()
    }

    fn some(json: &str) -> Vec<Option<String>> {
        vec![Some(json.to_owned())]
    }

    #[test]
    fn a_record_yields_what_was_written_whatever_its_type() {
        let mut cursor = Cursor::new(Start::Beginning);
        for (seq, (written, json)) in [
            (r#"{\"data\":{\"n\":0},\"id\":\"a\"}"#, r#"{"n":0}"#),
            (r#"{\"data\":\"{\\\"n\\\":0}\",\"id\":\"b\"}"#, r#""{\"n\":0}""#),
            (r#"{\"data\":null,\"id\":\"c\"}"#, "null"),
            (r#"{\"data\":[1, 2]}"#, "[1, 2]"),
        ]
        .into_iter()
        .enumerate()
        {
            let data = record(seq as u64, &format!(r#","body":"{written}""#));
            assert_eq!(values(&mut cursor, &data), some(json));
        }
        assert_eq!(values(&mut cursor, &record(9, r#","body":"{\"id\":\"d\"}""#)), [None], "an undefined value");
    }

    #[test]
    fn commands_and_control_records_yield_nothing_but_move_the_place() {
        let mut cursor = Cursor::new(Start::Beginning);
        for (seq, rest) in [
            r#","headers":[["","trim"]],"body":"{\"data\":1}""#,
            r#","headers":[["trigger-control","turn-complete"]]"#,
            "",
            r#","body":"\u0000\u0001""#,
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(values(&mut cursor, &record(seq as u64, rest)), [] as [Option<String>; 0]);
            assert_eq!(cursor.resume(), (Some(seq.to_string().into()), false));
        }
    }

    #[test]
    fn a_retried_append_and_a_replayed_record_are_yielded_once() {
        let mut cursor = Cursor::new(Start::Beginning);
        let body = r#","body":"{\"data\":1,\"id\":\"dup\"}""#;
        assert_eq!(values(&mut cursor, &record(3, body)), some("1"));
        assert_eq!(values(&mut cursor, &record(4, body)), []);
        assert_eq!(values(&mut cursor, &record(2, r#","body":"{\"data\":2,\"id\":\"new\"}""#)), []);
        assert_eq!(cursor.resume().0.as_deref(), Some("4"));
    }

    #[test]
    fn an_append_that_another_writer_retries_is_yielded_once_however_its_id_is_escaped() {
        let mut cursor = Cursor::new(Start::Beginning);
        for (seq, (id, is_new)) in
            [("part/0", true), (r"part\\/0", false), (r"\\u0070art\\u002f0", false), (r"part\\\\/0", true)]
                .into_iter()
                .enumerate()
        {
            let body = format!(r#","body":"{{\"data\":1,\"id\":\"{id}\"}}""#);
            assert_eq!(values(&mut cursor, &record(seq as u64, &body)).len(), usize::from(is_new), "{id}");
        }
    }

    #[test]
    fn a_position_beyond_the_tail_hides_nothing_that_is_appended_later() {
        let mut cursor = Cursor::new(Start::After(1_000));
        assert_eq!(cursor.resume().0.as_deref(), Some("1000"));
        assert_eq!(values(&mut cursor, &record(8, r#","body":"{\"data\":1}""#)), some("1"));
        assert_eq!(cursor.resume().0.as_deref(), Some("8"));
    }

    #[test]
    fn reading_from_the_tail_resumes_at_the_tail_that_was_first_told() {
        for (tail, resumed) in [(5, Some("4")), (0, None)] {
            let mut cursor = Cursor::new(Start::Latest);
            assert_eq!(cursor.resume(), (None, true));
            cursor.ping(&format!(r#"{{"timestamp":1,"tail":{{"seq_num":{tail},"timestamp":0}}}}"#));
            cursor.ping(r#"{"timestamp":2,"tail":{"seq_num":9,"timestamp":0}}"#);
            assert_eq!(cursor.resume(), (resumed.map(Into::into), false));
        }
    }

    #[test]
    fn the_tail_is_reached_when_every_record_before_it_was_seen() {
        let mut cursor = Cursor::new(Start::Beginning);
        let ping = |tail: u64| format!(r#"{{"tail":{{"seq_num":{tail}}}}}"#);
        assert!(cursor.ping(&ping(0)).at_tail);
        assert!(!cursor.ping(&ping(1)).at_tail);
        cursor.batch(&record(0, "")).expect("a batch");
        assert!(cursor.ping(&ping(1)).at_tail);
        assert!(!cursor.ping(&ping(2)).at_tail);
        assert!(!cursor.ping("nonsense").at_tail);
    }

    #[test]
    fn what_is_no_batch_is_an_error() {
        for data in ["", "<html>", "{\"records\":[{\"body\":\"\"}]}", "{\"records\":3}"] {
            assert_eq!(Cursor::new(Start::Beginning).batch(data).expect_err(data).code(), ErrorCode::Protocol);
        }
    }

    #[test]
    fn a_reader_that_comes_back_knows_the_appends_before_its_place() {
        let mut cursor = Cursor::new(Start::At(Position::Record(70)));
        assert_eq!(cursor.resume().0.as_deref(), Some("6"));
        let append = |id: &str| format!(r#","body":"{{\"data\":1,\"id\":\"{id}\"}}""#);
        assert_eq!(values(&mut cursor, &record(69, &append("a"))), []);
        assert_eq!(cursor.resume().0.as_deref(), Some("6"), "dropped amid it, it looks back again");
        assert_eq!(values(&mut cursor, &record(70, &append("b"))), []);
        assert_eq!(values(&mut cursor, &record(71, &append("b"))), [], "a retry of what was before the place");
        assert_eq!(values(&mut cursor, &record(72, &append("c"))), some("1"));
        assert_eq!(cursor.resume().0.as_deref(), Some("72"));
    }

    #[test]
    fn a_place_at_the_tail_is_there_before_anything_comes() {
        let mut cursor = Cursor::new(Start::At(Position::Record(4)));
        assert!(cursor.ping(r#"{"tail":{"seq_num":5}}"#).at_tail);
        assert!(!cursor.ping(r#"{"tail":{"seq_num":6}}"#).at_tail);
    }
}
