//! `GET /api/v1/waitpoints/tokens`: the wait tokens of an environment, page by page (recorded:
//! `calls-wait`).

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Context;
use super::caller::limited;
use super::page::Page;
use super::tokens::{callback_url, status_of};
use crate::emulator::waitpoint::Token;
use crate::error::Result;
use crate::serve::Request;
use crate::serve::Response;
use crate::serve::duration;
use crate::timestamp::{format_timestamp, parse_utc};
use crate::token::Resource;

/// The statuses that a filter may name.
const STATUSES: [&str; 3] = ["WAITING", "COMPLETED", "TIMED_OUT"];

/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn handle(context: &Context, request: &Request) -> Result<Response> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Ok(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED));
    }
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let answer = if caller.may("read", &[Resource::every("waitpoints")]) {
        listed(context, request, caller.index)?
    } else {
        Response::json(StatusCode::FORBIDDEN, Response::forbidden().to_string())
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn listed(context: &Context, request: &Request, environment: usize) -> Result<Response> {
    let all = context.engine.waitpoints.list(environment);
    let position = |id: &str| all.iter().rev().position(|token| token.id == id);
    let page = match Page::read(request, position) {
        Ok(page) => page,
        Err(issue) => {
            let body = json!({ "error": "Query Error", "details": [issue] });
            return Ok(Response::json(StatusCode::BAD_REQUEST, body.to_string()));
        }
    };
    let now = context.engine.now_ms();
    let text = |name: &str| request.parameter(&format!("filter[{name}]")).filter(|text| !text.is_empty());
    let list = |name: &str| text(name).map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
    let (statuses, tags, key) = (list("status"), list("tags"), text("idempotencyKey"));
    let unknown: Vec<&str> =
        statuses.iter().flatten().map(String::as_str).filter(|one| !STATUSES.contains(one)).collect();
    if !unknown.is_empty() {
        let message = format!("Invalid status values: {}", unknown.join(", "));
        let issue = json!({ "code": "custom", "message": message, "path": ["filter[status]"] });
        let body = json!({ "error": "Query Error", "details": [issue] });
        return Ok(Response::json(StatusCode::BAD_REQUEST, body.to_string()));
    }
    let moment = |text: String| text.parse().ok().or_else(|| parse_utc(&text));
    let period = text("createdAt][period").and_then(|text| duration::parse_ms(&text));
    let from = text("createdAt][from").and_then(moment).or(period.map(|ms| now.saturating_sub(ms)));
    let to = text("createdAt][to").and_then(moment);
    let shows = |token: &Token| {
        statuses.as_ref().is_none_or(|wanted| wanted.iter().any(|status| status == status_of(token, now)))
            && tags.as_ref().is_none_or(|wanted| wanted.iter().any(|tag| token.tags.contains(tag)))
            && key.as_ref().is_none_or(|key| token.idempotency == (key.clone(), true))
            && from.is_none_or(|from| token.created_ms >= from)
            && to.is_none_or(|to| token.created_ms <= to)
    };
    // A token's position is the number of older ones: it falls along the list.
    let tokens: Vec<(usize, Arc<Token>)> =
        (0..all.len()).rev().zip(all.iter().cloned()).filter(|(_, token)| shows(token)).collect();
    let (tokens, pagination) = page.cut(tokens, |(position, _)| *position, |(_, token)| token.id.clone());
    let data =
        tokens.iter().map(|(_, token)| shown(context, token, &request.origin, now)).collect::<Result<Vec<Value>>>()?;
    Ok(Response::json(StatusCode::OK, json!({ "data": data, "pagination": pagination }).to_string()))
}

fn shown(context: &Context, token: &Token, origin: &str, now: u64) -> Result<Value> {
    let time = |ms| Value::from(format!("{}Z", format_timestamp(ms)));
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
    put("id", token.friendly_id().into());
    put("url", callback_url(&context.engine, token, origin)?.into());
    put("status", status_of(token, now).into());
    if let Some(outcome) = token.outcome(now) {
        put("completedAt", time(outcome.at_ms));
    }
    if let Some(timeout_ms) = token.timeout_ms {
        put("timeoutAt", time(timeout_ms));
        put("completedAfter", time(timeout_ms));
    }
    if token.idempotency.1 {
        put("idempotencyKey", token.idempotency.0.as_str().into());
    }
    // Sorted, unlike in the response for one token (recorded).
    let mut tags = token.tags.clone();
    tags.sort_unstable();
    put("tags", tags.into());
    put("createdAt", time(token.created_ms));
    Ok(Value::Object(shown))
}
