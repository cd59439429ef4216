//! A server of one feed of all runs, as a function of a request.

use http::HeaderMap;

use super::message::{MUST_REFETCH, UP_TO_DATE, add_noise, message};
use super::rng::SeededRng;
use super::table::{COLUMNS, Cells, Changed, Habits, Table};
use crate::shape::Query;

/// A server with the true state of every row.
pub(crate) struct World {
    /// Whether the server sends whole rows and deletes none, as the cloud does; else it sends what Electric does.
    pub(crate) whole: bool,
    table: Table,
    handle: u64,
    /// The log under this handle: the messages of the snapshot and of all changes since.
    log: Vec<String>,
}

impl World {
    pub(crate) fn new(rng: &mut SeededRng, now_ms: u64) -> Self {
        let max_rows = 1 + rng.below(24);
        let whole = rng.one_in(2);
        let habits = Habits { max_rows, deletes: !whole, stays_finished: false, long_bytes: 0 };
        Self { whole, table: Table::new(habits, now_ms), handle: 0, log: Vec::new() }
    }

    pub(crate) fn rows(&self) -> &std::collections::BTreeMap<String, Cells> {
        &self.table.rows
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.table.now_ms
    }

    pub(crate) fn schema() -> String {
        Table::schema(|_| true)
    }

    /// Makes a random change.
    pub(crate) fn change(&mut self, rng: &mut SeededRng) {
        let Changed { key, before, after } = self.table.change(rng);
        self.log.push(match (before, after) {
            (None, Some(cells)) => message("insert", &key, &cells, &COLUMNS, rng),
            (Some(before), Some(after)) => {
                let differs = |name: &&str| self.whole || after.get(*name) != before.get(*name);
                let told: Vec<&str> = COLUMNS.iter().copied().filter(differs).collect();
                message("update", &key, &after, &told, rng)
            }
            (before, None) => {
                // Some servers send the columns of a deleted row.
                let told: &[&str] = if rng.one_in(2) { &COLUMNS } else { &COLUMNS[..1] };
                message("delete", &key, &before.unwrap_or_default(), told, rng)
            }
        });
    }

    /// The response to a feed's request, and whether it reaches the end of the log.
    pub(crate) fn answer(&mut self, query: &Query, rng: &mut SeededRng) -> (u16, HeaderMap, Vec<u8>, bool) {
        let is_snapshot = query.offset == "-1";
        if rng.one_in(24) || (!is_snapshot && query.handle != Some(self.handle())) {
            self.handle += 1;
            let headers = [("electric-handle", self.handle())];
            return (409, named(&headers), format!("[{MUST_REFETCH}]").into_bytes(), false);
        }
        if is_snapshot {
            self.log.clear();
            for (key, cells) in &self.table.rows {
                self.log.push(message("insert", key, cells, &COLUMNS, rng));
            }
        }
        let from = if is_snapshot { 0 } else { query.offset.parse().expect("an offset of ours") };
        let to = if rng.one_in(4) { from + rng.below(self.log.len() - from + 1) } else { self.log.len() };
        let mut messages: Vec<String> = self.log[from..to].to_vec();
        if rng.one_in(8) {
            add_noise(&mut messages, rng);
        }
        let is_all = to == self.log.len();
        if is_all {
            messages.push(UP_TO_DATE.into());
        }
        let headers = named(&[
            ("electric-handle", self.handle()),
            ("electric-offset", to.to_string()),
            ("electric-schema", Self::schema()),
        ]);
        (200, headers, format!("[{}]", messages.join(",")).into_bytes(), is_all)
    }

    fn handle(&self) -> String {
        format!("h{}", self.handle)
    }
}

fn named(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs.iter().map(|(name, text)| (name.parse().expect("a name"), text.parse().expect("a value"))).collect()
}
