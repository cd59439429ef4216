//! Errors as data. An error crosses in one form: the JSON text of an object that holds it as `error`. `fromNative` in
//! JavaScript is the one reader of that form.
//!
//! Some calls return plain text where they succeed: a token, or an answer's head. Such text never begins with `{`, so
//! its first character distinguishes it from a failure.

use serde_json::{Map, Value, json};

use crate::error::{Error, Kind};

/// The value under `error`.
pub(super) fn error_value(error: &Error) -> Value {
    let mut data = Map::new();
    data.insert("kind".into(), kind_name(error.kind()).into());
    data.insert("code".into(), error.code().as_str().into());
    data.insert("message".into(), error.message().into());
    if let Some(causes) = error.causes() {
        data.insert("cause".into(), causes.into());
    }
    if let Some(answer) = error.answer() {
        data.insert("status".into(), answer.status.into());
        let headers: Map<String, Value> =
            answer.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        data.insert("headers".into(), headers.into());
        data.insert("body".into(), answer.body.clone().into());
    }
    data.into()
}

/// An error as it crosses: `{"error": …}`.
pub(super) fn failure(error: &Error) -> String {
    json!({ "error": error_value(error) }).to_string()
}

/// The JavaScript class an error becomes, by the name `js/errors/errors.js` knows.
fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Api => "api",
        Kind::Connection => "connection",
        Kind::Timeout => "timeout",
        Kind::Protocol => "protocol",
        Kind::NoProgress => "noProgress",
        Kind::Config => "config",
        Kind::Argument => "argument",
        Kind::Decode => "decode",
        Kind::Aborted => "aborted",
        Kind::Internal => "internal",
    }
}
