//! `POST /api/v2/runs/{id}/cancel`.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use super::caller::limited;
use crate::emulator::access::Refusal;
use crate::emulator::lifecycle;
use crate::emulator::run::{Effect, Run};
use crate::serve::Answer;
use crate::serve::Request;
use crate::token::Resource;

/// Answers the call. Cancelling a run that has ended changes nothing and is no error (recorded:
/// `calls-runs`).
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Answer {
    if request.method != Method::POST {
        return Answer::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !request.headers.contains_key("authorization") {
        return Answer::no_authorization();
    }
    let caller = match request.caller(context) {
        Ok(caller) if !caller.is_public() => caller,
        Ok(_) | Err(_) => {
            let answer = Answer::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text());
            return limited(answer, context, None);
        }
    };
    let answer = match context.world.store.find(id).filter(|run| run.environment == caller.index) {
        None => Answer::error(StatusCode::NOT_FOUND, "Resource not found"),
        Some(_) if !caller.may("write", &[Resource::one("runs", id)]) => {
            Answer::json(StatusCode::FORBIDDEN, Answer::forbidden().to_string())
        }
        Some(run) => cancel(context, &run),
    };
    limited(answer, context, Some(&caller))
}

/// Cancels a run.
pub(super) fn cancel(context: &Context, run: &Arc<Run>) -> Answer {
    let now = context.world.now_ms();
    run.change(now, |row| if lifecycle::cancel(row, now) { Effect::Loud } else { Effect::None });
    Answer::json(StatusCode::OK, json!({ "id": run.id() }).to_string())
}
