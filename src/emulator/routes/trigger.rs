//! `POST /api/v1/tasks/{id}/trigger`.

use std::sync::Arc;

use http::{Method, StatusCode};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use super::Context;
use super::request::{Request, body, limited};
use crate::emulator::access::{Caller, Environment};
use crate::emulator::answer::Answer;
use crate::emulator::clock::from_wire;
use crate::emulator::column::Column;
use crate::emulator::driver::{self, Plan};
use crate::emulator::packet::Packet;
use crate::emulator::row::Row;
use crate::emulator::store::{Placed, Terms};
use crate::emulator::{ident, jwt, period};
use crate::error::Result;
use crate::token::Resource;

const MAX_TAGS: usize = 10;
const TAG_LENGTH: usize = 128;
const METADATA_BYTES: usize = 256 * 1024;
/// How long an idempotency key counts unless the trigger says otherwise: 30 days.
const IDEMPOTENCY_MS: u64 = 30 * 86_400_000;
/// The life of the token that comes back with a run (protocol.md 3).
const TOKEN_LIFE_S: u64 = 3_600;
/// The ttl that the development environment gives a run that has none (recorded).
const DEVELOPMENT_TTL: &str = "10m";

/// Answers the call.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn handle(context: &Context, request: &Request, task: &str, incoming: Incoming) -> Result<Answer> {
    if request.method == Method::OPTIONS {
        return Ok(Answer::preflight());
    }
    if request.method != Method::POST {
        return Ok(limited(Answer::empty(StatusCode::METHOD_NOT_ALLOWED), context, None));
    }
    if !request.headers.contains_key("authorization") {
        return Ok(Answer::no_authorization());
    }
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => {
            return Ok(limited(Answer::api_error(StatusCode::UNAUTHORIZED, refusal.text()), context, None));
        }
    };
    let answer = match body(incoming).await {
        Ok(bytes) => place(context, &caller, task, &bytes)?,
        Err(answer) => answer,
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn place(context: &Context, caller: &Caller<'_>, task: &str, bytes: &[u8]) -> Result<Answer> {
    let Ok(Value::Object(given)) = serde_json::from_slice(bytes) else {
        return Ok(Answer::api_error(StatusCode::BAD_REQUEST, "Invalid JSON"));
    };
    if !caller.may("trigger", &[Resource::one("tasks", task)]) {
        return Ok(Answer::api(StatusCode::FORBIDDEN, Answer::forbidden().to_string()));
    }
    let now = context.clock.now_ms();
    let wanted = match Wanted::read(&given, now) {
        Ok(wanted) => wanted,
        Err((status, text)) => return Ok(Answer::api_error(status, &text)),
    };
    let terms = Terms {
        idempotency: wanted.idempotency.clone(),
        one_time: match caller.one_time_token() {
            Some(token) => Some((jwt::mac(token.expose(), &context.digest_key)?, caller.expires_ms())),
            None => None,
        },
    };
    let row = wanted.row(task, caller.environment, now);
    let ttl_ms = row.get(Column::Ttl).and_then(period::span_ms);
    let (run, is_cached) = match context.store.place(row, caller.index, terms, now) {
        Placed::New(run) => (run, false),
        Placed::Cached(run) => (run, true),
        Placed::TokenUsed => {
            let text = format!("Cannot trigger {task} with a one-time use token as it has already been used.");
            return Ok(Answer::api_error(StatusCode::UNPROCESSABLE_ENTITY, &text));
        }
    };
    if !is_cached && let Some(script) = context.tasks.find(task) {
        let plan = Plan {
            task: script,
            payload: wanted.payload,
            delay_until_ms: wanted.delay_until_ms,
            ttl_ms,
            speed: context.speed,
        };
        driver::spawn(driver::drive(Arc::clone(&run), plan, context.clock.clone()), &context.stop);
    }
    let id = run.row().get(Column::FriendlyId).unwrap_or_default().to_owned();
    accepted(caller.environment, &id, is_cached, now)
}

/// The answer with the run's own public token in `x-trigger-jwt` (protocol.md 6).
fn accepted(environment: &Environment, id: &str, is_cached: bool, now_ms: u64) -> Result<Answer> {
    let claims = json!({
        "sub": environment.id,
        "pub": true,
        "scopes": [format!("read:runs:{id}"), format!("write:inputStreams:{id}")],
    });
    let claims_text = claims.to_string();
    let issued_s = now_ms / 1000;
    let claims = claims.as_object().cloned().unwrap_or_default();
    let token = jwt::mint(claims, &environment.root_key, issued_s, issued_s + TOKEN_LIFE_S)?;
    Ok(Answer::api(StatusCode::OK, json!({ "id": id, "isCached": is_cached }).to_string())
        .with("x-trigger-jwt", &token)
        .with("x-trigger-jwt-claims", &claims_text))
}

/// What a trigger asks for.
struct Wanted {
    payload: Packet,
    tags: Vec<String>,
    metadata: Option<(String, String)>,
    delay_until_ms: Option<u64>,
    ttl: Option<String>,
    is_test: bool,
    idempotency: Option<(String, u64)>,
}

type Refused = (StatusCode, String);

impl Wanted {
    fn read(given: &Map<String, Value>, now_ms: u64) -> std::result::Result<Self, Refused> {
        let empty = Map::new();
        let options = match given.get("options") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(options)) => options,
            Some(_) => {
                return Err((
                    StatusCode::BAD_REQUEST,
                    "Validation error: Expected object, received another type at \"options\"".into(),
                ));
            }
        };
        let text = |name: &str| options.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let data_type = text("payloadType").unwrap_or("application/json").to_owned();
        let data = match given.get("payload") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(value) => Some(value.to_string()),
        };
        let idempotency = text("idempotencyKey").map(|key| {
            let life = text("idempotencyKeyTTL").and_then(period::span_ms).unwrap_or(IDEMPOTENCY_MS);
            (key.to_owned(), now_ms.saturating_add(life))
        });
        Ok(Self {
            payload: Packet { data, data_type },
            tags: read_tags(options.get("tags"))?,
            metadata: read_metadata(options, text("metadataType"))?,
            // What cannot be read is no delay, as on the server (recorded: "soon" is accepted).
            delay_until_ms: text("delay")
                .and_then(|delay| {
                    from_wire(delay).or_else(|| period::span_ms(delay).map(|ms| now_ms.saturating_add(ms)))
                })
                .filter(|until| *until > now_ms),
            ttl: match options.get("ttl") {
                Some(Value::Number(seconds)) => Some(format!("{seconds}s")),
                Some(Value::String(text)) => Some(text.clone()),
                _ => None,
            },
            is_test: options.get("test").and_then(Value::as_bool).unwrap_or(false),
            idempotency,
        })
    }

    fn row(&self, task: &str, environment: &Environment, now_ms: u64) -> Row {
        let id = ident::database_id();
        let mut row = Row::new(&id, &format!("run_{id}"), task, now_ms);
        row.set(Column::Payload, self.payload.data.as_deref());
        row.set(Column::PayloadType, Some(&self.payload.data_type));
        row.set_tags(self.tags.clone());
        if let Some((data, data_type)) = &self.metadata {
            row.set(Column::Metadata, Some(data));
            row.set(Column::MetadataType, Some(data_type));
        }
        if self.is_test {
            row.set(Column::IsTest, Some("t"));
        }
        let is_development = environment.root_key.expose().starts_with("tr_dev_");
        row.set(Column::Ttl, self.ttl.as_deref().or(is_development.then_some(DEVELOPMENT_TTL)));
        if self.delay_until_ms.is_some() {
            row.set(Column::Status, Some("DELAYED"));
            row.set_time(Column::DelayUntil, self.delay_until_ms);
            row.set_time(Column::QueuedAt, None);
        }
        row
    }
}

fn read_tags(tags: Option<&Value>) -> std::result::Result<Vec<String>, Refused> {
    let tags: Vec<String> = match tags {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(tag)) => vec![tag.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => {
            return Err((StatusCode::BAD_REQUEST, "Validation error: Invalid input at \"options.tags\"".into()));
        }
    };
    if let Some(index) = tags.iter().position(|tag| tag.chars().count() >= TAG_LENGTH) {
        return Err((
            StatusCode::BAD_REQUEST,
            format!("Validation error: Tags must be less than {TAG_LENGTH} characters at \"options.tags[{index}]\""),
        ));
    }
    if tags.len() > MAX_TAGS {
        return Err((
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("Runs can only have {MAX_TAGS} tags, you're trying to set {}.", tags.len()),
        ));
    }
    Ok(tags)
}

fn read_metadata(
    options: &Map<String, Value>,
    data_type: Option<&str>,
) -> std::result::Result<Option<(String, String)>, Refused> {
    let data = match options.get("metadata") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    if data.len() > METADATA_BYTES {
        let text = format!("Metadata exceeds maximum size of {METADATA_BYTES} bytes");
        return Err((StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(Some((data, data_type.unwrap_or("application/json").to_owned())))
}
