//! The filters of a list of runs.

use serde_json::{Value, json};

use super::describe::{VERSION, status_of};
use crate::emulator::column::Column;
use crate::emulator::run::Run;
use crate::serve::Request;
use crate::serve::duration;
use crate::timestamp::parse_utc;

/// The statuses that a filter may name.
const STATUSES: [&str; 13] = [
    "PENDING_VERSION",
    "QUEUED",
    "DEQUEUED",
    "EXECUTING",
    "WAITING",
    "COMPLETED",
    "CANCELED",
    "FAILED",
    "CRASHED",
    "SYSTEM_FAILURE",
    "DELAYED",
    "EXPIRED",
    "TIMED_OUT",
];

/// The filters. Of a list of values any one matches.
#[derive(Debug, Default)]
pub(super) struct Filter {
    statuses: Vec<String>,
    tasks: Vec<String>,
    tags: Vec<String>,
    versions: Vec<String>,
    batch: Option<String>,
    is_test: Option<bool>,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
    /// A filter for a schedule or a bulk action, which no run here has.
    is_none: bool,
}

impl Filter {
    /// Parses the `filter[…]` parameters.
    ///
    /// # Errors
    /// The issue with the statuses, in the server's form.
    pub(super) fn read(request: &Request, now_ms: u64) -> Result<Self, Value> {
        let text = |name: &str| request.parameter(&format!("filter[{name}]")).filter(|text| !text.is_empty());
        let list = |name: &str| -> Vec<String> {
            text(name).map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default()
        };
        let statuses = list("status");
        let unknown: Vec<&str> =
            statuses.iter().map(String::as_str).filter(|status| !STATUSES.contains(status)).collect();
        if !unknown.is_empty() {
            let message = format!("Invalid status values: {}", unknown.join(", "));
            return Err(json!({ "code": "custom", "message": message, "path": ["filter[status]"] }));
        }
        let moment = |text: String| text.parse().ok().or_else(|| parse_utc(&text));
        let period = text("createdAt][period").and_then(|text| duration::parse_ms(&text));
        Ok(Self {
            statuses,
            tasks: list("taskIdentifier"),
            tags: list("tag"),
            versions: list("version"),
            batch: text("batch"),
            is_test: text("isTest").map(|text| text == "true"),
            from_ms: text("createdAt][from").and_then(moment).or(period.map(|ms| now_ms.saturating_sub(ms))),
            to_ms: text("createdAt][to").and_then(moment),
            is_none: text("schedule").or_else(|| text("bulkAction")).is_some(),
        })
    }

    /// Whether a run matches.
    pub(super) fn shows(&self, run: &Run) -> bool {
        let row = run.row();
        let task = row.get(Column::TaskIdentifier).unwrap_or_default();
        let any =
            |wanted: &[String], has: &dyn Fn(&str) -> bool| wanted.is_empty() || wanted.iter().any(|one| has(one));
        !self.is_none
            && any(&self.statuses, &|status| status_of(row.status()) == status)
            && any(&self.tasks, &|wanted| wanted == task)
            && any(&self.tags, &|tag| row.tags().iter().any(|own| own == tag))
            && any(&self.versions, &|version| row.get(Column::StartedAt).is_some() && version == VERSION)
            && self.batch.as_ref().is_none_or(|batch| run.batch.as_ref() == Some(batch))
            && self.is_test.is_none_or(|is_test| (row.get(Column::IsTest) == Some("t")) == is_test)
            && self.from_ms.is_none_or(|from| row.created_ms() >= from)
            && self.to_ms.is_none_or(|to| row.created_ms() <= to)
    }
}
