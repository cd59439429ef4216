//! The rows of a run feed and the types of their columns: what `shape` receives and `run` decodes.

mod row;
mod schema;

pub(crate) use row::{ByKey, MAX_COLUMNS, Text};
pub use row::{Columns, Row};
pub use schema::{Column, ColumnType, Schema};
