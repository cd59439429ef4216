//! Messages as a server writes them.

use super::rng::SeededRng;
use super::table::Cells;

pub(crate) const UP_TO_DATE: &str = r#"{"headers":{"control":"up-to-date"}}"#;
pub(crate) const MUST_REFETCH: &str = r#"{"headers":{"control":"must-refetch"}}"#;

/// A message of one row, with these columns.
pub(crate) fn message(operation: &str, key: &str, cells: &Cells, columns: &[&str], rng: &mut SeededRng) -> String {
    let value: Vec<String> = columns
        .iter()
        .map(|name| match cells.get(*name) {
            // A server may send a bare object, whose JSON is the text.
            Some(text) if is_compact_object(text) && rng.one_in(4) => format!("\"{name}\":{text}"),
            Some(text) => format!("\"{name}\":{}", literal(text, rng)),
            None => format!("\"{name}\":null"),
        })
        .collect();
    let key = serde_json::Value::from(key);
    format!(r#"{{"key":{key},"value":{{{}}},"headers":{{"operation":"{operation}"}}}}"#, value.join(","))
}

/// Puts a message that readers pass over among `messages`.
pub(crate) fn add_noise(messages: &mut Vec<String>, rng: &mut SeededRng) {
    let noise = [
        r#"{"headers":{"control":"snapshot-end"}}"#,
        r#"{"key":"x","value":{"payload":"xxxxxx"},"headers":{"operation":"unknown"}}"#,
        r#"{"payload":"xxxxxx","headers":{"control":"unknown","payload":"xxxxxx"}}"#,
    ];
    messages.insert(rng.below(messages.len() + 1), rng.pick(&noise).into());
}

fn is_compact_object(text: &str) -> bool {
    text.starts_with('{')
        && serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| value.is_object() && serde_json::to_string(&value).is_ok_and(|written| written == text))
}

/// A JSON string. The same text may be escaped in different ways.
fn literal(text: &str, rng: &mut SeededRng) -> String {
    if text.is_ascii() && rng.one_in(6) {
        let escaped = text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
        return format!("\"{escaped}\"");
    }
    serde_json::Value::from(text).to_string()
}
