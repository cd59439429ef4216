//! `POST /api/v1/tasks/{id}/trigger`.

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use super::caller::limited;
use super::json_body::parse_object;
use crate::emulator::access::{Caller, Environment};
use crate::emulator::store::Triggered;
use crate::emulator::trigger::{Placement, TriggerRequest};
use crate::emulator::{jwt, trigger};
use crate::error::Result;
use crate::serve::{Request, RequestBody, Response, read_body};
use crate::token::Resource;

/// The life of the public token in the response, in seconds (docs/server-protocol.md 3).
const TOKEN_LIFE_S: u64 = 3_600;
/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn handle(
    context: &Context,
    request: &Request,
    task: &str,
    incoming: RequestBody,
) -> Result<Response> {
    if request.method == Method::OPTIONS {
        return Ok(Response::preflight());
    }
    if request.method != Method::POST {
        return Ok(limited(Response::empty(StatusCode::METHOD_NOT_ALLOWED), context, None));
    }
    if !request.headers.contains_key("authorization") {
        return Ok(Response::no_authorization());
    }
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => {
            return Ok(limited(Response::api_error(StatusCode::UNAUTHORIZED, refusal.text()), context, None));
        }
    };
    let answer = match read_body(incoming).await {
        Ok(bytes) => start(context, request, &caller, task, &bytes)?,
        Err(answer) => answer,
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn start(context: &Context, request: &Request, caller: &Caller<'_>, task: &str, bytes: &[u8]) -> Result<Response> {
    let given = match parse_object(bytes) {
        Ok(given) => given,
        Err(why) => return Ok(Response::api_error(StatusCode::BAD_REQUEST, why)),
    };
    let resources = [Resource::one("tasks", task)];
    if !caller.may("trigger", &resources) && !caller.may("write", &resources) {
        return Ok(Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string()));
    }
    let now = context.engine.now_ms();
    let trigger = match TriggerRequest::read(&given, now) {
        Ok(trigger) => trigger,
        Err((status, text)) => return Ok(Response::api_error(status, &text)),
    };
    let placement = Placement { environment: caller.index, batch: None, streams: request.streams() };
    let one_time = context.one_time(caller)?;
    let (run, is_cached) = match trigger::start_run(&context.engine, trigger, task, placement, one_time, now) {
        Triggered::New(run) => (run, false),
        Triggered::Cached(run) => (run, true),
        Triggered::TokenUsed => {
            let text = format!("Cannot trigger {task} with a one-time use token as it has already been used.");
            return Ok(Response::api_error(StatusCode::UNPROCESSABLE_ENTITY, &text));
        }
    };
    accepted(caller.environment, &run.id(), is_cached, now)
}

/// The response, with the run's own public token in `x-trigger-jwt` (docs/server-protocol.md 6).
fn accepted(environment: &Environment, id: &str, is_cached: bool, now_ms: u64) -> Result<Response> {
    let claims = json!({
        "sub": environment.id,
        "pub": true,
        "scopes": [format!("read:runs:{id}"), format!("write:inputStreams:{id}")],
    });
    let claims_text = claims.to_string();
    let issued_s = now_ms / 1000;
    let claims = claims.as_object().cloned().unwrap_or_default();
    let token = jwt::mint(claims, &environment.root_key, issued_s, issued_s + TOKEN_LIFE_S)?;
    Ok(Response::api(StatusCode::OK, json!({ "id": id, "isCached": is_cached }).to_string())
        .with("x-trigger-jwt", &token)
        .with("x-trigger-jwt-claims", &claims_text))
}
