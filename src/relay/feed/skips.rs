//! The columns a viewer is not shown.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::shape::{Row, Schema};

/// Columns a viewer cannot leave out (docs/server-protocol.md 4).
const KEPT: [&str; 5] = ["id", "taskIdentifier", "friendlyId", "status", "createdAt"];

/// The columns a viewer is not shown: those its token leaves out, and those it asked to leave out. Sorted, and only
/// columns that there are, so that equal ones are the same key of a cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Skips(Arc<[Box<str>]>);

impl Skips {
    /// Of `names`; unknown ones and those that stay are passed over.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>, schema: &Schema) -> Self {
        let mut kept: Vec<Box<str>> = names
            .into_iter()
            .map(str::trim)
            .filter(|name| !KEPT.contains(name) && schema.has(name))
            .map(Into::into)
            .collect();
        kept.sort_unstable();
        kept.dedup();
        Self(kept.into())
    }

    fn has(&self, column: &str) -> bool {
        self.0.iter().any(|name| **name == *column)
    }

    /// What is shown of `row`. A column the server did not announce is not shown: nobody could have skipped it.
    pub(super) fn cells<'a>(
        &'a self,
        row: &'a Row,
        schema: &'a Schema,
    ) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        row.cells().filter(|(name, _)| !self.has(name) && schema.has(name))
    }

    /// The `electric-schema` header without what is skipped.
    pub(super) fn schema(&self, schema: &Schema) -> String {
        match schema.wire() {
            // A server that answered without one has no rows yet.
            "" => return "{}".to_owned(),
            wire if self.0.is_empty() => return wire.to_owned(),
            _ => {}
        }
        // It was read before, so it is an object.
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
        let skips = Skips::new(["payload", " runTags ", "id", "status", "nonsense", "payload"], &schema);
        assert_eq!(skips, Skips::new(["runTags", "payload"], &schema));
        assert_eq!(skips.schema(&schema), r#"{"id":{"type":"text"},"status":{"type":"text"}}"#);
        assert_eq!(Skips::default().schema(&schema), schema.wire());
    }

    #[test]
    fn a_skipped_column_is_not_among_the_cells() {
        let schema = schema();
        let pairs = [("id", "1"), ("payload", "secret"), ("status", "PENDING"), ("unannounced", "secret")];
        let row =
            Row::merge(&mut Arc::default(), None, None, pairs.map(|(name, text)| (name.into(), Some(text.into()))));
        let skips = Skips::new(["payload"], &schema);
        let shown: Vec<_> = skips.cells(&row, &schema).map(|(name, _)| name).collect();
        assert_eq!(shown, ["id", "status"]);
    }
}
