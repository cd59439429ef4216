//! `GET /api/v3/runs/{id}`: a run as REST shows it (protocol.md 6).

use http::StatusCode;
use serde_json::Value;

use super::Context;
use super::caller::limited;
use super::describe::describe;
use super::feed::may_read;
use crate::error::Result;
use crate::serve::Answer;
use crate::serve::Request;

/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Result<Answer> {
    if let Err(answer) = request.only_reads() {
        return Ok(answer);
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let answer = match context.world.store.find(id).filter(|run| run.environment == caller.index) {
        // The server takes an unknown run for one that a replica does not have yet.
        None => Answer::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "true"),
        Some(run) if may_read(&caller, &run) => {
            let old = request.wants_old_statuses();
            let body = describe(context, &run.row(), caller.environment, &request.origin, old)?;
            Answer::api(StatusCode::OK, Value::Object(body).to_string())
        }
        Some(_) => Answer::api(StatusCode::FORBIDDEN, Answer::forbidden().to_string()),
    };
    Ok(limited(answer, context, Some(&caller)))
}
