//! Raw statuses, public statuses, and when a run is finished (protocol.md 4).

use crate::shape::Row;

/// The status users see. One this table does not know is passed through as it is (defect 21).
#[must_use]
pub fn public_status(raw: &str) -> &str {
    match raw {
        "WAITING_FOR_DEPLOY" => "PENDING_VERSION",
        "PENDING" => "QUEUED",
        "RETRYING_AFTER_FAILURE" => "EXECUTING",
        "PAUSED" | "WAITING_TO_RESUME" => "WAITING",
        "COMPLETED_SUCCESSFULLY" => "COMPLETED",
        "COMPLETED_WITH_ERRORS" | "INTERRUPTED" => "FAILED",
        // DELAYED, PENDING_VERSION, DEQUEUED, EXECUTING, CANCELED, CRASHED, SYSTEM_FAILURE,
        // EXPIRED and TIMED_OUT are the same on both sides; so is what we do not know.
        same => same,
    }
}

/// Whether a run with this public status never changes its status again.
#[must_use]
pub fn is_terminal(status: &str) -> bool {
    matches!(status, "COMPLETED" | "FAILED" | "CANCELED" | "CRASHED" | "SYSTEM_FAILURE" | "EXPIRED" | "TIMED_OUT")
}

/// Whether the run of this row is over: by its status, also where `completedAt` is skipped
/// (defect 18) or stays null for ever (defect 22); or by `completedAt`, also where the status is
/// one we do not know.
#[must_use]
pub fn is_finished(row: &Row) -> bool {
    row.get("completedAt").is_some_and(|at| !at.is_empty())
        || row.get("status").is_some_and(|raw| is_terminal(public_status(raw)))
}
