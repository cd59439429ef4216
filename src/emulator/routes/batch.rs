//! `POST /api/v3/batches`, `GET /api/v2/batches/{id}` and `GET /api/v1/batches/{id}/results`
//! (docs/server-protocol.md 6; recorded: `calls-batch`).

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Context;
use super::caller::limited;
use super::json_body::parse_object;
use super::result::of_run;
use crate::emulator::access::Caller;
use crate::emulator::batch::Batch;
use crate::emulator::{ident, jwt, validate};
use crate::error::Result;
use crate::serve::Response;
use crate::serve::{Request, RequestBody, read_body};
use crate::timestamp::format_timestamp;
use crate::token::Resource;

/// The most items of a batch.
const MAX_ITEMS: u64 = 1_000;
/// The life of the public token in the response, in seconds (docs/server-protocol.md 3).
const TOKEN_LIFE_S: u64 = 3_600;

/// Makes a batch without items.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) async fn create(context: &Context, request: &Request, incoming: RequestBody) -> Result<Response> {
    if request.method == Method::OPTIONS {
        return Ok(Response::preflight());
    }
    if request.method != Method::POST {
        return Ok(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED));
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return Ok(answer),
    };
    let answer = match read_body(incoming).await {
        Ok(bytes) => create_batch(context, &caller, &bytes)?,
        Err(answer) => answer,
    };
    Ok(limited(answer, context, Some(&caller)))
}

fn create_batch(context: &Context, caller: &Caller<'_>, bytes: &[u8]) -> Result<Response> {
    let given = match parse_object(bytes) {
        Ok(given) => given,
        Err(why) => return Ok(Response::api_error(StatusCode::BAD_REQUEST, why)),
    };
    if let Err(why) = validate::idempotency_key(&given, "") {
        return Ok(Response::api_error(StatusCode::BAD_REQUEST, &why));
    }
    let (count, tasks) = match read(&given) {
        Ok(read) => read,
        Err(why) => return Ok(Response::api_error(StatusCode::BAD_REQUEST, &format!("Validation error: {why}"))),
    };
    if count > MAX_ITEMS {
        let why = format!("Batch runCount of {count} exceeds maximum allowed of {MAX_ITEMS}.");
        return Ok(Response::api_error(StatusCode::BAD_REQUEST, &why));
    }
    let resources: Vec<Resource<'_>> = if tasks.is_empty() {
        vec![Resource::every("tasks")]
    } else {
        tasks.iter().map(|task| Resource::one("tasks", task)).collect()
    };
    if !may_batch(caller, &resources) {
        return Ok(Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string()));
    }
    let engine = &context.engine;
    let now = engine.now_ms();
    let key = given.get("idempotencyKey").and_then(Value::as_str).filter(|key| !key.is_empty());
    let refuse = |with: &str| {
        let text = format!("Cannot create batch {with}.");
        Ok(Response::api_error(StatusCode::UNPROCESSABLE_ENTITY, &text))
    };
    if let Some((digest, until)) = context.one_time(caller)?
        && !engine.store.use_up(digest, until, now)
    {
        return refuse("with a one-time use token as it has already been used");
    }
    let id = format!("batch_{}", ident::database_id());
    let batch = Batch::new(id, caller.index, usize::try_from(count).unwrap_or(usize::MAX), now);
    let Some(batch) = engine.batches.insert(batch, key) else {
        return refuse("as it has already been created with the same idempotency key");
    };
    let mut answer = Map::new();
    answer.insert("id".into(), batch.id.as_str().into());
    answer.insert("runCount".into(), count.into());
    answer.insert("isCached".into(), false.into());
    if let Some(key) = key {
        answer.insert("idempotencyKey".into(), key.into());
    }
    let environment = caller.environment;
    let named = json!({ "sub": environment.id, "pub": true }).to_string();
    let claims = json!({ "sub": environment.id, "pub": true, "scopes": [format!("read:batch:{}", batch.id)] });
    let issued_s = now / 1000;
    let claims = claims.as_object().cloned().unwrap_or_default();
    let token = jwt::mint(claims, &environment.root_key, issued_s, issued_s + TOKEN_LIFE_S)?;
    Ok(Response::api(StatusCode::ACCEPTED, Value::Object(answer).to_string())
        .with("x-trigger-jwt", &token)
        .with("x-trigger-jwt-claims", &named))
}

/// Whether the caller may trigger these tasks in a batch (docs/server-protocol.md 8).
pub(super) fn may_batch(caller: &Caller<'_>, resources: &[Resource<'_>]) -> bool {
    let may_write = caller.may("write", resources) || caller.may("write", &[Resource::every("batch")]);
    may_write || caller.may("batchTrigger", resources)
}

