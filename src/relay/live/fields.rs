//! The event of a row: its fields as the run object has them, or those alone that changed.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::place::key_text;
use crate::json::push_string;
use crate::relay::feed::ColumnSet;
use crate::run;
use crate::table::{Row, Schema};

/// The fields of the run object by their columns, where a row has one for it. The types of packets are with their data.
const FIELDS: [(&str, &str); 25] = [
    ("friendlyId", "id"),
    ("status", "status"),
    ("taskIdentifier", "taskIdentifier"),
    ("idempotencyKey", "idempotencyKey"),
    ("createdAt", "createdAt"),
    ("updatedAt", "updatedAt"),
    ("startedAt", "startedAt"),
    ("queuedAt", "queuedAt"),
    ("expiredAt", "expiredAt"),
    ("delayUntil", "delayedUntil"),
    ("completedAt", "finishedAt"),
    ("usageDurationMs", "durationMs"),
    ("costInCents", "costInCents"),
    ("baseCostInCents", "baseCostInCents"),
    ("isTest", "isTest"),
    ("runTags", "tags"),
    ("realtimeStreams", "realtimeStreams"),
    ("error", "error"),
    ("payload", "payload"),
    ("payloadType", "payload"),
    ("output", "output"),
    ("outputType", "output"),
    ("metadata", "metadata"),
    ("metadataType", "metadata"),
    ("isFinished", "isFinished"),
];

/// Columns that may hold what cannot be decoded.
const FALLIBLE: [&str; 7] =
    ["usageDurationMs", "costInCents", "baseCostInCents", "isTest", "runTags", "realtimeStreams", "error"];

/// Columns that come with every change: the run's id and status, and what says whether it is finished.
const ALWAYS: [&str; 3] = ["friendlyId", "status", "completedAt"];

fn field_of(column: &str) -> Option<&'static str> {
    FIELDS.iter().find(|(name, _)| *name == column).map(|(_, field)| *field)
}

/// Adds to columns that changed those without which they cannot be understood: the type of a packet or its data, and
/// every column that may be faulty where one is, since faults are told together.
pub(super) fn completed(row: &Row, schema: &Schema, mut changed: ColumnSet, shown: ColumnSet) -> ColumnSet {
    let fields: HashSet<_> = names(row, changed).filter_map(field_of).collect();
    let is_fallible = |name: &str| FALLIBLE.contains(&name);
    let is_faulty = {
        let probe = row.only(|index, name| shown.has(index) && (is_fallible(name) || ALWAYS.contains(&name)));
        let mut text = String::new();
        // A text of the run that looks so as well does no harm: these columns then come once more.
        run::render(&probe, schema, None, &mut text).is_ok() && text.contains("\"faults\":{")
    };
    for (index, (name, _)) in row.cells().enumerate() {
        let belongs = field_of(name).is_some_and(|field| fields.contains(field));
        if shown.has(index) && (belongs || is_faulty && is_fallible(name)) {
            changed.insert(index);
        }
    }
    changed
}

/// Whether any of these columns is a field of the run object.
pub(super) fn has_fields(row: &Row, columns: ColumnSet) -> bool {
    names(row, columns).any(|name| field_of(name).is_some())
}

fn names(row: &Row, columns: ColumnSet) -> impl Iterator<Item = &str> {
    row.cells().enumerate().filter(move |(index, _)| columns.has(*index)).map(|(_, (name, _))| name)
}

/// One event of a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowEvent<'a> {
    pub(super) key: u64,
    pub(super) at: &'a str,
    pub(super) row: &'a Row,
    pub(super) schema: &'a Schema,
    /// The columns to tell, of those that the viewer may see.
    pub(super) columns: ColumnSet,
    pub(super) shown: ColumnSet,
    /// Whether the viewer has no earlier state.
    pub(super) is_whole: bool,
}

impl RowEvent<'_> {
    /// The second half of the event's data, with its line: all but the want's id. Empty for a row that is no run.
    pub(super) fn text(&self) -> Bytes {
        let Self { columns, shown, .. } = *self;
        let told = self
            .row
            .only(|index, name| columns.has(index) && shown.has(index) || shown.has(index) && ALWAYS.contains(&name));
        let mut text = format!("data: {{\"key\":\"{}\",\"at\":\"{}\",", key_text(self.key), self.at);
        text.push_str(if self.is_whole { "\"run\":" } else { "\"set\":" });
        let start = text.len();
        if run::render(&told, self.schema, None, &mut text).is_err() {
            return Bytes::new();
        }
        if !self.is_whole {
            self.push_unset(start, &mut text);
        }
        text.push_str("}]\n\n");
        text.into()
    }

    /// Adds the fields that have no value any more.
    fn push_unset(&self, start: usize, text: &mut String) {
        let set: BTreeMap<String, &RawValue> = serde_json::from_str(&text[start..]).unwrap_or_default();
        let mut unset: Vec<&str> = Vec::new();
        for name in names(self.row, self.columns) {
            let faults = FALLIBLE.contains(&name).then_some("faults");
            for field in field_of(name).into_iter().chain(faults) {
                if !set.contains_key(field) && !unset.contains(&field) {
                    unset.push(field);
                }
            }
        }
        if unset.is_empty() {
            return;
        }
        text.push_str(",\"unset\":");
        for (place, field) in unset.iter().enumerate() {
            text.push(if place == 0 { '[' } else { ',' });
            push_string(text, field);
        }
        text.push(']');
    }
}

