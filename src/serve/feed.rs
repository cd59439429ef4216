//! The protocol of run feeds, for the emulator's store and the relay's copies alike: the cursor of a request, the
//! messages of a body, the headers of a response (docs/server-protocol.md 4).

use std::time::Duration;

use bytes::Bytes;

use super::request::Request;
use super::response::Response;
use crate::json::push_string;
use crate::random;

/// The body of a response without changes.
pub(crate) const UP_TO_DATE: &str = r#"[{"headers":{"control":"up-to-date"}}]"#;
/// The jitter of a poll's hold, as a share of its mean.
const JITTER: f64 = 0.15;

/// The position that a request continues from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The handle of the earlier response.
    pub(crate) handle: String,
    /// The offset of the earlier response, verbatim.
    pub(crate) offset: String,
    /// The milliseconds of the offset.
    pub(crate) seen_ms: u64,
    /// The number of the offset.
    pub(crate) seen: u64,
    /// Whether the request is a long poll: it may be held until a row changes.
    pub(crate) live: bool,
}

impl Cursor {
    /// The cursor of a request; `None` for a snapshot. A request without a handle, or from the start, gets a snapshot
    /// even with `live` (recorded: `run-live-raw`).
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let offset = request.parameter("offset").filter(|offset| offset != "-1")?;
        let handle = request.parameter("handle")?;
        let live = request.parameter("live").is_some_and(|live| live == "true");
        let (ms, number) = offset.split_once('_').unwrap_or((&offset, "0"));
        let (seen_ms, seen) = (ms.parse().unwrap_or(0), number.parse().unwrap_or(0));
        Some(Self { handle, offset, seen_ms, seen, live })
    }

    /// Whether the cursor is a position in Electric's log of a shape (`31415926-1795333503488123`, at `26800040_0`).
    /// Such an offset has no time.
    pub(crate) fn is_in_electric_log(&self) -> bool {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let handle = self.handle.trim_end_matches("-next");
        handle.split_once('-').is_some_and(|(id, ms)| is_number(id) && is_number(ms))
    }
}

/// The hold of one poll: `hold` give or take 15 percent.
pub(crate) fn hold(hold: Duration) -> Duration {
    jittered(hold, random::unit())
}

/// `span` give or take 15 percent; `share` is in `[0, 1)`.
pub(crate) fn jittered(span: Duration, share: f64) -> Duration {
    span.mul_f64(1.0 - JITTER + 2.0 * JITTER * share)
}

/// A snapshot, or a continuation without `live`.
pub(crate) fn snapshot(
    request: &Request,
    body: impl Into<Bytes>,
    handle: &str,
    offset: &str,
    schema: &str,
) -> Response {
    answer(request, body, handle, offset).with("electric-schema", schema)
}

/// The response of a long poll.
pub(crate) fn live(request: &Request, body: impl Into<Bytes>, handle: &str, offset: &str, sequence: u64) -> Response {
    answer(request, body, handle, offset).with("electric-cursor", &sequence.to_string())
}

/// Clients that do not send their version of the protocol get the old header names.
fn answer(request: &Request, body: impl Into<Bytes>, handle: &str, offset: &str) -> Response {
    let modern = request.headers.contains_key("x-trigger-electric-version");
    let (handle_name, offset_name) = if modern {
        ("electric-handle", "electric-offset")
    } else {
        ("electric-shape-id", "electric-chunk-last-offset")
    };
    Response::feed(body).with(handle_name, handle).with(offset_name, offset)
}

/// The effect of a message on its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The row is new to the reader.
    Insert,
    /// The reader has an older version.
    Update,
    /// The row was deleted.
    Delete,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// The raw status in the words that a caller knows.
pub(crate) fn status_for(raw: &str, old_statuses: bool) -> &str {
    if old_statuses && raw == "DEQUEUED" { "EXECUTING" } else { raw }
}

