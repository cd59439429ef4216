//! `POST /api/v3/batches/{id}/items`: the items of a batch as lines, processed while they arrive
//! (docs/server-protocol.md 6; recorded: `calls-batch`).

use std::sync::Arc;

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use super::Context;
use super::batch::may_batch;
use super::caller::limited;
use crate::emulator::access::Caller;
use crate::emulator::batch::Batch;
use crate::emulator::store::Triggered;
use crate::emulator::trigger::{self, Placement, TriggerRequest};
use crate::serve::Request;
use crate::serve::RequestBody;
use crate::serve::Response;
use crate::token::Resource;

/// The most bytes of one line.
const LINE_BYTES: usize = 10 << 20;

/// The counts of one request.
#[derive(Default)]
struct Counts {
    accepted: u64,
    deduplicated: u64,
}

/// Answers the call.
pub(super) async fn handle(context: &Context, request: &Request, id: &str, incoming: RequestBody) -> Response {
    if request.method != Method::POST {
        return Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let refuse = |status, why: &str| limited(Response::error(status, why), context, Some(&caller));
    let Some(batch) = context.engine.batches.find(caller.index, id) else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, &format!("Batch {id} not found"));
    };
    let mut counts = Counts::default();
    // A sealed batch accepts no more items, without an error (recorded).
    if batch.items().sealed_ms.is_none() {
        let taken = take(context, request, &caller, &batch, incoming, &mut counts).await;
        if let Err((status, why)) = taken {
            return refuse(status, &why);
        }
    }
    let sealed = batch.seal(context.engine.now_ms());
    let body = json!({
        "id": batch.id,
        "itemsAccepted": counts.accepted,
        "itemsDeduplicated": counts.deduplicated,
        "sealed": sealed,
        "runCount": batch.run_count,
    });
    let answer = Response::json(StatusCode::OK, body.to_string());
    // The server counts the items of a token against its rate limit, not those of a key (recorded).
    if caller.is_public() { limited(answer, context, Some(&caller)) } else { answer }
}

async fn take(
    context: &Context,
    request: &Request,
    caller: &Caller<'_>,
    batch: &Arc<Batch>,
    mut incoming: RequestBody,
    counts: &mut Counts,
) -> Result<(), (StatusCode, String)> {
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let is_end = match incoming.frame().await {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    rest.extend_from_slice(&data);
                }
                false
            }
            Some(Err(_)) => return Err((StatusCode::BAD_REQUEST, "The request body broke off".into())),
            None => true,
        };
        let end = if is_end { rest.len() } else { rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1) };
        let lines: Vec<u8> = rest.drain(..end).collect();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            put(context, request, caller, batch, line, counts)?;
        }
        if is_end {
            return Ok(());
        }
        if rest.len() > LINE_BYTES {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "Request body too large".into()));
        }
    }
}

fn put(
    context: &Context,
    request: &Request,
    caller: &Caller<'_>,
    batch: &Arc<Batch>,
    line: &[u8],
    counts: &mut Counts,
) -> Result<(), (StatusCode, String)> {
    let bad = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned());
    let Ok(Value::Object(item)) = serde_json::from_slice(line) else { return Err(bad("Invalid JSON in the items")) };
    let index = item.get("index").and_then(Value::as_u64).ok_or_else(|| bad("An item has no index"))?;
    let task = item.get("task").and_then(Value::as_str).ok_or_else(|| bad("An item has no task"))?;
    if index >= batch.run_count as u64 {
        return Err(bad(&format!("Item index {index} is out of range for a batch of {}", batch.run_count)));
    }
    if !may_batch(caller, &[Resource::one("tasks", task)]) {
        return Err((StatusCode::FORBIDDEN, "Unauthorized".into()));
    }
    if !batch.claim(index) {
        counts.deduplicated += 1;
        return Ok(());
    }
    counts.accepted += 1;
    let now = context.engine.now_ms();
    let trigger = match TriggerRequest::read(&item, now) {
        Ok(trigger) => trigger,
        Err((_, why)) => {
            batch.fail(json!({ "index": index, "taskIdentifier": task, "error": why }));
            return Ok(());
        }
    };
    let placement = Placement { environment: caller.index, batch: Some(batch.id.clone()), streams: request.streams() };
    match trigger::start_run(&context.engine, trigger, task, placement, None, now) {
        // An item with a known idempotency key is the run of that key (recorded).
        Triggered::New(run) | Triggered::Cached(run) => batch.add(&run.id()),
        // An item has no one-time token.
        Triggered::TokenUsed => {}
    }
    Ok(())
}
