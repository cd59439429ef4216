//! The types of a feed's columns, as the `electric-schema` header names them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::intern::Interner;
use crate::{Error, Result};

static SCHEMAS: Interner<Schema> = Interner::new();

/// The columns of a feed and their types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    columns: HashMap<Box<str>, Column, foldhash::fast::RandomState>,
    /// The header as it came, which the relay sends on.
    wire: Box<str>,
}

/// The type of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The type of each value.
    pub kind: ColumnType,
    /// Whether each value is a Postgres array literal of such values.
    pub array: bool,
}

/// The type of the values of a column. An unknown type is text (I4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// `t`, `f`, `true`, `false`.
    Bool,
    /// int2 and int4: always exact as a JavaScript number.
    Int,
    /// int8: may exceed 2^53.
    BigInt,
    /// float4 and float8; `NaN` and `Infinity` included.
    Float,
    /// json and jsonb.
    Json,
    /// Everything else.
    Text,
}

impl ColumnType {
    fn of(name: &str) -> Self {
        match name {
            "bool" => Self::Bool,
            "int2" | "int4" => Self::Int,
            "int8" => Self::BigInt,
            "float4" | "float8" => Self::Float,
            "json" | "jsonb" => Self::Json,
            _ => Self::Text,
        }
    }
}

#[derive(Deserialize)]
struct WireColumn<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: std::borrow::Cow<'a, str>,
    #[serde(default)]
    dims: u32,
}

impl Schema {
    /// Parses the `electric-schema` header.
    ///
    /// # Errors
    /// [`crate::error::Kind::Protocol`] when it is not a JSON object of column types.
    pub fn parse(header: &[u8]) -> Result<Self> {
        let wire: HashMap<Box<str>, WireColumn<'_>> = serde_json::from_slice(header)
            .map_err(|error| Error::protocol("the electric-schema header cannot be read").with_json(&error))?;
        let columns = wire
            .into_iter()
            .map(|(name, column)| (name, Column { kind: ColumnType::of(&column.kind), array: column.dims > 0 }));
        Ok(Self { columns: columns.collect(), wire: String::from_utf8_lossy(header).into() })
    }

    /// The allocation that all feeds with these columns share.
    pub(crate) fn shared(self) -> Arc<Self> {
        SCHEMAS.intern(self)
    }

    /// The `electric-schema` header as it came.
    #[must_use]
    pub fn wire(&self) -> &str {
        &self.wire
    }

    /// Whether the header names this column.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.columns.contains_key(name)
    }

    /// The type of a column; text when the schema does not name it.
    #[must_use]
    pub fn column(&self, name: &str) -> Column {
        self.columns.get(name).copied().unwrap_or(Column { kind: ColumnType::Text, array: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_dimensions_are_read_and_the_rest_is_ignored() {
        let header = br#"{"id":{"type":"text","not_null":true,"pk_index":0},"runTags":{"type":"text","dims":1},"n":{"type":"int8"}}"#;
        let schema = Schema::parse(header).expect("a schema");
        assert_eq!(schema.column("id"), Column { kind: ColumnType::Text, array: false });
        assert_eq!(schema.column("runTags"), Column { kind: ColumnType::Text, array: true });
        assert_eq!(schema.column("n"), Column { kind: ColumnType::BigInt, array: false });
        assert_eq!(schema.column("unknown"), Column { kind: ColumnType::Text, array: false });
    }

    #[test]
    fn a_schema_that_is_no_json_is_a_protocol_error() {
        assert!(Schema::parse(b"<html>").is_err());
        assert!(Schema::parse(b"[]").is_err());
    }
}
