//! `GET /api/v3/runs/{id}`: a run as REST shows it (protocol.md 6).

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::Context;
use super::feed::may_read;
use super::request::{Request, limited};
use crate::emulator::access::Environment;
use crate::emulator::answer::Answer;
use crate::emulator::column::Column;
use crate::emulator::packet;
use crate::emulator::row::{Row, status_for};

/// The version a deployed task would have.
const VERSION: &str = "20260101.1";

/// Answers the call.
pub(super) fn handle(context: &Context, request: &Request, id: &str) -> Answer {
    if request.method == Method::OPTIONS {
        return Answer::preflight();
    }
    if request.method != Method::GET && request.method != Method::HEAD {
        return Answer::wrong_method(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !request.headers.contains_key("authorization") {
        return Answer::no_authorization();
    }
    let caller = match request.caller(context) {
        Ok(caller) => caller,
        Err(refusal) => {
            return limited(Answer::api_error(StatusCode::UNAUTHORIZED, refusal.text()), context, None);
        }
    };
    let answer = match context.store.find(id).filter(|run| run.environment == caller.index) {
        // The server takes an unknown run for one that a replica does not have yet.
        None => Answer::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "true"),
        Some(run) => {
            let row = run.row();
            if may_read(&caller, &row) {
                let body = describe(&row, caller.environment, request.wants_old_statuses());
                Answer::api(StatusCode::OK, Value::Object(body).to_string())
            } else {
                Answer::api(StatusCode::FORBIDDEN, Answer::forbidden().to_string())
            }
        }
    };
    limited(answer, context, Some(&caller))
}

/// The run's JSON; what it does not have is left out (recorded: `calls-runs`).
fn describe(row: &Row, environment: &Environment, old_statuses: bool) -> Map<String, Value> {
    let text = |column| row.get(column).map(Value::from);
    let time = |column| row.get(column).map(|text| Value::from(format!("{text}Z")));
    let number = |column| row.get(column).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let packet = |data, kind| packet::plain(row.get(data)?, row.get(kind).unwrap_or("application/json"));
    let started = row.get(Column::StartedAt).is_some();
    let status = status_of(status_for(row.status(), old_statuses));
    let mut run = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            run.insert(name.into(), value);
        }
    };
    put("id", text(Column::FriendlyId));
    put("taskIdentifier", text(Column::TaskIdentifier));
    put("version", started.then(|| VERSION.into()));
    put("status", Some(status.into()));
    put("createdAt", time(Column::CreatedAt));
    put("startedAt", time(Column::StartedAt));
    put("updatedAt", time(Column::UpdatedAt));
    put("finishedAt", time(Column::CompletedAt));
    put("delayedUntil", time(Column::DelayUntil));
    put("expiredAt", time(Column::ExpiredAt));
    put("ttl", text(Column::Ttl));
    put("costInCents", number(Column::CostInCents));
    put("baseCostInCents", number(Column::BaseCostInCents));
    put("durationMs", number(Column::UsageDurationMs));
    put("isTest", Some(Value::Bool(row.get(Column::IsTest) == Some("t"))));
    put("depth", Some(0.into()));
    put("tags", Some(row.tags().into()));
    for (name, flag) in flags(status) {
        put(name, Some(Value::Bool(flag)));
    }
    put("triggerFunction", Some("trigger".into()));
    put("metadata", packet(Column::Metadata, Column::MetadataType));
    put("region", Some(environment.id.as_str().into()));
    put("payload", packet(Column::Payload, Column::PayloadType));
    put("output", packet(Column::Output, Column::OutputType));
    put("error", row.get(Column::Error).and_then(error_of));
    // An attempt counts from when the code runs, not from when a worker took it (recorded).
    put("attemptCount", Some(u8::from(started && row.status() != "DEQUEUED").into()));
    put("attempts", Some(json!([])));
    put("relatedRuns", Some(json!({ "children": [] })));
    run
}

/// The public status of a raw one (protocol.md 4); an unknown one is shown as it is.
fn status_of(raw: &str) -> &str {
    match raw {
        "PENDING" => "QUEUED",
        "WAITING_FOR_DEPLOY" => "PENDING_VERSION",
        "RETRYING_AFTER_FAILURE" => "EXECUTING",
        "PAUSED" | "WAITING_TO_RESUME" => "WAITING",
        "COMPLETED_SUCCESSFULLY" => "COMPLETED",
        "COMPLETED_WITH_ERRORS" | "INTERRUPTED" => "FAILED",
        other => other,
    }
}

/// The flags as REST counts them: CANCELED is completed and failed here, EXPIRED is not
/// completed (protocol.md 4).
fn flags(status: &str) -> [(&'static str, bool); 7] {
    let crashed = matches!(status, "FAILED" | "CRASHED" | "SYSTEM_FAILURE" | "TIMED_OUT");
    let failed = crashed || matches!(status, "CANCELED" | "EXPIRED");
    [
        ("isQueued", matches!(status, "QUEUED" | "DELAYED" | "PENDING_VERSION")),
        ("isExecuting", matches!(status, "DEQUEUED" | "EXECUTING")),
        ("isCompleted", crashed || matches!(status, "COMPLETED" | "CANCELED")),
        ("isFailed", failed),
        ("isSuccess", status == "COMPLETED"),
        ("isCancelled", status == "CANCELED"),
        ("isWaiting", status == "WAITING"),
    ]
}

fn error_of(text: &str) -> Option<Value> {
    let error: Value = serde_json::from_str(text).ok()?;
    Some(match error["type"].as_str()? {
        "BUILT_IN_ERROR" => {
            json!({ "name": error["name"], "message": error["message"], "stackTrace": error["stackTrace"] })
        }
        "STRING_ERROR" | "CUSTOM_ERROR" => json!({ "message": error["raw"] }),
        "INTERNAL_ERROR" => {
            json!({ "message": format!("trigger.dev internal error ({})", error["code"].as_str().unwrap_or_default()) })
        }
        _ => return None,
    })
}
