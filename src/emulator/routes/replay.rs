//! `POST /api/v1/runs/{id}/replay`: a run once more (recorded: `calls-runs`).

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use super::caller::limited;
use crate::emulator::column::Column;
use crate::emulator::order::{self, Order, Seat};
use crate::emulator::run::Run;
use crate::emulator::store::Placed;
use crate::serve::Answer;
use crate::serve::Request;
use crate::token::Resource;

/// Answers the call.
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Answer {
    if request.method != Method::POST {
        return Answer::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let run = context.world.store.find(id).filter(|run| run.environment == caller.index);
    let answer = match run {
        None => Answer::error(StatusCode::NOT_FOUND, "Resource not found"),
        Some(_) if !caller.may("write", &[Resource::one("runs", id)]) => {
            Answer::json(StatusCode::FORBIDDEN, Answer::forbidden().to_string())
        }
        Some(run) => replay(context, &run),
    };
    limited(answer, context, Some(&caller))
}

/// Runs a run once more.
pub(super) fn replay(context: &Context, run: &Run) -> Answer {
    let task = run.row().get(Column::TaskIdentifier).unwrap_or_default().to_owned();
    let seat = Seat { environment: run.environment, batch: None, streams: run.streams };
    match order::place(&context.world, Order::again(run), &task, seat, None, context.world.now_ms()) {
        Placed::New(run) | Placed::Cached(run) => Answer::json(StatusCode::OK, json!({ "id": run.id() }).to_string()),
        // No token is used for a replay.
        Placed::TokenUsed => Answer::error(StatusCode::UNPROCESSABLE_ENTITY, "Failed to replay run"),
    }
}
