//! What a fuzz target reads: the wants of a body as JSON of one form, and places.

use serde_json::{Map, Value, json};

use super::place::Place;
use super::wants::{self, Subject, Want};
use crate::secret::Secret;

/// The wants of a body, each with a list of columns and one of places.
///
/// # Errors
/// The sentence that refuses the body.
pub(crate) fn wants(body: &[u8]) -> Result<Value, String> {
    let wants: Vec<Value> = wants::parse(body)?.into_iter().map(written).collect();
    Ok(json!({ "wants": wants }))
}

/// A place, written again; `None` for a text that is none.
pub(crate) fn place(text: &str) -> Option<String> {
    Place::decode(text).map(|place| place.encode())
}

fn written(want: Want) -> Value {
    let Want { id, subject, token, skip_columns, at, is_lasting } = want;
    let mut fields: Map<String, Value> = Map::new();
    let (name, value) = match subject {
        Subject::Run(run) => ("run", json!(run)),
        Subject::Tags(tags, created_at) => {
            fields.extend(created_at.map(|text| ("createdAt".to_owned(), json!(text))));
            ("tags", json!(tags))
        }
        Subject::Batch(batch) => ("batch", json!(batch)),
        Subject::Stream { run, key, is_input } => ("stream", json!({ "run": run, "key": key, "input": is_input })),
    };
    fields.insert(name.to_owned(), value);
    fields.extend(token.as_ref().map(|token: &Secret| ("token".to_owned(), json!(token.expose()))));
    let rest =
        [("id", json!(id)), ("skipColumns", json!(skip_columns)), ("at", json!(at)), ("lasting", json!(is_lasting))];
    fields.extend(rest.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(fields)
}
