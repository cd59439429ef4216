//! `GET /api/v3/runs/{id}`: a run in the form of REST (docs/server-protocol.md 6). `GET /api/v1/runs/{id}/metadata`:
//! its metadata alone, as the published client reads it.

use http::StatusCode;
use serde_json::{Value, json};

use super::Context;
use super::caller::limited;
use super::describe::describe;
use super::feed::may_read;
use crate::emulator::column::Column;
use crate::emulator::packet::plain;
use crate::error::Result;
use crate::serve::Request;
use crate::serve::Response;

/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Result<Response> {
    if let Err(answer) = request.only_reads() {
        return Ok(answer);
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let answer = match context.engine.store.find(id).filter(|run| run.environment == caller.index) {
        // The server assumes that a replica does not have the run yet.
        None => Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "true"),
        Some(run) if may_read(&caller, &run) => {
            let old = request.wants_old_statuses();
            let body = describe(context, &run.row(), caller.environment, &request.origin, old)?;
            Response::api(StatusCode::OK, Value::Object(body).to_string())
        }
        Some(_) => Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string()),
    };
    Ok(limited(answer, context, Some(&caller)))
}

/// Answers with `{"metadata": {…}}`.
pub(super) fn metadata(context: &Context, request: &Request, id: &str) -> Response {
    if let Err(answer) = request.only_reads() {
        return answer;
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let answer = match context.engine.store.find(id).filter(|run| run.environment == caller.index) {
        None => Response::api_error(StatusCode::NOT_FOUND, "Task Run not found"),
        // A column that the token leaves out is not shown.
        Some(run) if may_read(&caller, &run) && !caller.skipped_columns().any(|name| name == "metadata") => {
            let row = run.row();
            let data_type = row.get(Column::MetadataType).unwrap_or("application/json");
            let metadata = row.get(Column::Metadata).and_then(|data| plain(data, data_type));
            let body = json!({ "metadata": metadata.unwrap_or_else(|| json!({})) });
            Response::api(StatusCode::OK, body.to_string())
        }
        Some(_) => Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string()),
    };
    limited(answer, context, Some(&caller))
}
