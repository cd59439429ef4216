//! `POST /api/v1/waitpoints/tokens`, `GET …/{id}`, `POST …/{id}/complete` and the callback
//! (docs/server-protocol.md 6; recorded: `calls-wait`).

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Context;
use super::caller::limited;
use super::json_body::parse_object;
use crate::emulator::access::Caller;
use crate::emulator::engine::Engine;
use crate::emulator::waitpoint::{NewToken, Token, timeout_of};
use crate::emulator::{effects, jwt, validate};
use crate::error::Result;
use crate::serve::Response;
use crate::serve::duration;
use crate::serve::{Request, RequestBody, read_body};
use crate::timestamp::format_timestamp;
use crate::token::Resource;

/// The default life of an idempotency key: 30 days.
const IDEMPOTENCY_MS: u64 = 30 * 86_400_000;
/// The most tags of a token.
const MAX_TAGS: usize = 10;

/// Makes a token.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn create(context: &Context, request: &Request, incoming: RequestBody) -> Result<Response> {
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let answer = match read_body(incoming).await {
        Ok(bytes) => create_token(context, request, &caller, &bytes)?,
        Err(answer) => answer,
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn create_token(context: &Context, request: &Request, caller: &Caller<'_>, bytes: &[u8]) -> Result<Response> {
    if !caller.may("write", &[Resource::every("waitpoints")]) {
        return Ok(Response::json(StatusCode::FORBIDDEN, Response::forbidden().to_string()));
    }
    let given = match parse_object(bytes) {
        Ok(given) => given,
        Err(why) => return Ok(Response::error(StatusCode::BAD_REQUEST, why)),
    };
    if let Err(why) = validate::wait_token(&given) {
        return Ok(Response::error(StatusCode::BAD_REQUEST, &why));
    }
    let text = |name: &str| given.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let now = context.engine.now_ms();
    let idempotency = text("idempotencyKey").map(|key| {
        let life = text("idempotencyKeyTTL").and_then(duration::parse_ms).unwrap_or(IDEMPOTENCY_MS);
        (key.to_owned(), now.saturating_add(life))
    });
    let tags = validate::listed(given.get("tags"));
    if tags.len() > MAX_TAGS {
        let why = format!("Waitpoints can only have {MAX_TAGS} tags, you're trying to set {}.", tags.len());
        return Ok(Response::error(StatusCode::UNPROCESSABLE_ENTITY, &why));
    }
    let new_token = NewToken { timeout_ms: timeout_of(text("timeout"), now), idempotency, tags };
    let (token, is_cached) = context.engine.waitpoints.create(caller.index, new_token, now);
    let id = token.friendly_id();
    let public = effects::public_token(&context.engine, caller.index, &id, now)?;
    let url = callback_url(&context.engine, &token, &request.origin)?;
    let body = json!({ "id": id, "isCached": is_cached, "url": url });
    Ok(Response::json(StatusCode::OK, body.to_string())
        .with("x-trigger-jwt", &public)
        .with("x-trigger-jwt-claims", &json!({ "sub": caller.environment.id, "pub": true }).to_string()))
}

/// Shows a token.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn retrieve(context: &Context, request: &Request, id: &str) -> Result<Response> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Ok(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED));
    }
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let token = context.engine.waitpoints.find(caller.index, id);
    let answer = match token {
        // An unknown token is a 500 on the server (recorded).
        None => Response::error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Some(_) if !caller.may("read", &[Resource::one("waitpoints", id)]) => {
            Response::json(StatusCode::FORBIDDEN, Response::forbidden().to_string())
        }
        Some(token) => Response::json(StatusCode::OK, shown(context, &token, &request.origin)?.to_string()),
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn shown(context: &Context, token: &Token, origin: &str) -> Result<Value> {
    let outcome = token.outcome(context.engine.now_ms());
    let time = |ms| Value::from(format!("{}Z", format_timestamp(ms)));
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.into(), value);
    put("id", token.friendly_id().into());
    put("type", "MANUAL".into());
    put("url", callback_url(&context.engine, token, origin)?.into());
    put("status", status_of(token, context.engine.now_ms()).into());
    put("idempotencyKey", token.idempotency.0.as_str().into());
    put("userProvidedIdempotencyKey", token.idempotency.1.into());
    if let Some(data) = outcome.as_ref().and_then(|outcome| outcome.output.data.as_deref()) {
        put("output", data.into());
    }
    let data_type = outcome.as_ref().map_or("application/json", |outcome| &outcome.output.data_type);
    put("outputType", data_type.into());
    put("outputIsError", outcome.as_ref().is_some_and(|outcome| outcome.is_timeout).into());
    if let Some(timeout_ms) = token.timeout_ms {
        put("timeoutAt", time(timeout_ms));
        put("completedAfter", time(timeout_ms));
    }
    if let Some(outcome) = &outcome {
        put("completedAt", time(outcome.at_ms));
    }
    put("createdAt", time(token.created_ms));
    put("tags", token.tags.clone().into());
    Ok(Value::Object(shown))
}

