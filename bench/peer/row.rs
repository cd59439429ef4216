//! Rows as the server writes them: all columns, each a string or null.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The `electric-schema` header.
pub(crate) const SCHEMA: &str = r#"{"id":{"type":"text"},"taskIdentifier":{"type":"text"},"createdAt":{"type":"timestamp"},"updatedAt":{"type":"timestamp"},"startedAt":{"type":"timestamp"},"delayUntil":{"type":"timestamp"},"queuedAt":{"type":"timestamp"},"expiredAt":{"type":"timestamp"},"completedAt":{"type":"timestamp"},"friendlyId":{"type":"text"},"number":{"type":"int4"},"isTest":{"type":"bool"},"status":{"type":"text"},"usageDurationMs":{"type":"int4"},"costInCents":{"type":"float8"},"baseCostInCents":{"type":"float8"},"ttl":{"type":"text"},"payload":{"type":"text"},"payloadType":{"type":"text"},"metadata":{"type":"text"},"metadataType":{"type":"text"},"output":{"type":"text"},"outputType":{"type":"text"},"runTags":{"type":"text","dims":1},"error":{"type":"jsonb"},"realtimeStreams":{"type":"text","dims":1}}"#;

/// The message that closes every response.
pub(crate) const UP_TO_DATE: &str = r#"{"headers":{"control":"up-to-date"}}"#;

/// The content of one message about a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunMessage<'a> {
    pub(crate) id: &'a str,
    pub(crate) version: u64,
    /// The version that completes the run.
    pub(crate) updates: u64,
    /// The payload and its type, as [`payload`] writes them.
    pub(crate) payload: &'a str,
    /// The times at which the update happened and is sent, in Unix milliseconds.
    pub(crate) stamps: Option<(f64, f64)>,
}

/// Appends one message of a feed.
pub(crate) fn write(out: &mut String, message: &RunMessage<'_>) {
    let RunMessage { id, version, updates, payload, stamps } = *message;
    let (status, completed, output) = if version >= updates {
        ("COMPLETED_SUCCESSFULLY", "\"2026-01-01T00:01:00.000\"", r#""{\"json\":{\"ok\":true}}""#)
    } else {
        ("EXECUTING", "null", "null")
    };
    let operation = if version == 0 { "insert" } else { "update" };
    let (minute, second, milli) = ((version / 60_000) % 60, (version / 1000) % 60, version % 1000);
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        r#"{{"key":"\"public\".\"TaskRun\"/\"{id}\"","value":{{"id":"{id}","taskIdentifier":"bench-task","createdAt":"2026-01-01T00:00:00.000","updatedAt":"2026-01-01T00:{minute:02}:{second:02}.{milli:03}","startedAt":"2026-01-01T00:00:00.100","delayUntil":null,"queuedAt":"2026-01-01T00:00:00.050","expiredAt":null,"completedAt":{completed},"friendlyId":"{id}","number":"0","isTest":"f","status":"{status}","usageDurationMs":"{version}","costInCents":"0.0025","baseCostInCents":"0.0025","ttl":"10m",{payload},"metadata":"{{\"progress\":{version},\"label\":\"step {version}\""#,
    );
    if let Some((at, sent)) = stamps {
        let _ = write!(out, r#",\"at\":{at:.3},\"sent\":{sent:.3}"#);
    }
    let _ = write!(
        out,
        r#"}}","metadataType":"application/json","output":{output},"outputType":"application/super+json","runTags":"{{\"user_1234\",\"bench\"}}","error":null,"realtimeStreams":"{{}}"}},"headers":{{"operation":"{operation}"}}}}"#,
    );
}

/// The columns `payload` and `payloadType`, for a payload of about `bytes`. 0 gives a small one with a date. Large ones
/// are lists of objects, and are built once.
pub(crate) fn payload(bytes: u64) -> Arc<str> {
    static MADE: Mutex<Option<HashMap<u64, Arc<str>>>> = Mutex::new(None);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.get_or_insert_default().entry(bytes).or_insert_with(|| make(bytes).into()).clone()
}

fn make(bytes: u64) -> String {
    if bytes == 0 {
        return r#""payload":"{\"json\":{\"user\":\"user_1234\",\"at\":\"2026-01-01T00:00:00.000Z\"},\"meta\":{\"values\":{\"at\":[\"Date\"]}}}","payloadType":"application/super+json""#.to_owned();
    }
    let mut json = String::from("{\"items\":[");
    let mut number = 0;
    while json.len() as u64 + 2 < bytes {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            json,
            r#"{comma}{{"id":{number},"name":"item {number}","price":{number}.25,"tags":["a","b"],"stocked":true}}"#
        );
        number += 1;
    }
    json.push_str("]}");
    format!(r#""payload":{},"payloadType":"application/json""#, serde_json::Value::from(json))
}
