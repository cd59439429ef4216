//! `GET /api/v1/runs/{id}/result`, of older clients (recorded: `calls-runs`).

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Context;
use super::caller::limited;
use crate::emulator::column::Column;
use crate::emulator::run::Run;
use crate::serve::Request;
use crate::serve::Response;
use crate::token::Resource;

/// Answers the call.
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Response {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let run = context.engine.store.find(id).filter(|run| run.environment == caller.index);
    let run = run.filter(|_| caller.may("read", &[Resource::one("runs", id)]));
    let answer = match run.and_then(|run| of_run(&run)) {
        Some(result) => Response::json(StatusCode::OK, result.to_string()),
        None => Response::error(StatusCode::NOT_FOUND, "Run either doesn't exist or is not finished"),
    };
    limited(answer, context, Some(&caller))
}

/// A run's result, as far as this old call has it: that of a cancelled run alone. The server keeps no attempts any
/// more, so a completed run has none (recorded).
pub(super) fn of_run(run: &Run) -> Option<Value> {
    let row = run.row();
    (row.status() == "CANCELED").then(|| {
        json!({
            "ok": false,
            "id": row.get(Column::FriendlyId),
            "taskIdentifier": row.get(Column::TaskIdentifier),
            "error": { "type": "INTERNAL_ERROR", "code": "TASK_RUN_CANCELLED" },
        })
    })
}
