//! A run's row: its columns as texts of the wire format.

use serde_json::Value;

use super::column::{Column, Kind, Skipped};
use crate::serve::feed::{Messages, Operation};
use crate::timestamp::{format_timestamp, parse_utc};

/// One version of a run. A cell is the text that the feed writes, or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    cells: [Option<Box<str>>; Column::COUNT],
    tags: Vec<String>,
    streams: Vec<String>,
    created_ms: u64,
    updated_ms: u64,
    first_version: u64,
    version: u64,
    executing_since_ms: Option<u64>,
}

impl Row {
    /// A new run's row with these ids, created at `now_ms`.
    pub(super) fn new(id: &str, friendly_id: &str, task: &str, now_ms: u64) -> Self {
        let mut row = Self {
            cells: std::array::from_fn(|_| None),
            tags: Vec::new(),
            streams: Vec::new(),
            created_ms: now_ms,
            updated_ms: now_ms,
            first_version: 0,
            version: 0,
            executing_since_ms: None,
        };
        let now = format_timestamp(now_ms);
        for (column, text) in [
            (Column::Id, id),
            (Column::FriendlyId, friendly_id),
            (Column::TaskIdentifier, task),
            (Column::CreatedAt, &now),
            (Column::UpdatedAt, &now),
            (Column::QueuedAt, &now),
            (Column::Number, "0"),
            (Column::IsTest, "f"),
            (Column::Status, "PENDING"),
            (Column::UsageDurationMs, "0"),
            (Column::CostInCents, "0"),
            (Column::BaseCostInCents, "0"),
            (Column::PayloadType, "application/json"),
            (Column::MetadataType, "application/json"),
            (Column::OutputType, "application/json"),
            (Column::RealtimeStreams, "{}"),
        ] {
            row.set(column, Some(text));
        }
        row
    }

    /// The text of a column.
    pub(super) fn get(&self, column: Column) -> Option<&str> {
        self.cells[column as usize].as_deref()
    }

    /// Sets a column's text.
    pub(super) fn set(&mut self, column: Column, text: Option<&str>) {
        self.cells[column as usize] = text.map(Into::into);
    }

    /// Sets a column to a time.
    pub(super) fn set_time(&mut self, column: Column, ms: Option<u64>) {
        self.set(column, ms.map(format_timestamp).as_deref());
    }

    /// The run's tags.
    pub(super) fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Replaces the tags. A run without tags has null in the column (recorded).
    pub(super) fn set_tags(&mut self, tags: Vec<String>) {
        let text = (!tags.is_empty()).then(|| array_literal(&tags));
        self.set(Column::RunTags, text.as_deref());
        self.tags = tags;
    }

    /// The keys of the run's streams.
    pub(super) fn streams(&self) -> &[String] {
        &self.streams
    }

    /// Replaces the keys of the run's streams. A run without any has an empty array (recorded).
    pub(super) fn set_streams(&mut self, streams: Vec<String>) {
        self.set(Column::RealtimeStreams, Some(&array_literal(&streams)));
        self.streams = streams;
    }

    /// Its creation, in Unix milliseconds.
    pub(super) fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// Its number in the order of all changes of all runs.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// The number of its first version.
    pub(super) fn first_version(&self) -> u64 {
        self.first_version
    }

    /// Numbers a new run in the order of all changes.
    pub(super) fn begin(&mut self, version: u64) {
        self.first_version = version;
        self.version = version;
    }

    /// The raw status.
    pub(super) fn status(&self) -> &str {
        self.get(Column::Status).unwrap_or_default()
    }

    /// Its last change, in milliseconds. It grows with every change, so that two changes in one millisecond have
    /// different offsets.
    pub(super) fn updated_ms(&self) -> u64 {
        self.updated_ms
    }

    /// Records a change at `now_ms`, the `version`th of all changes.
    pub(super) fn touch(&mut self, now_ms: u64, version: u64) {
        self.version = version;
        self.updated_ms = now_ms.max(self.updated_ms.saturating_add(1));
        self.set_time(Column::UpdatedAt, Some(self.updated_ms));
    }

    /// When its code started, for `usageDurationMs`.
    pub(super) fn executing_since_ms(&self) -> Option<u64> {
        self.executing_since_ms
    }

