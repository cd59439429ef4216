//! `POST /api/v1/auth/public-tokens`: tokens for keys that cannot sign (docs/server-protocol.md 2).

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Context;
use super::caller::limited;
use crate::emulator::access::{Caller, Credential, Refusal};
use crate::emulator::jwt;
use crate::error::Result;
use crate::serve::Response;
use crate::serve::{Request, RequestBody, read_body};
use crate::token::{Resource, Scope, parse_period};

const LIFE_S: u64 = 900;
const MAX_LIFE_S: u64 = 30 * 86_400;

/// Answers the call. Public tokens are refused.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn handle(context: &Context, request: &Request, incoming: RequestBody) -> Result<Response> {
    if request.method == Method::OPTIONS {
        return Ok(Response::wrong_method(StatusCode::BAD_REQUEST));
    }
    if !request.headers.contains_key("authorization") {
        return Ok(Response::no_authorization());
    }
    let caller = request.caller(context);
    if request.method != Method::POST {
        return Ok(limited(Response::wrong_method(StatusCode::BAD_REQUEST), context, caller.as_ref().ok()));
    }
    let caller = match caller {
        Ok(caller) if !caller.is_public() => caller,
        Ok(caller) => {
            let answer = Response::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text());
            return Ok(limited(answer, context, Some(&caller)));
        }
        Err(_) => {
            let answer = Response::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text());
            return Ok(limited(answer, context, None));
        }
    };
    let answer = match read_body(incoming).await {
        Ok(bytes) => mint(context, &caller, &bytes)?,
        Err(answer) => answer,
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn mint(context: &Context, caller: &Caller<'_>, bytes: &[u8]) -> Result<Response> {
    let now_s = context.engine.now_ms() / 1000;
    let bad = |text: &str| Ok(Response::error(StatusCode::BAD_REQUEST, text));
    let Ok(Value::Object(given)) = serde_json::from_slice(bytes) else {
        return bad("Invalid request body");
    };
    let scopes = match scopes_of(&given) {
        Ok(scopes) => scopes,
        Err(issue) => return Ok(invalid(&issue)),
    };
    let expires_s = match expiry_of(given.get("expirationTime"), now_s) {
        Ok(expires_s) => expires_s,
        Err(Expiry::Invalid) => return bad("Invalid expiration time"),
        Err(Expiry::Past) => return bad("Expiration time must be in the future"),
        Err(Expiry::TooLong) => return bad("Expiration time cannot exceed 30 days"),
        Err(Expiry::WrongType(issue)) => return Ok(invalid(&issue)),
    };
    let denied: Vec<&str> = scopes.iter().copied().filter(|scope| !may_pass_on(caller, scope)).collect();
    if !denied.is_empty() {
        let body = json!({
            "error": "Requested scopes exceed the API key's access",
            "code": "scopes_exceed_key_access",
            "deniedScopes": denied,
        });
        return Ok(Response::json(StatusCode::FORBIDDEN, body.to_string()));
    }
    let mut claims = Map::new();
    claims.insert("sub".into(), caller.environment.id.as_str().into());
    claims.insert("pub".into(), true.into());
    claims.insert("scopes".into(), scopes.into());
    if given.get("oneTimeUse") == Some(&Value::Bool(true)) {
        claims.insert("otu".into(), true.into());
    }
    if let Some(realtime) = given.get("realtime").filter(|realtime| realtime.is_object()) {
        claims.insert("realtime".into(), realtime.clone());
    }
    let token = jwt::mint(claims, &caller.environment.root_key, now_s, expires_s)?;
    Ok(Response::json(StatusCode::OK, json!({ "token": token }).to_string()))
}

/// Whether the key has the scope itself. A root key has every scope that names a type.
fn may_pass_on(caller: &Caller<'_>, text: &str) -> bool {
    let scope = Scope::parse(text);
    match (scope.kind, &caller.credential) {
        (Some(kind), _) => caller.may(scope.action, &[Resource { kind, id: scope.id }]),
        (None, Credential::Root) => text == "admin",
        (None, Credential::Additional(_) | Credential::Public { .. }) => false,
    }
}

fn scopes_of(given: &Map<String, Value>) -> std::result::Result<Vec<&str>, Value> {
    let wrong_type = |expected: &str, received: Option<&Value>, path: Value| {
        let name = type_name(received);
        let message =
            if received.is_some() { format!("Expected {expected}, received {name}") } else { "Required".into() };
        json!({ "code": "invalid_type", "expected": expected, "received": name, "path": path, "message": message })
    };
    let Some(Value::Array(items)) = given.get("scopes") else {
        return Err(wrong_type("array", given.get("scopes"), json!(["scopes"])));
    };
    if items.is_empty() {
        return Err(json!({
            "code": "too_small", "minimum": 1, "type": "array", "inclusive": true, "exact": false,
            "message": "Array must contain at least 1 element(s)", "path": ["scopes"],
        }));
    }
    items
        .iter()
        .enumerate()
        .map(|(index, item)| item.as_str().ok_or_else(|| wrong_type("string", Some(item), json!(["scopes", index]))))
        .collect()
}

enum Expiry {
    Invalid,
    Past,
    TooLong,
    WrongType(Value),
}

fn expiry_of(given: Option<&Value>, now_s: u64) -> std::result::Result<u64, Expiry> {
    let expires_s = match given {
        None => return Ok(now_s + LIFE_S),
        Some(Value::String(text)) => {
            let seconds = parse_period(text).map_err(|_| Expiry::Invalid)?;
            now_s.checked_add_signed(seconds).ok_or(Expiry::Past)?
        }
        Some(Value::Number(number)) => match number.as_f64() {
            // An overflow is too long; a time before 1970 is past.
            Some(seconds) if seconds >= 0.0 => {
                Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |since| since.as_secs())
            }
            Some(_) | None => return Err(Expiry::Past),
        },
        Some(other) => return Err(Expiry::WrongType(union_issue(type_name(Some(other))))),
    };
    if expires_s <= now_s {
        Err(Expiry::Past)
    } else if expires_s > now_s + MAX_LIFE_S {
        Err(Expiry::TooLong)
    } else {
        Ok(expires_s)
    }
}

/// The issue of a value that has neither type of an expiry, in the server's words.
fn union_issue(received: &str) -> Value {
    let one = |expected: &str| {
        json!({
            "issues": [{
                "code": "invalid_type", "expected": expected, "received": received, "path": ["expirationTime"],
                "message": format!("Expected {expected}, received {received}"),
            }],
            "name": "ZodError",
        })
    };
    json!({
        "code": "invalid_union", "unionErrors": [one("string"), one("number")],
        "path": ["expirationTime"], "message": "Invalid input",
    })
}

fn invalid(issue: &Value) -> Response {
    Response::json(StatusCode::BAD_REQUEST, json!({ "error": "Invalid request body", "issues": [issue] }).to_string())
}

fn type_name(value: Option<&Value>) -> &'static str {
    match value {
        None => "undefined",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "boolean",
        Some(Value::Number(_)) => "number",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "array",
        Some(Value::Object(_)) => "object",
    }
}
