//! `POST /api/v1/tasks/{id}/trigger`.

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use super::caller::limited;
use super::given::object_of;
use crate::emulator::access::{Caller, Environment};
use crate::emulator::order::{Order, Seat};
use crate::emulator::store::Placed;
use crate::emulator::{jwt, order};
use crate::error::Result;
use crate::serve::{Answer, Request, Upload, body};
use crate::token::Resource;

/// The life of the token that comes back with a run (docs/server-protocol.md 3).
const TOKEN_LIFE_S: u64 = 3_600;
/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn handle(context: &Context, request: &Request, task: &str, incoming: Upload) -> Result<Answer> {
    if request.method == Method::OPTIONS {
        return Ok(Answer::preflight());
    }
    if request.method != Method::POST {
        return Ok(limited(Answer::empty(StatusCode::METHOD_NOT_ALLOWED), context, None));
    }
    if !request.headers.contains_key("authorization") {
        return Ok(Answer::no_authorization());
    }
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => {
            return Ok(limited(Answer::api_error(StatusCode::UNAUTHORIZED, refusal.text()), context, None));
        }
    };
    let answer = match body(incoming).await {
        Ok(bytes) => place(context, request, &caller, task, &bytes)?,
        Err(answer) => answer,
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn place(context: &Context, request: &Request, caller: &Caller<'_>, task: &str, bytes: &[u8]) -> Result<Answer> {
    let given = match object_of(bytes) {
        Ok(given) => given,
        Err(why) => return Ok(Answer::api_error(StatusCode::BAD_REQUEST, why)),
    };
    if !caller.may("trigger", &[Resource::one("tasks", task)]) {
        return Ok(Answer::api(StatusCode::FORBIDDEN, Answer::forbidden().to_string()));
    }
    let now = context.world.now_ms();
    let order = match Order::read(&given, now) {
        Ok(order) => order,
        Err((status, text)) => return Ok(Answer::api_error(status, &text)),
    };
    let seat = Seat { environment: caller.index, batch: None, streams: request.streams() };
    let one_time = context.one_time(caller)?;
    let (run, is_cached) = match order::place(&context.world, order, task, seat, one_time, now) {
        Placed::New(run) => (run, false),
        Placed::Cached(run) => (run, true),
        Placed::TokenUsed => {
            let text = format!("Cannot trigger {task} with a one-time use token as it has already been used.");
            return Ok(Answer::api_error(StatusCode::UNPROCESSABLE_ENTITY, &text));
        }
    };
    accepted(caller.environment, &run.id(), is_cached, now)
}

/// The answer with the run's own public token in `x-trigger-jwt` (docs/server-protocol.md 6).
fn accepted(environment: &Environment, id: &str, is_cached: bool, now_ms: u64) -> Result<Answer> {
    let claims = json!({
        "sub": environment.id,
        "pub": true,
        "scopes": [format!("read:runs:{id}"), format!("write:inputStreams:{id}")],
    });
    let claims_text = claims.to_string();
    let issued_s = now_ms / 1000;
    let claims = claims.as_object().cloned().unwrap_or_default();
    let token = jwt::mint(claims, &environment.root_key, issued_s, issued_s + TOKEN_LIFE_S)?;
    Ok(Answer::api(StatusCode::OK, json!({ "id": id, "isCached": is_cached }).to_string())
        .with("x-trigger-jwt", &token)
        .with("x-trigger-jwt-claims", &claims_text))
}
