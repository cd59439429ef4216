//! Parses the upstream's events into the records of a log.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::serve::stream::{Record, parse_event_id};

#[derive(Deserialize)]
struct Wire<'a> {
    seq_num: u64,
    timestamp: Option<u64>,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "pairs")]
    headers: Vec<(String, String)>,
}

/// The headers that are two texts. A record with others is one all the same: a reader without a relay gets its value.
fn pairs<'a, D: Deserializer<'a>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let headers: Option<Vec<Value>> = Deserialize::deserialize(deserializer)?;
    Ok(headers.into_iter().flatten().filter_map(|header| serde_json::from_value(header).ok()).collect())
}

#[derive(Deserialize)]
struct Tail {
    seq_num: u64,
    #[serde(default)]
    timestamp: u64,
}

/// A v2 record, shown to viewers exactly as it came; `None` for text that is no record.
pub(super) fn record(json: &str) -> Option<Record> {
    let wire: Wire<'_> = serde_json::from_str(json).ok()?;
    let record = Record {
        number: wire.seq_num,
        timestamp: wire.timestamp.unwrap_or_default(),
        body: wire.body.map(Cow::into_owned),
        headers: wire.headers,
        ..Record::default()
    };
    Some(record.rendered_as(json.to_owned()))
}

/// A v1 event, shown to viewers exactly as it came. An event without a readable id takes the position of the one before
/// it, `last`.
pub(super) fn event(text: &str, last: (u64, u64)) -> Record {
    let id = text.lines().find_map(|line| line.strip_prefix("id: ")).and_then(parse_event_id);
    let (timestamp, number) = id.unwrap_or(last);
    Record { number, timestamp, ..Record::default() }.rendered_as(text.to_owned())
}

/// The tail's number and timestamp, as the server reports them.
pub(super) fn tail(json: &str) -> Option<(u64, u64)> {
    let tail: Tail = serde_json::from_str(json).ok()?;
    Some((tail.seq_num, tail.timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_the_place_the_time_and_the_content_that_the_server_gave_it() {
        let record = record(r#"{"seq_num":3,"timestamp":7,"body":"b\n","headers":[["a","c"]],"extra":1}"#);
        let record = record.expect("a record");
        assert_eq!((record.number, record.timestamp, record.body.as_deref()), (3, 7, Some("b\n")));
        assert_eq!(record.headers, [("a".to_owned(), "c".to_owned())]);
        assert!(super::record("{}").is_none() && super::record("x").is_none());
    }

    #[test]
    fn an_event_has_the_place_of_its_id_or_else_of_the_event_before_it() {
        let place = |text: &str| {
            let event = event(text, (5, 1));
            (event.timestamp, event.number)
        };
        assert_eq!(place("id: 7-2\ndata: 1\n\n"), (7, 2));
        assert_eq!(place("data: 1\n\n"), (5, 1));
        assert_eq!(place("id: x\ndata: 1\n\n"), (5, 1));
    }

    #[test]
    fn the_tail_is_the_one_that_the_server_names() {
        assert_eq!(tail(r#"{"seq_num":3,"timestamp":7}"#), Some((3, 7)));
        assert_eq!(tail(r#"{"seq_num":3}"#), Some((3, 0)));
        assert_eq!(tail("{}"), None);
    }

    #[test]
    fn a_record_that_a_reader_without_a_relay_gets_is_shown_to_viewers_as_it_came() {
        for (headers, read) in [
            ("", 0),
            (r#","headers":null"#, 0),
            (r#","headers":[["a","b"],["c",7],"d"],"timestamp":null"#, 1),
            (r#","headers":[["","trim"]],"timestamp":5"#, 1),
        ] {
            let json = format!(r#"{{"seq_num":3,"body":"{{\"data\":1}}"{headers}}}"#);
            let record = record(&json).expect(headers);
            assert_eq!((record.number, record.headers.len()), (3, read), "{headers}");
            assert_eq!(record.rendered.get().map(|bytes| &**bytes), Some(json.as_bytes()));
        }
        assert!(record(r#"{"body":"x"}"#).is_none(), "a record has a number");
    }
}
