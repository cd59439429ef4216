//! `PUT /api/v2/packets/{name}`, `GET /api/v1/packets/{name}` and
//! `GET /api/v1/runs/{id}/packets/{field}`: signed URLs of stored packets
//! (docs/server-protocol.md 4 and 6; recorded: `calls-trigger`, `run-packet-types`).

use http::{Method, StatusCode};
use serde_json::json;

use super::Context;
use super::feed::may_read;
use crate::emulator::access::Refusal;
use crate::emulator::column::Column;
use crate::emulator::object;
use crate::error::Result;
use crate::serve::Request;
use crate::serve::Response;
use crate::token::Resource;

/// A URL to upload a packet to.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn upload(context: &Context, request: &Request, name: &str) -> Result<Response> {
    if request.method != Method::PUT {
        return Ok(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED));
    }
    let caller = match request.caller(context) {
        Ok(caller) if !caller.is_public() => caller,
        Ok(_) | Err(_) => return Ok(Response::error(StatusCode::UNAUTHORIZED, Refusal::Missing.text())),
    };
    if !object::is_name(name) {
        return Ok(Response::error(StatusCode::BAD_REQUEST, "Invalid packet storage path"));
    }
    let path = object::path_of(&caller.environment.id, name);
    let url = context.engine.objects.sign(&request.origin, "PUT", &path, context.engine.now_ms())?;
    let body = json!({ "presignedUrl": url, "storagePath": name });
    Ok(Response::json(StatusCode::OK, body.to_string()))
}

/// A URL to download a packet, by its name.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn url(context: &Context, request: &Request, name: &str) -> Result<Response> {
    if let Err(answer) = request.only_reads() {
        return Ok(answer);
    }
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => return Ok(Response::api_error(StatusCode::UNAUTHORIZED, refusal.text())),
    };
    if !object::is_name(name) {
        return Ok(Response::api_error(StatusCode::BAD_REQUEST, "Invalid packet storage path"));
    }
    // A packet's name begins with its run's id, sometimes with an attempt number after it.
    let owner = name.split('/').next().unwrap_or_default();
    let run = owner.split('-').next().unwrap_or_default();
    if !caller.may("read", &[Resource::one("runs", run)]) {
        return Ok(Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string()));
    }
    let path = object::path_of(&caller.environment.id, name);
    let url = context.engine.objects.sign(&request.origin, "GET", &path, context.engine.now_ms())?;
    Ok(Response::api(StatusCode::OK, json!({ "presignedUrl": url }).to_string()))
}

/// A URL to download a run's payload or output, as newer servers have it.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn of_run(context: &Context, request: &Request, id: &str, field: &str) -> Result<Response> {
    if let Err(answer) = request.only_reads() {
        return Ok(answer);
    }
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => return Ok(Response::api_error(StatusCode::UNAUTHORIZED, refusal.text())),
    };
    let missing = || Ok(Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "false"));
    let (data, data_type) = match field {
        "payload" => (Column::Payload, Column::PayloadType),
        "output" => (Column::Output, Column::OutputType),
        _ => return missing(),
    };
    let Some(run) = context.engine.store.find(id).filter(|run| run.environment == caller.index) else {
        return missing();
    };
    // A column that the token leaves out is not shown.
    let is_skipped = caller.skipped_columns().any(|name| name == data.name());
    if is_skipped || !may_read(&caller, &run) {
        return Ok(Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string()));
    }
    let row = run.row();
    let Some(name) = row.get(data).filter(|_| row.get(data_type) == Some("application/store")) else {
        return missing();
    };
    let path = object::path_of(&caller.environment.id, name);
    let url = context.engine.objects.sign(&request.origin, "GET", &path, context.engine.now_ms())?;
    Ok(Response::api(StatusCode::OK, json!({ "presignedUrl": url }).to_string()))
}
