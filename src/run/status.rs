//! The public status of a raw status, and whether a run is finished (docs/server-protocol.md 4).

use crate::table::Row;

/// The status that users see. An unknown status is passed on as it is (defect 21).
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
        // EXPIRED and TIMED_OUT are the same on both sides, and unknown statuses are passed on.
        same => same,
    }
}

/// Whether this public status is a final one.
#[must_use]
pub fn is_terminal(status: &str) -> bool {
    matches!(status, "COMPLETED" | "FAILED" | "CANCELED" | "CRASHED" | "SYSTEM_FAILURE" | "EXPIRED" | "TIMED_OUT")
}

/// Whether the run of this row is finished (I14). A terminal status is enough, because `completedAt` may be skipped
/// (defect 18) or stay null for ever (defect 22). `completedAt` is enough too, because the status may be unknown.
#[must_use]
pub fn is_finished(row: &Row) -> bool {
    row.get("completedAt").is_some_and(|at| !at.is_empty())
        || row.get("status").is_some_and(|raw| is_terminal(public_status(raw)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn row(pairs: &[(&'static str, &'static str)]) -> Row {
        let pairs = pairs.iter().map(|&(name, text)| (name.into(), Some(text.into())));
        Row::merge(&mut Arc::default(), None, None, pairs)
    }

    #[test]
    fn every_raw_status_has_its_public_one() {
        for (raw, public) in [
            ("DELAYED", "DELAYED"),
            ("PENDING", "QUEUED"),
            ("PENDING_VERSION", "PENDING_VERSION"),
            ("WAITING_FOR_DEPLOY", "PENDING_VERSION"),
            ("DEQUEUED", "DEQUEUED"),
            ("EXECUTING", "EXECUTING"),
            ("RETRYING_AFTER_FAILURE", "EXECUTING"),
            ("PAUSED", "WAITING"),
            ("WAITING_TO_RESUME", "WAITING"),
            ("COMPLETED_SUCCESSFULLY", "COMPLETED"),
            ("COMPLETED_WITH_ERRORS", "FAILED"),
            ("INTERRUPTED", "FAILED"),
            ("CANCELED", "CANCELED"),
            ("CRASHED", "CRASHED"),
            ("SYSTEM_FAILURE", "SYSTEM_FAILURE"),
            ("EXPIRED", "EXPIRED"),
            ("TIMED_OUT", "TIMED_OUT"),
            ("HIBERNATING", "HIBERNATING"),
        ] {
            assert_eq!(public_status(raw), public);
        }
    }

    #[test]
    fn a_run_is_over_by_its_status_alone() {
        for raw in ["COMPLETED_SUCCESSFULLY", "COMPLETED_WITH_ERRORS", "INTERRUPTED", "CANCELED", "CRASHED", "EXPIRED"]
        {
            assert!(is_finished(&row(&[("status", raw)])), "{raw}");
        }
        for raw in ["PENDING", "EXECUTING", "WAITING_TO_RESUME", "DELAYED", "HIBERNATING"] {
            assert!(!is_finished(&row(&[("status", raw)])), "{raw}");
        }
    }

    #[test]
    fn a_run_that_has_an_end_is_over_whatever_its_status() {
        assert!(is_finished(&row(&[("status", "HIBERNATING"), ("completedAt", "2026-11-22T08:24:59")])));
        assert!(!is_finished(&row(&[])));
    }
}
