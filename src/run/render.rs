//! Rendering of a row as one JSON object for JavaScript, straight into a string. This is the hot path of every update.

use super::number::push_number;
use super::{array, status};
use crate::error::ErrorCode;
use crate::table::{ColumnType, Row, Schema};
use crate::timestamp::parse_timestamp;
use crate::{Error, Result, json};

/// Appends the run of `row` to `out` as one JSON object, decoded by `schema`. On an error, nothing is appended. `last`
/// is the version that the reader got before, where there is one.
///
/// Its keys are those of the run object (`js/runs/run.js`), each absent where the column is missing, skipped or null.
/// Times are Unix milliseconds, or the raw text where it is not a plain timestamp. `payload`, `output` and `metadata`
/// are `{data, type}`, not decoded, or `1` where they are those of `last` (I18). `error` is the JSON of its column.
/// `isFinished` is always present. A column that cannot be decoded is left out and named in `faults` with the reason
/// (I15; defect 16).
///
/// # Errors
/// `ERR_INVALID_ROW` for a row without `friendlyId` or `status`. Other rows are not affected.
pub fn render(row: &Row, schema: &Schema, last: Option<&Row>, out: &mut String) -> Result<()> {
    let start = out.len();
    let mut writer = Writer { out, schema, faults: Vec::new(), first: true };
    let mut packets = Packets::default();
    let (mut id, mut raw_status) = (false, None);
    writer.out.push('{');
    for (column, text) in row.iter() {
        match column {
            "friendlyId" => {
                id = true;
                writer.text("id", text);
            }
            "status" => {
                raw_status = Some(text);
                writer.text("status", status::public_status(text));
            }
            "taskIdentifier" | "idempotencyKey" => writer.text(column, text),
            "createdAt" | "updatedAt" | "startedAt" | "queuedAt" | "expiredAt" => writer.time(column, text),
            "delayUntil" => writer.time("delayedUntil", text),
            "completedAt" => writer.time("finishedAt", text),
            "usageDurationMs" => writer.number(column, "durationMs", text),
            "costInCents" | "baseCostInCents" => writer.number(column, column, text),
            "isTest" => writer.flag(column, text),
            "runTags" => writer.list(column, "tags", text),
            "realtimeStreams" => writer.list(column, column, text),
            "error" => writer.json(column, text),
            "payload" => packets.payload.0 = Some(text),
            "payloadType" => packets.payload.1 = Some(text),
            "output" => packets.output.0 = Some(text),
            "outputType" => packets.output.1 = Some(text),
            "metadata" => packets.metadata.0 = Some(text),
            "metadataType" => packets.metadata.1 = Some(text),
            // `id` (the database's), `number`, `ttl` and columns of newer servers are not in the run object.
            _ => {}
        }
    }
    if !id || raw_status.is_none() {
        let missing = if id { "status" } else { "friendlyId" };
        out.truncate(start);
        return Err(Error::new(ErrorCode::InvalidRow, format!("the row is not a run: it has no {missing}")));
    }
    writer.packet(
        "payload",
        packets.payload,
        last.is_some_and(|last| row.shares(last, "payload") && row.shares(last, "payloadType")),
    );
    writer.packet(
        "output",
        packets.output,
        last.is_some_and(|last| row.shares(last, "output") && row.shares(last, "outputType")),
    );
    writer.packet(
        "metadata",
        packets.metadata,
        last.is_some_and(|last| row.shares(last, "metadata") && row.shares(last, "metadataType")),
    );
    writer.key("isFinished");
    writer.out.push_str(if status::is_finished(row) { "true" } else { "false" });
    writer.finish();
    Ok(())
}

/// The data and type of each packet.
#[derive(Default)]
struct Packets<'a> {
    payload: (Option<&'a str>, Option<&'a str>),
    output: (Option<&'a str>, Option<&'a str>),
    metadata: (Option<&'a str>, Option<&'a str>),
}

struct Writer<'a, 'b> {
    out: &'a mut String,
    schema: &'b Schema,
    faults: Vec<(&'b str, &'static str)>,
    first: bool,
}

