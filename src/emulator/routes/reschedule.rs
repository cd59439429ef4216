//! `POST /api/v1/runs/{id}/reschedule`: moves the delay of a run (recorded: `calls-runs`).

use http::{Method, StatusCode};
use serde_json::Value;

use super::Context;
use super::caller::limited;
use super::describe::describe;
use crate::emulator::access::Caller;
use crate::emulator::column::Column;
use crate::emulator::run::Effect;
use crate::error::Result;
use crate::serve::Response;
use crate::serve::duration;
use crate::serve::{Request, RequestBody, read_body};
use crate::timestamp::parse_utc;
use crate::token::Resource;

/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn handle(context: &Context, request: &Request, id: &str, incoming: RequestBody) -> Result<Response> {
    if request.method != Method::POST {
        return Ok(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED));
    }
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let answer = match read_body(incoming).await {
        Ok(bytes) => moved(context, request, &caller, id, &bytes)?,
        Err(answer) => answer,
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn moved(context: &Context, request: &Request, caller: &Caller<'_>, id: &str, bytes: &[u8]) -> Result<Response> {
    let refuse = |status, why: &str| Ok(Response::error(status, why));
    let given: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let Some(delay) = given["delay"].as_str() else {
        return refuse(StatusCode::BAD_REQUEST, "Invalid request body");
    };
    let Some(run) = context.engine.store.find(id).filter(|run| run.environment == caller.index) else {
        return refuse(StatusCode::NOT_FOUND, "Run not found");
    };
    if !caller.may("write", &[Resource::one("runs", id)]) {
        return Ok(Response::json(StatusCode::FORBIDDEN, Response::forbidden().to_string()));
    }
    let now = context.engine.now_ms();
    let until = parse_utc(delay).or_else(|| duration::parse_ms(delay).map(|ms| now.saturating_add(ms)));
    let Some(until) = until else { return refuse(StatusCode::BAD_REQUEST, "Invalid delay") };
    let effect = run.change(now, |row| {
        if row.status() != "DELAYED" {
            return Effect::None;
        }
        row.set_time(Column::DelayUntil, Some(until));
        Effect::Notify
    });
    if effect == Effect::None {
        return refuse(StatusCode::BAD_REQUEST, "Cannot reschedule a run that is not delayed");
    }
    let shown = describe(context, &run.row(), caller.environment, &request.origin, request.wants_old_statuses())?;
    Ok(Response::json(StatusCode::OK, Value::Object(shown).to_string()))
}
