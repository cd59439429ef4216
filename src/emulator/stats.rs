//! The counts of requests, by the label of their route.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

/// Counts by label.
#[derive(Debug)]
pub(super) struct Stats(Vec<(&'static str, AtomicU64)>);

impl Stats {
    /// Counts of these labels, all 0.
    pub(super) fn new(labels: &[&'static str]) -> Self {
        Self(labels.iter().map(|label| (*label, AtomicU64::new(0))).collect())
    }

    /// Counts one request.
    pub(super) fn count(&self, label: &str) {
        if let Some((_, count)) = self.0.iter().find(|(known, _)| *known == label) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// `{"total": n, "byRoute": {"GET /realtime/v1/runs/{id}": n, …}}`, without the routes that were never asked.
    pub(super) fn to_json(&self) -> Value {
        let mut by_route = Map::new();
        let mut total = 0;
        for (label, count) in &self.0 {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                total += count;
                by_route.insert((*label).into(), count.into());
            }
        }
        json!({ "total": total, "byRoute": by_route })
    }
}