/// A token's status.
pub(super) fn status_of(token: &Token, now_ms: u64) -> &'static str {
    match token.outcome(now_ms) {
        None => "WAITING",
        Some(outcome) if outcome.is_timeout => "TIMED_OUT",
        Some(_) => "COMPLETED",
    }
}

/// The URL that completes a token without a key.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn callback_url(engine: &Engine, token: &Token, origin: &str) -> Result<String> {
    let id = token.friendly_id();
    Ok(format!("{origin}/api/v1/waitpoints/tokens/{id}/callback/{}", hash_of(engine, token)?))
}

fn hash_of(engine: &Engine, token: &Token) -> Result<String> {
    let environment = &engine.environments[token.environment];
    jwt::hex_mac(&token.friendly_id(), environment.root_key.expose().as_bytes())
}

/// Completes a token.
pub(super) async fn complete(context: &Context, request: &Request, id: &str, incoming: RequestBody) -> Response {
    if request.method == Method::OPTIONS {
        return Response::preflight();
    }
    if request.method != Method::POST {
        return Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let answer = match read_body(incoming).await {
        Ok(bytes) => completed(context, &caller, id, &bytes),
        Err(answer) => answer,
    };
    limited(answer, context, Some(&caller))
}

fn completed(context: &Context, caller: &Caller<'_>, id: &str, bytes: &[u8]) -> Response {
    if !caller.may("write", &[Resource::one("waitpoints", id)]) {
        return Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string());
    }
    let Some(token) = context.engine.waitpoints.find(caller.index, id) else {
        return Response::api_error(StatusCode::NOT_FOUND, "Waitpoint not found");
    };
    let given = match parse_object(bytes) {
        Ok(given) => given,
        Err(why) => return Response::api_error(StatusCode::BAD_REQUEST, why),
    };
    // A token that has ended stays as it is, without an error (docs/server-protocol.md 6).
    token.complete(context.engine.now_ms(), given.get("data"));
    Response::api(StatusCode::OK, json!({ "success": true }).to_string())
}

/// Completes a token by its callback URL. The hash is the credential.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn callback(
    context: &Context,
    request: &Request,
    id: &str,
    hash: &str,
    incoming: RequestBody,
) -> Result<Response> {
    if request.method != Method::POST {
        return Ok(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED));
    }
    let Some(token) = context.engine.waitpoints.find_any(id) else {
        return Ok(Response::error(StatusCode::NOT_FOUND, "Waitpoint not found"));
    };
    if hash_of(&context.engine, &token)? != hash {
        return Ok(Response::error(StatusCode::UNAUTHORIZED, "Invalid URL, hash doesn't match"));
    }
    let bytes = match read_body(incoming).await {
        Ok(bytes) => bytes,
        Err(answer) => return Ok(answer),
    };
    let data: Option<Value> = serde_json::from_slice(&bytes).ok();
    token.complete(context.engine.now_ms(), data.as_ref());
    Ok(Response::json(StatusCode::OK, json!({ "success": true }).to_string()))
}
