//! Payloads and outputs: a text and its type (docs/server-protocol.md 4, packets).

use serde_json::{Value, json};

/// Data with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    /// The data, if any.
    pub(super) data: Option<String>,
    /// Its type.
    pub(super) data_type: String,
}

impl Packet {
    /// The output of a task, as the official worker writes it: a string is plain text, any other value superjson
    /// without types.
    pub(super) fn of_output(value: &Value) -> Self {
        match value {
            Value::String(text) => Self { data: Some(text.clone()), data_type: "text/plain".into() },
            other => {
                Self { data: Some(json!({ "json": other }).to_string()), data_type: "application/super+json".into() }
            }
        }
    }

    /// The value without its types, as REST retrieval shows it (docs/server-protocol.md 6).
    pub(super) fn plain(&self) -> Option<Value> {
        plain(self.data.as_deref()?, &self.data_type)
    }
}

/// The value of a text of that type; `None` when it cannot be shown.
pub(super) fn plain(data: &str, data_type: &str) -> Option<Value> {
    match data_type {
        "text/plain" => Some(Value::from(data)),
        "application/json" => serde_json::from_str(data).ok(),
        "application/super+json" => match serde_json::from_str(data).ok()? {
            Value::Object(mut object) => object.remove("json"),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_packed_as_a_worker_packs_it() {
        assert_eq!(Packet::of_output(&json!("x")).data_type, "text/plain");
        let packet = Packet::of_output(&json!({ "ok": true }));
        assert_eq!(packet.data.as_deref(), Some(r#"{"json":{"ok":true}}"#));
        assert_eq!(packet.plain(), Some(json!({ "ok": true })));
    }
}
