//! `POST /api/v2/runs/{id}/cancel`.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use super::caller::limited;
use crate::emulator::access::Refusal;
use crate::emulator::lifecycle;
use crate::emulator::run::{Effect, Run};
use crate::serve::Request;
use crate::serve::Response;
use crate::token::Resource;

/// Answers the call. The cancel of a run that has ended has no effect and is no error (recorded: `calls-runs`).
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Response {
    if request.method != Method::POST {
        return Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !request.headers.contains_key("authorization") {
        return Response::no_authorization();
    }
    let caller = match request.caller(context) {
        Ok(caller) if !caller.is_public() => caller,
        Ok(_) | Err(_) => {
            let answer = Response::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text());
            return limited(answer, context, None);
        }
    };
    let answer = match context.engine.store.find(id).filter(|run| run.environment == caller.index) {
        None => Response::error(StatusCode::NOT_FOUND, "Resource not found"),
        Some(_) if !caller.may("write", &[Resource::one("runs", id)]) => {
            Response::json(StatusCode::FORBIDDEN, Response::forbidden().to_string())
        }
        Some(run) => cancel(context, &run),
    };
    limited(answer, context, Some(&caller))
}

/// Cancels a run.
pub(super) fn cancel(context: &Context, run: &Arc<Run>) -> Response {
    let now = context.engine.now_ms();
    run.change(now, |row| if lifecycle::cancel(row, now) { Effect::Notify } else { Effect::None });
    Response::json(StatusCode::OK, json!({ "id": run.id() }).to_string())
}