/// The columns of a row that a viewer may see: those that the server announced, without the skipped ones (F4).
pub(super) fn shown(row: &Row, schema: &Arc<Schema>, is_skipped: impl Fn(&str) -> bool) -> ColumnSet {
    ColumnSet::of(row, |_, name| schema.has(name) && !is_skipped(name))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    const SCHEMA: &str = r#"{"runTags":{"type":"text","dims":1},"error":{"type":"jsonb"}}"#;

    fn row(pairs: &[(&'static str, &'static str)]) -> Row {
        let run = [("friendlyId", "run_1"), ("status", "EXECUTING")];
        let pairs = run.iter().chain(pairs).map(|&(name, text)| (name.into(), (text != "-").then(|| text.into())));
        Row::merge(&mut Arc::default(), None, None, pairs)
    }

    fn all(row: &Row) -> ColumnSet {
        ColumnSet::of(row, |_, _| true)
    }

    /// What a client reads of an event that tells `columns`.
    fn told(row: &Row, columns: &[&str], is_whole: bool) -> Value {
        let schema = Schema::parse(SCHEMA.as_bytes()).expect("a schema");
        let columns = if is_whole { all(row) } else { ColumnSet::of(row, |_, name| columns.contains(&name)) };
        let columns = completed(row, &schema, columns, all(row));
        let event = RowEvent { key: 1, at: "place", row, schema: &schema, columns, shown: all(row), is_whole };
        let text = event.text();
        let text = std::str::from_utf8(&text).expect("text").strip_prefix("data: ").expect("a line");
        serde_json::from_str(text.strip_suffix("]\n\n").expect("an end")).expect("JSON")
    }

    /// What a client has after an event.
    fn applied(before: &Value, event: &Value) -> Map<String, Value> {
        let mut run = before.as_object().expect("a run").clone();
        for field in event["unset"].as_array().into_iter().flatten() {
            run.remove(field.as_str().expect("a name"));
        }
        run.extend(event["set"].as_object().expect("fields").clone());
        run
    }

    #[test]
    fn a_row_is_told_whole_and_a_change_has_what_changed_and_whether_the_run_is_finished() {
        let before =
            row(&[("payload", "1"), ("payloadType", "application/json"), ("createdAt", "1970-01-01T00:00:01")]);
        let whole = told(&before, &[], true);
        assert_eq!((&whole["key"], &whole["at"]), (&json!("AAAAAAAB"), &json!("place")));
        assert_eq!(
            whole["run"],
            json!({ "id": "run_1", "status": "EXECUTING", "createdAt": 1000,
            "payload": { "data": "1", "type": "application/json" }, "isFinished": false })
        );
        let change = told(&before, &["createdAt"], false);
        let set = json!({ "id": "run_1", "status": "EXECUTING", "createdAt": 1000, "isFinished": false });
        assert_eq!((&change["set"], change.get("unset"), change.get("run")), (&set, None, None));
        let payload = told(&before, &["payload"], false);
        assert_eq!(payload["set"]["payload"]["type"], "application/json", "a packet comes with its type");
        assert_eq!(told(&before, &["payloadType"], false)["set"]["payload"]["data"], "1");
    }

    #[test]
    fn a_field_that_has_no_value_any_more_is_told_as_unset() {
        let now = row(&[("startedAt", ""), ("output", "-"), ("outputType", "-"), ("error", "-")]);
        let change = told(&now, &["startedAt", "output", "error"], false);
        assert_eq!(change["unset"], json!(["startedAt", "output", "error", "faults"]));
    }

    #[test]
    fn faults_are_told_together_and_are_gone_with_the_last() {
        let bad = row(&[("costInCents", "x"), ("isTest", "x"), ("error", "-")]);
        let good = row(&[("costInCents", "1"), ("isTest", "x"), ("error", "-")]);
        let best = row(&[("costInCents", "1"), ("isTest", "t"), ("error", "-")]);
        let first = told(&bad, &[], true)["run"].clone();
        let second = Value::Object(applied(&first, &told(&good, &["costInCents"], false)));
        assert_eq!(second, told(&good, &[], true)["run"]);
        assert_eq!(second["faults"].as_object().map(Map::len), Some(1));
        let third = Value::Object(applied(&second, &told(&best, &["isTest"], false)));
        assert_eq!(third, told(&best, &[], true)["run"]);
        assert!(third.get("faults").is_none());
    }

    #[test]
    fn every_column_that_the_run_object_has_is_a_field_here() {
        let texts = |name: &str| match name {
            "isTest" => "t",
            "runTags" | "realtimeStreams" => "{a}",
            "error" => "{}",
            _ if name.ends_with("At") || name == "delayUntil" => "1970-01-01T00:00:01",
            _ => "1",
        };
        let pairs = FIELDS.iter().skip(1).filter(|(name, _)| *name != "status").map(|(name, _)| (*name, texts(name)));
        let other = row(&[("number", "1")]);
        let row = row(&pairs.collect::<Vec<_>>());
        let run = told(&row, &[], true)["run"].clone();
        let fields: HashSet<_> = FIELDS.iter().map(|(_, field)| (*field).to_owned()).collect();
        assert_eq!(run.as_object().expect("a run").keys().cloned().collect::<HashSet<_>>(), fields);
        let of = |wanted: &'static str| ColumnSet::of(&other, move |_, name| name == wanted);
        assert_eq!([has_fields(&other, of("number")), has_fields(&other, of("status"))], [false, true]);
    }

    #[test]
    fn a_row_that_is_no_run_has_no_event() {
        let row = row(&[("status", "-")]);
        let schema = Schema::default();
        let event = RowEvent {
            key: 1,
            at: "",
            row: &row,
            schema: &schema,
            columns: all(&row),
            shown: all(&row),
            is_whole: true,
        };
        assert!(event.text().is_empty());
    }
}
