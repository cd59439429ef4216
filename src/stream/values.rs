//! The values in a body of a stream, for whoever has its bytes already: the relay's live responses carry values.

use super::chunk::Chunk;
use super::cursor::{Consumed, Cursor};
use super::plan::Start;
use super::position::Position;
use super::{v1, v2};
use crate::error::Result;
use crate::sse::{Decoder, MAX_EVENT_BYTES};

/// Decodes the values of one body, by the rules of a reader: none twice (S2, S5), none left out.
#[derive(Debug)]
pub(crate) struct Values {
    cursor: Cursor,
    decoder: Decoder,
}

impl Values {
    /// The values after a position; all of them without one. A position in another version is one in another stream, and
    /// counts as none.
    pub(crate) fn new(is_v2: bool, after: Option<Position>) -> Self {
        let start = after.filter(|position| position.is_v2() == is_v2).map_or(Start::Beginning, Start::At);
        let cursor = if is_v2 { Cursor::V2(v2::Cursor::new(start)) } else { Cursor::V1(v1::Cursor::new(start)) };
        Self { cursor, decoder: Decoder::new(MAX_EVENT_BYTES) }
    }

    /// The `Last-Event-ID` that the body has to be asked for with; `None` from the start.
    pub(crate) fn resume(&mut self) -> Option<Box<str>> {
        self.cursor.resume(Start::Beginning).0
    }

    /// Takes the next bytes, and adds the values that they complete to `chunks`. Returns whether the stream said that it
    /// is over.
    ///
    /// # Errors
    /// An event that is too long or cannot be read, or the server's `event: error`.
    pub(crate) fn push(&mut self, bytes: &[u8], chunks: &mut Vec<Chunk>) -> Result<bool> {
        let (cursor, mut outcome) = (&mut self.cursor, Ok(false));
        self.decoder.push(bytes, |event| {
            // What comes after the end, or after what cannot be read, is nothing.
            if let Ok(false) = outcome {
                outcome = cursor.take(&event, false, chunks).map(|consumed| matches!(consumed, Consumed::Done));
            }
        })?;
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &mut Values, text: &str) -> (Vec<(String, String, u64)>, bool) {
        let mut chunks = Vec::new();
        let is_done = values.push(text.as_bytes(), &mut chunks).expect("events");
        let told = chunks.into_iter().map(|chunk| {
            let position = chunk.position.expect("a position");
            (
                chunk.json.map(String::from).unwrap_or_default(),
                position.to_string(),
                chunk.written_ms.unwrap_or_default(),
            )
        });
        (told.collect(), is_done)
    }

    #[test]
    fn values_of_v1_go_on_amid_events_that_share_an_id_and_after_an_id_of_the_servers() {
        let whole = "id: 7-0\ndata: 1\n\nid: 7-0\ndata: text\n\nid: 8-0\ndata: {\"a\":\ndata: 3}\n\n";
        let all = [("1", "7-0+1", 7), ("\"text\"", "7-0+2", 7), ("{\"a\":\n3}", "8-0+1", 8)];
        let all = all.map(|(json, at, ms)| (json.to_owned(), at.to_owned(), ms));
        assert_eq!(told(&mut Values::new(false, None), whole), (all.to_vec(), false));
        let mut values = Values::new(false, Position::parse_lenient("7-0+1"));
        assert_eq!(values.resume().as_deref(), Some("6-18446744073709551615"));
        assert_eq!(told(&mut values, whole).0, all[1..]);
        let mut values = Values::new(false, Position::parse_lenient("7-0"));
        assert_eq!(values.resume().as_deref(), Some("7-0"));
        assert_eq!(told(&mut values, "id: 8-0\ndata: 3\n\n").0.len(), 1);
    }

    #[test]
    fn values_of_v2_say_when_they_were_written_and_end_with_the_marker() {
        let batch = |seq: u64, rest: &str| {
            format!(
                "event: batch\ndata: {{\"records\":[{{\"seq_num\":{seq},\"body\":\"{{\\\"data\\\":{seq}}}\"{rest}}}]}}\n\n"
            )
        };
        let mut values = Values::new(true, None);
        let one = |json: &str, ms| vec![(json.to_owned(), json.to_owned(), ms)];
        assert_eq!(told(&mut values, &batch(0, ",\"timestamp\":7")), (one("0", 7), false));
        assert_eq!(told(&mut values, &batch(1, ",\"timestamp\":\"7\"")), (one("1", 0), false), "a time in other words");
        assert_eq!(told(&mut values, &batch(1, "")), (vec![], false), "a record comes once");
        assert_eq!(told(&mut values, "data: [DONE]\n\ndata: [DONE]\n\n"), (vec![], true));
    }

    #[test]
    fn a_position_of_another_version_counts_as_none() {
        for (is_v2, text) in [(true, "7-0+1"), (false, "7"), (true, "7-0")] {
            let position = Position::parse_lenient(text);
            assert_eq!((position.is_some(), Values::new(is_v2, position).resume()), (true, None), "{text}");
        }
        for text in ["", "x", "7-0+", "-", "7-0+1+1"] {
            assert_eq!(Position::parse_lenient(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_is_the_servers_own_where_it_can_be_read() {
        for (text, id) in [("7-0+3", "7-0"), ("9", "9"), ("7-0~1", "7-0~1")] {
            assert_eq!(Position::parse_lenient(text).expect("a position").event_id(), id);
        }
    }
}
