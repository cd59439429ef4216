//! `POST /api/v1/runs/{id}/replay`: triggers a run again (recorded: `calls-runs`).

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use super::caller::limited;
use crate::emulator::column::Column;
use crate::emulator::run::Run;
use crate::emulator::store::Triggered;
use crate::emulator::trigger::{self, Placement, TriggerRequest};
use crate::serve::Request;
use crate::serve::Response;
use crate::token::Resource;

/// Answers the call.
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Response {
    if request.method != Method::POST {
        return Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let run = context.engine.store.find(id).filter(|run| run.environment == caller.index);
    let answer = match run {
        None => Response::error(StatusCode::NOT_FOUND, "Resource not found"),
        Some(_) if !caller.may("write", &[Resource::one("runs", id)]) => {
            Response::json(StatusCode::FORBIDDEN, Response::forbidden().to_string())
        }
        Some(run) => replay(context, &run),
    };
    limited(answer, context, Some(&caller))
}

/// Triggers a run again.
pub(super) fn replay(context: &Context, run: &Run) -> Response {
    let task = run.row().get(Column::TaskIdentifier).unwrap_or_default().to_owned();
    let placement = Placement { environment: run.environment, batch: None, streams: run.streams };
    match trigger::start_run(
        &context.engine,
        TriggerRequest::again(run),
        &task,
        placement,
        None,
        context.engine.now_ms(),
    ) {
        Triggered::New(run) | Triggered::Cached(run) => {
            Response::json(StatusCode::OK, json!({ "id": run.id() }).to_string())
        }
        // A replay has no one-time token.
        Triggered::TokenUsed => Response::error(StatusCode::UNPROCESSABLE_ENTITY, "Failed to replay run"),
    }
}
