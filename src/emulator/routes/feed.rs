//! `GET /realtime/v1/runs/{id}`: the feed of one run, as the native backend serves it (docs/server-protocol.md 4).

use std::sync::Arc;

use http::{Method, StatusCode};
use tokio::time::timeout;

use super::Context;
use super::reader::{Reader, admit};
use crate::emulator::access::Caller;
use crate::emulator::column::Column;
use crate::emulator::row::Row;
use crate::emulator::run::Run;
use crate::serve::Request;
use crate::serve::Response;
use crate::serve::feed::{Cursor, Operation, UP_TO_DATE};
use crate::token::Resource;

/// Answers the call: at once, or for a live request when the run changes or the hold is over.
pub(super) async fn handle(context: &Context, request: &Request, id: &str) -> Response {
    let caller = match admit(context, request) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let run = match readable(context, &caller, id) {
        Ok(run) => run,
        Err(answer) => return answer,
    };
    let reader = Reader::new(context, request, &caller);
    let Some(cursor) = reader.cursor() else {
        let row = run.row();
        let offset = format!("{}_{}", row.updated_ms(), context.engine.store.journal().next());
        return reader.snapshot(reader.messages([(&*row, Operation::Insert)]), &handle_of(&row), &offset);
    };
    match reader.enter(&caller) {
        Ok(_permit) => live(&reader, &run, &cursor).await,
        Err(answer) => answer,
    }
}

/// A run that the caller may read, for its feed and its streams.
///
/// # Errors
/// The 404 and the 403. An unknown run is a 404 whatever the scopes (docs/server-protocol.md 3).
pub(super) fn readable(context: &Context, caller: &Caller<'_>, id: &str) -> Result<Arc<Run>, Response> {
    let Some(run) = context.engine.store.find(id).filter(|run| run.environment == caller.index) else {
        return Err(Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "false"));
    };
    if !may_read(caller, &run) {
        return Err(Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string()));
    }
    Ok(run)
}

/// Whether the caller may read this run (docs/server-protocol.md 3).
pub(super) fn may_read(caller: &Caller<'_>, run: &Run) -> bool {
    let row = run.row();
    let mut resources = vec![
        Resource::one("runs", row.get(Column::FriendlyId).unwrap_or_default()),
        Resource::one("tasks", row.get(Column::TaskIdentifier).unwrap_or_default()),
    ];
    resources.extend(row.tags().iter().map(|tag| Resource::one("tags", tag)));
    resources.extend(run.batch.iter().map(|batch| Resource::one("batch", batch)));
    caller.may("read", &resources)
}

async fn live(reader: &Reader<'_>, run: &Run, cursor: &Cursor) -> Response {
    let mut versions = run.follow();
    let first = versions.borrow_and_update().clone();
    // The server answers at once for a change between two polls of its own handle, but holds a poll with another handle
    // for the whole time (recorded: `run-live-raw`). It remembers changes for a limited time.
    let is_known = reader.context.memory.is_none_or(|memory| run.unchanged_for() <= memory);
    let is_news = is_known && cursor.handle == handle_of(&first) && first.updated_ms() > cursor.seen_ms;
    let current = if is_news || reader.request.method == Method::HEAD {
        first
    } else {
        let change = tokio::select! {
            change = timeout(reader.hold(), versions.changed()) => change.is_ok_and(|change| change.is_ok()),
            () = reader.context.stop.cancelled() => false,
        };
        if change { versions.borrow_and_update().clone() } else { Arc::clone(&versions.borrow()) }
    };
    let sequence = reader.context.engine.store.journal().next();
    if current.updated_ms() > cursor.seen_ms {
        let offset = format!("{}_{sequence}", current.updated_ms());
        reader.live(reader.messages([(&*current, Operation::Update)]), &cursor.handle, &offset, sequence)
    } else {
        reader.live(UP_TO_DATE.into(), &cursor.handle, &cursor.offset, sequence)
    }
}

fn handle_of(row: &Row) -> String {
    format!("run-{}", row.get(Column::Id).unwrap_or_default())
}