/// Builds a body: `[{key,value,headers},…,{up-to-date}]`.
#[derive(Debug)]
pub(crate) struct Messages {
    body: String,
    /// Whether to use the status names of callers without `x-trigger-api-version` (docs/server-protocol.md 1).
    old_statuses: bool,
}

impl Messages {
    /// A body without rows.
    pub(crate) fn new(old_statuses: bool) -> Self {
        Self { body: "[".to_owned(), old_statuses }
    }

    /// Adds a row with the columns that its reader may see, in order.
    pub(crate) fn push<'a>(
        &mut self,
        key: &str,
        value: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        operation: Operation,
    ) {
        self.body.push_str("{\"key\":");
        push_string(&mut self.body, key);
        self.body.push_str(",\"value\":{");
        let mut first = true;
        for (name, text) in value {
            if !std::mem::take(&mut first) {
                self.body.push(',');
            }
            push_string(&mut self.body, name);
            self.body.push(':');
            match text {
                Some(text) if name == "status" => push_string(&mut self.body, status_for(text, self.old_statuses)),
                Some(text) => push_string(&mut self.body, text),
                None => self.body.push_str("null"),
            }
        }
        self.body.push_str("},\"headers\":{\"operation\":\"");
        self.body.push_str(operation.name());
        self.body.push_str("\"}},");
    }

    /// The finished body, which ends with `up-to-date`.
    pub(crate) fn finish(mut self) -> String {
        self.body.push_str(&UP_TO_DATE[1..]);
        self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str) -> Request {
        Request {
            method: http::Method::GET,
            headers: http::HeaderMap::new(),
            query: Some(query.into()),
            origin: String::new(),
        }
    }

    #[test]
    fn a_request_from_the_start_or_without_a_handle_is_a_snapshot() {
        for query in ["", "offset=-1", "offset=-1&handle=h&live=true", "offset=5_1&live=true", "live=true&handle=h"] {
            assert_eq!(Cursor::of(&request(query)), None, "{query}");
        }
        let cursor = Cursor::of(&request("offset=1795335402432_17&handle=h&live=true")).expect("a cursor");
        assert_eq!((cursor.seen_ms, cursor.seen, cursor.live), (1_795_335_402_432, 17, true));
        let cursor = Cursor::of(&request("offset=0_inf&handle=h")).expect("a cursor");
        assert_eq!((cursor.seen_ms, cursor.seen, cursor.live, cursor.offset.as_str()), (0, 0, false, "0_inf"));
        for (handle, is_in_electric_log) in [
            ("31415926-1795333503488123", true),
            ("31415926-1795333503488123-next", true),
            ("run-c163y1zquguzombye8wx8adtg", false),
            ("batch_cbatchid0000000000000001_252_ac2c1", false),
            ("-", false),
        ] {
            let cursor = Cursor::of(&request(&format!("offset=26800040_0&handle={handle}"))).expect("a cursor");
            assert_eq!(cursor.is_in_electric_log(), is_in_electric_log, "{handle}");
        }
    }

    #[test]
    fn a_poll_is_held_within_fifteen_percent() {
        let ends = [0.0, 0.5, 1.0].map(|share| jittered(Duration::from_secs(20), share).as_millis());
        assert_eq!(ends, [17_000, 20_000, 23_000]);
    }

    #[test]
    fn a_body_is_json_whatever_its_texts_hold() {
        let mut messages = Messages::new(true);
        let texts = [("a", Some("q\"\\\n\u{1}é\u{2028}")), ("b", None), ("status", Some("DEQUEUED"))];
        messages.push("\"public\".\"TaskRun\"/\"c1\"", texts, Operation::Update);
        let body: serde_json::Value = serde_json::from_str(&messages.finish()).expect("JSON");
        assert_eq!(body[0]["value"], serde_json::json!({ "a": texts[0].1, "b": null, "status": "EXECUTING" }));
        assert_eq!(
            (&body[0]["headers"]["operation"], &body[1]["headers"]["control"]),
            (&"update".into(), &"up-to-date".into())
        );
        assert_eq!(Messages::new(false).finish(), UP_TO_DATE);
    }
}
