//! How many requests came, by route.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value, json};

use super::routes::Label;

/// Counts by route.
#[derive(Debug)]
pub(super) struct Stats([AtomicU64; Label::COUNT]);

impl Default for Stats {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Stats {
    /// Counts one request.
    pub(super) fn count(&self, label: Label) {
        self.0[label as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// `{"total": n, "byRoute": {"GET /realtime/v1/runs/{id}": n, …}}`; routes nobody asked are
    /// left out, and so are the emulator's own.
    pub(super) fn to_json(&self) -> Value {
        let mut by_route = Map::new();
        let mut total = 0;
        for &label in Label::ALL {
            let count = self.0[label as usize].load(Ordering::Relaxed);
            if count > 0 && !label.is_control() {
                total += count;
                by_route.insert(label.text().into(), count.into());
            }
        }
        json!({ "total": total, "byRoute": by_route })
    }
}
