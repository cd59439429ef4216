//! The emulator's own calls for tests: records of streams, batches, stored packets, limits and faults.

use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Context;
use super::control::{columns, owner, refused};
use crate::emulator::batch::Batch;
use crate::emulator::fault;
use crate::emulator::ident;
use crate::emulator::object::{self, Object};
use crate::serve::Response;
use crate::serve::stream::{StreamName, StreamVersion};
use crate::serve::{Request, RequestBody, read_body};

/// The body of `POST /emulator/runs/{id}/streams/{key}`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Records {
    #[serde(default)]
    records: Vec<RawRecord>,
    /// Drops the records before this number, v2.
    trim: Option<u64>,
}

/// A record in the body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecord {
    /// Its text: lines in v1, the record's body in v2.
    body: Option<String>,
    /// A value in the form of the official writers, in place of `body`.
    data: Option<Value>,
    /// The id of the append of `data`, v2.
    id: Option<String>,
    /// Its headers, v2.
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// Its time, in Unix milliseconds; now by default.
    timestamp: Option<u64>,
}

/// `POST /emulator/runs/{id}/streams/{key}` and `…/input/{key}`: appends records to a stream.
pub(super) async fn records(
    context: &Context,
    request: &Request,
    id: &str,
    name: StreamName,
    incoming: RequestBody,
) -> Response {
    if request.method != Method::POST {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "POST appends records");
    }
    let Some(environment) = owner(context, request) else { return refused() };
    let Some(run) = context.engine.store.find(id).filter(|run| run.environment == environment) else {
        return Response::error(StatusCode::NOT_FOUND, "there is no such run");
    };
    let bytes = match read_body(incoming).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    let given: Records = match serde_json::from_slice(&bytes) {
        Ok(given) => given,
        Err(error) => return Response::error(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let version = match &name {
        StreamName::Output(key) => {
            run.announce(context.engine.now_ms(), key);
            run.streams
        }
        StreamName::Input(_) => StreamVersion::V2,
    };
    let log = run.stream(name);
    for record in given.records {
        let at = record.timestamp.unwrap_or_else(|| context.engine.now_ms());
        match (version, record.data) {
            (StreamVersion::V1, Some(data)) => log.append_lines(at, data.to_string()),
            (StreamVersion::V1, None) => log.append_lines(at, record.body.unwrap_or_default()),
            (StreamVersion::V2, Some(data)) => {
                log.append_value(at, &data, &record.id.unwrap_or_else(ident::part_id));
            }
            (StreamVersion::V2, None) => log.append(at, record.body, record.headers),
        }
    }
    if let Some(number) = given.trim {
        log.trim(number);
    }
    Response::json(StatusCode::OK, json!({ "tail": log.tail().0 }).to_string())
}

/// `POST /emulator/batches`: makes a batch, `{"id"}`, for runs without a trigger.
pub(super) async fn batch(context: &Context, request: &Request, incoming: RequestBody) -> Response {
    if request.method != Method::POST {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "POST makes a batch");
    }
    let Some(environment) = owner(context, request) else { return refused() };
    let given = match columns(incoming).await {
        Ok(given) => given,
        Err(answer) => return answer,
    };
    let Some(id) = given.get("id").and_then(Value::as_str).filter(|id| !id.is_empty() && given.len() == 1) else {
        return Response::error(StatusCode::BAD_REQUEST, "the body is {\"id\": the batch's id}");
    };
    let engine = &context.engine;
    if engine.batches.find(environment, id).is_some() {
        return Response::error(StatusCode::CONFLICT, "there is a batch with this id");
    }
    engine.batches.insert(Batch::new(id.to_owned(), environment, 0, engine.now_ms()), None);
    Response::json(StatusCode::CREATED, json!({ "id": id }).to_string())
}

/// `PUT /emulator/objects/{name}`: stores a packet, as a worker does.
pub(super) async fn object(context: &Context, request: &Request, name: &str, incoming: RequestBody) -> Response {
    if request.method != Method::PUT {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "PUT stores a packet");
    }
    let Some(environment) = owner(context, request) else { return refused() };
    if !object::is_name(name) {
        return Response::error(StatusCode::BAD_REQUEST, "this cannot be a packet's name");
    }
    let data = match read_body(incoming).await {
        Ok(data) => data,
        Err(answer) => return answer,
    };
    let content_type = request.header("content-type").unwrap_or("application/json").to_owned();
    let path = object::path_of(&context.engine.environments[environment].id, name);
    context.engine.objects.put(&path, Object { content_type, data });
    Response::json(StatusCode::OK, json!({ "storagePath": name }).to_string())
}

/// `PUT /emulator/limits`: sets the limit of the caller's environment, `{"maxConnections": n}`, null for none. `GET`
/// shows `{"live", "peak", "refused"}`: how many live requests there are, were at most, and were refused.
pub(super) async fn limits(context: &Context, request: &Request, incoming: RequestBody) -> Response {
    let Some(environment) = owner(context, request) else { return refused() };
    let limit = &context.limits[environment];
    if request.method == Method::PUT {
        let given = match columns(incoming).await {
            Ok(given) => given,
            Err(answer) => return answer,
        };
        let most = match given.get("maxConnections") {
            Some(Value::Null) if given.len() == 1 => None,
            Some(Value::Number(most)) if given.len() == 1 && most.is_u64() => {
                most.as_u64().and_then(|most| usize::try_from(most).ok())
            }
            _ => return Response::error(StatusCode::BAD_REQUEST, "the body is {\"maxConnections\": a number or null}"),
        };
        limit.set(most);
    } else if request.method != Method::GET {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "PUT sets the limits, GET shows the live requests");
    }
    let counts = json!({ "live": limit.live(), "peak": limit.peak(), "refused": limit.refused() });
    Response::json(StatusCode::OK, counts.to_string())
}

/// `PUT /emulator/faults`: replaces the active faults, `{"faults": […]}`.
pub(super) async fn faults(context: &Context, request: &Request, incoming: RequestBody) -> Response {
    if request.method != Method::PUT {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "PUT switches faults on and off");
    }
    if owner(context, request).is_none() {
        return refused();
    }
    let mut given = match columns(incoming).await {
        Ok(given) => given,
        Err(answer) => return answer,
    };
    let faults = given.remove("faults").filter(|_| given.is_empty());
    let faults: Vec<fault::FaultOptions> = match faults.map(serde_json::from_value) {
        Some(Ok(faults)) => faults,
        Some(Err(error)) => return Response::error(StatusCode::BAD_REQUEST, &error.to_string()),
        None => return Response::error(StatusCode::BAD_REQUEST, "the body is {\"faults\": an array}"),
    };
    let count = faults.len();
    match context.faults.set(faults) {
        Ok(()) => Response::json(StatusCode::OK, json!({ "faults": count }).to_string()),
        Err(why) => Response::error(StatusCode::BAD_REQUEST, &why),
    }
}
