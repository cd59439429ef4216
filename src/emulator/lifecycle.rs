//! The transitions of a run's row, as recorded in `full-run-*`. Pure: time is an argument.
//!
//! Each transition returns whether it applied. None applies to a run that has ended.

use serde_json::{Map, Value, json};

use super::column::Column;
use super::packet::Packet;
use super::row::Row;
use crate::timestamp::format_timestamp;

/// Whether a raw status is final (docs/server-protocol.md 4).
pub(super) fn is_final(raw: &str) -> bool {
    matches!(
        raw,
        "COMPLETED_SUCCESSFULLY"
            | "COMPLETED_WITH_ERRORS"
            | "INTERRUPTED"
            | "CANCELED"
            | "CRASHED"
            | "SYSTEM_FAILURE"
            | "EXPIRED"
            | "TIMED_OUT"
    )
}

/// A change that a running task makes to its row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Change {
    /// Sets the raw status. A final one ends the run.
    Status(String),
    /// Sets these keys of the metadata.
    Metadata(Map<String, Value>),
    /// Replaces the metadata.
    ReplaceMetadata(Map<String, Value>),
    /// Adds a tag.
    Tag(String),
    /// The task returned.
    Output(Packet),
    /// The task threw.
    Fail(Failure),
}

/// The error that a task threw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Its name, such as `TypeError`.
    pub(super) name: String,
    /// Its message.
    pub(super) message: String,
    /// Its stack.
    pub(super) stack_trace: String,
}

/// The delay ends: the run is queued.
pub(super) fn queue(row: &mut Row, now_ms: u64) -> bool {
    step(row, |row| {
        row.set(Column::Status, Some("PENDING"));
        row.set_time(Column::QueuedAt, Some(now_ms));
    })
}

/// A worker dequeues the run.
pub(super) fn dequeue(row: &mut Row, now_ms: u64) -> bool {
    step(row, |row| {
        row.set(Column::Status, Some("DEQUEUED"));
        row.set_time(Column::StartedAt, Some(now_ms));
    })
}

/// The task's code starts.
pub(super) fn execute(row: &mut Row, now_ms: u64) -> bool {
    step(row, |row| {
        row.set(Column::Status, Some("EXECUTING"));
        row.set_executing_since(now_ms);
    })
}

/// The ttl ends while the run is queued.
pub(super) fn expire(row: &mut Row, now_ms: u64) -> bool {
    let reason = format!("Run expired because the TTL ({}) was reached", row.get(Column::Ttl).unwrap_or_default());
    step(row, |row| {
        row.set(Column::Status, Some("EXPIRED"));
        row.set_time(Column::ExpiredAt, Some(now_ms));
        row.set_time(Column::CompletedAt, Some(now_ms));
        row.set(Column::Error, Some(&string_error(&reason)));
    })
}

/// A user cancels the run. A run that never started keeps `completedAt` null (defect 22).
pub(super) fn cancel(row: &mut Row, now_ms: u64) -> bool {
    step(row, |row| {
        row.set(Column::Status, Some("CANCELED"));
        if row.get(Column::StartedAt).is_some() {
            row.set_time(Column::CompletedAt, Some(now_ms));
        }
        row.set(Column::Error, Some(&string_error("Canceled by user")));
    })
}

/// The task changes its row.
pub(super) fn apply(row: &mut Row, change: &Change, now_ms: u64) -> bool {
    step(row, |row| match change {
        Change::Status(status) => {
            row.set(Column::Status, Some(status));
            if is_final(status) {
                finish(row, now_ms);
            }
        }
        Change::Metadata(patch) => {
            let mut metadata = row
                .get(Column::Metadata)
                .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok())
                .unwrap_or_default();
            metadata.extend(patch.clone());
            row.set(Column::Metadata, Some(&Value::Object(metadata).to_string()));
        }
        Change::ReplaceMetadata(metadata) => {
            row.set(Column::Metadata, Some(&Value::Object(metadata.clone()).to_string()));
        }
        Change::Tag(tag) => {
            let mut tags = row.tags().to_vec();
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
            row.set_tags(tags);
        }
        Change::Output(packet) => {
            row.set(Column::Status, Some("COMPLETED_SUCCESSFULLY"));
            row.set(Column::Output, packet.data.as_deref());
            row.set(Column::OutputType, Some(&packet.data_type));
            finish(row, now_ms);
        }
        Change::Fail(failure) => {
            // The keys are in the order of a jsonb column.
            let error = json!({
                "name": failure.name,
                "type": "BUILT_IN_ERROR",
                "message": failure.message,
                "stackTrace": failure.stack_trace,
            });
            row.set(Column::Status, Some("COMPLETED_WITH_ERRORS"));
            row.set(Column::Error, Some(&error.to_string()));
            finish(row, now_ms);
        }
    })
}

fn finish(row: &mut Row, now_ms: u64) {
    let spent = row.executing_since_ms().map_or(0, |since| now_ms.saturating_sub(since));
    row.set(Column::UsageDurationMs, Some(&spent.to_string()));
    row.set(Column::CompletedAt, Some(&format_timestamp(now_ms)));
}

fn step(row: &mut Row, change: impl FnOnce(&mut Row)) -> bool {
    if is_final(row.status()) {
        return false;
    }
    change(row);
    true
}

fn string_error(raw: &str) -> String {
    json!({ "raw": raw, "type": "STRING_ERROR" }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        Row::new("c1", "run_c1", "hello", 1_000)
    }

    #[test]
    fn a_run_that_never_started_is_cancelled_without_a_completion_time() {
        let mut row = row();
        row.set(Column::Status, Some("DELAYED"));
        assert!(cancel(&mut row, 2_000));
        assert_eq!((row.status(), row.get(Column::CompletedAt)), ("CANCELED", None));
        assert_eq!(row.get(Column::Error), Some(r#"{"raw":"Canceled by user","type":"STRING_ERROR"}"#));
    }

    #[test]
    fn a_run_cancelled_while_it_runs_has_one() {
        let mut row = row();
        assert!(dequeue(&mut row, 2_000) && execute(&mut row, 2_100) && cancel(&mut row, 3_000));
        assert_eq!(row.get(Column::CompletedAt), Some("1970-01-01T00:00:03.000"));
        assert_eq!(row.get(Column::UsageDurationMs), Some("0"));
    }

    #[test]
    fn nothing_changes_a_run_that_has_ended() {
        let mut row = row();
        execute(&mut row, 2_000);
        assert!(apply(&mut row, &Change::Output(Packet::of_output(&json!({ "ok": 1 }))), 2_500));
        let ended = row.clone();
        assert!(!cancel(&mut row, 3_000) && !queue(&mut row, 3_000) && !expire(&mut row, 3_000));
        assert!(!apply(&mut row, &Change::Tag("late".into()), 3_000));
        assert_eq!(row, ended);
        assert_eq!(row.get(Column::UsageDurationMs), Some("500"));
    }

    #[test]
    fn metadata_is_set_key_by_key() {
        let mut row = row();
        let patch = |value: Value| Change::Metadata(value.as_object().cloned().unwrap_or_default());
        apply(&mut row, &patch(json!({ "a": 1, "b": 1 })), 1);
        apply(&mut row, &patch(json!({ "b": 2 })), 2);
        assert_eq!(row.get(Column::Metadata), Some(r#"{"a":1,"b":2}"#));
    }
}
