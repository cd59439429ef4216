//! Parses the JSON object of a call's body.

use serde_json::{Map, Value};

/// Parses a body.
///
/// # Errors
/// The text of the 400, in the server's words: for an empty body, for invalid JSON (recorded: `calls-trigger`), and for
/// a value that is no object.
pub(super) fn parse_object(bytes: &[u8]) -> Result<Map<String, Value>, &'static str> {
    if bytes.is_empty() {
        return Err("Request body is empty");
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(given)) => Ok(given),
        Ok(_) => Err("Validation error: Expected object, received another type"),
        Err(_) => Err("Invalid JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_body_and_one_that_is_no_json_are_told_apart() {
        assert_eq!(parse_object(b""), Err("Request body is empty"));
        assert_eq!(parse_object(b"{oops"), Err("Invalid JSON"));
        assert!(parse_object(b"[]").is_err_and(|why| why.contains("Expected object")));
        assert!(parse_object(b"{}").is_ok_and(|given| given.is_empty()));
    }
}
