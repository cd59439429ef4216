//! A run in the form of REST (docs/server-protocol.md 6): whole, or as an entry of a list.

use serde_json::{Map, Value, json};

use super::Context;
use crate::emulator::access::Environment;
use crate::emulator::column::Column;
use crate::emulator::row::Row;
use crate::emulator::{object, packet};
use crate::error::Result;
use crate::serve::feed::status_for;

/// The version of a deployed task.
pub(super) const VERSION: &str = "20260101.1";

/// The run's JSON, without absent fields (recorded: `calls-runs`).
///
/// A stored packet becomes a URL on `origin`.
///
/// # Errors
/// `ERR_INTERNAL`.
pub(super) fn describe(
    context: &Context,
    row: &Row,
    environment: &Environment,
    origin: &str,
    old_statuses: bool,
) -> Result<Map<String, Value>> {
    let text = |column| row.get(column).map(Value::from);
    let time = |column| row.get(column).map(|text| Value::from(format!("{text}Z")));
    let number = |column| row.get(column).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let packet = |data, kind| packet::plain(row.get(data)?, row.get(kind).unwrap_or("application/json"));
    let stored = |data, kind| -> Result<Option<Value>> {
        let Some(name) = row.get(data).filter(|_| row.get(kind) == Some("application/store")) else { return Ok(None) };
        let path = object::path_of(&environment.id, name);
        Ok(Some(context.engine.objects.sign(origin, "GET", &path, context.engine.now_ms())?.into()))
    };
    let payload_url = stored(Column::Payload, Column::PayloadType)?;
    let output_url = stored(Column::Output, Column::OutputType)?;
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
    put("payloadPresignedUrl", payload_url);
    put("output", packet(Column::Output, Column::OutputType));
    put("outputPresignedUrl", output_url);
    put("error", row.get(Column::Error).and_then(error_of));
    // An attempt starts with the code, not with the dequeue (recorded).
    put("attemptCount", Some(u8::from(started && row.status() != "DEQUEUED").into()));
    put("attempts", Some(json!([])));
    put("relatedRuns", Some(json!({ "children": [] })));
    Ok(run)
}

/// The run as an entry of a list (recorded: `calls-runs`).
pub(super) fn summary(row: &Row, environment: &Environment, old_statuses: bool) -> Map<String, Value> {
    let text = |column| row.get(column).map(Value::from);
    let time = |column| row.get(column).map(|text| Value::from(format!("{text}Z")));
    let number = |column| row.get(column).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let status = status_of(status_for(row.status(), old_statuses));
    let metadata_type = row.get(Column::MetadataType).unwrap_or("application/json");
    let mut run = Map::new();
    for (name, value) in [
        ("id", text(Column::FriendlyId)),
        ("status", Some(status.into())),
        ("taskIdentifier", text(Column::TaskIdentifier)),
        ("version", row.get(Column::StartedAt).map(|_| VERSION.into())),
        ("createdAt", time(Column::CreatedAt)),
        ("updatedAt", time(Column::UpdatedAt)),
        ("startedAt", time(Column::StartedAt)),
        ("finishedAt", time(Column::CompletedAt)),
        ("delayedUntil", time(Column::DelayUntil)),
        ("isTest", Some(Value::Bool(row.get(Column::IsTest) == Some("t")))),
        ("ttl", text(Column::Ttl)),
        ("expiredAt", time(Column::ExpiredAt)),
        ("env", Some(json!({ "id": environment.id, "name": environment.slug() }))),
        ("tags", Some(row.tags().into())),
        ("costInCents", number(Column::CostInCents)),
        ("baseCostInCents", number(Column::BaseCostInCents)),
        ("durationMs", number(Column::UsageDurationMs)),
        ("depth", Some(0.into())),
        ("metadata", row.get(Column::Metadata).and_then(|data| packet::plain(data, metadata_type))),
        ("taskKind", Some("STANDARD".into())),
        ("region", Some(environment.id.as_str().into())),
    ] {
        if let Some(value) = value {
            run.insert(name.into(), value);
        }
    }
    for (name, flag) in flags(status) {
        run.insert(name.into(), Value::Bool(flag));
    }
    run
}

/// The public status of a raw one (docs/server-protocol.md 4). An unknown one is unchanged.
pub(super) fn status_of(raw: &str) -> &str {
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
/// completed (docs/server-protocol.md 4).
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
