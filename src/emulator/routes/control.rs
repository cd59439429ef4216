//! The emulator's own calls, for tests: runs with any column values, and the counts.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Context;
use crate::emulator::access::{Credential, Refusal};
use crate::emulator::batch::Batch;
use crate::emulator::column::Column;
use crate::emulator::ident;
use crate::emulator::row::Row;
use crate::emulator::run::{Effect, Run};
use crate::serve::Answer;
use crate::serve::stream::StreamVersion;
use crate::serve::{Request, Upload, body};

/// `POST /emulator/runs`: a run with the given columns and no script.
pub(super) async fn create(context: &Context, request: &Request, incoming: Upload) -> Answer {
    if request.method != Method::POST {
        return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "POST makes a run");
    }
    let Some(environment) = owner(context, request) else { return refused() };
    let mut columns = match columns(incoming).await {
        Ok(columns) => columns,
        Err(answer) => return answer,
    };
    let batch = match columns.remove("batch") {
        None | Some(Value::Null) => None,
        Some(Value::String(batch)) => Some(batch),
        Some(_) => return Answer::error(StatusCode::BAD_REQUEST, "`batch` is the id of a batch"),
    };
    let streams = match columns.remove("streamsVersion") {
        None => StreamVersion::V2,
        Some(Value::String(name)) if name == "v1" || name == "v2" => StreamVersion::named(Some(&name)),
        Some(_) => return Answer::error(StatusCode::BAD_REQUEST, "`streamsVersion` is \"v1\" or \"v2\""),
    };
    let id = ident::database_id();
    let mut row = Row::new(&id, &format!("run_{id}"), "emulated", context.world.now_ms());
    if let Err(why) = set(&mut row, &columns) {
        return Answer::error(StatusCode::BAD_REQUEST, &why);
    }
    let run = Run::new(context.world.store.journal(), environment, row).in_batch(batch.clone()).streaming(streams);
    match context.world.store.insert(run) {
        Some(run) => {
            if let Some(id) = batch {
                let world = &context.world;
                let known = world.batches.find(environment, &id);
                // Nobody else is told of a batch before it is there.
                let batch =
                    known.or_else(|| world.batches.insert(Batch::new(id, environment, 0, world.now_ms()), None));
                if let Some(batch) = batch {
                    batch.add(&run.id());
                    batch.seal(world.now_ms());
                }
            }
            told(StatusCode::CREATED, &run.row())
        }
        None => Answer::error(StatusCode::CONFLICT, "there is a run with this friendlyId"),
    }
}

/// `PATCH /emulator/runs/{id}`: changes columns; `DELETE` forgets the run.
pub(super) async fn change(context: &Context, request: &Request, id: &str, incoming: Upload) -> Answer {
    let Some(environment) = owner(context, request) else { return refused() };
    let Some(run) = context.world.store.find(id).filter(|run| run.environment == environment) else {
        return Answer::error(StatusCode::NOT_FOUND, "there is no such run");
    };
    if request.method == Method::DELETE {
        context.world.store.remove(id);
        return told(StatusCode::OK, &run.row());
    }
    if request.method != Method::PATCH {
        return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "PATCH changes a run, DELETE forgets it");
    }
    let columns = match columns(incoming).await {
        Ok(columns) => columns,
        Err(answer) => return answer,
    };
    // These name the run or date the change; readers rely on them.
    if let Some(name) = ["id", "friendlyId", "updatedAt"].into_iter().find(|name| columns.contains_key(*name)) {
        return Answer::error(StatusCode::BAD_REQUEST, &format!("column \"{name}\" cannot be changed"));
    }
    // The native feed wakes nobody for streams alone (docs/server-protocol.md 4).
    let is_silent = columns.keys().all(|name| name == Column::RealtimeStreams.name());
    let mut outcome = Ok(());
    run.change(context.world.now_ms(), |row| {
        outcome = set(row, &columns);
        match (&outcome, is_silent) {
            (Err(_), _) => Effect::None,
            (Ok(()), true) => Effect::Silent,
            (Ok(()), false) => Effect::Loud,
        }
    });
    match outcome {
        Ok(()) => told(StatusCode::OK, &run.row()),
        Err(why) => Answer::error(StatusCode::BAD_REQUEST, &why),
    }
}

/// `GET /emulator/stats`: how many requests came, by route.
pub(super) fn stats(context: &Context, request: &Request) -> Answer {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "GET shows the counts");
    }
    Answer::json(StatusCode::OK, context.stats.to_json().to_string())
}

/// The environment whose root key the caller has.
pub(super) fn owner(context: &Context, request: &Request) -> Option<usize> {
    request.caller(context).ok().filter(|caller| caller.credential == Credential::Root).map(|caller| caller.index)
}

pub(super) fn refused() -> Answer {
    Answer::error(StatusCode::UNAUTHORIZED, Refusal::UnknownKey.text())
}

fn told(status: StatusCode, row: &Row) -> Answer {
    let body = json!({ "id": row.get(Column::FriendlyId), "updatedAt": row.get(Column::UpdatedAt) });
    Answer::json(status, body.to_string())
}

pub(super) async fn columns(incoming: Upload) -> Result<Map<String, Value>, Answer> {
    match serde_json::from_slice(&body(incoming).await?) {
        Ok(Value::Object(columns)) => Ok(columns),
        Ok(_) | Err(_) => Err(Answer::error(StatusCode::BAD_REQUEST, "the body is a JSON object")),
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