    /// Sets when its code started.
    pub(super) fn set_executing_since(&mut self, ms: u64) {
        self.executing_since_ms = Some(ms);
    }

    /// Sets a column from JSON, as in `POST /emulator/runs`.
    ///
    /// # Errors
    /// A sentence that says what the column takes.
    pub(super) fn set_json(&mut self, column: Column, value: &Value) -> Result<(), String> {
        let refuse = |takes: &str| Err(format!("column \"{}\" takes {takes}", column.name()));
        if value.is_null() {
            if column == Column::RunTags {
                self.tags.clear();
            }
            if column == Column::RealtimeStreams {
                self.streams.clear();
            }
            self.set(column, None);
            return Ok(());
        }
        match column.kind() {
            Kind::Text | Kind::Jsonb => match value {
                Value::String(text) => self.set(column, Some(text)),
                other => self.set(column, Some(&other.to_string())),
            },
            Kind::Timestamp => {
                let ms = value.as_u64().or_else(|| parse_utc(value.as_str()?));
                match ms {
                    Some(ms) => self.set_time(column, Some(ms)),
                    None => return refuse("an ISO date in UTC or Unix milliseconds"),
                }
                match (column, ms) {
                    (Column::UpdatedAt, Some(ms)) => self.updated_ms = ms,
                    (Column::CreatedAt, Some(ms)) => self.created_ms = ms,
                    (_, _) => {}
                }
            }
            Kind::Int4 | Kind::Float8 => match value {
                Value::Number(number) => self.set(column, Some(&number.to_string())),
                _ => return refuse("a number"),
            },
            Kind::Bool => match value {
                Value::Bool(flag) => self.set(column, Some(if *flag { "t" } else { "f" })),
                _ => return refuse("true or false"),
            },
            Kind::TextArray => {
                let texts = value.as_array().and_then(|items| {
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
                });
                match texts {
                    Some(texts) if column == Column::RunTags => self.set_tags(texts),
                    Some(texts) => self.set_streams(texts),
                    None => return refuse("an array of strings"),
                }
            }
        }
        Ok(())
    }
}

/// The body of a feed response with these rows.
pub(super) fn messages<'a>(
    rows: impl IntoIterator<Item = (&'a Row, Operation)>,
    skipped: Skipped,
    old_statuses: bool,
) -> String {
    let mut messages = Messages::new(old_statuses);
    for (row, operation) in rows {
        let key = format!("\"public\".\"TaskRun\"/\"{}\"", row.get(Column::Id).unwrap_or_default());
        let kept = Column::ALL.iter().filter(|column| !skipped.has(**column));
        messages.push(&key, kept.map(|&column| (column.name(), row.get(column))), operation);
    }
    messages.finish()
}

/// A Postgres array literal with every element quoted, as recorded.
fn array_literal(items: &[String]) -> String {
    let quoted: Vec<String> =
        items.iter().map(|item| format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    format!("{{{}}}", quoted.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tags_are_written_as_an_array_literal() {
        let mut row = Row::new("c1", "run_c1", "t", 0);
        row.set_json(Column::RunTags, &json!(["user:1", "q\"uote", "comma,tag", "back\\slash"])).expect("tags");
        assert_eq!(row.get(Column::RunTags), Some(r#"{"user:1","q\"uote","comma,tag","back\\slash"}"#));
        row.set_tags(Vec::new());
        assert_eq!(row.get(Column::RunTags), None);
    }

    #[test]
    fn two_changes_in_one_millisecond_have_two_offsets() {
        let mut row = Row::new("c1", "run_c1", "t", 1000);
        row.touch(1000, 1);
        row.touch(1000, 2);
        assert_eq!((row.updated_ms(), row.get(Column::UpdatedAt)), (1002, Some("1970-01-01T00:00:01.002")));
    }

    #[test]
    fn a_wrong_value_says_what_the_column_takes() {
        let mut row = Row::new("c1", "run_c1", "t", 0);
        for (column, value) in [
            (Column::IsTest, json!("yes")),
            (Column::Number, json!("1")),
            (Column::StartedAt, json!("soon")),
            (Column::RunTags, json!([1])),
        ] {
            let message = row.set_json(column, &value).expect_err("a wrong value");
            assert!(message.contains(column.name()), "{message}");
        }
    }
}
