//! `POST /realtime/v1/streams/{id}/input/{key}`: sends input to a run (docs/server-protocol.md 5; recorded:
//! `stream-write-v2`, `browser-hooks-useInputStreamSend`).

use http::StatusCode;
use serde_json::{Value, json};

use super::Context;
use crate::emulator::waitpoint;
use crate::serve::Response;
use crate::serve::stream::StreamName;
use crate::serve::{Request, RequestBody, read_body_up_to};
use crate::token::Resource;

/// The most bytes of one message.
const INPUT_BYTES: u64 = 1024 * 1024;

/// Answers the call.
pub(super) async fn send(
    context: &Context,
    request: &Request,
    id: &str,
    stream: String,
    incoming: RequestBody,
) -> Response {
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => return Response::api_error(StatusCode::UNAUTHORIZED, refusal.text()),
    };
    if !caller.may("write", &[Resource::one("inputStreams", id)]) {
        return Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string());
    }
    let refuse = |status, why: &str| Response::api(status, json!({ "ok": false, "error": why }).to_string());
    let Ok(bytes) = read_body_up_to(incoming, INPUT_BYTES).await else {
        return Response::api_error(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large");
    };
    let Some(run) = context.engine.store.find(id).filter(|run| run.environment == caller.index) else {
        return refuse(StatusCode::NOT_FOUND, "Run not found");
    };
    if run.is_over() {
        return refuse(StatusCode::BAD_REQUEST, "Cannot send to input stream on a completed run");
    }
    let Ok(Value::Object(given)) = serde_json::from_slice(&bytes) else {
        return refuse(StatusCode::BAD_REQUEST, "Invalid JSON");
    };
    // The record holds the data's JSON as a text (recorded), and null without data.
    let data = given.get("data").map_or(Value::Null, |data| Value::from(data.to_string()));
    let log = run.stream(StreamName::Input(stream));
    log.append_value(context.engine.now_ms(), &data, &waitpoint::input_id());
    Response::api(StatusCode::OK, json!({ "ok": true }).to_string())
}