/// Parses the count and the tasks. `Err` lists everything that is wrong.
fn read(given: &Map<String, Value>) -> std::result::Result<(u64, Vec<&str>), String> {
    let mut wrong = Vec::new();
    let count = match given.get("runCount") {
        None => Err("Required at \"runCount\""),
        Some(Value::Number(number)) => match number.as_u64() {
            Some(count) if count > 0 => Ok(count),
            Some(_) => Err("Number must be greater than 0 at \"runCount\""),
            None if number.is_i64() => Err("Number must be greater than 0 at \"runCount\""),
            None => Err("Expected integer, received float at \"runCount\""),
        },
        Some(_) => Err("Expected number at \"runCount\""),
    };
    let tasks: Vec<&str> = match given.get("taskIdentifiers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) if items.is_empty() => {
            wrong.push("Array must contain at least 1 element(s) at \"taskIdentifiers\"");
            Vec::new()
        }
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
        Some(_) => {
            wrong.push("Expected array at \"taskIdentifiers\"");
            Vec::new()
        }
    };
    match count {
        Ok(count) if wrong.is_empty() => Ok((count, tasks)),
        Ok(_) => Err(wrong.join("; ")),
        Err(first) => {
            wrong.insert(0, first);
            Err(wrong.join("; "))
        }
    }
}

/// Shows a batch. Version 1 of the call shows fewer fields.
pub(super) fn retrieve(context: &Context, request: &Request, id: &str, version: Version) -> Response {
    if let Err(answer) = request.only_reads() {
        return answer;
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let answer = match context.engine.batches.find(caller.index, id) {
        // The server assumes that a replica does not have the batch yet.
        None => Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "true"),
        Some(_) if !caller.may("read", &[Resource::one("batch", id), Resource::every("runs")]) => {
            Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string())
        }
        Some(batch) => Response::api(StatusCode::OK, shown(context, &batch, version).to_string()),
    };
    limited(answer, context, Some(&caller))
}

/// The versions of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Without `processing`.
    V1,
    /// The version of current clients.
    V2,
}

fn shown(context: &Context, batch: &Batch, version: Version) -> Value {
    let items = batch.items();
    let runs: Vec<_> = items.runs.iter().filter_map(|id| context.engine.store.find(id)).collect();
    let is_over = items.sealed_ms.is_some() && runs.iter().all(|run| run.is_over());
    let time = |ms| format!("{}Z", format_timestamp(ms));
    let begun = items.sealed_ms.unwrap_or(batch.created_ms);
    // The server updates a batch when its last run ends.
    let last = runs.iter().map(|run| run.row().updated_ms()).max().filter(|_| is_over).unwrap_or(begun);
    let mut shown = Map::new();
    shown.insert("id".into(), batch.id.as_str().into());
    shown.insert("status".into(), if is_over { "COMPLETED" } else { "PENDING" }.into());
    shown.insert("createdAt".into(), time(batch.created_ms).into());
    shown.insert("updatedAt".into(), time(last.max(begun)).into());
    let mut processing = Map::new();
    if let Some(sealed) = items.sealed_ms.filter(|_| version == Version::V2) {
        shown.insert("processingCompletedAt".into(), time(sealed).into());
        processing.insert("completedAt".into(), time(sealed).into());
    }
    processing.insert("errors".into(), items.errors.into());
    shown.insert("runCount".into(), batch.run_count.into());
    shown.insert("runs".into(), items.runs.into());
    if version == Version::V2 {
        shown.insert("processing".into(), processing.into());
    }
    Value::Object(shown)
}

/// The results of a batch's runs, as far as this old call has them.
pub(super) fn results(context: &Context, request: &Request, id: &str) -> Response {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let caller = match request.key_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let batch = context.engine.batches.find(caller.index, id);
    let batch = batch.filter(|_| caller.may("read", &[Resource::one("batch", id), Resource::every("runs")]));
    let answer = match batch {
        None => Response::error(StatusCode::NOT_FOUND, "Batch not found"),
        Some(batch) => {
            let runs = batch.items().runs;
            let results: Vec<Value> = runs.iter().filter_map(|id| of_run(&*context.engine.store.find(id)?)).collect();
            Response::json(StatusCode::OK, json!({ "id": batch.id, "items": results }).to_string())
        }
    };
    limited(answer, context, Some(&caller))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::access::{Credential, Environment};
    use crate::secret::Secret;

    #[test]
    fn a_batch_is_open_to_scopes_of_writing_and_to_those_of_its_tasks() {
        let environment = Environment {
            id: "env_1".into(),
            root_key: Secret::new("tr_dev_root"),
            additional_keys: Vec::new(),
            max_connections: None,
        };
        let (ours, all) = ([Resource::one("tasks", "a")], [Resource::every("tasks")]);
        for (scope, may_ours, may_all) in [
            ("batchTrigger:tasks:a", true, false),
            ("batchTrigger:tasks:b", false, false),
            ("batchTrigger:tasks", true, true),
            ("write:tasks", true, true),
            ("write:batch", true, true),
            ("trigger:tasks:a", false, false),
            ("read:batch", false, false),
        ] {
            let credential = Credential::Additional(vec![scope.to_owned()]);
            let caller = Caller { environment: &environment, index: 0, credential };
            assert_eq!((may_batch(&caller, &ours), may_batch(&caller, &all)), (may_ours, may_all), "{scope}");
        }
    }
}
