//! The emulator's own calls for tests: runs with any column values, and the counts.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Context;
use crate::emulator::access::{Credential, Refusal};
use crate::emulator::batch::Batch;
use crate::emulator::column::Column;
use crate::emulator::ident;
use crate::emulator::row::Row;
use crate::emulator::run::{Effect, Run};
use crate::serve::Response;
use crate::serve::stream::StreamVersion;
use crate::serve::{Request, RequestBody, read_body};

/// `POST /emulator/runs`: a run with the given columns and no script.
pub(super) async fn create(context: &Context, request: &Request, incoming: RequestBody) -> Response {
    if request.method != Method::POST {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "POST makes a run");
    }
    let Some(environment) = owner(context, request) else { return refused() };
    let mut columns = match columns(incoming).await {
        Ok(columns) => columns,
        Err(answer) => return answer,
    };
    let batch = match columns.remove("batch") {
        None | Some(Value::Null) => None,
        Some(Value::String(batch)) => Some(batch),
        Some(_) => return Response::error(StatusCode::BAD_REQUEST, "`batch` is the id of a batch"),
    };
    let streams = match columns.remove("streamsVersion") {
        None => StreamVersion::V2,
        Some(Value::String(name)) if name == "v1" || name == "v2" => StreamVersion::named(Some(&name)),
        Some(_) => return Response::error(StatusCode::BAD_REQUEST, "`streamsVersion` is \"v1\" or \"v2\""),
    };
    let id = ident::database_id();
    let mut row = Row::new(&id, &format!("run_{id}"), "emulated", context.engine.now_ms());
    if let Err(why) = set(&mut row, &columns) {
        return Response::error(StatusCode::BAD_REQUEST, &why);
    }
    let run = Run::new(context.engine.store.journal(), environment, row).in_batch(batch.clone()).streaming(streams);
    match context.engine.store.insert(run) {
        Some(run) => {
            if let Some(id) = batch {
                let engine = &context.engine;
                let known = engine.batches.find(environment, &id);
                // The batch is added after its run, so that no reader sees it empty.
                let batch =
                    known.or_else(|| engine.batches.insert(Batch::new(id, environment, 0, engine.now_ms()), None));
                if let Some(batch) = batch {
                    batch.add(&run.id());
                    batch.seal(engine.now_ms());
                }
            }
            changed(StatusCode::CREATED, &run.row())
        }
        None => Response::error(StatusCode::CONFLICT, "there is a run with this friendlyId"),
    }
}

/// `PATCH /emulator/runs/{id}` changes columns; `DELETE` removes the run.
pub(super) async fn change(context: &Context, request: &Request, id: &str, incoming: RequestBody) -> Response {
    let Some(environment) = owner(context, request) else { return refused() };
    let Some(run) = context.engine.store.find(id).filter(|run| run.environment == environment) else {
        return Response::error(StatusCode::NOT_FOUND, "there is no such run");
    };
    if request.method == Method::DELETE {
        context.engine.store.remove(id);
        return changed(StatusCode::OK, &run.row());
    }
    if request.method != Method::PATCH {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "PATCH changes a run, DELETE forgets it");
    }
    let columns = match columns(incoming).await {
        Ok(columns) => columns,
        Err(answer) => return answer,
    };
    // Readers rely on these: they identify the run and its version.
    if let Some(name) = ["id", "friendlyId", "updatedAt"].into_iter().find(|name| columns.contains_key(*name)) {
        return Response::error(StatusCode::BAD_REQUEST, &format!("column \"{name}\" cannot be changed"));
    }
    // A change of streams alone wakes no feed (docs/server-protocol.md 4).
    let is_silent = columns.keys().all(|name| name == Column::RealtimeStreams.name());
    let mut outcome = Ok(());
    run.change(context.engine.now_ms(), |row| {
        outcome = set(row, &columns);
        match (&outcome, is_silent) {
            (Err(_), _) => Effect::None,
            (Ok(()), true) => Effect::Silent,
            (Ok(()), false) => Effect::Notify,
        }
    });
    match outcome {
        Ok(()) => changed(StatusCode::OK, &run.row()),
        Err(why) => Response::error(StatusCode::BAD_REQUEST, &why),
    }
}

/// `GET /emulator/stats`: the counts of requests by route.
pub(super) fn stats(context: &Context, request: &Request) -> Response {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Response::error(StatusCode::METHOD_NOT_ALLOWED, "GET shows the counts");
    }
    Response::json(StatusCode::OK, context.stats.to_json().to_string())
}

/// The environment whose root key the caller has.
pub(super) fn owner(context: &Context, request: &Request) -> Option<usize> {
    request.caller(context).ok().filter(|caller| caller.credential == Credential::Root).map(|caller| caller.index)
}

pub(super) fn refused() -> Response {
    Response::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text())
}

fn changed(status: StatusCode, row: &Row) -> Response {
    let body = json!({ "id": row.get(Column::FriendlyId), "updatedAt": row.get(Column::UpdatedAt) });
    Response::json(status, body.to_string())
}

pub(super) async fn columns(incoming: RequestBody) -> Result<Map<String, Value>, Response> {
    match serde_json::from_slice(&read_body(incoming).await?) {
        Ok(Value::Object(columns)) => Ok(columns),
        Ok(_) | Err(_) => Err(Response::error(StatusCode::BAD_REQUEST, "the body is a JSON object")),
    }
}

fn set(row: &mut Row, columns: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in columns {
        let column = Column::named(name).ok_or_else(|| format!("there is no column \"{name}\""))?;
        if value.is_null() && matches!(column, Column::Id | Column::FriendlyId | Column::UpdatedAt) {
            return Err(format!("column \"{name}\" cannot be null"));
        }
        row.set_json(column, value)?;
    }
    Ok(())
}