impl<'b> Writer<'_, 'b> {
    fn key(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        self.out.push('"');
        self.out.push_str(name);
        self.out.push_str("\":");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.key(name);
        json::push_string(self.out, text);
    }

    fn time(&mut self, name: &str, text: &str) {
        match parse_timestamp(text) {
            Some(ms) => {
                self.key(name);
                self.out.push_str(&ms.to_string());
            }
            // An empty timestamp counts as missing.
            None if text.is_empty() => {}
            None => self.text(name, text),
        }
    }

    /// Writes a key and its value. Where `write` fails, removes both and notes a fault.
    fn attempt(&mut self, column: &'b str, name: &str, write: impl FnOnce(&mut String) -> Result<(), &'static str>) {
        let (start, first) = (self.out.len(), self.first);
        self.key(name);
        if let Err(why) = write(self.out) {
            self.out.truncate(start);
            self.first = first;
            self.faults.push((column, why));
        }
    }

    fn number(&mut self, column: &'b str, name: &str, text: &str) {
        self.attempt(column, name, |out| {
            push_number(out, text).then_some(()).ok_or("it is not a number JavaScript can hold")
        });
    }

    fn flag(&mut self, column: &'b str, text: &str) {
        self.attempt(column, column, |out| {
            out.push_str(match text {
                "t" | "true" => "true",
                "f" | "false" => "false",
                _ => return Err("it is neither true nor false"),
            });
            Ok(())
        });
    }

    /// Writes a list of strings, without its NULLs.
    fn list(&mut self, column: &'b str, name: &str, text: &str) {
        let kind = self.schema.column(column);
        self.attempt(column, name, |out| {
            let elements = if kind.array || kind.kind != ColumnType::Json {
                array::elements(text)?
            } else {
                serde_json::from_str(text).map_err(|_| "it is not a JSON list of strings")?
            };
            out.push('[');
            for (place, element) in elements.iter().flatten().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                json::push_string(out, element);
            }
            out.push(']');
            Ok(())
        });
    }

    /// Copies JSON, once it is known to be valid.
    fn json(&mut self, column: &'b str, text: &str) {
        self.attempt(column, column, |out| {
            serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|_| "it is not JSON")?;
            out.push_str(text);
            Ok(())
        });
    }

    /// Writes a packet. One without data or type counts as missing, as in the official client.
    fn packet(&mut self, name: &str, packet: (Option<&str>, Option<&str>), known: bool) {
        let (Some(data), Some(kind)) = packet else { return };
        if data.is_empty() || kind.is_empty() {
            return;
        }
        self.key(name);
        if known {
            self.out.push('1');
            return;
        }
        self.out.push_str("{\"data\":");
        json::push_string(self.out, data);
        self.out.push_str(",\"type\":");
        json::push_string(self.out, kind);
        self.out.push('}');
    }

    fn finish(mut self) {
        if !self.faults.is_empty() {
            self.key("faults");
            let mut separator = '{';
            for (column, why) in &self.faults {
                self.out.push(separator);
                json::push_string(self.out, column);
                self.out.push(':');
                json::push_string(self.out, why);
                separator = ',';
            }
            self.out.push('}');
        }
        self.out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const SCHEMA: &[u8] = br#"{"runTags":{"type":"text","dims":1},"error":{"type":"jsonb"}}"#;

    fn rendered(pairs: &[(&'static str, &'static str)]) -> Result<serde_json::Value> {
        let run = [("friendlyId", "run_1"), ("status", "PENDING")];
        let pairs = run.iter().chain(pairs).map(|&(name, text)| (name.into(), (text != "-").then(|| text.into())));
        let row = Row::merge(&mut Arc::default(), None, None, pairs);
        let mut out = "kept".to_owned();
        let result = render(&row, &Schema::parse(SCHEMA)?, None, &mut out);
        let json = out.strip_prefix("kept").expect("what was there is kept");
        result.map(|()| serde_json::from_str(json).expect(json)).inspect_err(|_| assert_eq!(json, ""))
    }

    #[test]
    fn a_row_becomes_one_object_with_what_it_has() {
        let pairs =
            [("createdAt", "1970-01-01T00:00:01"), ("costInCents", "0.5"), ("runTags", "{a,\"b,c\"}"), ("ttl", "1h")];
        let expected = serde_json::json!({
            "id": "run_1", "status": "QUEUED", "createdAt": 1000, "costInCents": 0.5, "tags": ["a", "b,c"], "isFinished": false,
        });
        assert_eq!(rendered(&pairs).expect("a run"), expected);
    }

    #[test]
    fn a_fault_is_noted_and_costs_nothing_else() {
        let value = rendered(&[("error", "{"), ("usageDurationMs", "NaN"), ("isTest", "t")]).expect("a run");
        assert_eq!(value["isTest"], true);
        assert!(value.get("error").is_none() && value.get("durationMs").is_none());
        let faults: Vec<&String> = value["faults"].as_object().expect("faults").keys().collect();
        assert_eq!(faults, ["error", "usageDurationMs"]);
    }

    #[test]
    fn a_packet_that_did_not_change_is_not_written_again() {
        let mut columns = Arc::default();
        let mut version = |last: Option<&Row>, payload: &'static str, output: &'static str| {
            let pairs = [
                ("friendlyId", "run_1"),
                ("status", "PENDING"),
                ("payload", payload),
                ("payloadType", "text/plain"),
                ("output", output),
                ("outputType", "text/plain"),
            ];
            Row::merge(&mut columns, None, last, pairs.map(|(name, text)| (name.into(), Some(text.into()))))
        };
        let first = version(None, "same", "one");
        let second = version(Some(&first), "same", "two");
        let mut out = String::new();
        render(&second, &Schema::default(), Some(&first), &mut out).expect("a run");
        let run: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!(run["payload"], 1);
        assert_eq!(run["output"]["data"], "two");
        out.clear();
        render(&second, &Schema::default(), None, &mut out).expect("a run");
        assert!(out.contains("\"same\""), "a reader that has nothing gets everything");
    }

    #[test]
    fn a_row_that_is_no_run_writes_nothing() {
        for column in ["friendlyId", "status"] {
            let error = rendered(&[(column, "-")]).expect_err("no run");
            assert!(error.message().contains(column));
        }
    }
}
