//! The log of one of Electric's shapes: a snapshot, and every change since.

use super::history::View;
use crate::shape::truth::{COLUMNS, Cells, Changed, SeededRng, Table, message};

/// The log of one shape under its present handle.
#[derive(Debug)]
pub(super) struct ShapeLog {
    view: View,
    handle: u64,
    pub(super) messages: Vec<String>,
}

impl ShapeLog {
    pub(super) fn new(view: View, table: &Table, rng: &mut SeededRng) -> Self {
        let mut log = Self { view, handle: 0, messages: Vec::new() };
        log.rebuild(table, rng);
        log
    }

    /// Begins anew under another handle: whoever has the present one must refetch.
    pub(super) fn rebuild(&mut self, table: &Table, rng: &mut SeededRng) {
        self.handle += 1;
        self.messages.clear();
        let columns = self.columns();
        for (key, cells) in table.rows.iter().filter(|(_, cells)| self.view.has(cells, table.now_ms)) {
            self.messages.push(message("insert", key, cells, &columns, rng));
        }
    }

    pub(super) fn handle(&self) -> String {
        format!("31415926-{}", 1_795_333_503_488_000 + self.handle)
    }

    fn columns(&self) -> Vec<&'static str> {
        COLUMNS.into_iter().filter(|name| self.view.shows(name)).collect()
    }

    /// Adds a change, where it is one of this shape.
    pub(super) fn add(&mut self, changed: &Changed, now_ms: u64, rng: &mut SeededRng) {
        let of = |cells: &Option<Cells>| cells.clone().filter(|cells| self.view.has(cells, now_ms));
        let columns = self.columns();
        let key = changed.key.as_str();
        match (of(&changed.before), of(&changed.after)) {
            (None, None) => {}
            (None, Some(after)) => self.messages.push(message("insert", key, &after, &columns, rng)),
            (Some(before), None) => {
                // Some servers send the columns of a deleted row.
                let told = if rng.one_in(2) { &columns[..] } else { &columns[..1] };
                self.messages.push(message("delete", key, &before, told, rng));
            }
            (Some(before), Some(after)) => {
                let told: Vec<&str> =
                    columns.into_iter().filter(|name| before.get(*name) != after.get(*name)).collect();
                if !told.is_empty() {
                    self.messages.push(message("update", key, &after, &told, rng));
                }
            }
        }
    }
}
