//! The columns that are left out of a viewer's answers (F4). Pure.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::shape::{Row, Schema};

/// Columns a viewer cannot leave out (docs/server-protocol.md 4).
const REQUIRED: [&str; 5] = ["id", "taskIdentifier", "friendlyId", "status", "createdAt"];

/// The columns that a viewer's token or request leaves out. Sorted, and reduced to columns that exist, so that equal
/// choices are equal keys of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(in crate::relay) struct SkippedColumns(
    /// `None` where there are none, as of most viewers: copying it touches no count that all of them share.
    Option<Arc<[Box<str>]>>,
);

impl SkippedColumns {
    /// The columns of `names`, without unknown ones and those that cannot be left out.
    pub(in crate::relay) fn new<'a>(names: impl IntoIterator<Item = &'a str>, schema: &Schema) -> Self {
        let mut kept: Vec<Box<str>> = names
            .into_iter()
            .map(str::trim)
            .filter(|name| !REQUIRED.contains(name) && schema.has(name))
            .map(Into::into)
            .collect();
        kept.sort_unstable();
        kept.dedup();
        Self((!kept.is_empty()).then(|| kept.into()))
    }

    pub(in crate::relay) fn has(&self, column: &str) -> bool {
        self.0.iter().flat_map(|names| names.iter()).any(|name| **name == *column)
    }

    /// The cells of `row` that are shown. A column that the server did not announce is not shown, because no viewer
    /// could have left it out.
    pub(super) fn cells<'a>(
        &'a self,
        row: &'a Row,
        schema: &'a Schema,
    ) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        row.cells().filter(|(name, _)| !self.has(name) && schema.has(name))
    }

    /// The `electric-schema` header without the skipped columns.
    pub(super) fn schema(&self, schema: &Schema) -> String {
        match schema.wire() {
            // The server sends no schema while there are no rows.
            "" => return "{}".to_owned(),
            wire if self.0.is_none() => return wire.to_owned(),
            _ => {}
        }
        // The schema was parsed before, so it is an object.
        let mut columns: Map<String, Value> = serde_json::from_str(schema.wire()).unwrap_or_default();
        columns.retain(|name, _| !self.has(name));
        Value::Object(columns).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let header = br#"{"id":{"type":"text"},"payload":{"type":"text"},"status":{"type":"text"},"runTags":{"type":"text","dims":1}}"#;
        Schema::parse(header).expect("a schema")
    }

    #[test]
    fn unknown_names_and_columns_that_stay_are_passed_over() {
        let schema = schema();
        let skipped = SkippedColumns::new(["payload", " runTags ", "id", "status", "nonsense", "payload"], &schema);
        assert_eq!(skipped, SkippedColumns::new(["runTags", "payload"], &schema));
        assert_eq!(skipped.schema(&schema), r#"{"id":{"type":"text"},"status":{"type":"text"}}"#);
        assert_eq!(SkippedColumns::default().schema(&schema), schema.wire());
        // A feed without rows has no schema yet: its header is JSON all the same.
        assert_eq!(SkippedColumns::default().schema(&Schema::default()), "{}");
    }

    #[test]
    fn a_skipped_column_is_not_among_the_cells() {
        let schema = schema();
        let pairs = [("id", "1"), ("payload", "secret"), ("status", "PENDING"), ("unannounced", "secret")];
        let row =
            Row::merge(&mut Arc::default(), None, None, pairs.map(|(name, text)| (name.into(), Some(text.into()))));
        let skipped = SkippedColumns::new(["payload"], &schema);
        let shown: Vec<_> = skipped.cells(&row, &schema).map(|(name, _)| name).collect();
        assert_eq!(shown, ["id", "status"]);
    }
}
