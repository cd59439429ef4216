//! The effects of a script beyond its own row: streams, wait tokens, input, the object store.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::engine::Engine;
use super::lifecycle::{self, Change};
use super::object::{self, Object};
use super::packet::{self, Packet};
use super::run::{Effect, Run};
use super::script::WaitToken;
use super::waitpoint::{self, NewToken};
use super::{ident, jwt};
use crate::serve::stream::{StreamName, StreamVersion};

/// The size from which an output goes to the object store, as payloads do (docs/server-protocol.md 6).
const STORED_BYTES: usize = 128 * 1024;
/// The life of a wait token's own public token, in seconds (docs/server-protocol.md 3).
pub(super) const TOKEN_LIFE_S: u64 = 86_400;

/// Writes a chunk to a stream of the run.
pub(super) fn write(run: &Arc<Run>, engine: &Engine, key: &str, data: &Value) {
    let now = engine.now_ms();
    run.announce(now, key);
    let log = run.stream(StreamName::Output(key.to_owned()));
    match run.streams {
        StreamVersion::V1 => log.append_lines(now, data.to_string()),
        StreamVersion::V2 => log.append_value(now, data, &ident::part_id()),
    }
}

/// Puts a large output into the object store.
pub(super) fn stored(run: &Run, engine: &Engine, output: Packet) -> Packet {
    let Some(data) = output.data.as_ref().filter(|data| data.len() >= STORED_BYTES) else { return output };
    let name = format!("{}-1/output.json", run.id());
    let path = object::path_of(&engine.environments[run.environment].id, &name);
    engine.objects.put(&path, Object { content_type: output.data_type, data: data.clone().into_bytes().into() });
    Packet { data: Some(name), data_type: "application/store".into() }
}

/// Waits for the end of a wait token: `{"ok": true, "output"}` or `{"ok": false, "error"}`. The id and the public token
/// of a new one go into the metadata first.
pub(super) async fn wait_token(run: &Arc<Run>, engine: &Engine, step: &WaitToken) -> Value {
    let token = if step.token_id.is_null() {
        let now = engine.now_ms();
        let timeout_ms = waitpoint::timeout_of(step.timeout.as_deref(), now);
        let new_token = NewToken { timeout_ms, tags: step.tags.clone(), idempotency: None };
        let (token, _) = engine.waitpoints.create(run.environment, new_token, now);
        let mut metadata = Map::new();
        metadata.insert(step.metadata.clone(), token.friendly_id().into());
        if let Ok(public) = public_token(engine, run.environment, &token.friendly_id(), now) {
            metadata.insert("publicAccessToken".into(), public.into());
        }
        let change = Change::Metadata(metadata);
        run.change(now, |row| if lifecycle::apply(row, &change, now) { Effect::Notify } else { Effect::None });
        Some(token)
    } else {
        step.token_id.as_str().and_then(|id| engine.waitpoints.find(run.environment, id))
    };
    let Some(token) = token else {
        return json!({ "ok": false, "error": "there is no such wait token" });
    };
    let outcome = token.ended(&engine.clock).await;
    let data = outcome.output.data.unwrap_or_default();
    if outcome.is_timeout {
        json!({ "ok": false, "error": serde_json::from_str::<Value>(&data).unwrap_or_default()["message"] })
    } else {
        json!({ "ok": true, "output": packet::plain(&data, &outcome.output.data_type) })
    }
}

/// A public token that may complete a wait token, as the server mints it.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn public_token(engine: &Engine, environment: usize, id: &str, now_ms: u64) -> crate::error::Result<String> {
    let environment = &engine.environments[environment];
    let claims = json!({ "sub": environment.id, "pub": true, "scopes": [format!("write:waitpoints:{id}")] });
    let issued_s = now_ms / 1000;
    let claims = claims.as_object().cloned().unwrap_or_default();
    jwt::mint(claims, &environment.root_key, issued_s, issued_s + TOKEN_LIFE_S)
}

/// Waits for the next input on a stream of the run; null after the timeout. Input that came before this step counts,
/// each once.
pub(super) async fn input(run: &Arc<Run>, engine: &Engine, stream: String, timeout: Option<Duration>) -> Value {
    let log = run.stream(StreamName::Input(stream));
    let mut changes = log.follow();
    let next = async {
        loop {
            if let Some(record) = log.consume() {
                let body: Value =
                    record.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
                // The record holds the sender's JSON as a text (recorded: `stream-write-v2`).
                return body["data"]
                    .as_str()
                    .map_or(Value::Null, |data| serde_json::from_str(data).unwrap_or_else(|_| Value::from(data)));
            }
            if changes.changed().await.is_err() {
                return Value::Null;
            }
        }
    };
    match timeout {
        Some(timeout) => engine.clock.timeout(timeout, next).await.unwrap_or_default(),
        None => next.await,
    }
}
