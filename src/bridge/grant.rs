//! The grant of `authorize` to a viewer of a relay, as JavaScript gives it.

use serde::Deserialize;

use crate::error::{Error, ErrorCode, Result};
use crate::relay::Grant;

/// A grant, as `js/relay/authorize.js` writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantText {
    scopes: Vec<String>,
    #[serde(default)]
    skip_columns: Vec<String>,
    id: Option<String>,
}

/// Reads a grant.
///
/// # Errors
/// `ERR_INVALID_OPTIONS` for text that is no grant.
pub(super) fn read_grant(text: &str) -> Result<Grant> {
    let read: GrantText = serde_json::from_str(text)
        .map_err(|error| Error::new(ErrorCode::InvalidOptions, "a grant cannot be read").with_source(error))?;
    Ok(Grant { scopes: read.scopes, skip_columns: read.skip_columns, id: read.id })
}
