//! `GET /realtime/v1/runs/{id}`: one run, live, as the native backend answers (protocol.md 4).

use std::sync::Arc;

use http::{Method, StatusCode};
use tokio::time::timeout;

use super::Context;
use super::request::Request;
use crate::emulator::access::Caller;
use crate::emulator::answer::Answer;
use crate::emulator::column::{Column, Skipped};
use crate::emulator::ident;
use crate::emulator::row::{Operation, Row, UP_TO_DATE};
use crate::emulator::store::Run;
use crate::random;
use crate::token::Resource;

/// Answers the call; a live one when the run changes, or after the hold.
pub(super) async fn handle(context: &Context, request: &Request, id: &str) -> Answer {
    if request.method == Method::OPTIONS {
        return Answer::preflight();
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return Answer::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => return Answer::api_error(StatusCode::UNAUTHORIZED, refusal.text()),
    };
    // An unknown run is told before scopes are looked at (protocol.md 3).
    let Some(run) = context.store.find(id).filter(|run| run.environment == caller.index) else {
        return Answer::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "false");
    };
    if !may_read(&caller, &run.row()) {
        return Answer::api(StatusCode::FORBIDDEN, Answer::forbidden().to_string());
    }
    let mut skipped = Skipped::default();
    skipped.add(request.parameter("skipColumns").unwrap_or_default().split(','));
    skipped.add(caller.skipped_columns());
    let reader = Reader { context, request, skipped };
    let offset = request.parameter("offset").unwrap_or_else(|| "-1".into());
    let handle = request.parameter("handle");
    let is_live = request.parameter("live").is_some_and(|live| live == "true");
    match handle {
        // A live request without a handle, or from the start, is a snapshot (recorded: `run-live-raw`).
        Some(handle) if is_live && offset != "-1" => reader.live(&run, &handle, &offset).await,
        Some(_) | None => reader.snapshot(&run.row()),
    }
}

/// Whether the caller may read this run (protocol.md 3).
pub(super) fn may_read(caller: &Caller<'_>, row: &Row) -> bool {
    let mut resources = vec![
        Resource::one("runs", row.get(Column::FriendlyId).unwrap_or_default()),
        Resource::one("tasks", row.get(Column::TaskIdentifier).unwrap_or_default()),
    ];
    resources.extend(row.tags().iter().map(|tag| Resource::one("tags", tag)));
    caller.may("read", &resources)
}

struct Reader<'a> {
    context: &'a Context,
    request: &'a Request,
    skipped: Skipped,
}

impl Reader<'_> {
    fn snapshot(&self, row: &Row) -> Answer {
        let offset = format!("{}_{}", row.updated_ms(), self.context.store.next_sequence());
        self.answer(self.messages(row, Operation::Insert), &handle_of(row), &offset)
            .with("electric-schema", &self.skipped.schema())
    }

    async fn live(&self, run: &Run, handle: &str, offset: &str) -> Answer {
        let mut versions = run.follow();
        let first = versions.borrow_and_update().clone();
        let seen_ms: u64 = offset.split('_').next().and_then(|ms| ms.parse().ok()).unwrap_or(0);
        // The server answers at once for a change between two polls of its own handle, but holds
        // a stranger's until its time is up (recorded: `run-live-raw`).
        let is_news = handle == handle_of(&first) && first.updated_ms() > seen_ms;
        let current = if is_news || self.request.method == Method::HEAD {
            first
        } else {
            let hold = ident::strayed(self.context.hold, random::unit());
            let change = tokio::select! {
                change = timeout(hold, versions.changed()) => change.is_ok_and(|change| change.is_ok()),
                () = self.context.stop.cancelled() => false,
            };
            if change { versions.borrow_and_update().clone() } else { Arc::clone(&versions.borrow()) }
        };
        let cursor = self.context.store.next_sequence();
        let answer = if current.updated_ms() > seen_ms {
            let offset = format!("{}_{cursor}", current.updated_ms());
            self.answer(self.messages(&current, Operation::Update), handle, &offset)
        } else {
            self.answer(UP_TO_DATE.into(), handle, offset)
        };
        answer.with("electric-cursor", &cursor.to_string())
    }

    fn messages(&self, row: &Row, operation: Operation) -> String {
        row.to_messages(operation, self.skipped, self.request.wants_old_statuses())
    }

    /// Clients that do not name their version of the protocol are told the old header names.
    fn answer(&self, body: String, handle: &str, offset: &str) -> Answer {
        let modern = self.request.headers.contains_key("x-trigger-electric-version");
        let (handle_name, offset_name) = if modern {
            ("electric-handle", "electric-offset")
        } else {
            ("electric-shape-id", "electric-chunk-last-offset")
        };
        Answer::feed(body).with(handle_name, handle).with(offset_name, offset)
    }
}

fn handle_of(row: &Row) -> String {
    format!("run-{}", row.get(Column::Id).unwrap_or_default())
}
