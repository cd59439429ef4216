//! `GET /api/v1/runs`: the runs of an environment, page by page (recorded: `calls-runs`).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use http::StatusCode;
use serde_json::{Value, json};

use super::Context;
use super::caller::limited;
use super::describe::summary;
use super::page::Page;
use super::run_filter::Filter;
use crate::emulator::access::Caller;
use crate::emulator::column::Column;
use crate::emulator::journal::Topic;
use crate::emulator::row::Row;
use crate::serve::Request;
use crate::serve::Response;
use crate::token::Resource;

/// Answers the call.
pub(super) fn list(context: &Context, request: &Request) -> Response {
    if let Err(answer) = request.only_reads() {
        return answer;
    }
    let caller = match request.api_caller(context) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    limited(listed(context, request, &caller), context, Some(&caller))
}

fn listed(context: &Context, request: &Request, caller: &Caller<'_>) -> Response {
    let wrong = |issue: Value| {
        let body = json!({ "error": "Query Error", "details": [issue] });
        Response::api(StatusCode::BAD_REQUEST, body.to_string())
    };
    let page = match Page::read(request, cursor_of) {
        Ok(page) => page,
        Err(issue) => return wrong(issue),
    };
    let filter = match Filter::read(request, context.engine.now_ms()) {
        Ok(filter) => filter,
        Err(issue) => return wrong(issue),
    };
    // A token for one tag or one run may not list (recorded).
    if !caller.may("read", &[Resource::every("runs")]) {
        return Response::api(StatusCode::FORBIDDEN, Response::forbidden().to_string());
    }
    let runs = context.engine.store.select(&Topic::Environment(caller.index));
    let mut rows: Vec<_> = runs.iter().filter(|run| filter.shows(run)).map(|run| run.row()).collect();
    rows.sort_by_cached_key(|row| std::cmp::Reverse(position_of(row)));
    let (rows, pagination) = page.cut(rows, |row| position_of(row), |row| cursor(row));
    let old = request.wants_old_statuses();
    let data: Vec<Value> = rows.iter().map(|row| Value::Object(summary(row, caller.environment, old))).collect();
    Response::api(StatusCode::OK, json!({ "data": data, "pagination": pagination }).to_string())
}

/// A run's position in the list: its creation in microseconds, and its database id.
fn position_of(row: &Row) -> (u64, String) {
    (row.created_ms().saturating_mul(1000), row.get(Column::Id).unwrap_or_default().to_owned())
}

fn cursor(row: &Row) -> String {
    let (created, id) = position_of(row);
    STANDARD.encode(json!({ "c": created, "r": id }).to_string())
}

fn cursor_of(text: &str) -> Option<(u64, String)> {
    let bytes = STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    let cursor: Value = serde_json::from_slice(&bytes).ok()?;
    Some((cursor["c"].as_u64()?, cursor["r"].as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_the_servers() {
        // Recorded: `calls-runs`.
        let recorded = "eyJjIjoxNzk1MzM5NTMzNzE5MDAwLCJyIjoiY213cm1zeTMyMDA2Mm9jN2QyZGV5a2JseiJ9";
        let row = Row::new("cmwrmsy320062oc7d2deykblz", "run_1", "t", 1_795_339_533_719);
        assert_eq!(cursor(&row), recorded);
        assert_eq!(cursor_of(recorded), Some((1_795_339_533_719_000, "cmwrmsy320062oc7d2deykblz".into())));
        assert_eq!(cursor_of("run_nope"), None);
    }
}
