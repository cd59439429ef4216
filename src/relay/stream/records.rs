//! Parses the upstream's events into the records of a log.

use std::borrow::Cow;

use serde::Deserialize;

use crate::serve::stream::{Record, parse_event_id};

#[derive(Deserialize)]
struct Wire<'a> {
    seq_num: u64,
    #[serde(default)]
    timestamp: u64,
    #[serde(borrow)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    headers: Vec<(String, String)>,
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
        timestamp: wire.timestamp,
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
